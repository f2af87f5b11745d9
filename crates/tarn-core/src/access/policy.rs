//! Who may do what: the table of the HTTP contract, as pure functions.

use super::{
    caller::{By, Caller, OrganisationToken, SignedIn, UsedToken},
    patterns::{Place, TeamLimits},
    scopes::Scope,
};
use tarn_base::hint::Hint;
use tarn_store::metadata::{Owner, OwnerKind, Role, Visibility};

/// What a caller wants to do with what an owner has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Fetch keys, indexes and packages.
    Read,
    /// Bring packages.
    Publish,
    /// Take packages out.
    Delete,
    /// Change the owner itself: members, teams, tokens, keys, settings.
    Administer,
}

impl Action {
    /// The scope that a token needs for it.
    pub const fn scope(self) -> Scope {
        match self {
            Self::Read => Scope::ReadPackage,
            Self::Publish => Scope::WritePackage,
            Self::Delete => Scope::DeletePackage,
            Self::Administer => Scope::Admin,
        }
    }
}

/// What a team grants its members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamGrant {
    /// The role. Each lets them read all of the organisation.
    pub role: Role,
    /// Where a role of write writes. The others have none.
    pub limits: TeamLimits,
}

/// Why not. The texts are fit for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The caller is anonymous, and that is not enough (401, so that apk sends what its `.netrc` has).
    #[error("this needs credentials")]
    NeedsCredentials,
    /// The token was made for something else (401).
    #[error("the token lacks the scope {needed}")]
    TokenLacksScope {
        /// The scope it would need.
        needed: Scope,
    },
    /// The token is for public owners, and this one is not (403).
    #[error("the token is for public owners only")]
    PublicOnlyToken,
    /// The token is for other owners, branches or repositories (403).
    #[error("the token is limited to other places")]
    TokenOutsideLimits,
    /// Signed in, and may not even read (403).
    #[error("you have no access to these packages")]
    NoAccess,
    /// May read, and wants to write (403).
    #[error("you may read these packages but not change them")]
    ReadOnly,
    /// May write, but not there (403).
    #[error("your teams may write to other branches and repositories, not to this one")]
    OutsideTeamLimits,
    /// May read or write, and wants to administer (403).
    #[error("this needs an admin of this owner")]
    NotAdmin,
    /// Wants to administer the whole registry (403).
    #[error("this needs an administrator of this server")]
    NotSiteAdmin,
}

/// Says whether `caller` may do `action` with what `owner` has.
///
/// `teams` are those of that organisation in which the caller is; for a user's own packages they mean nothing. `place` is
/// the repository that it is about. Without one, reading means what an owner has of itself (its keys, its name), which
/// a caller who may read any of it may read; publishing and deleting mean all repositories together, so a limit denies
/// them.
///
/// A token's own limits come first, so they bind a site administrator too, and a token without the scope is refused for that on
/// a public owner as well. A private owner is no secret to those who ask for it by name: the contract answers an anonymous
/// caller 401 there and 404 where there is no owner, so a stranger who signs in learns nothing new from [`Denied::NoAccess`].
pub fn decide(
    caller: &Caller,
    owner: &Owner,
    teams: &[TeamGrant],
    action: Action,
    place: Option<Place<'_>>,
) -> Result<(), Denied> {
    let public = owner.visibility == Visibility::Public;
    match caller {
        Caller::Anonymous if public && action == Action::Read => Ok(()),
        Caller::Anonymous => Err(Denied::NeedsCredentials),
        Caller::User(SignedIn { user, .. }) if user.disabled => Err(Denied::NoAccess),
        Caller::User(signed_in) => {
            if let By::Token(token) = &signed_in.by {
                within_token(token, owner, action, place)?;
            }
            let all = signed_in.user.admin || owner.id == signed_in.user.id;
            let teams = match owner.kind {
                OwnerKind::Organisation => teams,
                OwnerKind::User => &[],
            };
            if all {
                Ok(())
            } else {
                as_member(owner, teams, action, place)
            }
        }
        Caller::Organisation(OrganisationToken {
            organisation,
            token,
        }) => {
            within_token(token, owner, action, place)?;
            match action {
                Action::Administer => Err(Denied::NotAdmin),
                _ if owner.id == organisation.id => Ok(()),
                Action::Read if public => Ok(()),
                Action::Publish | Action::Delete if public => Err(Denied::ReadOnly),
                _ => Err(Denied::NoAccess),
            }
        }
    }
}

