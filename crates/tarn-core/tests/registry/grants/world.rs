//! A registry, and the facts beside it.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use proptest::{prelude::*, test_runner::TestCaseError};
use tarn_base::{
    clock::Clock,
    names::{Branch, OwnerName, RepositoryName, TeamName},
    random::Random,
    secret::Secret,
};
use tarn_core::{
    Registry,
    access::{
        AccessError, AccessLimits, Accounts, Action, Caller, Credentials, PasswordCost, Place,
        TokenRequest,
    },
    settings::Settings,
};
use tarn_store::metadata::{OwnerId, OwnerKind, Role, Visibility};

use super::{
    ACTIONS, BY, FIRST_NAMES, HERE, NEW_NAMES, OWNERS, PLACES, SCOPES, TEAM_LIMITS, TEAMS, USERS,
    VISIBILITIES,
    facts::{Facts, Token, Who},
    steps::Step,
};

pub(crate) struct World {
    pub(crate) registry: Registry,
    accounts: Accounts,
    clock: Clock,
    pub(crate) facts: Facts,
    /// Of the owners, in their order.
    pub(crate) ids: Vec<OwnerId>,
    _folder: tempfile::TempDir,
}

fn name(name: &str) -> OwnerName {
    OwnerName::parse(name).unwrap()
}

