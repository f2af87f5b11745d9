//! From credentials to a caller.
//!
//! A token costs one SHA-256 and one look-up. A password costs an Argon2 run, and apk sends it with every request; so
//! passwords that were right are remembered for some minutes, as a hash under a key that only this process has, over the user,
//! the version of their credentials and the password. The version is read with every request: a password that was
//! changed is forgotten at once, by every node. Requests that come with the same password while it is being checked
//! wait for that one check. A second factor is asked for after that, with every request: nothing of it is remembered.

use std::{
    fmt,
    net::IpAddr,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::hmac;
use moka::future::Cache;

use super::{
    AccessLimits,
    caller::{By, Caller, OrganisationToken, SignedIn, UsedToken},
    code::Code,
    credentials::{Credentials, CredentialsError},
    guesses::Guesses,
    passwords::{BESIDE_TOKEN, Checker, PasswordError},
    patterns::Place,
    policy::{self, Action, Denied, TeamGrant},
    random::{Random, RandomError},
    recent::Recent,
    second_factor::{FactorError, SecondFactors},
    secret::Secret,
    tokens::{self, TokenHash},
};
use crate::{
    clock::{Clock, Timestamp},
    keys::Sealer,
    metadata::{
        Actor, Bearer, Metadata, MetadataError, Owner, OwnerKind, Through, Token, TokenId, User,
    },
    metrics::PasswordCounts,
    names::OwnerName,
};

/// Why nobody was signed in. The texts say what to do and never whether the user exists; those of [`AuthError::Stored`],
/// [`AuthError::SecondFactor`], [`AuthError::Password`] and [`AuthError::Metadata`] are for the log.
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
    /// The token is right, and comes from where it may not be used.
    #[error("the token may not be used from this address; use it from one of its networks")]
    OutsideNetworks,
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
    /// The password is right, and not enough.
    #[error(
        "this account has a second factor: send its code beside the password in the header X-Gitea-OTP or X-Forgejo-OTP, or use a token"
    )]
    CodeNeeded,
    /// The password is right and the code is not, or is used up.
    #[error(
        "the code of the second factor is wrong or was used already; send the next one in X-Gitea-OTP or X-Forgejo-OTP, or use a token"
    )]
    WrongCode,
    /// The header could not be read, or a token was cut off on its way.
    #[error(transparent)]
    Malformed(#[from] CredentialsError),
    /// What a token or a team may do cannot be read from the database: a newer server wrote it.
    #[error("what {what} may do cannot be read from the database: {problem}")]
    Stored {
        /// Which token, or the teams of which organisation.
        what: String,
        /// What is wrong.
        problem: String,
    },
    /// The code could not be compared.
    #[error("a code could not be checked")]
    SecondFactor(#[source] Arc<FactorError>),
    /// The password could not be compared.
    #[error("a password could not be checked")]
    Password(#[source] PasswordError),
    /// The database did not answer.
    #[error("the database did not answer")]
    Metadata(#[source] Arc<MetadataError>),
}

/// Why somebody who asked for something does not get it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AccessError {
    /// It could not be found out.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// They may not.
    #[error(transparent)]
    Denied(#[from] Denied),
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
    guesses: Arc<Guesses>,
    most_guesses: u32,
    guesses_interval: Duration,
    second_factors: SecondFactors,
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
    /// Checks credentials against `metadata`. The secrets of second factors are those that `second_factors` opens, and `sealer`
    /// gives the key by which the names in counts of wrong passwords are hashed.
    ///
    /// # Errors
    ///
    /// When the operating system has no random bytes for the key of this process.
    pub fn new(
        metadata: Metadata,
        clock: Clock,
        limits: AccessLimits,
        second_factors: SecondFactors,
        sealer: &Sealer,
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
            guesses: Arc::new(Guesses::new(&limits, sealer.hash_key("guessed names"))),
            most_guesses: limits.written_guesses,
            guesses_interval: limits.guesses_interval,
            second_factors,
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

    /// How the comparisons of passwords so far ended.
    pub fn password_counts(&self) -> &PasswordCounts {
        self.checker.counts()
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
        match credentials {
            Credentials::None => Ok(Caller::Anonymous),
            Credentials::Token(token) => {
                let hash = tokens::hash(token.expose()).ok_or_else(|| no_token(token))?;
                self.by_token(&hash, peer).await
            }
            Credentials::Basic {
                user,
                password,
                code,
            } => {
                let beside = password.expose().is_empty() || password.expose() == BESIDE_TOKEN;
                let hash = tokens::hash(password.expose())
                    .or_else(|| tokens::hash(user).filter(|_| beside));
                match hash {
                    Some(hash) => self.by_token(&hash, peer).await,
                    None => {
                        let signed_in = self
                            .by_password(user, password, code.as_ref(), peer)
                            .await?;
                        Ok(Caller::User(signed_in))
                    }
                }
            }
        }
    }

    /// Says whether `caller` may do `action` with what `owner` has, or with that place of it: [`policy::decide`] with the
    /// caller's teams of this moment.
    ///
    /// # Errors
    ///
    /// When they may not, or it cannot be found out.
    pub async fn allow(
        &self,
        caller: &Caller,
        owner: &Owner,
        action: Action,
        place: Option<Place<'_>>,
    ) -> Result<(), AccessError> {
        let teams = self.teams(caller, owner).await?;
        Ok(policy::decide(caller, owner, &teams, action, place)?)
    }

    /// What the teams of `owner` in which the caller is grant; none where no user signed in.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or holds what a newer server wrote.
    pub async fn teams(&self, caller: &Caller, owner: &Owner) -> Result<Vec<TeamGrant>, AuthError> {
        let (Some(user), OwnerKind::Organisation) = (caller.user_id(), owner.kind) else {
            return Ok(Vec::new());
        };
        let rows = self.metadata.team_grants(owner.id, user).await?;
        rows.iter()
            .map(|row| {
                let limits = row.limits.parse().map_err(|problem| AuthError::Stored {
                    what: format!("the teams of organisation {}", owner.id),
                    problem: format!("{problem}"),
                })?;
                Ok(TeamGrant {
                    role: row.role,
                    limits,
                })
            })
            .collect()
    }

    async fn by_token(&self, hash: &TokenHash, peer: IpAddr) -> Result<Caller, AuthError> {
        let Some((token, bearer)) = self.metadata.token(hash).await? else {
            return Err(AuthError::WrongCredentials);
        };
        let now = self.clock.now();
        if token.expires_at.is_some_and(|end| end <= now) {
            return Err(AuthError::TokenExpired);
        }
        if matches!(&bearer, Bearer::User(user) if user.disabled) {
            return Err(AuthError::Disabled);
        }
        let used = used(&token)?;
        if !used.networks.allow(peer) {
            return Err(AuthError::OutsideNetworks);
        }
        self.note_use(&token, now);
        Ok(match bearer {
            Bearer::User(user) => Caller::User(SignedIn {
                user,
                by: By::Token(used),
            }),
            Bearer::Organisation(organisation) => Caller::Organisation(OrganisationToken {
                organisation,
                token: used,
            }),
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

    /// Writes down what was counted of wrong passwords and is not written yet. The server does so by itself every now and
    /// then; this is for its end.
    ///
    /// # Errors
    ///
    /// When the database does not take it.
    pub async fn write_guesses(&self) -> Result<(), MetadataError> {
        let now = self.clock.now();
        write_guesses(&self.metadata, &self.guesses, now, self.most_guesses).await
    }

    /// Has counts written down, behind the request, and those of the next moments too.
    fn write_guesses_soon(&self) {
        let (metadata, guesses) = (self.metadata.clone(), Arc::clone(&self.guesses));
        let (clock, most, interval) =
            (self.clock.clone(), self.most_guesses, self.guesses_interval);
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

/// What a token may do, read from its row.
fn used(token: &Token) -> Result<UsedToken, AuthError> {
    fn read<T: FromStr<Err: fmt::Display>>(id: TokenId, text: &str) -> Result<T, AuthError> {
        text.parse().map_err(|problem| AuthError::Stored {
            what: format!("token {id}"),
            problem: format!("{problem}"),
        })
    }
    Ok(UsedToken {
        id: token.id,
        label: token.label.clone(),
        scopes: read(token.id, &token.scopes)?,
        limits: read(token.id, &token.limits)?,
        networks: read(token.id, &token.networks)?,
        expires_at: token.expires_at,
    })
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

/// A token by itself that has not the shape of one: told apart when it begins like one, since copying cut it off then.
fn no_token(token: &Secret) -> AuthError {
    if token.expose().starts_with(tokens::PREFIX) {
        AuthError::Malformed(CredentialsError::MistypedToken)
    } else {
        AuthError::WrongCredentials
    }
}
