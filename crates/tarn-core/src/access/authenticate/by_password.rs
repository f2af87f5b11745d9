//! Who signs in with a password, and the code beside it. What was right lately is remembered; wrong ones are counted.
//!
//! A password that was wrong a moment ago is known to be wrong still: it is refused at once, and is no further guess. So a machine
//! that goes on with an old password doesn't slow down those beside it that have the right one (many share an address). It is known
//! by its source, too: the time an answer takes tells other sources nothing about what was tried from here.

use std::{net::IpAddr, sync::Arc, time::Duration};

use aws_lc_rs::hmac;
use tokio::sync::Semaphore;

use super::{Access, AuthError};
use crate::access::{
    caller::{By, SignedIn},
    code::Code,
    guesses::{Attempt, Guesses, bytes_of, network},
    passwords::{Checker, PasswordError},
    second_factor::FactorError,
};
use tarn_base::{clock::Clock, names::OwnerName, secret::Secret};
use tarn_store::metadata::{Actor, Metadata, MetadataError, Through, User};

/// Longer than the slow-down of one round of checks, so that a client that minds it does not come back too early.
pub(super) const QUEUE_WAIT: Duration = Duration::from_secs(1);

/// How the one check that several requests wait for ended.
#[derive(Debug, Clone)]
pub(super) enum Checked {
    Right,
    Wrong,
    TooManyAttempts(Duration),
    Failed(PasswordError),
}

/// What a password is remembered by.
pub(super) type PasswordKey = [u8; 32];

/// The same, as seen from one source.
pub(super) type TriedKey = (PasswordKey, IpAddr);

/// What checks passwords, and writes down how that ended. Shared with tasks that outlive the request.
#[derive(Debug)]
pub(super) struct Passwords {
    pub(super) metadata: Metadata,
    pub(super) clock: Clock,
    pub(super) checker: Checker,
    pub(super) guesses: Guesses,
    /// Places for requests that wait for their turn.
    pub(super) held: Arc<Semaphore>,
    pub(super) most_guesses: u32,
    pub(super) write_interval: Duration,
}

impl Access {
    pub(super) async fn by_password(
        &self,
        name: &str,
        password: &Secret,
        code: Option<&Code>,
        peer: IpAddr,
    ) -> Result<SignedIn, AuthError> {
        let user = self.password_of(name, password, peer).await?;
        self.ask_for_code(&user, code, peer).await?;
        Ok(SignedIn {
            user,
            by: By::Password,
        })
    }

    /// The user whose password this is, before any code was asked for.
    pub(super) async fn password_of(
        &self,
        name: &str,
        password: &Secret,
        peer: IpAddr,
    ) -> Result<User, AuthError> {
        let user = match OwnerName::parse(name) {
            Ok(name) => self.metadata.user(&name).await?,
            Err(_) => None,
        };
        let key = self.cache_key(user.as_ref(), name, password);
        let stored = user.as_ref().and_then(|user| user.password_hash.clone());
        match self
            .checked(key, (user.as_ref(), stored), name, password, peer)
            .await
        {
            Checked::Right => {}
            Checked::Wrong => return Err(AuthError::WrongCredentials),
            Checked::TooManyAttempts(retry_after) => {
                return Err(AuthError::TooManyAttempts { retry_after });
            }
            Checked::Failed(error) => return Err(AuthError::Password(error)),
        }
        // Nothing is ever verified for a user that does not exist, so this cannot fail; and if it did, it would say no.
        let user = user.ok_or(AuthError::WrongCredentials)?;
        if user.disabled {
            return Err(AuthError::Disabled);
        }
        Ok(user)
    }

    /// Whether a password is right: remembered, or checked now, once for all requests that come with it from one source meanwhile.
    async fn checked(
        &self,
        key: PasswordKey,
        (user, stored): (Option<&User>, Option<String>),
        name: &str,
        password: &Secret,
        peer: IpAddr,
    ) -> Checked {
        let now = self.clock.now();
        match self.verified.get(&key).await {
            Some(at) if now.since(at) < self.verified_for => return Checked::Right,
            Some(_) => self.verified.invalidate(&key).await,
            None => {}
        }
        let tried = (key, network(peer));
        if let Some(at) = self.known_wrong.get(&tried).await
            && now.since(at) < self.wrong_for
        {
            // For as long as it comes again and again.
            self.known_wrong.insert(tried, now).await;
            return Checked::Wrong;
        }
        let check = async {
            let checked = self.passwords.check(stored, name, password, peer).await;
            match &checked {
                Checked::Right => {
                    if let Some(user) = user {
                        self.passwords.replace_foreign_hash(user, password).await;
                    }
                    self.verified.insert(key, self.clock.now()).await;
                }
                Checked::Wrong => self.known_wrong.insert(tried, self.clock.now()).await,
                Checked::TooManyAttempts(_) | Checked::Failed(_) => {}
            }
            // Nothing is kept there: an error goes to the callers that wait now, and to none that come later.
            Err::<(), Checked>(checked)
        };
        match self.under_way.try_get_with(tried, check).await {
            Ok(()) => Checked::Right,
            Err(checked) => Checked::clone(&checked),
        }
    }

