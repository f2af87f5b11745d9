//! Why a caller is not signed in, or may not do what they ask for.

use std::{sync::Arc, time::Duration};

use crate::access::{
    credentials::CredentialsError, passwords::PasswordError, policy::Denied,
    second_factor::FactorError,
};
use tarn_base::{hint::Hint, random::RandomError};
use tarn_store::metadata::{Actor, MetadataError};

/// Why the caller was not signed in. The texts say what to do and never whether the user exists; those of [`AuthError::Stored`],
/// [`AuthError::SecondFactor`], [`AuthError::Password`] and [`AuthError::Metadata`] are for the log.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuthError {
    /// No such user, another password, no password at all, no such token.
    #[error("the user name, password or token is wrong")]
    WrongCredentials,
    /// The token is right, and may not be used.
    #[error("{why}")]
    Token {
        /// Why not.
        why: TokenRefusal,
        /// Whose and which it is, and where it came from, for the audit log.
        bearer: Box<Actor>,
    },
    /// The password is right and the account may not be used.
    #[error("this account is disabled")]
    Disabled,
    /// Too many wrong passwords, or too many passwords at once.
    #[error("too many attempts to sign in")]
    TooManyAttempts {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The password is right, and not enough.
    #[error("this account has a second factor")]
    CodeNeeded,
    /// The password is right and the code is not, or is used up.
    #[error("the code of the second factor is wrong or was used already")]
    WrongCode,
    /// The code came too late after the password, or what the user signs in with changed meanwhile.
    #[error("this sign-in took too long, or the password or second factor changed meanwhile")]
    BeginAgain,
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
    /// There were no random bytes for the secret of a session.
    #[error("a session could not begin")]
    Session(#[source] RandomError),
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

/// Why a token that is right may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// It was right once.
    #[error("the token has expired")]
    Expired,
    /// It is right, and comes from where it may not be used.
    #[error("the token may not be used from this address")]
    OutsideNetworks,
    /// It is that of an account that may not be used.
    #[error("this account is disabled")]
    Disabled,
}

/// Why a caller does not get what they asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AccessError {
    /// It could not be found out.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// They may not.
    #[error(transparent)]
    Denied(#[from] Denied),
}

impl AuthError {
    /// Whether the caller was refused. `false`: the question could not be answered.
    pub const fn is_refusal(&self) -> bool {
        match self {
            Self::WrongCredentials
            | Self::Token { .. }
            | Self::Disabled
            | Self::TooManyAttempts { .. }
            | Self::CodeNeeded
            | Self::WrongCode
            | Self::BeginAgain
            | Self::Malformed(_) => true,
            Self::Stored { .. }
            | Self::Session(_)
            | Self::SecondFactor(_)
            | Self::Password(_)
            | Self::Metadata(_) => false,
        }
    }
}

impl AuthError {
    /// Who was refused, as far as that was shown.
    pub fn bearer(&self) -> Option<&Actor> {
        match self {
            Self::Token { bearer, .. } => Some(bearer),
            _ => None,
        }
    }
}

impl From<MetadataError> for AuthError {
    fn from(error: MetadataError) -> Self {
        Self::Metadata(Arc::new(error))
    }
}

impl Hint for AuthError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::WrongCredentials => "check them, or use a token where the account has no password".to_owned(),
Self::Disabled => "ask an administrator of this server".to_owned(),
Self::TooManyAttempts { retry_after, .. } => format!("try again in {} seconds, or use a token", retry_after.as_secs().max(1)),
Self::WrongCode => "send the next one in X-Gitea-OTP or X-Forgejo-OTP, or use a token".to_owned(),
Self::CodeNeeded => "send its code beside the password in the header X-Gitea-OTP or X-Forgejo-OTP, or use a token".to_owned(),
            Self::BeginAgain => "sign in again".to_owned(),
            Self::Token { why, .. } => return why.hint(),
            Self::Malformed(error) => return error.hint(),
            _ => return None,
        })
    }
}

impl Hint for TokenRefusal {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Expired => "make a new one".to_owned(),
            Self::OutsideNetworks => "use it from one of its networks".to_owned(),
            Self::Disabled => "ask an administrator of this server".to_owned(),
        })
    }
}

impl Hint for AccessError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Auth(error) => error.hint(),
            Self::Denied(error) => error.hint(),
        }
    }
}
