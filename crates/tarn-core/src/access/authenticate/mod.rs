//! From credentials to a caller.
//!
//! A token costs one SHA-256 and one look-up. A password costs an Argon2 run, and apk sends it with every request; so
//! passwords that were right are remembered for some minutes, as a hash under a key that only this process has, over the user,
//! the version of their credentials and the password. The version is read with every request: a password that was
//! changed is forgotten at once, by every node. Requests that come with the same password while it is being checked
//! wait for that one check. What was wrong is remembered in the same way, as seen from one source. A second factor is asked for
//! after that, with every request: nothing of it is remembered.

mod by_foreign_token;
mod by_password;
mod by_session;
mod by_token;
mod error;
mod token_uses;

use std::{net::IpAddr, sync::Arc, time::Duration};

use aws_lc_rs::hmac;
use moka::future::Cache;
use tokio::sync::Semaphore;

pub use self::error::{AccessError, AuthError, TokenRefusal};
use self::{
    by_password::{PasswordKey, Passwords, TriedKey},
    token_uses::TokenUses,
};
use super::{
    AccessLimits,
    caller::Caller,
    credentials::{Credentials, CredentialsError},
    guesses::Guesses,
    passwords::{Checker, PasswordCounts},
    patterns::Place,
    policy::{self, Action, TeamGrant},
    second_factor::SecondFactors,
    sessions::Sessions,
    tokens,
};
use crate::resources::Resources;
use tarn_base::{
    clock::{Clock, Timestamp},
    random::{Random, RandomError},
};
use tarn_store::metadata::{Metadata, MetadataError, Owner, OwnerKind};

/// Checks credentials. Made once for a server, and shared.
#[derive(Debug)]
pub struct Access {
    metadata: Metadata,
    clock: Clock,
    passwords: Arc<Passwords>,
    write_interval: Duration,
    second_factors: SecondFactors,
    key: hmac::Key,
    verified: Cache<PasswordKey, Timestamp>,
    verified_for: Duration,
    known_wrong: Cache<TriedKey, Timestamp>,
    wrong_for: Duration,
    /// Holds nothing: it lets several requests wait for one check.
    under_way: Cache<TriedKey, ()>,
    token_uses: Arc<TokenUses>,
    sessions: Sessions,
}

impl Access {
    /// Checks credentials. The secrets of second factors are those that `second_factors` opens, and the sealer gives the key by which
    /// the names in counts of wrong passwords are hashed.
    ///
    /// # Errors
    ///
    /// When the operating system has no random bytes for the key of this process.
    pub fn new(
        resources: Resources,
        limits: AccessLimits,
        second_factors: SecondFactors,
    ) -> Result<Self, RandomError> {
        let mut key = zeroize::Zeroizing::new([0_u8; 32]);
        Random::system().fill(&mut *key)?;
        let guessed_names = resources.sealer.hash_key("guessed names");
        let Resources {
            metadata, clock, ..
        } = resources.clone();
        Ok(Self {
            passwords: Arc::new(Passwords {
                metadata: metadata.clone(),
                clock: clock.clone(),
                checker: Checker::new(
                    limits.password_cost,
                    limits.parallel_passwords,
                    limits.waiting_passwords,
                ),
                guesses: Guesses::new(&limits, guessed_names),
                held: Arc::new(Semaphore::new(limits.held_requests)),
                most_guesses: limits.written_guesses,
                write_interval: limits.write_interval,
            }),
            sessions: Sessions::new(resources, limits.sessions),
            metadata,
            clock,
            write_interval: limits.write_interval,
            second_factors,
            key: hmac::Key::new(hmac::HMAC_SHA256, &*key),
            verified: Cache::builder()
                .max_capacity(limits.verified_passwords)
                .time_to_live(limits.verified_for)
                .build(),
            verified_for: limits.verified_for,
            known_wrong: Cache::builder()
                .max_capacity(limits.known_wrong_passwords)
                .time_to_idle(limits.forget_guesses_after)
                .build(),
            wrong_for: limits.forget_guesses_after,
            under_way: Cache::new(0),
            token_uses: Arc::new(TokenUses::new(
                limits.remembered_guessers,
                limits.token_use_interval,
            )),
        })
    }

    /// The facts that it asks.
    pub(super) fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Writes down what waits to be: wrong passwords that were counted, last uses of tokens. The server does so by itself
    /// every now and then; this is for its end.
    ///
    /// # Errors
    ///
    /// When the database does not take it.
    pub async fn write_down(&self) -> Result<(), MetadataError> {
        let guesses = self.passwords.write_guesses().await;
        self.token_uses.write(&self.metadata).await?;
        guesses
    }

    /// How the comparisons of passwords so far ended.
    pub fn password_counts(&self) -> &PasswordCounts {
        self.passwords.checker.counts()
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
            Credentials::Token(token) => self.by_text_of_token(token.expose(), peer).await,
            Credentials::Session(secret) => self.by_session(secret.expose()).await,
            Credentials::Basic {
                user,
                password,
                code,
            } => match tokens::in_basic(user, password) {
                Some(token) => self.by_text_of_token(token, peer).await,
                None => {
                    if let Some(token) = tokens::foreign_in_basic(user, password)
                        && let Some(caller) = Box::pin(self.by_foreign_token(token, peer)).await?
                    {
                        return Ok(caller);
                    }
                    // In a box of its own: it is large, and most requests come without.
                    let signed_in =
                        Box::pin(self.by_password(user, password, code.as_ref(), peer)).await?;
                    Ok(Caller::User(signed_in))
                }
            },
        }
    }

    /// A text that has neither the shape of a token nor that of a forge's is none, which takes no look into the database. It is
    /// recognised when it begins like one: copying cut it off then.
    async fn by_text_of_token(&self, token: &str, peer: IpAddr) -> Result<Caller, AuthError> {
        match tokens::hash(token) {
            Some(hash) => self.by_token(&hash, peer).await,
            None if token.starts_with(tokens::PREFIX) => {
                Err(CredentialsError::MistypedToken.into())
            }
            // In a box of its own: it is large, and few tokens are of a forge.
            None => Box::pin(self.by_foreign_token(token, peer))
                .await?
                .ok_or(AuthError::WrongCredentials),
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
}
