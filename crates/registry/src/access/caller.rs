//! Who sends a request, once that is known.

use std::net::IpAddr;

use super::scopes::Scopes;
use crate::metadata::{Actor, OwnerId, Through, TokenId, User};

/// Who sends a request.
#[derive(Debug, Clone)]
pub enum Caller {
    /// Nobody in particular: the request had no credentials.
    Anonymous,
    /// A user whose credentials were right.
    User(SignedIn),
}

impl Caller {
    /// The user's id, for the records of who did what.
    pub fn user_id(&self) -> Option<OwnerId> {
        match self {
            Self::Anonymous => None,
            Self::User(signed_in) => Some(signed_in.user.id),
        }
    }

    /// Who acts, for the audit log.
    pub fn actor(&self, address: IpAddr) -> Actor {
        let (account, token) = match self {
            Self::Anonymous => (None, None),
            Self::User(SignedIn { user, by }) => {
                let token = match by {
                    By::Password => None,
                    By::Token { id, .. } => Some((*id, format!("#{id}"))),
                };
                (Some((user.id, user.name.clone())), token)
            }
        };
        Actor {
            account,
            token,
            address: Some(address),
            through: Through::Http,
        }
    }
}

/// A user, and what they signed in with.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The user as the database has it at this request.
    pub user: User,
    /// By what.
    pub by: By,
}

/// What somebody signed in with.
#[derive(Debug, Clone, Copy)]
pub enum By {
    /// Their password: all they may do.
    Password,
    /// A token: what its scopes leave of that.
    Token {
        /// Which one.
        id: TokenId,
        /// What for.
        scopes: Scopes,
    },
}
