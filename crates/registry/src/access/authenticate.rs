//! From credentials to a caller.
//!
//! A token costs one SHA-256 and one look-up. A password costs an Argon2 run, and apk sends it with every request; so
//! passwords that were right are remembered for some minutes, as a hash under a key that only this process has, over the user,
//! the version of their credentials and the password. The version is read with every request: a password that was
//! changed is forgotten at once, by every node. Requests that come with the same password while it is being checked
//! wait for that one check.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::hmac;
use moka::future::Cache;

use super::{
    AccessLimits,
    caller::{By, Caller, SignedIn},
    credentials::{Credentials, CredentialsError},
    guesses::Guesses,
    passwords::{BESIDE_TOKEN, Checker, PasswordError},
    random::{Random, RandomError},
    recent::Recent,
    scopes::ScopesError,
    secret::Secret,
    tokens::{self, TokenHash},
};
use crate::{
    clock::{Clock, Timestamp},
    metadata::{Metadata, MetadataError, Token, TokenId, User},
    names::OwnerName,
};

/// Why nobody was signed in. The texts say what to do and never whether the user exists; those of [`AuthError::Stored`],
/// [`AuthError::Password`] and [`AuthError::Metadata`] are for the log.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuthError {
    /// No such user, another password, no password at all, no such token.
    #[error(
        "the user name, password or token is wrong; check them, or use a token where the account has no password"
    )]
    WrongCredentials,
    /// The token was right once.
    #[error("the token has expired; make a new one")]
    TokenExpired,
    /// The credentials are right and the account may not be used.
    #[error("this account is disabled; ask an administrator of this server")]
    Disabled,
    /// Too many wrong passwords, or too many passwords at once.
    #[error(
        "too many attempts to sign in; try again in {} seconds, or use a token",
        retry_after.as_secs().max(1)
    )]
    TooManyAttempts {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The header could not be read, or a token was cut off on its way.
    #[error(transparent)]
    Malformed(#[from] CredentialsError),
    /// A token's scopes in the database cannot be read: a newer server wrote them.
    #[error("the scopes of token {0} in the database cannot be read: {1}")]
    Stored(TokenId, ScopesError),
    /// The password could not be compared.
    #[error("a password could not be checked")]
    Password(#[source] PasswordError),
    /// The database did not answer.
    #[error("the database did not answer")]
    Metadata(#[source] Arc<MetadataError>),
}

impl AuthError {
    /// Whether somebody was refused, rather than that nothing could be said.
    pub const fn is_refusal(&self) -> bool {
        match self {
            Self::WrongCredentials
            | Self::TokenExpired
            | Self::Disabled
            | Self::TooManyAttempts { .. }
            | Self::Malformed(_) => true,
            Self::Stored(..) | Self::Password(_) | Self::Metadata(_) => false,
        }
    }
}

impl From<MetadataError> for AuthError {
    fn from(error: MetadataError) -> Self {
        Self::Metadata(Arc::new(error))
    }
}

/// Checks credentials. Made once for a server, and shared.
#[derive(Debug)]
pub struct Access {
    metadata: Metadata,
    clock: Clock,
    checker: Checker,
    guesses: Guesses,
    key: hmac::Key,
    verified: Cache<[u8; 32], Timestamp>,
    verified_for: Duration,
    token_uses: Mutex<Recent<TokenId, Timestamp>>,
    token_use_interval: Duration,
}

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
    /// Checks credentials against `metadata`.
    ///
    /// # Errors
    ///
    /// When the operating system has no random bytes for the key of this process.
    pub fn new(
        metadata: Metadata,
        clock: Clock,
        limits: AccessLimits,
    ) -> Result<Self, RandomError> {
        let mut key = zeroize::Zeroizing::new([0_u8; 32]);
        Random::system().fill(&mut *key)?;
        Ok(Self {
            metadata,
            clock,
            checker: Checker::new(
                limits.password_cost,
                limits.parallel_passwords,
                limits.waiting_passwords,
            ),
            guesses: Guesses::new(&limits),
            key: hmac::Key::new(hmac::HMAC_SHA256, &*key),
            verified: Cache::builder()
                .max_capacity(limits.verified_passwords)
                .time_to_live(limits.verified_for)
                .build(),
            verified_for: limits.verified_for,
            token_uses: Mutex::new(Recent::new(limits.remembered_guessers)),
            token_use_interval: limits.token_use_interval,
        })
    }

    /// Says who sends a request with these credentials from `peer`.
    ///
    /// Basic credentials are taken in all the forms that package clients use: a name and a password; any name and a token
    /// as the password; a token as the name with no password, or with the one word `x-oauth-basic`.
    ///
    /// # Errors
    ///
    /// When credentials are there and not right, or cannot be checked now. Wrong credentials are never taken for none.
    pub async fn authenticate(
        &self,
        credentials: &Credentials,
        peer: IpAddr,
    ) -> Result<Caller, AuthError> {
        let signed_in = match credentials {
            Credentials::None => return Ok(Caller::Anonymous),
            Credentials::Token(token) => {
                let hash = tokens::hash(token.expose()).ok_or_else(|| no_token(token))?;
                self.by_token(&hash).await?
            }
            Credentials::Basic { user, password } => {
                let beside = password.expose().is_empty() || password.expose() == BESIDE_TOKEN;
                let hash = tokens::hash(password.expose())
                    .or_else(|| tokens::hash(user).filter(|_| beside));
                match hash {
                    Some(hash) => self.by_token(&hash).await?,
                    None => self.by_password(user, password, peer).await?,
                }
            }
        };
        Ok(Caller::User(signed_in))
    }

    async fn by_token(&self, hash: &TokenHash) -> Result<SignedIn, AuthError> {
        let Some((token, user)) = self.metadata.token(hash).await? else {
            return Err(AuthError::WrongCredentials);
        };
        let now = self.clock.now();
        if token.expires_at.is_some_and(|end| end <= now) {
            return Err(AuthError::TokenExpired);
        }
        if user.disabled {
            return Err(AuthError::Disabled);
        }
        let scopes = token
            .scopes
            .parse()
            .map_err(|error| AuthError::Stored(token.id, error))?;
        self.note_use(&token, now);
        Ok(SignedIn {
            user,
            by: By::Token {
                id: token.id,
                scopes,
            },
        })
    }

    /// Writes down that a token was used, now and then, and not while the request waits.
    fn note_use(&self, token: &Token, now: Timestamp) {
        let lately = |at: Timestamp| now.since(at) < self.token_use_interval;
        if token.last_used_at.is_some_and(lately) {
            return;
        }
        let mut uses = self
            .token_uses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if uses.entry(&token.id).copied().is_some_and(lately) {
            return;
        }
        uses.insert(token.id, now);
        drop(uses);
        let (metadata, id) = (self.metadata.clone(), token.id);
        tokio::spawn(async move {
            if let Err(error) = metadata.touch_token(id, now).await {
                tracing::warn!(token = %id, %error, "the last use of a token was not written down");
            }
        });
    }

    async fn by_password(
        &self,
        name: &str,
        password: &Secret,
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
        Ok(SignedIn {
            user,
            by: By::Password,
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
                self.guesses.forgive(&attempt);
                Ok(self.clock.now())
            }
            Ok(false) => Err(CheckFailure::Wrong),
            Err(error) => Err(CheckFailure::Password(error)),
        }
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

/// A token by itself that has not the shape of one: told apart when it begins like one, since copying cut it off then.
fn no_token(token: &Secret) -> AuthError {
    if token.expose().starts_with(tokens::PREFIX) {
        AuthError::Malformed(CredentialsError::MistypedToken)
    } else {
        AuthError::WrongCredentials
    }
}
