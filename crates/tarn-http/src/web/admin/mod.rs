//! `/-/admin`: what an administrator of the server looks after.

mod accounts;
mod health;

use askama::Template;
use axum::{
    Router,
    extract::Query,
    response::Response,
    routing::{get, post},
};

use super::{
    below,
    form::Form,
    manage::{Shell, Site, or_again},
    owner_settings::{AuditQuery, exported, log},
    page::Frame,
    pager::{PAGE, Pager},
};
use crate::{api::administer::owner_name, error::ApiError};
use tarn_core::Registry;
use tarn_store::metadata::{CatalogOwner, OwnerKind, OwnersWanted, ReadScope, Visibility};

/// The routes.
pub(super) fn router() -> Router<Registry> {
    below(
        "/-/admin",
        [
            ("", get(health::show)),
            ("/settings", get(health::settings)),
            ("/accounts", get(accounts::show).post(accounts::add)),
            (
                "/accounts/{name}",
                get(accounts::one).post(accounts::change),
            ),
            (
                "/accounts/{name}/second-factor",
                post(accounts::disable_second_factor),
            ),
            ("/accounts/{name}/sessions", post(accounts::end_sessions)),
            ("/organisations", get(organisations).post(add_organisation)),
            ("/audit", get(audit)),
            ("/audit/export", get(export)),
        ],
    )
}

#[derive(Template)]
#[template(path = "admin/organisations.html")]
struct OrganisationsPage<'a> {
    frame: &'a Frame,
    shell: Shell,
    organisations: &'a [CatalogOwner],
    pager: &'a Pager,
    visibility: Visibility,
    form: &'a Form,
    viewer: &'a str,
}

async fn organisations(site: Site) -> Result<Response, ApiError> {
    let metadata = site.registry.metadata();
    let wanted = OwnersWanted {
        kind: Some(OwnerKind::Organisation),
        ..OwnersWanted::default()
    };
    let window = site.number.window(PAGE);
    let scope = ReadScope::EVERYTHING;
    let organisations = metadata.visible_owners(&scope, wanted, window).await?;
    let page = OrganisationsPage {
        frame: &site.frame,
        shell: site.shell("/organisations", "Organisations"),
        organisations: &organisations.entries,
        pager: &site.pager(
            organisations.total,
            ("organisation", "organisations"),
            "/-/admin/organisations",
        ),
        visibility: site.form.visibility(),
        form: &site.form,
        viewer: site.account().unwrap_or_default(),
    };
    site.answer(&page)
}

async fn add_organisation(site: Site, form: Form) -> Result<Response, ApiError> {
    let added = async {
        let (name, first) = (
            owner_name(form.text("name"))?,
            owner_name(form.text("admin"))?,
        );
        let visibility: Visibility = form.parsed("visibility")?;
        let accounts = site.registry.accounts();
        let added = accounts.add_organisation(&name, visibility, &first, &site.by);
        let name = added.await?.name;
        let path = format!("/-/owners/{name}/members");
        site.done(&path, &format!("{name} is added."))
    };
    let added = added.await;
    or_again(added, site, form, organisations).await
}

async fn audit(site: Site, Query(query): Query<AuditQuery>) -> Result<Response, ApiError> {
    let shell = |site: &Site| site.shell("/audit", "Audit log");
    log(site, None, &query, "/-/admin/audit", shell).await
}

async fn export(site: Site, Query(query): Query<AuditQuery>) -> Result<Response, ApiError> {
    exported(&site.registry, None, &query).await
}
