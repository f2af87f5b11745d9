//! The second factor of an account: a code generator (TOTP) beside the password, and recovery codes for the day on which
//! that is lost.
//!
//! It is turned on in two steps: [`SecondFactors::begin`] gives a secret, and [`SecondFactors::confirm`] puts it in force once a code
//! shows that the generator has it. From then on the password is not enough to sign in. A code is taken once. Tokens are asked for
//! no code: they can be limited and taken away one by one.
//!
//! Codes have six digits, so wrong ones are counted for the account, from wherever they come, in the database; after some that are
//! free each doubles the wait. A caller who gets here has shown the right password, so no stranger makes the owner wait.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::{
    AccessLimits,
    code::{Code, RECOVERY_LENGTH, RECOVERY_LETTERS},
    guesses::Patience,
    totp::TotpSecret,
};
use crate::resources::Resources;
use tarn_base::{
    clock::Timestamp, hint::Hint, names::OwnerName, random::RandomError, sealer::SealError,
    secret::Secret,
};
use tarn_store::metadata::{
    Actor, CodeClaim, CodeOutcome, MetadataError, OwnerId, SecondFactor, User,
};

/// How many recovery codes there are at once.
const RECOVERY_CODES: usize = 10;

/// What the secret is called where it is sealed. No signing key can have that name: it has a space.
pub(crate) const SEALED_AS: &str = "second factor";

/// Why something was not done with a second factor. The texts are fit for the caller, but for those of
/// [`FactorError::Sealed`] and what follows it, which are for the log.
#[derive(Debug, thiserror::Error)]
pub enum FactorError {
    /// No user has that name; an organisation may.
    #[error("there is no user called `{0}`")]
    NoUser(OwnerName),
    /// One is in force.
    #[error("`{0}` has a second factor already")]
    AlreadyOn(OwnerName),
    /// Neither begun nor in force.
    #[error("`{0}` has no second factor")]
    Off(OwnerName),
    /// Nothing was begun that could be confirmed.
    #[error("nothing was begun for `{0}` that a code could confirm")]
    NotBegun(OwnerName),
    /// Wrong, or used before.
    #[error("the code is wrong or was used already")]
    WrongCode,
    /// Too many wrong codes.
    #[error("too many wrong codes")]
    TooManyCodes {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The secret does not open.
    #[error("the secret of the second factor of account {0} does not open: {1}")]
    Sealed(OwnerId, SealError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The database did not do it.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

impl FactorError {
    /// Whether a code was refused, rather than that there was nothing to compare it with or nothing could be said.
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::WrongCode | Self::TooManyCodes { .. })
    }
}

/// How an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactorState {
    /// The password is enough.
    Off,
    /// A secret was given out and no code has confirmed it: the password is enough.
    Begun,
    /// A code is asked for.
    On {
        /// Since when.
        since: Timestamp,
        /// How many recovery codes are not used up.
        recovery_codes_left: u64,
    },
}

/// What entitles a caller to change a second factor that is in force.
#[derive(Debug, Clone, Copy)]
pub enum Proof<'a> {
    /// A code of the generator, or a recovery code. It is used up.
    Code(&'a Code),
    /// The caller administers the whole server: a site administrator, or the user of the command line on its machine. The
    /// caller has made sure of that.
    Administrator,
}

/// Second factors, for those who have them and those who administer them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SecondFactors {
    resources: Resources,
    patience: Patience,
}

impl SecondFactors {
    /// Second factors within these limits.
    pub const fn new(resources: Resources, limits: &AccessLimits) -> Self {
        Self {
            resources,
            patience: Patience {
                free: limits.free_wrong_codes,
                longest: limits.longest_wait,
            },
        }
    }

    /// How a user's account stands.
    ///
    /// # Errors
    ///
    /// When there is no such user.
    pub async fn state(&self, name: &OwnerName) -> Result<FactorState, FactorError> {
        let user = self.user(name).await?;
        Ok(
            match self.resources.metadata.second_factor(user.id).await? {
                None => FactorState::Off,
                Some(SecondFactor {
                    confirmed_at: None, ..
                }) => FactorState::Begun,
                Some(SecondFactor {
                    confirmed_at: Some(since),
                    ..
                }) => FactorState::On {
                    since,
                    recovery_codes_left: self
                        .resources
                        .metadata
                        .recovery_codes_left(user.id)
                        .await?,
                },
            },
        )
    }

