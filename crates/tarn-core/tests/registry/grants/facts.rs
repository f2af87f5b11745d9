//! The facts, and the rules in their plainest form.

use std::collections::BTreeSet;

use tarn_base::secret::Secret;
use tarn_core::access::Action;
use tarn_store::metadata::Visibility;

use super::{SCOPES, TEAMS, USERS};

/// The facts, as the test keeps them.
pub(crate) struct Facts {
    pub(crate) names: Vec<Option<String>>,
    pub(crate) visibility: Vec<Visibility>,
    pub(crate) disabled: BTreeSet<usize>,
    pub(crate) site_admins: BTreeSet<usize>,
    /// Organisation, team, user.
    pub(crate) members: BTreeSet<(usize, usize, usize)>,
    /// Of the team `ci` of each organisation, as an index of [`TEAM_LIMITS`].
    pub(crate) ci_limits: Vec<usize>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) minutes: u32,
}

pub(crate) struct Token {
    pub(crate) secret: Secret,
    pub(crate) label: String,
    pub(crate) owner: usize,
    pub(crate) scopes: usize,
    /// An owner's name in lower case, and whether for edge/testing alone.
    pub(crate) limit: Option<(String, bool)>,
    pub(crate) from_here: bool,
    pub(crate) ends_at: Option<u32>,
    pub(crate) revoked: bool,
}

#[derive(Clone, Copy)]
pub(crate) enum Who<'a> {
    Nobody,
    User(usize),
    Bearer(&'a Token),
}

impl Facts {
    /// The rules.
    pub(crate) fn allow(
        &self,
        who: Who<'_>,
        owner: usize,
        action: Action,
        place: (&str, &str),
    ) -> bool {
        let public = self.visibility[owner] == Visibility::Public;
        match who {
            Who::Nobody => public && action == Action::Read,
            Who::User(user) => self.user_may(user, owner, action, place),
            Who::Bearer(token) => {
                let scopes = SCOPES[token.scopes];
                let in_scope = match action {
                    Action::Read => scopes.contains(":package"),
                    Action::Publish => scopes.contains("write:package"),
                    Action::Delete => {
                        scopes.contains("delete:package")
                            || (scopes.contains("write:package") && !scopes.contains("no-delete"))
                    }
                    Action::Administer => scopes.contains("admin"),
                };
                let name = self.names[owner].as_ref().unwrap().to_lowercase();
                let in_limits = match &token.limit {
                    None => true,
                    Some((limited_to, only_testing)) => {
                        *limited_to == name
                            && (!only_testing
                                || (action != Action::Administer && place == ("edge", "testing")))
                    }
                };
                let in_time = token.ends_at.is_none_or(|end| self.minutes < end);
                let bearer = if token.owner < USERS {
                    self.user_may(token.owner, owner, action, place)
                } else if token.owner == owner {
                    action != Action::Administer
                } else {
                    public && action == Action::Read
                };
                !token.revoked
                    && self.names[token.owner].is_some()
                    && in_time
                    && token.from_here
                    && in_scope
                    && in_limits
                    && (public || !scopes.contains("public-only"))
                    && bearer
            }
        }
    }

    fn user_may(&self, user: usize, owner: usize, action: Action, place: (&str, &str)) -> bool {
        if self.names[user].is_none() || self.disabled.contains(&user) {
            return false;
        }
        if self.site_admins.contains(&user) || owner == user {
            return true;
        }
        let is_in = |team| self.members.contains(&(owner, team, user));
        let in_some = (0..TEAMS.len()).any(is_in);
        let (writers, admins, ci) = (is_in(1), is_in(2), is_in(3));
        match action {
            Action::Read => self.visibility[owner] != Visibility::Private || in_some,
            Action::Administer => admins,
            Action::Publish | Action::Delete => {
                let ci_writes = match self.ci_limits[owner] {
                    0 | 2 => true,
                    1 => place == ("edge", "testing"),
                    _ => false,
                };
                writers || admins || (ci && ci_writes)
            }
        }
    }

    /// Gives an owner another name. The limits of tokens that name it follow.
    pub(crate) fn rename(&mut self, owner: usize, new: &str) {
        let old = self.names[owner].replace(new.to_owned()).unwrap();
        let limits = self
            .tokens
            .iter_mut()
            .filter_map(|token| token.limit.as_mut());
        for (limited_to, _) in limits.filter(|(name, _)| *name == old.to_lowercase()) {
            *limited_to = new.to_lowercase();
        }
    }

    /// Whether an organisation without those for whom `goes` holds still has the admin it had: one at all, and one that is
    /// not disabled.
    pub(crate) fn keeps_admins_without(
        &self,
        organisation: usize,
        goes: impl Fn(usize, usize) -> bool,
    ) -> bool {
        let admins = self.members.iter();
        let admins = admins.filter(|&&(o, team, _)| o == organisation && team == 2);
        let enabled = |&(_, _, user): &(usize, usize, usize)| !self.disabled.contains(&user);
        let stays = admins.clone().filter(|&&(_, team, user)| !goes(team, user));
        stays.map(enabled).max() == admins.map(enabled).max()
    }

    pub(crate) fn has_site_admin_without(&self, user: usize) -> bool {
        let is_one =
            |other: &usize| self.site_admins.contains(other) && !self.disabled.contains(other);
        !is_one(&user) || (0..USERS).any(|other| other != user && is_one(&other))
    }
}
