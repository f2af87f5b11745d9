//! Carrying a plan out: accounts first, then what they own.

mod keys;
mod teams;

use std::path::Path;

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
    Actor, ImportedKind, MetadataError, Owner, OwnerKind, Role, WebhookEvents,
};

use crate::{
    Forge, ImportError, Progress,
    files::Files,
    plan::{
        Plan, PlannedHook, PlannedOrganisation, PlannedRule, PlannedTeam, PlannedToken, PlannedUser,
    },
    report::{Ended, Kind, Report},
    run::{Known, Run, thing},
};

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
    let mut report = std::mem::take(&mut plan.report);
    let mut run = Run {
        registry,
        by,
        again: options.again,
        merge: options.merge,
        known: Known::default(),
    };
    for user in &plan.users {
        let ended = run.user(user).await?;
        if ended.is_new() && user.generator.is_some() {
            report.imported(Kind::SecondFactor);
        }
        report.ended(Kind::User, user.name.as_str(), ended);
    }
    progress(&format!(
        "users: {} of {}",
        run.known.users.len(),
        plan.users.len()
    ));
    for organisation in &plan.organisations {
        let ended = run.organisation(organisation, plan, &mut report).await?;
        report.ended(Kind::Organisation, organisation.name.as_str(), ended);
    }
    progress(&format!("organisations: {}", plan.organisations.len()));
    for token in &plan.tokens {
        let (what, ended) = run.token(token).await?;
        report.ended(Kind::Token, what, ended);
    }
    progress(&format!("tokens: {}", plan.tokens.len()));
    for (id, key) in &plan.signing_keys {
        if let Some(owner) = run.known.owners.get(id) {
            let in_forge = plan.names.get(id).unwrap_or(&owner.name);
            let ended = run.signing_key(owner, in_forge, key).await?;
            report.ended(Kind::SigningKey, &owner.name, ended);
        }
    }
    progress(&format!("signing keys: {}", plan.signing_keys.len()));
    match Files::of(forge, options.packages) {
        Ok(files) => run.packages(&files, plan, &mut report, progress).await?,
        Err(why) => report.no_packages(plan.files.len(), why),
    }
    for rule in &plan.rules {
        if let Some(owner) = run.known.owners.get(&rule.owner) {
            let ended = run.rule(owner, rule).await?;
            report.ended(Kind::Rule, &owner.name, ended);
        }
    }
    // Last of all: they hear of what is published from now on.
    for hook in &plan.hooks {
        if let Some(owner) = run.known.owners.get(&hook.owner) {
            let ended = run.hook(owner, hook).await?;
            report.ended(Kind::Webhook, &owner.name, ended);
        }
    }
    progress(&format!(
        "expiry rules: {}, webhooks: {}",
        plan.rules.len(),
        plan.hooks.len()
    ));
    Ok(report)
}

