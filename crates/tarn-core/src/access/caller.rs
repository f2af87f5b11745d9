//! Who sends a request, once that is known.

use std::net::IpAddr;

use super::{networks::Networks, patterns::TokenLimits, scopes::Scopes};
use tarn_base::clock::Timestamp;
use tarn_store::metadata::{Actor, Owner, OwnerId, Session, Through, TokenId, User};

/// Who sends a request.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Anonymous: the request had no credentials.
    Anonymous,
    /// A user whose credentials were right.
    User(SignedIn),
    /// A machine with a token of an organisation, which belongs to no person.
    Organisation(OrganisationToken),
}

/// A user, and what they signed in with.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The user as the database has it at this request.
    pub user: User,
    /// By what.
    pub by: By,
}

/// What the caller signed in with.
#[derive(Debug, Clone)]
pub enum By {
    /// Their password: all they may do.
    Password,
    /// A token: what it leaves of that.
    Token(UsedToken),
    /// The session of a browser, which began with their password: all they may do.
    Session(Session),
}

/// An organisation, and the token of it that was used.
#[derive(Debug, Clone)]
pub struct OrganisationToken {
    /// The organisation as the database has it at this request.
    pub organisation: Owner,
    /// The token.
    pub token: UsedToken,
}

/// A token that was right, has not expired, and may be used from where it was.
#[derive(Debug, Clone)]
pub struct UsedToken {
    /// Which one.
    pub id: TokenId,
    /// What its owner calls it.
    pub label: String,
    /// What for.
    pub scopes: Scopes,
    /// On what.
    pub limits: TokenLimits,
    /// From where.
    pub networks: Networks,
    /// Until when. `None`: for ever.
    pub expires_at: Option<Timestamp>,
}

impl Caller {
    /// The user's id. An organisation's token belongs to no user.
    pub const fn user_id(&self) -> Option<OwnerId> {
        match self {
            Self::User(signed_in) => Some(signed_in.user.id),
            Self::Anonymous | Self::Organisation(_) => None,
        }
    }

    /// The account that acts, a user or an organisation, with its name.
    pub fn account(&self) -> Option<(OwnerId, &str)> {
        match self {
            Self::Anonymous => None,
            Self::User(SignedIn { user, .. }) => Some((user.id, &user.name)),
            Self::Organisation(OrganisationToken { organisation, .. }) => {
                Some((organisation.id, &organisation.name))
            }
        }
    }

    /// The token that was used.
    pub const fn token(&self) -> Option<&UsedToken> {
        match self {
            Self::User(SignedIn {
                by: By::Token(token),
                ..
            })
            | Self::Organisation(OrganisationToken { token, .. }) => Some(token),
            Self::User(_) | Self::Anonymous => None,
        }
    }

    /// The session of the browser that sends the request.
    pub const fn session(&self) -> Option<&Session> {
        match self {
            Self::User(SignedIn {
                by: By::Session(session),
                ..
            }) => Some(session),
            Self::User(_) | Self::Organisation(_) | Self::Anonymous => None,
        }
    }

    /// The caller as the records of who did what have it. `address` is where the request came from.
    pub fn actor(&self, address: IpAddr) -> Actor {
        Actor {
            account: self.account().map(|(id, name)| (id, name.to_owned())),
            token: self.token().map(|token| (token.id, token.label.clone())),
            address: Some(address),
            through: Through::Http,
        }
    }
}