fn password(user: usize) -> Secret {
    Secret::new(format!("the password of {user}"))
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(crate::START);
        let settings = Settings {
            access: AccessLimits::tiny(),
            ..crate::settings(folder.path())
        };
        let registry = Registry::open(settings, clock.clone()).await.unwrap();
        let metadata = registry.metadata().clone();
        let random = Random::system();
        let accounts = Accounts::with(metadata, clock.clone(), random, PasswordCost::TINY);
        let public = Visibility::Public;
        let mut ids = Vec::new();
        for (user, first_name) in FIRST_NAMES.iter().enumerate().take(USERS) {
            let called = name(first_name);
            let password = password(user);
            let added = accounts.add_user(&called, Some(&password), false, public, &BY);
            ids.push(added.await.unwrap().id);
        }
        let mut members = BTreeSet::new();
        for (organisation, first_name) in FIRST_NAMES.iter().enumerate().skip(USERS) {
            let called = name(first_name);
            let first = name("u0");
            let added = accounts.add_organisation(&called, public, &first, &BY);
            ids.push(added.await.unwrap().id);
            let ci = TeamName::parse("ci").unwrap();
            let no_limits = "".parse().unwrap();
            let made = accounts.add_team(&called, &ci, Role::Write, &no_limits, &BY);
            made.await.unwrap();
            members.insert((organisation, 2, 0));
        }
        let facts = Facts {
            names: FIRST_NAMES.map(|name| Some(name.to_owned())).to_vec(),
            visibility: vec![public; OWNERS],
            disabled: BTreeSet::new(),
            site_admins: BTreeSet::new(),
            members,
            ci_limits: vec![0; OWNERS],
            tokens: Vec::new(),
            minutes: 0,
        };
        let world = Self {
            registry,
            accounts,
            clock,
            facts,
            ids,
            _folder: folder,
        };
        for owner in 0..OWNERS {
            world.fill(owner).await;
        }
        world
    }

    fn called(&self, owner: usize) -> Option<OwnerName> {
        self.facts.names[owner].as_deref().map(name)
    }

    /// Makes a change, of the registry and of the facts. Whether the registry made it is compared too.
    pub(crate) async fn take(&mut self, step: &Step) {
        let accounts = self.accounts.clone();
        match *step {
            Step::SetMember(organisation, user, role) => {
                let (Some(o), Some(u)) = (self.called(organisation), self.called(user)) else {
                    return;
                };
                let stays = role == Some(Role::Admin);
                let goes = |_: usize, other: usize| other == user;
                let fine = stays || self.facts.keeps_admins_without(organisation, goes);
                let done = accounts.set_member(&o, &u, role, &BY).await;
                assert_eq!(done.is_ok(), fine, "{step:?}");
                if fine {
                    self.facts.members.retain(|&(o, team, other)| {
                        (o, other) != (organisation, user) || (role.is_some() && team == 3)
                    });
                    let team = TEAMS[..3]
                        .iter()
                        .position(|(_, given)| Some(*given) == role);
                    if let Some(team) = team {
                        self.facts.members.insert((organisation, team, user));
                    }
                }
            }
            Step::JoinTeam(organisation, team, user) => {
                let (Some(o), Some(u)) = (self.called(organisation), self.called(user)) else {
                    return;
                };
                let called = TeamName::parse(TEAMS[team].0).unwrap();
                let done = accounts.add_team_member(&o, &called, &u, &BY).await;
                let new = self.facts.members.insert((organisation, team, user));
                assert_eq!(done.unwrap(), new, "{step:?}");
            }
            Step::LeaveTeam(organisation, team, user) => {
                let (Some(o), Some(u)) = (self.called(organisation), self.called(user)) else {
                    return;
                };
                let called = TeamName::parse(TEAMS[team].0).unwrap();
                let goes = |in_team: usize, other: usize| (in_team, other) == (team, user);
                let fine = self.facts.keeps_admins_without(organisation, goes);
                let done = accounts.remove_team_member(&o, &called, &u, &BY).await;
                assert_eq!(done.is_ok(), fine, "{step:?}");
                if fine {
                    self.facts.members.remove(&(organisation, team, user));
                }
            }
            Step::LimitCi(organisation, limits) => {
                let Some(o) = self.called(organisation) else {
                    return;
                };
                let ci = TeamName::parse("ci").unwrap();
                let parsed = TEAM_LIMITS[limits].parse().unwrap();
                let done = accounts.set_team_limits(&o, &ci, &parsed, &BY).await;
                let other = self.facts.ci_limits[organisation] != limits;
                assert_eq!(done.unwrap(), other, "{step:?}");
                self.facts.ci_limits[organisation] = limits;
            }
            Step::Show(owner, visibility) => {
                let Some(called) = self.called(owner) else {
                    return;
                };
                let visibility = VISIBILITIES[visibility];
                let done = accounts.set_visibility(kind(owner), &called, visibility, &BY);
                done.await.unwrap();
                self.facts.visibility[owner] = visibility;
            }
            Step::Disable(user, yes) => {
                let Some(called) = self.called(user) else {
                    return;
                };
                let fine = !yes || self.facts.has_site_admin_without(user);
                let done = accounts.set_disabled(&called, yes, &BY).await;
                assert_eq!(done.is_ok(), fine, "{step:?}");
                if fine {
                    change(&mut self.facts.disabled, user, yes);
                }
            }
            Step::SiteAdmin(user, yes) => {
                let Some(called) = self.called(user) else {
                    return;
                };
                let fine = yes || self.facts.has_site_admin_without(user);
                let done = accounts.set_admin(&called, yes, &BY).await;
                assert_eq!(done.is_ok(), fine, "{step:?}");
                if fine {
                    change(&mut self.facts.site_admins, user, yes);
                }
            }
            Step::Rename(owner, new) => {
                let Some(called) = self.called(owner) else {
                    return;
                };
                let new = NEW_NAMES[new];
                // Taken or not: what counts is who may do what afterwards.
                let done = accounts.rename(kind(owner), &called, &name(new), &BY).await;
                if done.is_ok() {
                    self.facts.rename(owner, new);
                }
            }
            Step::AddToken { .. } => self.add_token(step).await,
            Step::Revoke(token) => {
                let Some(token) = self.facts.tokens.get_mut(token) else {
                    return;
                };
                let Some(owner) = self.facts.names[token.owner].as_deref().map(name) else {
                    return;
                };
                let kind = kind(token.owner);
                let done = accounts.remove_token(kind, &owner, &token.label, &BY).await;
                assert_eq!(done.unwrap(), !token.revoked, "{step:?}");
                token.revoked = true;
            }
            Step::HalfAnHourGoesBy => {
                self.clock.advance(Duration::from_secs(30 * 60));
                self.facts.minutes += 30;
            }
            Step::Remove(owner) => {
                let Some(called) = self.called(owner) else {
                    return;
                };
                let goes = |_: usize, user: usize| user == owner;
                let fine = owner >= USERS
                    || (self.facts.has_site_admin_without(owner)
                        && (USERS..OWNERS).all(|organisation| {
                            self.facts.names[organisation].is_none()
                                || self.facts.keeps_admins_without(organisation, goes)
                        }));
                let done = accounts.remove(kind(owner), &called, true, &BY).await;
                assert_eq!(done.is_ok(), fine, "{step:?}");
                if fine {
                    self.facts.names[owner] = None;
                    self.facts
                        .members
                        .retain(|&(o, _, user)| o != owner && user != owner);
                    self.facts.site_admins.remove(&owner);
                }
            }
        }
    }

    async fn add_token(&mut self, step: &Step) {
        let Step::AddToken {
            owner,
            scopes,
            limit,
            from_here,
            for_an_hour,
        } = *step
        else {
            return;
        };
        let Some(called) = self.called(owner) else {
            return;
        };
        let limit = limit.and_then(|(limited_to, only_testing)| {
            Some((self.facts.names[limited_to].clone()?, only_testing))
        });
        let label = format!("token {}", self.facts.tokens.len());
        let limits = match &limit {
            None => String::new(),
            Some((owner, false)) => format!("{owner}/*/*"),
            Some((owner, true)) => format!("{owner}/edge/testing"),
        };
        let networks = if from_here {
            "192.0.2.0/24"
        } else {
            "2001:db8::/32"
        };
        let request = TokenRequest {
            limits: limits.parse().unwrap(),
            networks: networks.parse().unwrap(),
            lifetime: for_an_hour.then_some(Duration::from_secs(60 * 60)),
            ..TokenRequest::new(&label, SCOPES[scopes].parse().unwrap())
        };
        let admin = SCOPES[scopes].contains("admin");
        let narrow = matches!(limit, Some((_, true)));
        let fine = !admin || (owner < USERS && !narrow);
        let done = self
            .accounts
            .add_token(kind(owner), &called, &request, None, &BY);
        match done.await {
            Ok((_, secret)) => {
                assert!(fine, "{step:?}");
                self.facts.tokens.push(Token {
                    secret,
                    label,
                    owner,
                    scopes,
                    limit: limit.map(|(owner, testing)| (owner.to_lowercase(), testing)),
                    from_here,
                    ends_at: for_an_hour.then_some(self.facts.minutes + 60),
                    revoked: false,
                });
            }
            Err(error) => assert!(!fine, "{step:?}: {error}"),
        }
    }

    /// Asks everything of everybody, and compares.
    pub(crate) async fn compare(&self) -> Result<(), TestCaseError> {
        let users = (0..USERS).map(Who::User);
        let tokens = self.facts.tokens.iter().map(Who::Bearer);
        for who in std::iter::once(Who::Nobody).chain(users).chain(tokens) {
            let caller = self.caller(who).await;
            self.compare_lists(who, caller.as_ref()).await?;
            for owner in (0..OWNERS).filter(|owner| self.facts.names[*owner].is_some()) {
                for action in ACTIONS {
                    for place in PLACES {
                        let expected = self.facts.allow(who, owner, action, place);
                        let found = self.may(caller.as_ref(), owner, action, place).await;
                        prop_assert_eq!(
                            found,
                            expected,
                            "{} {:?} {} {:?}",
                            self.shown(who),
                            action,
                            owner,
                            place
                        );
                    }
                }
            }
        }
        Ok(())
    }

    /// Who the registry takes a caller for; none when the credentials are refused.
    async fn caller(&self, who: Who<'_>) -> Option<Caller> {
        let credentials = match who {
            Who::Nobody => Credentials::None,
            Who::User(user) => Credentials::Basic {
                user: self.facts.names[user].clone()?,
                password: password(user),
                code: None,
            },
            Who::Bearer(token) => Credentials::Token(token.secret.clone()),
        };
        let access = self.registry.access();
        access
            .authenticate(&credentials, IpAddr::from(HERE))
            .await
            .ok()
    }

    async fn may(
        &self,
        caller: Option<&Caller>,
        owner: usize,
        action: Action,
        (branch, repository): (&str, &str),
    ) -> bool {
        let Some(caller) = caller else {
            return false;
        };
        let called = self.called(owner).unwrap();
        let owner = self
            .registry
            .metadata()
            .owner(&called)
            .await
            .unwrap()
            .unwrap();
        let branch = Branch::parse(branch).unwrap();
        let repository = RepositoryName::parse(repository).unwrap();
        let place = Place {
            branch: &branch,
            repository: &repository,
        };
        let place = (action != Action::Administer).then_some(place);
        match self
            .registry
            .access()
            .allow(caller, &owner, action, place)
            .await
        {
            Ok(()) => true,
            Err(AccessError::Denied(_)) => false,
            Err(AccessError::Auth(error)) => unreachable!("{error}"),
        }
    }

    pub(crate) fn shown(&self, who: Who<'_>) -> String {
        match who {
            Who::Nobody => "nobody".to_owned(),
            Who::User(user) => format!("user {user}"),
            Who::Bearer(token) => format!(
                "{} of {} ({})",
                token.label, token.owner, SCOPES[token.scopes]
            ),
        }
    }
}

fn kind(owner: usize) -> OwnerKind {
    if owner < USERS {
        OwnerKind::User
    } else {
        OwnerKind::Organisation
    }
}

fn change(set: &mut BTreeSet<usize>, user: usize, yes: bool) {
    if yes {
        set.insert(user);
    } else {
        set.remove(&user);
    }
}