    /// Makes a secret and gives the `otpauth://` address that an authenticator application reads, with the secret in it; it is
    /// not shown again. `issuer` is what the application calls this server. What was begun before is forgotten.
    ///
    /// # Errors
    ///
    /// When there is no such user, or a second factor is in force.
    pub async fn begin(
        &self,
        name: &OwnerName,
        issuer: &str,
        by: &Actor,
    ) -> Result<Secret, FactorError> {
        let user = self.user(name).await?;
        let secret = TotpSecret::generate(&self.resources.random)?;
        let sealed = self
            .resources
            .sealer
            .seal(user.id.number(), SEALED_AS, secret.to_base32().expose())
            .map_err(|error| FactorError::Sealed(user.id, error))?;
        let at = self.resources.clock.now();
        if !self
            .resources
            .metadata
            .begin_second_factor(user.id, &sealed, &by.at(at))
            .await?
        {
            return Err(FactorError::AlreadyOn(name.clone()));
        }
        Ok(secret.uri(issuer, &user.name))
    }

    /// Puts what was begun in force, once a code shows that the generator has the secret. Gives the recovery codes, which are
    /// not shown again.
    ///
    /// # Errors
    ///
    /// When there is no such user, nothing was begun, or the code is wrong.
    pub async fn confirm(
        &self,
        name: &OwnerName,
        code: &Code,
        by: &Actor,
    ) -> Result<Vec<Secret>, FactorError> {
        let user = self.user(name).await?;
        let begun = match self.resources.metadata.second_factor(user.id).await? {
            None => return Err(FactorError::NotBegun(name.clone())),
            Some(factor) if factor.confirmed_at.is_some() => {
                return Err(FactorError::AlreadyOn(name.clone()));
            }
            Some(factor) => factor,
        };
        let at = self.resources.clock.now();
        self.may_try(&begun, at)?;
        let claim = match code {
            Code::Generated(digits) => self.claim(user.id, &begun, digits, at)?,
            Code::Recovery(_) => CodeClaim::Wrong,
        };
        let (codes, hashes) = self.make_recovery_codes(user.id)?;
        let outcome = self
            .resources
            .metadata
            .confirm_second_factor(user.id, &begun, claim, &hashes, &by.at(at), |current| {
                self.wait(current, at) > Duration::ZERO
            })
            .await?;
        self.judged(user.id, outcome, at).await?;
        Ok(codes)
    }

    /// Turns a second factor off, or forgets one that was begun. The password is enough from the next request on.
    ///
    /// # Errors
    ///
    /// When there is no such user, there is nothing to turn off, or the code is wrong.
    pub async fn disable(
        &self,
        name: &OwnerName,
        proof: Proof<'_>,
        by: &Actor,
    ) -> Result<(), FactorError> {
        let user = self.user(name).await?;
        let proven = self.prove(&user, proof, by).await?;
        let act = self.resources.act(by);
        let removed = self
            .resources
            .metadata
            .remove_second_factor(user.id, proven, &act);
        done(removed.await?, name)
    }

    /// Makes new recovery codes, which are not shown again. The old ones, used or not, are taken no more.
    ///
    /// # Errors
    ///
    /// When there is no such user, no second factor is in force, or the code is wrong.
    pub async fn renew_recovery_codes(
        &self,
        name: &OwnerName,
        proof: Proof<'_>,
        by: &Actor,
    ) -> Result<Vec<Secret>, FactorError> {
        let user = self.user(name).await?;
        done(self.prove(&user, proof, by).await?, name)?;
        let (codes, hashes) = self.make_recovery_codes(user.id)?;
        let act = self.resources.act(by);
        let renewed = self
            .resources
            .metadata
            .renew_recovery_codes(user.id, &hashes, &act);
        done(renewed.await?, name)?;
        Ok(codes)
    }

    /// Whether a user who has shown the right password needs a code beside it.
    pub(super) async fn in_force(
        &self,
        user: OwnerId,
    ) -> Result<Option<SecondFactor>, MetadataError> {
        let factor = self.resources.metadata.second_factor(user).await?;
        Ok(factor.filter(|factor| factor.confirmed_at.is_some()))
    }

    /// Takes a code: right, and never taken before, or an error.
    pub(super) async fn take(
        &self,
        user: OwnerId,
        factor: &SecondFactor,
        code: &Code,
        by: &Actor,
    ) -> Result<(), FactorError> {
        let at = self.resources.clock.now();
        self.may_try(factor, at)?;
        let hash;
        let claim = match code {
            Code::Generated(digits) => self.claim(user, factor, digits, at)?,
            Code::Recovery(letters) => {
                hash = recovery_hash(user, letters.expose());
                CodeClaim::Recovery(&hash)
            }
        };
        let outcome = self
            .resources
            .metadata
            .use_code(user, factor, claim, &by.at(at), |current| {
                self.wait(current, at) > Duration::ZERO
            })
            .await?;
        self.judged(user, outcome, at).await
    }

