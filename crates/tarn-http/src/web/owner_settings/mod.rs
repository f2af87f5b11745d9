//! `/-/owners/{owner}`: what an admin of an organisation, or a user with their own packages, looks after.

mod audit;
mod deleted;
mod expiry;
mod keys;
mod members;
mod teams;
mod usage;
mod webhooks;

pub(super) use audit::{AuditQuery, exported, log};

use askama::Template;
use axum::{
    Router,
    response::Response,
    routing::{get, post},
};

use super::{
    account::tokens,
    below,
    form::Form,
    manage::{Managed, Shell, or_again},
    page::Frame,
};
use crate::{api::administer::owner_name, error::ApiError};
use tarn_core::{
    Registry,
    access::{Action, decide_site},
};
use tarn_store::metadata::{OwnerKind, VersionRule, Visibility};

/// The routes.
pub(super) fn router() -> Router<Registry> {
    below(
        "/-/owners/{owner}",
        [
            ("", get(general).post(change)),
            ("/rename", post(rename)),
            ("/remove", post(remove)),
            ("/members", get(members::show).post(members::set)),
            ("/members/remove", post(members::remove)),
            ("/teams", get(teams::show).post(teams::add)),
            ("/teams/{team}", get(teams::show_one)),
            ("/teams/{team}/limits", post(teams::set_limits)),
            ("/teams/{team}/remove", post(teams::remove)),
            ("/teams/{team}/members", post(teams::add_member)),
            ("/teams/{team}/members/remove", post(teams::remove_member)),
            ("/tokens", get(tokens::show).post(tokens::add)),
            ("/tokens/revoke", post(tokens::revoke)),
            ("/keys", get(keys::show)),
            ("/keys/rotate", post(keys::rotate)),
            ("/keys/retire", post(keys::retire)),
            ("/keys/reactivate", post(keys::reactivate)),
            ("/deleted", get(deleted::show)),
            ("/deleted/restore", post(deleted::restore)),
            ("/expiry", get(expiry::show).post(expiry::set)),
            ("/expiry/remove", post(expiry::remove)),
            ("/usage", get(usage::show).post(usage::set)),
            ("/webhooks", get(webhooks::show).post(webhooks::add)),
            ("/webhooks/{id}", get(webhooks::one).post(webhooks::change)),
            ("/webhooks/{id}/remove", post(webhooks::remove)),
            ("/webhooks/{id}/test", post(webhooks::test)),
            ("/webhooks/{id}/redeliver", post(webhooks::redeliver)),
            ("/audit", get(audit::show)),
            ("/audit/export", get(audit::export)),
        ],
    )
}

#[derive(Template)]
#[template(path = "owner/general.html")]
struct GeneralPage<'a> {
    frame: &'a Frame,
    shell: Shell,
    path: &'a str,
    name: &'a str,
    visibility: Visibility,
    versions: Option<VersionRule>,
    is_organisation: bool,
    is_site_admin: bool,
}

impl GeneralPage<'_> {
    fn follows(&self, rule: &str) -> bool {
        self.versions.map_or("", VersionRule::as_str) == rule
    }
}

async fn general(of: Managed) -> Result<Response, ApiError> {
    let accounts = of.registry.accounts();
    let page = GeneralPage {
        frame: &of.frame,
        shell: of.shell("", "General"),
        path: &of.path(""),
        name: &of.owner.name,
        visibility: of.owner.visibility,
        versions: accounts.version_rule(of.owner.id).await?,
        is_organisation: of.owner.kind == OwnerKind::Organisation,
        is_site_admin: decide_site(&of.caller).is_ok(),
    };
    of.answer(&page)
}

/// Who may read, and which versions are taken.
async fn change(of: Managed, form: Form) -> Result<Response, ApiError> {
    let changed = async {
        let visibility: Visibility = form.parsed("visibility")?;
        let versions: Option<VersionRule> = match form.text("versions") {
            "" => None,
            _ => Some(form.parsed("versions")?),
        };
        let accounts = of.registry.accounts();
        let (kind, name, by) = (of.owner.kind, &of.name, &of.by);
        accounts.set_visibility(kind, name, visibility, by).await?;
        accounts.set_version_rule(kind, name, versions, by).await?;
        of.done(&of.path(""), "The settings are saved.")
    };
    let changed = changed.await;
    or_again(changed, of, form, general).await
}

/// Another name. Users are renamed by administrators.
async fn rename(of: Managed, form: Form) -> Result<Response, ApiError> {
    let renamed = async {
        if of.owner.kind == OwnerKind::User {
            decide_site(&of.caller)?;
        }
        of.needs_password(&form).await?;
        let new = owner_name(form.text("new_name"))?;
        let accounts = of.registry.accounts();
        accounts
            .rename(of.owner.kind, &of.name, &new, &of.by)
            .await?;
        let notice = format!("The new name is {new}. The old one redirects to it.");
        of.done(&format!("/-/owners/{new}"), &notice)
    };
    let renamed = renamed.await;
    or_again(renamed, of, form, general).await
}

/// Deletes an organisation. Users are deleted by administrators.
async fn remove(of: Managed, form: Form) -> Result<Response, ApiError> {
    let removed = async {
        if of.owner.kind == OwnerKind::User {
            decide_site(&of.caller)?;
        }
        of.needs_password(&form).await?;
        if form.text("confirm") != of.owner.name {
            return Err(ApiError::Unprocessable(format!(
                "type the name {} to delete it; nothing was deleted",
                of.owner.name
            )));
        }
        let with_packages = form.has("packages", "delete");
        if with_packages {
            of.allow(&of.owner, Action::Delete, None).await?;
        }
        let accounts = of.registry.accounts();
        let kind = of.owner.kind;
        accounts
            .remove(kind, &of.name, with_packages, &of.by)
            .await?;
        of.done("/", &format!("{} is deleted.", of.owner.name))
    };
    let removed = removed.await;
    or_again(removed, of, form, general).await
}
