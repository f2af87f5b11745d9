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
    form::{Form, Problem},
    manage::{Shell, Site, or_problem},
    owner_settings::{AuditQuery, Log, exported, read},
    page::Frame,
    pager::{PAGE, PageNumber, Pager},
};
use crate::{api::administer::owner_name, error::ApiError};
use tarn_core::Registry;
use tarn_store::metadata::{CatalogOwner, OwnerKind, OwnersWanted, ReadScope, Visibility};

/// The routes.
pub(super) fn router() -> Router<Registry> {
    Router::new()
        .route("/-/admin", get(health::show))
        .route("/-/admin/settings", get(health::settings))
        .route("/-/admin/accounts", get(accounts::show).post(accounts::add))
        .route(
            "/-/admin/accounts/{name}",
            get(accounts::one).post(accounts::change),
        )
        .route(
            "/-/admin/accounts/{name}/second-factor",
            post(accounts::disable_second_factor),
        )
        .route(
            "/-/admin/accounts/{name}/sessions",
            post(accounts::end_sessions),
        )
        .route(
            "/-/admin/organisations",
            get(organisations).post(add_organisation),
        )
        .route("/-/admin/audit", get(audit))
        .route("/-/admin/audit/export", get(export))
}

#[derive(Template)]
#[template(path = "admin/organisations.html")]
struct OrganisationsPage<'a> {
    frame: &'a Frame,
    shell: &'a Shell,
    organisations: &'a [CatalogOwner],
    pager: &'a Pager,
    visibility: Visibility,
    form: &'a Form,
    viewer: &'a str,
}

async fn organisations(site: Site, number: PageNumber) -> Result<Response, ApiError> {
    organisations_page(&site, number, None, &Form::default()).await
}

async fn organisations_page(
    site: &Site,
    number: PageNumber,
    problem: Option<Problem>,
    form: &Form,
) -> Result<Response, ApiError> {
    let metadata = site.registry.metadata();
    let wanted = OwnersWanted {
        kind: Some(OwnerKind::Organisation),
        ..OwnersWanted::default()
    };
    let window = number.window(PAGE);
    let scope = ReadScope::EVERYTHING;
    let organisations = metadata.visible_owners(&scope, wanted, window).await?;
    let shell = site.shell("/organisations", "Organisations", problem);
    let page = OrganisationsPage {
        frame: site.frame(),
        shell: &shell,
        organisations: &organisations.entries,
        pager: &site.pager_at(
            number,
            organisations.total,
            ("organisation", "organisations"),
            "/-/admin/organisations",
        ),
        visibility: form
            .text("visibility")
            .parse()
            .unwrap_or(Visibility::Public),
        form,
        viewer: site.visit.viewer.account().unwrap_or_default(),
    };
    site.show(&page, &shell)
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
        Ok::<_, ApiError>(added.await?)
    };
    match or_problem(added.await)? {
        Ok(organisation) => {
            let path = format!("/-/owners/{}/members", organisation.name);
            site.done(&path, &format!("{} is added.", organisation.name))
        }
        Err(problem) => organisations_page(&site, PageNumber::FIRST, Some(problem), &form).await,
    }
}

async fn audit(site: Site, Query(query): Query<AuditQuery>) -> Result<Response, ApiError> {
    let (filter, problem) = read(&site.registry, &query).await?;
    let shell = site.shell("/audit", "Audit log", problem);
    let around = (site.frame(), &shell, "/-/admin/audit");
    let page = Log::new(&site.registry, around, &query, filter.as_ref(), true).await?;
    site.show(&page, &shell)
}

async fn export(site: Site, Query(query): Query<AuditQuery>) -> Result<Response, ApiError> {
    let filter = query.filter(&site.registry).await?;
    let audit = site.registry.audit();
    Ok(exported(audit.export(filter, None)))
}