    /// Whether the caller may change a factor that is in force. One that was only begun needs no code: no generator has it
    /// yet. That it is in force by the time of the change is for the change to see.
    async fn prove(&self, user: &User, proof: Proof<'_>, by: &Actor) -> Result<bool, FactorError> {
        let Proof::Code(code) = proof else {
            return Ok(true);
        };
        match self.in_force(user.id).await? {
            Some(factor) => self.take(user.id, &factor, code, by).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// A cheap look, in memory, before the database is made to write.
    fn may_try(&self, factor: &SecondFactor, now: Timestamp) -> Result<(), FactorError> {
        let retry_after = self.wait(factor, now);
        if retry_after.is_zero() {
            Ok(())
        } else {
            Err(FactorError::TooManyCodes { retry_after })
        }
    }

    fn wait(&self, factor: &SecondFactor, now: Timestamp) -> Duration {
        self.patience
            .wait(factor.wrong_codes, factor.last_wrong_at, now)
    }

    fn claim(
        &self,
        user: OwnerId,
        factor: &SecondFactor,
        digits: &[u8; super::totp::DIGITS],
        now: Timestamp,
    ) -> Result<CodeClaim<'static>, FactorError> {
        let sealed = |error| FactorError::Sealed(user, error);
        let secret = self
            .resources
            .sealer
            .open(user.number(), SEALED_AS, &factor.sealed)
            .map_err(sealed)?;
        let secret =
            TotpSecret::from_base32(secret.expose()).ok_or_else(|| sealed(SealError::Damaged))?;
        Ok(secret
            .step_of(digits, now)
            .map_or(CodeClaim::Wrong, CodeClaim::Step))
    }

    async fn judged(
        &self,
        user: OwnerId,
        outcome: CodeOutcome,
        now: Timestamp,
    ) -> Result<(), FactorError> {
        match outcome {
            CodeOutcome::Taken => Ok(()),
            CodeOutcome::Refused | CodeOutcome::Gone => Err(FactorError::WrongCode),
            CodeOutcome::TooEarly => {
                let factor = self.resources.metadata.second_factor(user).await?;
                let wait = factor.map_or(Duration::ZERO, |factor| self.wait(&factor, now));
                Err(FactorError::TooManyCodes {
                    retry_after: wait.max(Duration::from_secs(1)),
                })
            }
        }
    }

    fn make_recovery_codes(
        &self,
        user: OwnerId,
    ) -> Result<(Vec<Secret>, Vec<[u8; 32]>), RandomError> {
        let mut codes = Vec::with_capacity(RECOVERY_CODES);
        let mut hashes = Vec::with_capacity(RECOVERY_CODES);
        for _ in 0..RECOVERY_CODES {
            let letters = Secret::new(
                self.resources
                    .random
                    .text(RECOVERY_LETTERS, RECOVERY_LENGTH)?,
            );
            hashes.push(recovery_hash(user, letters.expose()));
            codes.push(Code::Recovery(letters).to_secret());
        }
        Ok((codes, hashes))
    }

    async fn user(&self, name: &OwnerName) -> Result<User, FactorError> {
        self.resources
            .metadata
            .user(name)
            .await?
            .ok_or_else(|| FactorError::NoUser(name.clone()))
    }
}

/// Fails with [`FactorError::Off`] if nothing was done, because the user has no second factor.
fn done(done: bool, name: &OwnerName) -> Result<(), FactorError> {
    done.then_some(())
        .ok_or_else(|| FactorError::Off(name.clone()))
}

/// What is kept of a recovery code. Its 79 random bits cannot be tried out, so a plain hash is enough.
fn recovery_hash(user: OwnerId, letters: &str) -> [u8; 32] {
    Sha256::new()
        .chain_update(b"tarn recovery code 1")
        .chain_update(user.number().to_be_bytes())
        .chain_update(letters.as_bytes())
        .finalize()
        .into()
}

impl Hint for FactorError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoUser(..) => "check the name".to_owned(),
            Self::AlreadyOn(..) => "turn it off first".to_owned(),
            Self::NotBegun(..) => "begin again".to_owned(),
            Self::WrongCode => "wait for the next one and try that".to_owned(),
            Self::TooManyCodes { retry_after, .. } => {
                format!("try again in {} seconds", retry_after.as_secs().max(1))
            }
            _ => return None,
        })
    }
}