/// Says whether `caller` may administer the whole registry: accounts, organisations, names, what belongs to no owner.
///
/// A token does only without limits, since they would have to be minded in everything that follows.
pub fn decide_site(caller: &Caller) -> Result<(), Denied> {
    let signed_in = match caller {
        Caller::Anonymous => return Err(Denied::NeedsCredentials),
        Caller::Organisation(_) => return Err(Denied::NotSiteAdmin),
        Caller::User(signed_in) => signed_in,
    };
    if signed_in.user.disabled {
        return Err(Denied::NoAccess);
    }
    if let By::Token(token) = &signed_in.by {
        let needed = Scope::Admin;
        if !token.scopes.has(needed) {
            return Err(Denied::TokenLacksScope { needed });
        }
        if token.scopes.has(Scope::PublicOnly) {
            return Err(Denied::PublicOnlyToken);
        }
        if !token.limits.is_unlimited() {
            return Err(Denied::TokenOutsideLimits);
        }
    }
    if signed_in.user.admin {
        Ok(())
    } else {
        Err(Denied::NotSiteAdmin)
    }
}

/// What a token leaves.
fn within_token(
    token: &UsedToken,
    owner: &Owner,
    action: Action,
    place: Option<Place<'_>>,
) -> Result<(), Denied> {
    let needed = action.scope();
    if !token.scopes.has(needed) {
        return Err(Denied::TokenLacksScope { needed });
    }
    if token.scopes.has(Scope::PublicOnly) && owner.visibility != Visibility::Public {
        return Err(Denied::PublicOnlyToken);
    }
    if token.limits.is_unlimited() {
        return Ok(());
    }
    let name = owner.name.to_ascii_lowercase();
    let within = match (action, place) {
        (Action::Read, None) => token.limits.allow_some_of(&name),
        _ => token.limits.allow(&name, place),
    };
    if within {
        Ok(())
    } else {
        Err(Denied::TokenOutsideLimits)
    }
}

/// What a caller may do who is neither the owner nor a site administrator.
fn as_member(
    owner: &Owner,
    teams: &[TeamGrant],
    action: Action,
    place: Option<Place<'_>>,
) -> Result<(), Denied> {
    let reads = !teams.is_empty() || owner.visibility != Visibility::Private;
    if !reads {
        return Err(Denied::NoAccess);
    }
    let admin = teams.iter().any(|team| team.role == Role::Admin);
    let mut writing = teams.iter().filter(|team| team.role == Role::Write);
    match action {
        Action::Read => Ok(()),
        _ if admin => Ok(()),
        Action::Administer => Err(Denied::NotAdmin),
        Action::Publish | Action::Delete => {
            if writing.clone().any(|team| team.limits.allow(place)) {
                Ok(())
            } else if writing.next().is_some() {
                Err(Denied::OutsideTeamLimits)
            } else {
                Err(Denied::ReadOnly)
            }
        }
    }
}

impl Hint for Denied {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NeedsCredentials => "send a user name and a password or token".to_owned(),
            Self::TokenLacksScope { .. } => "make one that has it".to_owned(),
            Self::PublicOnlyToken => "make one without the scope public-only".to_owned(),
            Self::TokenOutsideLimits => "make one whose limits have this one".to_owned(),
            Self::NoAccess => "ask their owner for it".to_owned(),
            Self::ReadOnly => "ask their owner for write access".to_owned(),
            Self::OutsideTeamLimits => "ask an admin of the organisation".to_owned(),
            Self::NotAdmin => "ask one of them".to_owned(),
            Self::NotSiteAdmin => "ask one of them".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
