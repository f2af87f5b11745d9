//! Passwords: the rules for a new one, Argon2id, and how many may be checked at once.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher as _, Version, password_hash::Error as HashError,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    foreign,
    tokens::{self, BESIDE_TOKEN},
};
use tarn_base::{
    counter::Counter,
    hint::Hint,
    random::{Random, RandomError},
    secret::Secret,
};
use tarn_store::metadata::ForeignHash;

/// The fewest characters of a new password.
pub(super) const MIN_CHARACTERS: usize = 8;

/// The longest password or token, in bytes.
pub(super) const MAX_SECRET: usize = 1024;

/// How many passwords were compared with a hash. Those that were right lately are not compared.
#[derive(Debug, Default)]
pub struct PasswordCounts {
    /// The right ones.
    pub right: Counter,
    /// The wrong ones.
    pub wrong: Counter,
    /// Those that could not be compared.
    pub failed: Counter,
}

/// How much work one password hash is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordCost {
    /// Memory, in KiB.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
}

impl PasswordCost {
    /// The least that Argon2 can do, for tests.
    pub const TINY: Self = Self {
        memory: 8,
        passes: 1,
    };

    fn argon2(self) -> Result<Argon2<'static>, PasswordError> {
        let params = Params::new(self.memory, self.passes, 1, None)
            .map_err(|error| PasswordError::Hash(error.into()))?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

impl Default for PasswordCost {
    /// 19 MiB and two passes, the first choice of the OWASP Password Storage Cheat Sheet: about 16 ms.
    fn default() -> Self {
        Self {
            memory: 19 * 1024,
            passes: 2,
        }
    }
}

/// Why a new password was refused. The text is fit for the person who chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Nothing at all.
    #[error("the password is empty")]
    Empty,
    /// Too few characters.
    #[error("the password is too short")]
    TooShort,
    /// More than a login takes.
    #[error("the password is too long")]
    TooLong,
    /// RFC 7617 forbids control characters in Basic credentials.
    #[error("the password holds a control character, a line break for instance")]
    ControlCharacter,
    /// It would be taken for a token at every login.
    #[error("the password begins with `{}`, as tokens do", tokens::PREFIX)]
    LooksLikeToken,
    /// The one word that clients send in place of a password beside a token.
    #[error("the password is one that clients send beside a token")]
    Reserved,
}

/// Why hashing a password or comparing it with a hash did not work.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PasswordError {
    /// Argon2 refused: no memory, or a stored hash that it cannot read.
    #[error("the password could not be hashed ({0})")]
    Hash(HashError),
    /// No salt.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The blocking thread went away, because the server stops.
    #[error("the password could not be hashed: the server is stopping")]
    Stopping,
}

/// Whether `password` may become a user's password.
///
/// # Errors
///
/// When it is too short, too long, or could not be used to sign in.
pub fn check_new(password: &Secret) -> Result<(), WeakPassword> {
    let password = password.expose();
    if password.is_empty() {
        Err(WeakPassword::Empty)
    } else if password.len() > MAX_SECRET {
        Err(WeakPassword::TooLong)
    } else if password.chars().any(char::is_control) {
        Err(WeakPassword::ControlCharacter)
    } else if password.chars().count() < MIN_CHARACTERS {
        Err(WeakPassword::TooShort)
    } else if password.starts_with(tokens::PREFIX) {
        Err(WeakPassword::LooksLikeToken)
    } else if password == BESIDE_TOKEN {
        Err(WeakPassword::Reserved)
    } else {
        Ok(())
    }
}

/// The Argon2id hash of `password` as a PHC string, with a salt of 16 bytes, made on a blocking thread.
///
/// # Errors
///
/// When there is no memory for it, or there are no random bytes.
pub(super) async fn hash(
    password: Secret,
    cost: PasswordCost,
    random: &Random,
) -> Result<String, PasswordError> {
    let mut salt = [0_u8; 16];
    random.fill(&mut salt)?;
    tokio::task::spawn_blocking(move || {
        cost.argon2()?
            .hash_password_with_salt(password.expose().as_bytes(), &salt)
            .map(|hash| hash.to_string())
            .map_err(PasswordError::Hash)
    })
    .await
    .map_err(|_| PasswordError::Stopping)?
}

/// Compares passwords with hashes: so many at once, so many waiting, and no more, or guessing would take all memory
/// and every processor.
#[derive(Debug)]
pub(super) struct Checker {
    cost: PasswordCost,
    running: Arc<Semaphore>,
    places: Arc<Semaphore>,
    counts: PasswordCounts,
}

