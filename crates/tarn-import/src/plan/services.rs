//! Cleanup rules, webhooks, and what Tarn has nothing for.

use serde::Deserialize;

use super::{Plan, PlannedHook, PlannedRule};
use crate::{
    forge::{CleanupRule, Forge, Hook},
    report::Kind,
};

impl Plan {
    pub(super) fn rule(&mut self, rule: &CleanupRule) {
        let what = self.name_of(rule.owner);
        let (days, keep) = (u32::try_from(rule.days), u32::try_from(rule.keep));
        let why = match (days, keep) {
            _ if !rule.enabled => "it is not enabled",
            _ if rule.has_pattern => {
                "it has a pattern of versions, which rules here don't have; without it, packages would be deleted that the forge keeps"
            }
            _ if rule.counts_downloads => {
                "it keeps recently downloaded packages, which rules here cannot; without that, packages would be deleted that the forge keeps"
            }
            (Ok(days), Ok(keep)) => {
                if days == 0 {
                    let why = "deletes whatever its age, here what is older than a day";
                    self.report.changed(Kind::Rule, what, why);
                }
                self.rules.push(PlannedRule {
                    owner: rule.owner,
                    days: days.max(1),
                    keep,
                });
                return;
            }
            _ => "its numbers are out of bounds",
        };
        self.report.left_out(Kind::Rule, what, why);
    }

    pub(super) fn hook(&mut self, hook: &Hook, has_owner: bool) {
        // The path and the query of a webhook's URL may be secret.
        let origin: Vec<&str> = hook.url.splitn(4, '/').take(3).collect();
        let of = match hook.owner {
            0 => "the forge".to_owned(),
            owner => self.name_of(owner),
        };
        let what = format!("{of}: {}", origin.join("/"));
        let wants_packages = match serde_json::from_str::<Events>(&hook.events) {
            Ok(events) => events.send_everything || events.choose_events && events.events.package,
            Err(_) if hook.repository != 0 => false,
            Err(_) => {
                let why = "its events in the forge's database can't be read";
                return self.report.left_out(Kind::Webhook, what, why);
            }
        };
        if !wants_packages {
            // Of Git only.
            return;
        }
        let why = if hook.repository != 0 {
            "it belongs to a Git repository"
        } else if hook.owner == 0 {
            "it belongs to the whole forge; add it to the owners that need it with `tarn webhook add`"
        } else if !has_owner {
            "its owner is not imported"
        } else if !matches!(hook.kind.as_str(), "gitea" | "forgejo" | "gogs") {
            "it sends messages in the form of a chat service"
        } else if !matches!(hook.method.as_str(), "POST" | "") || hook.content_type != 1 {
            "it does not send JSON by POST"
        } else if hook.authorizes {
            "it sends a header `Authorization`"
        } else {
            self.hooks.push(PlannedHook {
                owner: hook.owner,
                url: hook.url.clone(),
                secret: Some(hook.secret.clone()).filter(|secret| !secret.expose().is_empty()),
                active: hook.active,
            });
            return;
        };
        self.report.left_out(Kind::Webhook, what, why);
    }

    pub(super) fn others(&mut self, forge: &Forge) {
        for (kind, count) in &forge.other_packages {
            let plural = if *count == 1 { "" } else { "s" };
            let what = format!("{count} {kind} package version{plural}");
            let why = "Tarn has Alpine packages only";
            self.report.left_out(Kind::Other, what, why);
        }
        let mut some = |count: i64, what: &str, why: &str| {
            if count > 0 {
                self.report
                    .left_out(Kind::Other, format!("{count} {what}"), why);
            }
        };
        let why = "they stay where they are";
        some(forge.repositories, "Git repositories", why);
        let why = "requests with an old name are not redirected; rename the owner back, import, and use `tarn user rename`";
        some(forge.former_names, "former names of owners", why);
    }
}

/// `events` of a webhook (`modules/webhook/structs.go`).
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Events {
    send_everything: bool,
    choose_events: bool,
    events: Chosen,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Chosen {
    package: bool,
}
