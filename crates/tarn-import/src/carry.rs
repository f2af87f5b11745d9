//! Carrying a plan out: accounts first, then what they own.
//!
//! What is there already is left as it is, and nothing that was deleted here comes back by itself: what came or was found is
//! remembered, and what was remembered and is not there is in the report.

mod keys;
mod teams;

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use tarn_base::{names::OwnerName, secret::Secret};
use tarn_core::{
    Registry,
    access::{AccountError, PlacePattern},
    imports::{TokenImport, UserImport},
    publish::expiry::ExpiryError,
    webhooks::{WebhookError, WebhookOrder},
};
use tarn_store::metadata::{
    Actor, Imported, ImportedKind, MetadataError, Owner, OwnerId, OwnerKind, Role, WebhookEvents,
};

use crate::{
    Forge, ImportError, Progress,
    files::Files,
    packages,
    plan::{Plan, PlannedHook, PlannedOrganisation, PlannedTeam, PlannedToken, PlannedUser},
    report::{Kind, Report},
};

/// Why something that came earlier does not come again.
pub(crate) const DELETED: &str =
    "an earlier import brought it, and it was deleted here since; `--again` brings it back";

/// How a plan is carried out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// The folder of the packages' bytes, where it is another than the forge's settings say.
    pub packages: Option<&'a Path>,
    /// Whether what an earlier import brought and was deleted here since comes again.
    pub again: bool,
    /// The accounts here that are those of the same name in the forge, although they did not come from it.
    pub merge: &'a [String],
}

/// Who is here, by their identifiers in the forge.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Users.
    pub(crate) users: HashMap<i64, (OwnerId, OwnerName)>,
    /// Users and organisations.
    pub(crate) owners: HashMap<i64, Owner>,
    /// Those who came with this run.
    new: HashSet<i64>,
    /// Those who came with an earlier one.
    earlier: HashSet<i64>,
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

