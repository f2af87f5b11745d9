//! `/-/owners/{owner}`: what an admin of an organisation, or a user with their own packages, looks after.

mod audit;
mod deleted;
mod expiry;
mod keys;
mod members;
mod teams;
mod usage;
mod webhooks;

pub(super) use audit::{AuditQuery, Log, exported, read};

use askama::Template;
use axum::{
    Router,
    response::Response,
    routing::{get, post},
};

use super::{
    account::tokens,
    form::{Form, Problem},
    manage::{Managed, Shell, or_problem},
    page::Frame,
};
use crate::error::ApiError;
use tarn_base::names::OwnerName;
use tarn_core::{Registry, access::Action};
use tarn_store::metadata::{OwnerKind, VersionRule, Visibility};

/// The routes.
pub(super) fn router() -> Router<Registry> {
    Router::new()
        .route("/-/owners/{owner}", get(general).post(change))
        .route("/-/owners/{owner}/rename", post(rename))
        .route("/-/owners/{owner}/remove", post(remove))
        .route(
            "/-/owners/{owner}/members",
            get(members::show).post(members::set),
        )
        .route("/-/owners/{owner}/members/remove", post(members::remove))
        .route("/-/owners/{owner}/teams", get(teams::show).post(teams::add))
        .merge(of_team())
        .route(
            "/-/owners/{owner}/tokens",
            get(tokens::show_of).post(tokens::add_of),
        )
        .route("/-/owners/{owner}/tokens/revoke", post(tokens::revoke_of))
        .route("/-/owners/{owner}/keys", get(keys::show))
        .route("/-/owners/{owner}/keys/rotate", post(keys::rotate))
        .route("/-/owners/{owner}/keys/retire", post(keys::retire))
        .route("/-/owners/{owner}/keys/reactivate", post(keys::reactivate))
        .route("/-/owners/{owner}/deleted", get(deleted::show))
        .route("/-/owners/{owner}/deleted/restore", post(deleted::restore))
        .route(
            "/-/owners/{owner}/expiry",
            get(expiry::show).post(expiry::set),
        )
        .route("/-/owners/{owner}/expiry/remove", post(expiry::remove))
        .route("/-/owners/{owner}/usage", get(usage::show).post(usage::set))
        .route(
            "/-/owners/{owner}/webhooks",
            get(webhooks::show).post(webhooks::add),
        )
        .route(
            "/-/owners/{owner}/webhooks/{id}",
            get(webhooks::one).post(webhooks::change),
        )
        .route(
            "/-/owners/{owner}/webhooks/{id}/remove",
            post(webhooks::remove),
        )
        .route("/-/owners/{owner}/webhooks/{id}/test", post(webhooks::test))
        .route(
            "/-/owners/{owner}/webhooks/{id}/redeliver",
            post(webhooks::redeliver),
        )
        .route("/-/owners/{owner}/audit", get(audit::show))
        .route("/-/owners/{owner}/audit/export", get(audit::export))
}

fn of_team() -> Router<Registry> {
    Router::new()
        .route("/-/owners/{owner}/teams/{team}", get(teams::show_one))
        .route(
            "/-/owners/{owner}/teams/{team}/limits",
            post(teams::set_limits),
        )
        .route("/-/owners/{owner}/teams/{team}/remove", post(teams::remove))
        .route(
            "/-/owners/{owner}/teams/{team}/members",
            post(teams::add_member),
        )
        .route(
            "/-/owners/{owner}/teams/{team}/members/remove",
            post(teams::remove_member),
        )
}

#[derive(Template)]
#[template(path = "owner/general.html")]
struct GeneralPage<'a> {
    frame: &'a Frame,
    shell: &'a Shell,
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
    general_page(&of, None).await
}

async fn general_page(of: &Managed, problem: Option<Problem>) -> Result<Response, ApiError> {
    let accounts = of.registry.accounts();
    let shell = of.shell("", "General", problem);
    let caller = of.visit.viewer.caller();
    let page = GeneralPage {
        frame: of.frame(),
        shell: &shell,
        path: &of.path(""),
        name: &of.owner.name,
        visibility: of.owner.visibility,
        versions: accounts.version_rule(of.owner.id).await?,
        is_organisation: of.owner.kind == OwnerKind::Organisation,
        is_site_admin: tarn_core::access::decide_site(caller).is_ok(),
    };
    of.show(&page, &shell)
}

/// Who may read, and which versions are taken.
async fn change(of: Managed, form: Form) -> Result<Response, ApiError> {
    let changed = async {
        let visibility: Visibility = form.parsed("visibility")?;
        let versions: Option<VersionRule> = match form.text("versions") {
            "" => None,
            word => Some(
                word.parse()
                    .map_err(|error| ApiError::invalid_field(&error))?,
            ),
        };
        let accounts = of.registry.accounts();
        let (kind, name, by) = (of.owner.kind, &of.name, &of.by);
        accounts.set_visibility(kind, name, visibility, by).await?;
        Ok::<_, ApiError>(accounts.set_version_rule(kind, name, versions, by).await?)
    };
    match or_problem(changed.await)? {
        Ok(_) => of.done(&of.path(""), "The settings are saved."),
        Err(problem) => general_page(&of, Some(problem)).await,
    }
}

/// Another name. Users are renamed by administrators.
async fn rename(of: Managed, form: Form) -> Result<Response, ApiError> {
    let renamed = async {
        if of.owner.kind == OwnerKind::User {
            tarn_core::access::decide_site(of.visit.viewer.caller())?;
        }
        of.needs_password(&form).await?;
        let new = OwnerName::parse(form.text("new_name"))
            .map_err(|error| ApiError::invalid_field(&error))?;
        let accounts = of.registry.accounts();
        accounts
            .rename(of.owner.kind, &of.name, &new, &of.by)
            .await?;
        Ok::<_, ApiError>(new)
    };
    match or_problem(renamed.await)? {
        Ok(new) => {
            let notice = format!("The new name is {new}. The old one redirects to it.");
            of.done(&format!("/-/owners/{new}"), &notice)
        }
        Err(problem) => general_page(&of, Some(problem)).await,
    }
}

/// Deletes an organisation. Users are deleted by administrators.
async fn remove(of: Managed, form: Form) -> Result<Response, ApiError> {
    let removed = async {
        if of.owner.kind == OwnerKind::User {
            tarn_core::access::decide_site(of.visit.viewer.caller())?;
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
            let (viewer, registry) = (&of.visit.viewer, &of.registry);
            let action = Action::Delete;
            viewer
                .presented()
                .allow(registry, viewer.caller(), &of.owner, action, None)
                .await?;
        }
        let accounts = of.registry.accounts();
        let kind = of.owner.kind;
        Ok(accounts
            .remove(kind, &of.name, with_packages, &of.by)
            .await?)
    };
    match or_problem(removed.await)? {
        Ok(_) => of.done("/", &format!("{} is deleted.", of.owner.name)),
        Err(problem) => general_page(&of, Some(problem)).await,
    }
}