/// A place in the queue.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Checker {
    pub(super) fn new(cost: PasswordCost, parallel: usize, waiting: usize) -> Self {
        let parallel = parallel.max(1);
        Self {
            cost,
            running: Arc::new(Semaphore::new(parallel)),
            places: Arc::new(Semaphore::new(parallel.saturating_add(waiting))),
            counts: PasswordCounts::default(),
        }
    }

    /// How the checks so far ended.
    pub(super) fn counts(&self) -> &PasswordCounts {
        &self.counts
    }

    /// A place in the queue, or nothing when it is full.
    pub(super) fn place(&self) -> Option<Place> {
        Arc::clone(&self.places)
            .try_acquire_owned()
            .ok()
            .map(|permit| Place { _permit: permit })
    }

    /// A place in the queue for one who waited for it already, among a bounded number of others.
    pub(super) async fn place_in_turn(&self) -> Result<Place, PasswordError> {
        Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map(|permit| Place { _permit: permit })
            .map_err(|_| PasswordError::Stopping)
    }

    /// Whether `password` is the one of `stored`. Without a stored hash the answer is no, after the same work.
    pub(super) async fn check(
        &self,
        place: Place,
        stored: Option<String>,
        password: Secret,
    ) -> Result<bool, PasswordError> {
        let checked = self.compare(place, stored, password).await;
        match &checked {
            Ok(true) => self.counts.right.one(),
            Ok(false) => self.counts.wrong.one(),
            Err(_) => self.counts.failed.one(),
        }
        checked
    }

    /// The hash that this server makes of a password that was right, where the stored one is of another kind or costs less to guess.
    pub(super) async fn own_hash(
        &self,
        stored: &str,
        password: &Secret,
    ) -> Result<Option<String>, PasswordError> {
        if !foreign::is_to_be_replaced(stored, (self.cost.memory, self.cost.passes)) {
            return Ok(None);
        }
        let _running = self
            .running
            .acquire()
            .await
            .map_err(|_| PasswordError::Stopping)?;
        hash(password.clone(), self.cost, &Random::system())
            .await
            .map(Some)
    }

    /// Whether `token` is one of those that a forge kept as `candidates`: the first that it is.
    pub(super) async fn foreign_token<T: Copy + Send + 'static>(
        &self,
        place: Place,
        candidates: Vec<(T, ForeignHash)>,
        token: Secret,
    ) -> Result<Option<T>, PasswordError> {
        self.run(place, move || {
            let is_it = |(_, kept): &&(T, ForeignHash)| foreign::is_token_of(kept, token.expose());
            candidates.iter().find(is_it).map(|(id, _)| *id)
        })
        .await
    }

    async fn compare(
        &self,
        place: Place,
        stored: Option<String>,
        password: Secret,
    ) -> Result<bool, PasswordError> {
        let cost = self.cost;
        self.run(place, move || {
            let Some(stored) = stored else {
                cost.argon2()?
                    .hash_password_with_salt(password.expose().as_bytes(), b"nobody's own salt")
                    .map_err(PasswordError::Hash)?;
                return Ok(false);
            };
            foreign::verify(&stored, password.expose().as_bytes()).map_err(PasswordError::Hash)
        })
        .await?
    }

    /// Does slow work on a thread that may wait, once few enough others do. `place` is kept until it is done, also when the
    /// request that asked has gone away.
    async fn run<T: Send + 'static>(
        &self,
        place: Place,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let running = Arc::clone(&self.running)
            .acquire_owned()
            .await
            .map_err(|_| PasswordError::Stopping)?;
        tokio::task::spawn_blocking(move || {
            let _held = (place, running);
            work()
        })
        .await
        .map_err(|_| PasswordError::Stopping)
    }
}

impl Hint for WeakPassword {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Empty => format!("give one of at least {MIN_CHARACTERS} characters"),
            Self::TooShort => format!("give one of at least {MIN_CHARACTERS} characters"),
            Self::TooLong => format!("give one of at most {MAX_SECRET} bytes"),
            Self::ControlCharacter => "give one without".to_owned(),
            Self::LooksLikeToken => "give another one".to_owned(),
            Self::Reserved => "give another one".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    fn checker() -> Checker {
        Checker::new(PasswordCost::TINY, 1, 1)
    }

    async fn check(stored: Option<&str>, password: &str) -> Result<bool, PasswordError> {
        let checker = checker();
        let place = checker.place().unwrap();
        checker
            .check(place, stored.map(str::to_owned), secret(password))
            .await
    }

    #[tokio::test]
    async fn takes_the_password_that_was_hashed_and_no_other() {
        let stored = hash(
            secret("correct horse"),
            PasswordCost::TINY,
            &Random::system(),
        )
        .await
        .unwrap();
        assert!(
            stored.starts_with("$argon2id$v=19$m=8,t=1,p=1$"),
            "{stored}"
        );
        assert!(check(Some(&stored), "correct horse").await.unwrap());
        assert!(!check(Some(&stored), "correct horsf").await.unwrap());
        assert!(!check(None, "correct horse").await.unwrap());
        assert!(check(Some("not a hash"), "correct horse").await.is_err());
    }

    #[test]
    fn the_production_cost_is_what_the_design_says() {
        let PasswordCost { memory, passes } = PasswordCost::default();
        assert_eq!((memory, passes), (19_456, 2));
    }

    #[test]
    fn the_queue_is_bounded() {
        let checker = Checker::new(PasswordCost::TINY, 2, 3);
        let places: Vec<_> = (0..5).map(|_| checker.place().unwrap()).collect();
        assert!(checker.place().is_none());
        drop(places);
        assert!(checker.place().is_some());
    }

    #[test]
    fn a_new_password_has_its_rules() {
        for (password, problem) in [
            ("", Some(WeakPassword::Empty)),
            ("7 chars", Some(WeakPassword::TooShort)),
            ("8 chars!", None),
            ("ÄÖÜäöüß", Some(WeakPassword::TooShort)),
            ("with\nline break", Some(WeakPassword::ControlCharacter)),
            ("x-oauth-basic", Some(WeakPassword::Reserved)),
            ("tarn_ and feather", Some(WeakPassword::LooksLikeToken)),
            ("Tarn_ and feather", None),
            (&"x".repeat(1024), None),
            (&"x".repeat(1025), Some(WeakPassword::TooLong)),
        ] {
            assert_eq!(check_new(&secret(password)).err(), problem, "{password}");
        }
        let (token, _) = tokens::generate(&Random::counted(1)).unwrap();
        assert_eq!(check_new(&token), Err(WeakPassword::LooksLikeToken));
    }
}
