//! Carrying a plan out: accounts first, then what they own.
//!
//! What is there already is left as it is, and nothing that an administrator took away here comes back by itself: a member who is not
//! in a team any more is in the report, and a token that was revoked stays revoked.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use tarn_base::{
    names::{OwnerName, TeamName},
    secret::Secret,
};
use tarn_core::{
    Registry,
    access::{AccountError, PlacePattern, TeamLimits},
    imports::{TokenImport, UserImport},
    keys::{Import, KeyError},
    publish::expiry::ExpiryError,
    webhooks::{WebhookError, WebhookOrder},
};
use tarn_store::metadata::{Actor, BUILT_IN_TEAMS, Owner, OwnerId, OwnerKind, Role, WebhookEvents};

use crate::{
    Forge, ImportError, Progress, packages,
    plan::{Plan, PlannedHook, PlannedOrganisation, PlannedTeam, PlannedToken, PlannedUser},
    report::{Kind, Report},
};

/// Who is here, by their identifiers in the forge.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Users.
    pub(crate) users: HashMap<i64, (OwnerId, OwnerName)>,
    /// Users and organisations.
    pub(crate) owners: HashMap<i64, Owner>,
    /// Those who came with this run.
    new: HashSet<i64>,
}

impl Known {
    /// What an owner is called.
    pub(crate) fn name_of(&self, plan: &Plan, owner: i64) -> String {
        let known = self.owners.get(&owner).map(|owner| owner.name.clone());
        known
            .or_else(|| plan.names.get(&owner).cloned())
            .unwrap_or_else(|| format!("account {owner}"))
    }
}

/// Imports what is planned. `packages` is the folder of the packages' bytes, where it is another than the forge's settings say.
///
/// # Errors
///
/// When the registry fails. What was imported until then stays, and is there already in the next run.
pub async fn carry(
    (forge, plan): (&Forge, &mut Plan),
    packages: Option<&Path>,
    (registry, by): (&Registry, &Actor),
    progress: Progress<'_>,
) -> Result<Report, ImportError> {
    let mut run = Run {
        registry,
        by,
        known: Known::default(),
        report: std::mem::take(&mut plan.report),
    };
    for user in &plan.users {
        run.user(user).await?;
    }
    progress(&format!(
        "users: {} of {}",
        run.known.users.len(),
        plan.users.len()
    ));
    for organisation in &plan.organisations {
        run.organisation(organisation, plan).await?;
    }
    progress(&format!("organisations: {}", plan.organisations.len()));
    for token in &plan.tokens {
        run.token(token).await?;
    }
    progress(&format!("tokens: {}", plan.tokens.len()));
    for (owner, key) in &plan.signing_keys {
        run.signing_key(*owner, key).await?;
    }
    progress(&format!("signing keys: {}", plan.signing_keys.len()));
    match packages::folder(forge, packages) {
        Ok(folder) => {
            let Run { known, report, .. } = &mut run;
            packages::carry((plan, known), &folder, (registry, by), report, progress).await?;
        }
        Err(None) => {}
        Err(Some(why)) => {
            let what = format!("{} packages", plan.files.len());
            run.report.left_out(Kind::Package, what, why);
        }
    }
    for rule in &plan.rules {
        run.rule(rule.owner, rule.days, rule.keep).await?;
    }
    // Last of all: they hear of what is published from now on.
    for hook in &plan.hooks {
        run.hook(hook).await?;
    }
    progress(&format!(
        "expiry rules: {}, webhooks: {}",
        plan.rules.len(),
        plan.hooks.len()
    ));
    Ok(run.report)
}

struct Run<'a> {
    registry: &'a Registry,
    by: &'a Actor,
    known: Known,
    report: Report,
}

