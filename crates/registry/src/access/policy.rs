//! Who may do what: the table of the HTTP contract, as a pure function.

use super::{
    caller::{By, Caller, SignedIn},
    scopes::Scope,
};
use crate::metadata::{Owner, OwnerKind, Role, Visibility};

/// What somebody wants to do with an owner's packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Fetch keys, indexes and packages.
    Read,
    /// Publish and delete.
    Write,
}

impl Action {
    /// The scope that a token needs for it.
    pub const fn scope(self) -> Scope {
        match self {
            Self::Read => Scope::ReadPackage,
            Self::Write => Scope::WritePackage,
        }
    }
}

/// Why not. The texts are fit for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Nobody signed in, and that is not enough (401, so that apk sends what its `.netrc` has).
    #[error("this needs credentials; send a user name and a password or token")]
    NeedsCredentials,
    /// The token was made for something else (401).
    #[error("the token lacks the scope {needed}; make one that has it")]
    TokenLacksScope {
        /// The scope it would need.
        needed: Scope,
    },
    /// The token is for public owners, and this one is not (403).
    #[error("the token is for public owners alone; make one without the scope public-only")]
    PublicOnlyToken,
    /// Signed in, and may not even read (403).
    #[error("you have no access to these packages; ask their owner for it")]
    NoAccess,
    /// May read, and wants to write (403).
    #[error("you may read these packages but not change them; ask their owner for write access")]
    ReadOnly,
}

/// Says whether `caller` may do `action` with the packages of `owner`.
///
/// `role` is the caller's in that organisation, if they are a member; for a user's own packages it means nothing.
///
/// A token's own limits come first, so they bind a site administrator too, and a token without the scope is told so on
/// a public owner as well. A private owner is no secret to those who ask for it by name: the contract answers an anonymous
/// caller 401 there and 404 where nobody is, so a stranger who signs in learns nothing new from [`Denied::NoAccess`].
///
/// # Errors
///
/// Why not.
pub fn decide(
    caller: &Caller,
    owner: &Owner,
    role: Option<Role>,
    action: Action,
) -> Result<(), Denied> {
    let public = owner.visibility == Visibility::Public;
    let signed_in = match caller {
        Caller::User(signed_in) => signed_in,
        Caller::Anonymous if public && action == Action::Read => return Ok(()),
        Caller::Anonymous => return Err(Denied::NeedsCredentials),
    };
    if signed_in.user.disabled {
        return Err(Denied::NoAccess);
    }
    if let By::Token { scopes, .. } = &signed_in.by {
        let needed = action.scope();
        if !scopes.has(needed) {
            return Err(Denied::TokenLacksScope { needed });
        }
        if scopes.has(Scope::PublicOnly) && !public {
            return Err(Denied::PublicOnlyToken);
        }
    }
    match (granted(signed_in, owner, role), action) {
        (Some(Action::Write), _) | (Some(Action::Read), Action::Read) => Ok(()),
        (Some(Action::Read), Action::Write) => Err(Denied::ReadOnly),
        (None, _) => Err(Denied::NoAccess),
    }
}

/// The most that a signed-in user may do. Who may write may read.
fn granted(signed_in: &SignedIn, owner: &Owner, role: Option<Role>) -> Option<Action> {
    let user = &signed_in.user;
    let role = match owner.kind {
        OwnerKind::User => None,
        OwnerKind::Organisation => role,
    };
    if user.admin || owner.id == user.id || role >= Some(Role::Write) {
        Some(Action::Write)
    } else if role.is_some() || owner.visibility != Visibility::Private {
        Some(Action::Read)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
