//! Who signs in with a password, and the code beside it. What was right lately is remembered; wrong ones are counted.

use std::{net::IpAddr, sync::Arc, time::Duration};

use aws_lc_rs::hmac;

use super::{Access, AuthError};
use crate::{
    access::{
        caller::{By, SignedIn},
        code::Code,
        guesses::Guesses,
        passwords::PasswordError,
        second_factor::FactorError,
        secret::Secret,
    },
    clock::Timestamp,
    metadata::{Actor, Metadata, MetadataError, Through, User},
    names::OwnerName,
};

/// Longer than the slow-down of one round of checks, so that a client that minds it does not come back too early.
const QUEUE_WAIT: Duration = Duration::from_secs(1);

/// Why the one check that several requests wait for did not end well.
#[derive(Debug, Clone)]
enum CheckFailure {
    Wrong,
    TooManyAttempts(Duration),
    Password(PasswordError),
}

impl Access {
    pub(super) async fn by_password(
        &self,
        name: &str,
        password: &Secret,
        code: Option<&Code>,
        peer: IpAddr,
    ) -> Result<SignedIn, AuthError> {
        let user = match OwnerName::parse(name) {
            Ok(name) => self.metadata.user(&name).await?,
            Err(_) => None,
        };
        let key = self.cache_key(user.as_ref(), name, password);
        let now = self.clock.now();
        if let Some(at) = self.verified.get(&key).await
            && now.since(at) >= self.verified_for
        {
            self.verified.invalidate(&key).await;
        }
        let stored = user.as_ref().and_then(|user| user.password_hash.clone());
        self.verified
            .try_get_with(key, self.check(stored, name, password, peer))
            .await
            .map_err(|failure| match &*failure {
                CheckFailure::Wrong => AuthError::WrongCredentials,
                CheckFailure::TooManyAttempts(retry_after) => AuthError::TooManyAttempts {
                    retry_after: *retry_after,
                },
                CheckFailure::Password(error) => AuthError::Password(error.clone()),
            })?;
        // Nothing is ever verified for a user that does not exist, so this cannot fail; and if it did, it would say no.
        let user = user.ok_or(AuthError::WrongCredentials)?;
        if user.disabled {
            return Err(AuthError::Disabled);
        }
        self.ask_for_code(&user, code, peer).await?;
        Ok(SignedIn {
            user,
            by: By::Password,
        })
    }

    /// The second factor of a user whose password was right. Nobody else gets an answer that depends on it.
    async fn ask_for_code(
        &self,
        user: &User,
        code: Option<&Code>,
        peer: IpAddr,
    ) -> Result<(), AuthError> {
        let Some(factor) = self.second_factors.in_force(user.id).await? else {
            return Ok(());
        };
        let code = code.ok_or(AuthError::CodeNeeded)?;
        let by = Actor {
            account: Some((user.id, user.name.clone())),
            token: None,
            address: Some(peer),
            through: Through::Http,
        };
        self.second_factors
            .take(user.id, &factor, code, &by)
            .await
            .map_err(|error| match error {
                FactorError::WrongCode => AuthError::WrongCode,
                FactorError::TooManyCodes { retry_after } => {
                    AuthError::TooManyAttempts { retry_after }
                }
                FactorError::Metadata(error) => error.into(),
                error => AuthError::SecondFactor(Arc::new(error)),
            })
    }

    /// The one check, when the password is not remembered. A user that does not exist costs what another does.
    async fn check(
        &self,
        stored: Option<String>,
        name: &str,
        password: &Secret,
        peer: IpAddr,
    ) -> Result<Timestamp, CheckFailure> {
        let place = self
            .checker
            .place()
            .ok_or(CheckFailure::TooManyAttempts(QUEUE_WAIT))?;
        let attempt = self
            .guesses
            .begin(name, peer, self.clock.now())
            .map_err(CheckFailure::TooManyAttempts)?;
        match self.checker.check(place, stored, password.clone()).await {
            Ok(true) => {
                if self.guesses.forgive(&attempt) {
                    self.write_guesses_soon();
                }
                Ok(self.clock.now())
            }
            Ok(false) => {
                if self.guesses.confirm(&attempt) {
                    self.write_guesses_soon();
                }
                Err(CheckFailure::Wrong)
            }
            Err(error) => Err(CheckFailure::Password(error)),
        }
    }

    /// Reads what an earlier process counted of wrong passwords, once, before the first request.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn recall_guesses(&self) -> Result<(), MetadataError> {
        let now = self.clock.now();
        let since = self.guesses.horizon(now);
        let counts = self.metadata.guesses(since, self.most_guesses).await?;
        self.guesses.recall(&counts, now);
        Ok(())
    }

    /// Writes down what was counted of wrong passwords and is not written yet.
    pub(super) async fn write_guesses(&self) -> Result<(), MetadataError> {
        let now = self.clock.now();
        write_guesses(&self.metadata, &self.guesses, now, self.most_guesses).await
    }

    /// Has counts written down, behind the request, and those of the next moments too.
    fn write_guesses_soon(&self) {
        let (metadata, guesses) = (self.metadata.clone(), Arc::clone(&self.guesses));
        let (clock, most, interval) = (self.clock.clone(), self.most_guesses, self.write_interval);
        tokio::spawn(async move {
            while guesses.goes_on() {
                if let Err(error) = write_guesses(&metadata, &guesses, clock.now(), most).await {
                    tracing::warn!(%error, "wrong passwords are counted, but not for the next start of the server");
                }
                tokio::time::sleep(interval).await;
            }
        });
    }

    /// What a password is remembered by. Each part is led by its length or has a fixed one, so no two inputs give the
    /// same bytes.
    fn cache_key(&self, user: Option<&User>, name: &str, password: &Secret) -> [u8; 32] {
        let mut hash = hmac::Context::with_key(&self.key);
        if let Some(user) = user {
            hash.update(b"u");
            hash.update(&user.id.number().to_be_bytes());
            hash.update(&user.credential_version.to_be_bytes());
        } else {
            hash.update(b"n");
            hash.update(&u64::try_from(name.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(name.as_bytes());
        }
        hash.update(password.expose().as_bytes());
        let mut key = [0; 32];
        for (byte, value) in key.iter_mut().zip(hash.sign().as_ref()) {
            *byte = *value;
        }
        key
    }
}

async fn write_guesses(
    metadata: &Metadata,
    guesses: &Guesses,
    now: Timestamp,
    most: u32,
) -> Result<(), MetadataError> {
    let counts = guesses.changes();
    if counts.is_empty() {
        return Ok(());
    }
    metadata
        .keep_guesses(&counts, guesses.horizon(now), most)
        .await
}