/// What is here of an account of the forge.
enum Here {
    Owner(Owner),
    /// Not the account, and it is not made.
    Not(Ended),
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
        kind: OwnerKind,
    ) -> Result<Here, MetadataError> {
        let metadata = self.registry.metadata();
        let imports = self.registry.administration().imports();
        let earlier = imports.known_account(identity).await?;
        let known = match earlier {
            Some(earlier) => metadata.owner_by_id(earlier).await?,
            None => None,
        };
        let owner = match known {
            Some(owner) => {
                self.known.earlier.insert(id);
                owner
            }
            None => match metadata.owner(name).await? {
                _ if earlier.is_some() && !self.again => return Ok(Here::Not(Ended::Deleted)),
                Some(owner) if self.is_merged(name) => owner,
                Some(_) => {
                    return Ok(Here::Not(Ended::LeftOut(format!(
                        "an account here has this name but did not come from this forge; if it is the same, import with `--merge {name}`, else rename one of them"
                    ))));
                }
                None => return Ok(Here::Nothing),
            },
        };
        Ok(match owner.kind {
            found if found == kind => Here::Owner(owner),
            OwnerKind::User => Here::Not(Ended::left_out("a user here has this name")),
            OwnerKind::Organisation => {
                Here::Not(Ended::left_out("an organisation here has this name"))
            }
        })
    }

    fn is_merged(&self, name: &OwnerName) -> bool {
        let is_it = |merged: &String| merged.eq_ignore_ascii_case(name.as_str());
        self.merge.iter().any(is_it)
    }

    async fn user(&mut self, user: &PlannedUser) -> Result<Ended, ImportError> {
        let account = (user.id, user.identity.as_str());
        match self.here(account, &user.name, OwnerKind::User).await? {
            Here::Owner(owner) => {
                self.know(user.id, owner);
                return Ok(Ended::There);
            }
            Here::Not(ended) => return Ok(ended),
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
        let id = match imports.user(&import, self.by).await {
            Ok(id) => id,
            Err(error) => return not_made(error),
        };
        let owner = Owner {
            id,
            kind: OwnerKind::User,
            name: user.name.as_str().to_owned(),
            visibility: user.visibility,
        };
        self.known.new.insert(user.id);
        self.know(user.id, owner);
        Ok(Ended::Imported)
    }

    fn know(&mut self, id: i64, owner: Owner) {
        if owner.kind == OwnerKind::User
            && let Ok(name) = OwnerName::parse(&owner.name)
        {
            self.known.users.insert(id, (owner.id, name));
        }
        self.known.owners.insert(id, owner);
    }

    async fn organisation(
        &mut self,
        planned: &PlannedOrganisation,
        plan: &Plan,
        report: &mut Report,
    ) -> Result<Ended, ImportError> {
        let account = (planned.id, planned.identity.as_str());
        let kind = OwnerKind::Organisation;
        let (owner, ended) = match self.here(account, &planned.name, kind).await? {
            Here::Owner(owner) => (owner, Ended::There),
            Here::Not(ended) => return Ok(ended),
            Here::Nothing => {
                let mut admins = planned.admins.iter();
                let Some((first, _)) = admins.find_map(|id| self.known.users.get(id)) else {
                    return Ok(Ended::left_out("none of its owners is imported"));
                };
                let imports = self.registry.administration().imports();
                let new = (&planned.name, planned.visibility);
                let made = imports.organisation(new, &planned.identity, *first, self.by);
                match made.await {
                    Ok(owner) => {
                        self.known.new.insert(planned.id);
                        (owner, Ended::Imported)
                    }
                    Err(error) => return not_made(error),
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
            self.team(planned, team, plan, report).await?;
        }
        Ok(ended)
    }

    /// Also returns its name for the report.
    async fn token(&self, token: &PlannedToken) -> Result<(String, Ended), ImportError> {
        let Some((id, name)) = self.known.users.get(&token.user) else {
            let ended = Ended::left_out("its user is not imported");
            return Ok((token.label.clone(), ended));
        };
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
        let ended = match imports.token(&import, self.by).await {
            Ok(true) => Ended::Imported,
            Ok(false) => Ended::There,
            Err(error) => not_made(error)?,
        };
        Ok((format!("{name}/{}", token.label), ended))
    }

    async fn rule(&self, owner: &Owner, rule: &PlannedRule) -> Result<Ended, ImportError> {
        let expiry = self.registry.administration().expiry();
        let thing = thing(ImportedKind::Rule, "*/*", owner.id);
        let is_there = !expiry.rules(Some(owner.id)).await?.is_empty();
        let make = async || {
            let made = match "*/*".parse::<PlacePattern>() {
                Ok(everywhere) => {
                    let (days, keep) = (rule.days, rule.keep);
                    expiry.set(owner.id, &everywhere, days, keep, self.by).await
                }
                Err(error) => Err(error.into()),
            };
            match made {
                Ok(_) => Ok(Ended::Imported),
                Err(ExpiryError::Metadata(error)) => Err(error.into()),
                Err(error) => Ok(Ended::left_out(error.to_string())),
            }
        };
        self.settle(thing, is_there, make).await
    }

    async fn hook(&self, owner: &Owner, hook: &PlannedHook) -> Result<Ended, ImportError> {
        let webhooks = self.registry.administration().webhooks();
        let failed = |error| match error {
            WebhookError::Metadata(error) => Err(error.into()),
            error => Ok(Ended::left_out(error.to_string())),
        };
        let listed = match webhooks.list(owner).await {
            Ok(listed) => listed,
            Err(error) => return failed(error),
        };
        // The path of a URL may be secret.
        let hash = sha256(hook.url.trim_end_matches('/'));
        let thing = thing(ImportedKind::Webhook, &hash, owner.id);
        let mut urls = listed.iter().map(|known| known.target.as_str());
        let is_there = urls.any(|known| is_same(known, &hook.url));
        let make = async || {
            let order = WebhookOrder {
                url: &hook.url,
                events: WebhookEvents::PACKAGES,
                secret: hook.secret.clone(),
                active: hook.active,
            };
            let added = webhooks.add(owner, order, self.by).await;
            added.map_or_else(failed, |_| Ok(Ended::Imported))
        };
        self.settle(thing, is_there, make).await
    }
}

/// Why an account or a team was not made, or the error where the registry failed.
fn not_made(error: AccountError) -> Result<Ended, ImportError> {
    match error {
        AccountError::Metadata(error) => Err(error.into()),
        error => Ok(Ended::left_out(error.to_string())),
    }
}

/// Whether two URLs are one: an empty path is written as `/` here.
fn is_same(known: &str, given: &str) -> bool {
    known.trim_end_matches('/') == given.trim_end_matches('/')
}

fn sha256(text: &str) -> String {
    STANDARD_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}
