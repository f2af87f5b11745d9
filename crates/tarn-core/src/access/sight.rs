//! What a caller may know of: what [`decide`](super::policy::decide) says of one owner and one repository, for a list of
//! all.

use super::{
    authenticate::{Access, AccessError, AuthError},
    caller::{Caller, UsedToken},
    patterns::{Place, TokenLimits},
    policy::Denied,
    scopes::Scope,
};
use tarn_store::metadata::{Sight, Sighted};

impl Access {
    /// The owners and repositories that `caller` may read, for lists and searches: something is in sight just where
    /// [`decide`](super::policy::decide) lets the caller read. A token shows no more than it reads.
    ///
    /// # Errors
    ///
    /// When the caller may list nothing at all, not even public owners: the token is for something else, or the account is
    /// disabled; or when it cannot be found out.
    pub async fn sight(&self, caller: &Caller) -> Result<Sight, AccessError> {
        let (sight, token) = widest(caller)?;
        match token {
            Some(token) if !token.limits.is_unlimited() => {
                let kept = |sighted: Sighted<'_>| keeps(&token.limits, sighted);
                let narrowed = self.metadata().narrowed(&sight, kept).await;
                Ok(narrowed.map_err(AuthError::from)?)
            }
            _ => Ok(sight),
        }
    }
}

/// What the account of `caller` and the scopes of its token leave, and that token, whose limits are still to be minded.
fn widest(caller: &Caller) -> Result<(Sight, Option<&UsedToken>), Denied> {
    let token = caller.token();
    if let Some(token) = token
        && !token.scopes.has(Scope::ReadPackage)
    {
        return Err(Denied::TokenLacksScope {
            needed: Scope::ReadPackage,
        });
    }
    let for_public = token.is_some_and(|token| token.scopes.has(Scope::PublicOnly));
    let sight = match caller {
        Caller::User(signed_in) if signed_in.user.disabled => return Err(Denied::NoAccess),
        _ if for_public => Sight::PUBLIC,
        Caller::Anonymous => Sight::PUBLIC,
        Caller::User(signed_in) if signed_in.user.admin => Sight::EVERYTHING,
        Caller::User(signed_in) => Sight::of_user(signed_in.user.id),
        Caller::Organisation(token) => Sight::of_organisation(token.organisation.id),
    };
    Ok((sight, token))
}

fn keeps(limits: &TokenLimits, sighted: Sighted<'_>) -> bool {
    match sighted.repository {
        None => limits.allow_some_of(sighted.owner),
        Some((branch, repository)) => {
            limits.allow(sighted.owner, Some(Place { branch, repository }))
        }
    }
}
