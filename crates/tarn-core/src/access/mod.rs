//! Access: who is the caller, and what may they do?
//!
//! The header is parsed into [`Credentials`], [`Access::authenticate`] makes a [`Caller`] of them, and
//! [`policy::decide`] says what the caller may do with an owner's packages. [`Accounts`] is what the command line does
//! with users, organisations and tokens. Nothing here knows HTTP.

pub mod accounts;
pub mod audit;
mod authenticate;
mod caller;
mod code;
mod credentials;
pub(crate) mod foreign;
mod guesses;
mod networks;
mod passwords;
mod patterns;
pub mod policy;
mod read_scope;
mod recent;
mod refusals;
mod scopes;
pub(crate) mod second_factor;
mod sessions;
pub mod tokens;
pub(crate) mod totp;

use std::time::Duration;

pub use accounts::{AccountError, Accounts, FirstRun, TokenRequest, UserOrder};
pub use audit::AuditLog;
pub use authenticate::{Access, AccessError, AuthError, TokenRefusal};
pub use caller::{By, Caller, OrganisationToken, SignedIn, UsedToken};
pub use code::{Code, NotACode};
pub use credentials::{Credentials, CredentialsError};
pub use guesses::network;
pub use networks::{MAX_NETWORKS, Networks, NetworksError, parse_network};
pub use passwords::{PasswordCost, PasswordError, WeakPassword, check_new};
pub use patterns::{
    MAX_PATTERNS, OwnerPattern, PatternError, Place, PlacePattern, TeamLimits, TokenLimits, matches,
};
pub use policy::{Action, Denied, TeamGrant, decide, decide_site};
pub use refusals::{RefusalLimits, Refusals};
pub use scopes::{Scope, Scopes, ScopesError};
pub use second_factor::{FactorError, FactorState, Proof, SecondFactors};
pub use sessions::{Browser, SessionLimits, Sessions, SignIn};

/// What keeps checking credentials cheap, and guessing them slow.
#[derive(Debug, Clone, Copy)]
pub struct AccessLimits {
    /// The work of one password hash for a user that does not exist; the same as for those who do.
    pub password_cost: PasswordCost,
    /// How many passwords are hashed at once.
    pub parallel_passwords: usize,
    /// How many more may wait for that; any further one is refused, with how long to wait.
    pub waiting_passwords: usize,
    /// How many verified passwords are remembered, as keyed hashes.
    pub verified_passwords: u64,
    /// For how long each of them is.
    pub verified_for: Duration,
    /// Wrong passwords for one account from one source before there is a wait.
    pub free_guesses_per_account: u32,
    /// Wrong passwords for any accounts from one source before there is a wait.
    pub free_guesses_per_source: u32,
    /// The longest that guessing is held up for, however often it was wrong.
    pub longest_wait: Duration,
    /// A request with a password that has to wait no longer than this is held until then. A request that would wait longer is refused
    /// with `Retry-After`.
    pub longest_delay: Duration,
    /// How many requests are held at once; any further one is refused, with how long to wait.
    pub held_requests: usize,
    /// How many wrong passwords are known again, as keyed hashes: one that a machine sends again and again is one guess.
    pub known_wrong_passwords: u64,
    /// After so long without a wrong password all is forgotten.
    pub forget_guesses_after: Duration,
    /// Wrong codes of a second factor before there is a wait, from wherever they come.
    pub free_wrong_codes: u32,
    /// How many sources, and how many pairs of account and source, are remembered.
    pub remembered_guessers: usize,
    /// How many of those are written down for the next start of the server.
    pub written_guesses: u32,
    /// How often at most they are, and the last uses of tokens.
    pub write_interval: Duration,
    /// How often at most the last use of a token is written down.
    pub token_use_interval: Duration,
    /// How long browsers stay signed in.
    pub sessions: SessionLimits,
}

impl Default for AccessLimits {
    fn default() -> Self {
        Self {
            password_cost: PasswordCost::default(),
            parallel_passwords: 2,
            waiting_passwords: 32,
            verified_passwords: 10_000,
            verified_for: Duration::from_secs(5 * 60),
            free_guesses_per_account: 10,
            free_guesses_per_source: 200,
            longest_wait: Duration::from_secs(15 * 60),
            longest_delay: Duration::from_secs(15),
            held_requests: 64,
            known_wrong_passwords: 10_000,
            forget_guesses_after: Duration::from_secs(60 * 60),
            free_wrong_codes: 5,
            remembered_guessers: 65_536,
            written_guesses: 20_000,
            write_interval: Duration::from_secs(1),
            token_use_interval: Duration::from_secs(60),
            sessions: SessionLimits::default(),
        }
    }
}

impl AccessLimits {
    /// For tests: the production limits with password hashes that cost next to nothing. No request waits: what has to
    /// wait is refused.
    pub fn tiny() -> Self {
        Self {
            password_cost: PasswordCost::TINY,
            longest_delay: Duration::ZERO,
            ..Self::default()
        }
    }
}