impl Run<'_> {
    async fn user(&mut self, user: &PlannedUser) -> Result<(), ImportError> {
        let found = self.registry.metadata().owner(&user.name).await?;
        if let Some(owner) = found {
            if owner.kind != OwnerKind::User {
                let why = "an organisation here has this name";
                self.report.left_out(Kind::User, user.name.as_str(), why);
                return Ok(());
            }
            self.report.there(Kind::User);
            self.know(user.id, owner);
            return Ok(());
        }
        let import = UserImport {
            name: &user.name,
            password_hash: user.password_hash.as_ref().map(Secret::expose),
            admin: user.admin,
            disabled: user.disabled,
            visibility: user.visibility,
            generator: user.generator.as_ref(),
        };
        let imports = self.registry.administration().imports();
        match imports.user(&import, self.by).await {
            Ok(id) => {
                self.report.imported(Kind::User);
                if user.generator.is_some() {
                    self.report.imported(Kind::SecondFactor);
                }
                self.known.new.insert(user.id);
                let owner = Owner {
                    id,
                    kind: OwnerKind::User,
                    name: user.name.as_str().to_owned(),
                    visibility: user.visibility,
                };
                self.know(user.id, owner);
                Ok(())
            }
            Err(error) => self.not_made(Kind::User, user.name.as_str(), error),
        }
    }

    fn know(&mut self, id: i64, owner: Owner) {
        if owner.kind == OwnerKind::User
            && let Ok(name) = OwnerName::parse(&owner.name)
        {
            self.known.users.insert(id, (owner.id, name));
        }
        self.known.owners.insert(id, owner);
    }

    /// Notes why an account was not made, or gives the error where the registry failed.
    fn not_made(&mut self, kind: Kind, what: &str, error: AccountError) -> Result<(), ImportError> {
        match error {
            AccountError::Metadata(error) => Err(error.into()),
            error => {
                self.report.left_out(kind, what, error.to_string());
                Ok(())
            }
        }
    }

    async fn organisation(
        &mut self,
        planned: &PlannedOrganisation,
        plan: &Plan,
    ) -> Result<(), ImportError> {
        let name = planned.name.as_str();
        let accounts = self.registry.administration().accounts();
        match self.registry.metadata().owner(&planned.name).await? {
            Some(owner) if owner.kind != OwnerKind::Organisation => {
                let why = "a user here has this name";
                self.report.left_out(Kind::Organisation, name, why);
                return Ok(());
            }
            Some(owner) => {
                self.report.there(Kind::Organisation);
                self.know(planned.id, owner);
            }
            None => {
                let first = planned
                    .admins
                    .iter()
                    .find_map(|id| self.known.users.get(id));
                let Some((_, first)) = first else {
                    let why = "none of its owners is imported";
                    self.report.left_out(Kind::Organisation, name, why);
                    return Ok(());
                };
                let made = accounts
                    .add_organisation(&planned.name, planned.visibility, first, self.by)
                    .await;
                match made {
                    Ok(owner) => {
                        self.report.imported(Kind::Organisation);
                        self.known.new.insert(planned.id);
                        self.know(planned.id, owner);
                    }
                    Err(error) => return self.not_made(Kind::Organisation, name, error),
                }
            }
        }
        let admins = PlannedTeam {
            name: None,
            role: Role::Admin,
            members: planned.admins.clone(),
        };
        for team in [&admins].into_iter().chain(&planned.teams) {
            self.team(planned, team, plan).await?;
        }
        Ok(())
    }

    async fn team(
        &mut self,
        organisation: &PlannedOrganisation,
        team: &PlannedTeam,
        plan: &Plan,
    ) -> Result<(), ImportError> {
        let accounts = self.registry.administration().accounts();
        let of_role = |(_, role): &&(&str, Role)| *role == team.role;
        let built_in = BUILT_IN_TEAMS.iter().find(of_role).map(|(name, _)| *name);
        let built_in = built_in.and_then(|name| TeamName::parse(name).ok());
        let Some(name) = team.name.clone().or(built_in) else {
            return Ok(());
        };
        let mut is_new = self.known.new.contains(&organisation.id);
        if team.name.is_some() {
            match accounts.find_team(&organisation.name, &name).await {
                Ok(_) => self.report.there(Kind::Team),
                Err(AccountError::NoTeam { .. }) => {
                    let limits = TeamLimits::default();
                    let made = accounts
                        .add_team(&organisation.name, &name, team.role, &limits, self.by)
                        .await;
                    if let Err(error) = made {
                        let what = format!("{}/{name}", organisation.name);
                        return self.not_made(Kind::Team, &what, error);
                    }
                    self.report.imported(Kind::Team);
                    is_new = true;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let members = accounts.team_members(&organisation.name, &name).await?;
        let members: HashSet<OwnerId> = members.iter().map(|user| user.id).collect();
        for id in &team.members {
            let what = format!(
                "{} in {}/{name}",
                self.known.name_of(plan, *id),
                organisation.name
            );
            let Some((user, user_name)) = self.known.users.get(id) else {
                self.report
                    .left_out(Kind::Member, what, "the user is not imported");
                continue;
            };
            if members.contains(user) {
                // Who made the organisation is in a team of it before this.
                match is_new {
                    true => self.report.imported(Kind::Member),
                    false => self.report.there(Kind::Member),
                }
            } else if is_new || self.known.new.contains(id) {
                accounts
                    .add_team_member(&organisation.name, &name, user_name, self.by)
                    .await?;
                self.report.imported(Kind::Member);
            } else {
                let why = format!(
                    "is in this team of the forge, and not here any more, or an earlier import was cut off: `tarn org team member {} {name} {user_name}` adds them",
                    organisation.name
                );
                self.report.left_out(Kind::Member, what, why);
            }
        }
        Ok(())
    }

    async fn token(&mut self, token: &PlannedToken) -> Result<(), ImportError> {
        let Some((id, name)) = self.known.users.get(&token.user) else {
            let why = "its user is not imported";
            self.report.left_out(Kind::Token, &token.label, why);
            return Ok(());
        };
        let what = format!("{name}/{}", token.label);
        let import = TokenImport {
            owner: (*id, name),
            label: &token.label,
            kept: &token.kept,
            last_eight: &token.last_eight,
            scopes: token.scopes,
            created_at: token.created_at,
            last_used_at: token.last_used_at,
        };
        let imports = self.registry.administration().imports();
        match imports.token(&import, self.by).await {
            Ok(true) => self.report.imported(Kind::Token),
            Ok(false) => self.report.there(Kind::Token),
            Err(error) => return self.not_made(Kind::Token, &what, error),
        }
        Ok(())
    }

    async fn signing_key(&mut self, id: i64, pem: &Secret) -> Result<(), ImportError> {
        let Some(owner) = self.known.owners.get(&id).cloned() else {
            return Ok(());
        };
        let keys = self.registry.keys();
        let imported = keys
            .import(&owner, pem, None, Import::Beside, self.by)
            .await;
        match imported {
            Ok(_) => self.report.imported(Kind::SigningKey),
            Err(KeyError::NameTaken { .. }) => self.report.there(Kind::SigningKey),
            Err(
                error @ (KeyError::NotAKey(_) | KeyError::Size { .. } | KeyError::TooManyActive),
            ) => {
                self.report
                    .left_out(Kind::SigningKey, owner.name, error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    async fn rule(&mut self, id: i64, days: u32, keep: u32) -> Result<(), ImportError> {
        let Some(owner) = self.known.owners.get(&id).cloned() else {
            return Ok(());
        };
        let expiry = self.registry.administration().expiry();
        if !expiry.rules(Some(owner.id)).await?.is_empty() {
            self.report.there(Kind::Rule);
            return Ok(());
        }
        let made = match "*/*".parse::<PlacePattern>() {
            Ok(everywhere) => expiry.set(owner.id, &everywhere, days, keep, self.by).await,
            Err(error) => Err(error.into()),
        };
        match made {
            Ok(_) => self.report.imported(Kind::Rule),
            Err(ExpiryError::Metadata(error)) => return Err(error.into()),
            Err(error) => self
                .report
                .left_out(Kind::Rule, owner.name, error.to_string()),
        }
        Ok(())
    }

    async fn hook(&mut self, hook: &PlannedHook) -> Result<(), ImportError> {
        let Some(owner) = self.known.owners.get(&hook.owner).cloned() else {
            return Ok(());
        };
        let webhooks = self.registry.administration().webhooks();
        let added = match webhooks.list(&owner).await {
            Ok(listed)
                if listed
                    .iter()
                    .any(|known| is_same(known.target.as_str(), &hook.url)) =>
            {
                self.report.there(Kind::Webhook);
                return Ok(());
            }
            Ok(_) => {
                let order = WebhookOrder {
                    url: &hook.url,
                    events: WebhookEvents::ALL,
                    secret: hook.secret.clone(),
                    active: hook.active,
                };
                webhooks.add_as(&owner, order, self.by).await
            }
            Err(error) => Err(error),
        };
        match added {
            Ok(_) => self.report.imported(Kind::Webhook),
            Err(WebhookError::Metadata(error)) => return Err(error.into()),
            Err(error) => self
                .report
                .left_out(Kind::Webhook, owner.name, error.to_string()),
        }
        Ok(())
    }
}

/// Whether two URLs are one: an empty path is written as `/` here.
fn is_same(known: &str, given: &str) -> bool {
    known.trim_end_matches('/') == given.trim_end_matches('/')
}
