//! Which owners a caller may know of: what [`decide`](super::policy::decide) says of one owner, for a list of all.

use super::{
    caller::{By, Caller},
    policy::Denied,
    scopes::Scope,
};
use crate::metadata::Sight;

/// The owners whose packages `caller` may read, for lists and searches: an owner is in sight just where
/// [`decide`](super::policy::decide) lets the caller read.
///
/// # Errors
///
/// When the caller may list nothing at all, not even public owners: the token is for something else, or the account is
/// disabled.
pub fn sight(caller: &Caller) -> Result<Sight, Denied> {
    let Caller::User(signed_in) = caller else {
        return Ok(Sight::PUBLIC);
    };
    if signed_in.user.disabled {
        return Err(Denied::NoAccess);
    }
    if let By::Token { scopes, .. } = &signed_in.by {
        if !scopes.has(Scope::ReadPackage) {
            return Err(Denied::TokenLacksScope {
                needed: Scope::ReadPackage,
            });
        }
        if scopes.has(Scope::PublicOnly) {
            return Ok(Sight::PUBLIC);
        }
    }
    Ok(Sight {
        everything: signed_in.user.admin,
        limited: true,
        user: Some(signed_in.user.id),
    })
}