    /// The second factor of a user whose password was right. No other caller gets an answer that depends on it.
    pub(super) async fn ask_for_code(
        &self,
        user: &User,
        code: Option<&Code>,
        peer: IpAddr,
    ) -> Result<(), AuthError> {
        let Some(factor) = self.second_factors.in_force(user.id).await? else {
            return Ok(());
        };
        let code = code.ok_or(AuthError::CodeNeeded)?;
        self.second_factors
            .take(user.id, &factor, code, &actor(user, peer))
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

    /// Reads what an earlier process counted of wrong passwords, once, before the first request.
    pub async fn recall_guesses(&self) -> Result<(), MetadataError> {
        let now = self.clock.now();
        let Passwords {
            guesses,
            most_guesses,
            ..
        } = &*self.passwords;
        let since = guesses.horizon(now);
        let counts = self.metadata.guesses(since, *most_guesses).await?;
        guesses.recall(&counts, now);
        Ok(())
    }

    /// Each part is led by its length or has a fixed one, so no two inputs give the
    /// same bytes.
    fn cache_key(&self, user: Option<&User>, name: &str, password: &Secret) -> PasswordKey {
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
        bytes_of(hash.sign())
    }
}

/// A user who signs in, as the records of who did what have them.
pub(super) fn actor(user: &User, address: IpAddr) -> Actor {
    Actor {
        account: Some((user.id, user.name.clone())),
        token: None,
        address: Some(address),
        through: Through::Http,
    }
}

impl Passwords {
    /// The one check, when the password is not remembered. A user that does not exist costs what another does.
    ///
    /// It goes on when the request is cut off: an attempt that began counts as wrong until it is known to be right.
    async fn check(
        self: &Arc<Self>,
        stored: Option<String>,
        name: &str,
        password: &Secret,
        peer: IpAddr,
    ) -> Checked {
        let Some(place) = self.checker.place() else {
            return Checked::TooManyAttempts(QUEUE_WAIT);
        };
        let held = Arc::clone(&self.held).try_acquire_owned().ok();
        let attempt = match self.begin(name, peer, held.is_some()).await {
            Ok(attempt) => attempt,
            Err(wait) => return Checked::TooManyAttempts(wait),
        };
        let (passwords, password) = (Arc::clone(self), password.clone());
        let checked = tokio::spawn(async move {
            let place = if attempt.delay.is_zero() {
                place
            } else {
                // Who waits for a turn takes no place from those who don't.
                drop(place);
                tokio::time::sleep(attempt.delay).await;
                passwords.checker.place_in_turn().await?
            };
            drop(held);
            let checked = passwords.checker.check(place, stored, password).await;
            // What could not be compared was not wrong either.
            let was_wrong = matches!(checked, Ok(false));
            passwords.end(&attempt, was_wrong).await;
            checked
        });
        match checked.await.unwrap_or(Err(PasswordError::Stopping)) {
            Ok(true) => Checked::Right,
            Ok(false) => Checked::Wrong,
            Err(error) => Checked::Failed(error),
        }
    }

    /// Puts a hash of this server's in the place of one that another program made, now that the password is known. That it could
    /// not be done changes nothing for the request: the next time the password is checked it is done.
    async fn replace_foreign_hash(&self, user: &User, password: &Secret) {
        let Some(stored) = user.password_hash.as_deref() else {
            return;
        };
        let own = match self.checker.own_hash(stored, password).await {
            Ok(None) => return,
            Ok(Some(own)) => own,
            Err(error) => {
                tracing::warn!(%error, user = user.name, "an imported password hash was not replaced");
                return;
            }
        };
        match self
            .metadata
            .replace_password_hash(user.id, stored, &own)
            .await
        {
            Ok(()) => tracing::info!(user = user.name, "replaced an imported password hash"),
            Err(error) => {
                tracing::warn!(%error, user = user.name, "an imported password hash was not replaced");
            }
        }
    }

    /// Counts an attempt: together with other servers where they share the database, unless that fails.
    async fn begin(&self, name: &str, peer: IpAddr, may_wait: bool) -> Result<Attempt, Duration> {
        let (metadata, now) = (&self.metadata, self.clock.now());
        if metadata.is_shared() {
            let rows = (metadata, self.most_guesses);
            let begun = self.guesses.begin_together(rows, name, peer, now, may_wait);
            match begun.await {
                Ok(begun) => return begun,
                Err(error) => {
                    tracing::warn!(%error, "an attempt to sign in is counted by this server only");
                }
            }
        }
        self.guesses.begin(name, peer, now, may_wait)
    }

    /// Writes down how an attempt ended.
    async fn end(self: &Arc<Self>, attempt: &Attempt, was_wrong: bool) {
        if attempt.in_the_database {
            if !was_wrong
                && let Err(error) = self.guesses.forgive_together(&self.metadata, attempt).await
            {
                tracing::warn!(%error, "a right password stays counted as a wrong one");
            }
            return;
        }
        let to_be_written = if was_wrong {
            self.guesses.confirm(attempt)
        } else {
            self.guesses.forgive(attempt)
        };
        if to_be_written {
            Arc::clone(self).write_guesses_soon();
        }
    }

    /// Has counts written down, behind the request, and those of the next moments too.
    fn write_guesses_soon(self: Arc<Self>) {
        tokio::spawn(async move {
            while self.guesses.goes_on() {
                if let Err(error) = self.write_guesses().await {
                    tracing::warn!(%error, "wrong passwords are counted, but not yet for the next start of the server");
                }
                tokio::time::sleep(self.write_interval).await;
            }
        });
    }

    /// Writes down what was counted of wrong passwords and is not written yet.
    pub(super) async fn write_guesses(&self) -> Result<(), MetadataError> {
        let counts = self.guesses.changes();
        if counts.is_empty() {
            return Ok(());
        }
        let horizon = self.guesses.horizon(self.clock.now());
        self.metadata
            .keep_guesses(&counts, horizon, self.most_guesses)
            .await
            .inspect_err(|_| self.guesses.put_back(&counts))
    }
}