/// Imports what is planned.
///
/// # Errors
///
/// When the registry fails. What was imported until then stays, and is there already in the next run.
pub async fn carry(
    (forge, plan): (&Forge, &mut Plan),
    options: Options<'_>,
    (registry, by): (&Registry, &Actor),
    progress: Progress<'_>,
) -> Result<Report, ImportError> {
    let mut run = Run {
        registry,
        by,
        again: options.again,
        merge: options.merge,
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
        run.signing_key(*owner, key, plan).await?;
    }
    progress(&format!("signing keys: {}", plan.signing_keys.len()));
    match Files::of(forge, options.packages) {
        Ok(files) => {
            let Run { known, report, .. } = &mut run;
            let carrying = packages::Carrying {
                files: &files,
                known,
                registry,
                by,
                again: options.again,
            };
            carrying.all(plan, report, progress).await?;
        }
        Err(why) => run.report.no_packages(plan.files.len(), why),
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
    again: bool,
    merge: &'a [String],
    known: Known,
    report: Report,
}

/// What is here of an account of the forge.
enum Here {
    Owner(Owner),
    /// An account has its name that did not come from this forge.
    Other,
    /// It was here, and was deleted.
    Gone,
    Nothing,
}

impl Run<'_> {
    /// Looks for an account: for what it became in an earlier run, whatever that is called now, and by its name. A name that was given
    /// to another since is not that account. An account that was here before, or came from another forge, may belong to other people:
    /// merging would give each the other's rights, so the administrator decides.
    async fn here(
        &mut self,
        (id, identity): (i64, &str),
        name: &OwnerName,
    ) -> Result<Here, MetadataError> {
        let metadata = self.registry.metadata();
        let imports = self.registry.administration().imports();
        let earlier = imports.known_account(identity).await?;
        if let Some(earlier) = earlier
            && let Some(owner) = metadata.owner_by_id(earlier).await?
        {
            self.known.earlier.insert(id);
            return Ok(Here::Owner(owner));
        }
        Ok(match metadata.owner(name).await? {
            _ if earlier.is_some() && !self.again => Here::Gone,
            Some(owner) if self.is_merged(name) => Here::Owner(owner),
            Some(_) => Here::Other,
            None => Here::Nothing,
        })
    }

    fn is_merged(&self, name: &OwnerName) -> bool {
        let is_it = |merged: &String| merged.eq_ignore_ascii_case(name.as_str());
        self.merge.iter().any(is_it)
    }

    fn is_other(&mut self, kind: Kind, name: &OwnerName) {
        let why = format!(
            "an account here has this name but did not come from this forge; if it is the same, import with `--merge {name}`, else rename one of them"
        );
        self.report.left_out(kind, name.as_str(), why);
    }

    async fn remember(&self, thing: Imported) -> Result<(), MetadataError> {
        let imports = self.registry.administration().imports();
        match imports.knows(&thing).await? {
            true => Ok(()),
            false => imports.remember(&[thing]).await,
        }
    }

    /// Whether something that is not here came earlier, and is not to come again.
    async fn is_deleted(&self, thing: &Imported) -> Result<bool, MetadataError> {
        let imports = self.registry.administration().imports();
        Ok(!self.again && imports.knows(thing).await?)
    }

    async fn user(&mut self, user: &PlannedUser) -> Result<(), ImportError> {
        match self.here((user.id, &user.identity), &user.name).await? {
            Here::Owner(owner) if owner.kind != OwnerKind::User => {
                let why = "an organisation here has this name";
                self.report.left_out(Kind::User, user.name.as_str(), why);
                return Ok(());
            }
            Here::Owner(owner) => {
                self.report.there(Kind::User);
                self.know(user.id, owner);
                return Ok(());
            }
            Here::Gone => {
                let name = user.name.as_str();
                self.report.left_out(Kind::User, name, DELETED);
                return Ok(());
            }
            Here::Other => {
                self.is_other(Kind::User, &user.name);
                return Ok(());
            }
            Here::Nothing => {}
        }
        let import = UserImport {
            name: &user.name,
            known_as: &user.identity,
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
        let here = (planned.id, planned.identity.as_str());
        let owner = match self.here(here, &planned.name).await? {
            Here::Owner(owner) if owner.kind != OwnerKind::Organisation => {
                let why = "a user here has this name";
                self.report.left_out(Kind::Organisation, name, why);
                return Ok(());
            }
            Here::Gone => {
                self.report.left_out(Kind::Organisation, name, DELETED);
                return Ok(());
            }
            Here::Other => {
                self.is_other(Kind::Organisation, &planned.name);
                return Ok(());
            }
            Here::Owner(owner) => {
                self.report.there(Kind::Organisation);
                owner
            }
            Here::Nothing => {
                let first = planned
                    .admins
                    .iter()
                    .find_map(|id| self.known.users.get(id));
                let Some((first, _)) = first else {
                    let why = "none of its owners is imported";
                    self.report.left_out(Kind::Organisation, name, why);
                    return Ok(());
                };
                let imports = self.registry.administration().imports();
                let new = (&planned.name, planned.visibility);
                let made = imports
                    .organisation(new, &planned.identity, *first, self.by)
                    .await;
                match made {
                    Ok(owner) => {
                        self.report.imported(Kind::Organisation);
                        self.known.new.insert(planned.id);
                        owner
                    }
                    Err(error) => return self.not_made(Kind::Organisation, name, error),
                }
            }
        };
        self.know(planned.id, owner);
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

    async fn rule(&mut self, id: i64, days: u32, keep: u32) -> Result<(), ImportError> {
        let Some(owner) = self.known.owners.get(&id).cloned() else {
            return Ok(());
        };
        let expiry = self.registry.administration().expiry();
        let thing = thing(ImportedKind::Rule, "*/*", owner.id);
        if !expiry.rules(Some(owner.id)).await?.is_empty() {
            self.report.there(Kind::Rule);
            self.remember(thing).await?;
            return Ok(());
        }
        if self.is_deleted(&thing).await? {
            self.report.left_out(Kind::Rule, owner.name, DELETED);
            return Ok(());
        }
        let made = match "*/*".parse::<PlacePattern>() {
            Ok(everywhere) => expiry.set(owner.id, &everywhere, days, keep, self.by).await,
            Err(error) => Err(error.into()),
        };
        match made {
            Ok(_) => {
                self.report.imported(Kind::Rule);
                self.remember(thing).await?;
            }
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
        // The path of a URL may be secret.
        let hash = sha256(hook.url.trim_end_matches('/'));
        let thing = thing(ImportedKind::Webhook, &hash, owner.id);
        let added = match webhooks.list(&owner).await {
            Ok(listed)
                if listed
                    .iter()
                    .any(|known| is_same(known.target.as_str(), &hook.url)) =>
            {
                self.report.there(Kind::Webhook);
                self.remember(thing).await?;
                return Ok(());
            }
            Ok(_) if self.is_deleted(&thing).await? => {
                self.report.left_out(Kind::Webhook, owner.name, DELETED);
                return Ok(());
            }
            Ok(_) => {
                let order = WebhookOrder {
                    url: &hook.url,
                    events: WebhookEvents::PACKAGES,
                    secret: hook.secret.clone(),
                    active: hook.active,
                };
                webhooks.add(&owner, order, self.by).await
            }
            Err(error) => Err(error),
        };
        match added {
            Ok(_) => {
                self.report.imported(Kind::Webhook);
                self.remember(thing).await?;
            }
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

fn thing(kind: ImportedKind, name: &str, owner: OwnerId) -> Imported {
    Imported {
        kind,
        name: name.to_owned(),
        owner,
    }
}

fn sha256(text: &str) -> String {
    STANDARD_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}
