//! What a caller may know of: what [`decide`](super::policy::decide) says of one owner and one repository, for a list of
//! all.

use super::{
    authenticate::{Access, AccessError, AuthError},
    caller::{Caller, UsedToken},
    patterns::{Place, TokenLimits},
    policy::Denied,
    scopes::Scope,
};
use tarn_store::metadata::{InScope, ReadScope};

impl Access {
    /// The owners and repositories that `caller` may read, for lists and searches: something is in read_scope just where
    /// [`decide`](super::policy::decide) lets the caller read. A token shows no more than it reads.
    ///
    /// # Errors
    ///
    /// When the caller may list nothing at all, not even public owners: the token is for something else, or the account is
    /// disabled; or when it cannot be found out.
    pub async fn read_scope(&self, caller: &Caller) -> Result<ReadScope, AccessError> {
        let (read_scope, token) = widest(caller)?;
        match token {
            Some(token) if !token.limits.is_unlimited() => {
                let kept = |sighted: InScope<'_>| keeps(&token.limits, sighted);
                let narrowed = self.metadata().narrowed(&read_scope, kept).await;
                Ok(narrowed.map_err(AuthError::from)?)
            }
            _ => Ok(read_scope),
        }
    }
}

/// What the account of `caller` and the scopes of its token leave, and that token, whose limits are still to be minded.
fn widest(caller: &Caller) -> Result<(ReadScope, Option<&UsedToken>), Denied> {
    let token = caller.token();
    if let Some(token) = token
        && !token.scopes.has(Scope::ReadPackage)
    {
        return Err(Denied::TokenLacksScope {
            needed: Scope::ReadPackage,
        });
    }
    let for_public = token.is_some_and(|token| token.scopes.has(Scope::PublicOnly));
    let read_scope = match caller {
        Caller::User(signed_in) if signed_in.user.disabled => return Err(Denied::NoAccess),
        _ if for_public => ReadScope::PUBLIC,
        Caller::Anonymous => ReadScope::PUBLIC,
        Caller::User(signed_in) if signed_in.user.admin => ReadScope::EVERYTHING,
        Caller::User(signed_in) => ReadScope::of_user(signed_in.user.id),
        Caller::Organisation(token) => ReadScope::of_organisation(token.organisation.id),
    };
    Ok((read_scope, token))
}

fn keeps(limits: &TokenLimits, sighted: InScope<'_>) -> bool {
    match sighted.repository {
        None => limits.allow_some_of(sighted.owner),
        Some((branch, repository)) => {
            limits.allow(sighted.owner, Some(Place { branch, repository }))
        }
    }
}
