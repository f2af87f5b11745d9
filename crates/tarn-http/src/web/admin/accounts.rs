//! `/-/admin/accounts`: users, and what an administrator does for them.

use askama::Template;
use axum::{extract::Path, response::Response};

use super::super::{
    form::Form,
    manage::{Shell, Site, or_again},
    page::Frame,
    pager::{PAGE, Pager},
    shown,
};
use crate::{api::administer::owner_name, error::ApiError};
use tarn_base::clock::Timestamp;
use tarn_core::access::{FactorState, Proof, UserOrder};
use tarn_store::metadata::{Session, User, Visibility};

/// Where the list of accounts is, and the page of each below it.
const ACCOUNTS: &str = "/-/admin/accounts";

#[derive(Template)]
#[template(path = "admin/accounts.html")]
struct AccountsPage<'a> {
    frame: &'a Frame,
    shell: Shell,
    users: &'a [(User, Timestamp)],
    pager: &'a Pager,
    form: &'a Form,
    visibility: Visibility,
}

#[derive(Template)]
#[template(path = "admin/account.html")]
struct AccountPage<'a> {
    frame: &'a Frame,
    shell: Shell,
    user: &'a User,
    visibility: Visibility,
    factor: FactorState,
    sessions: &'a [Session],
    path: &'a str,
}

pub(super) async fn show(site: Site) -> Result<Response, ApiError> {
    let metadata = site.registry.metadata();
    let found = metadata.listed_users(site.number.window(PAGE)).await?;
    let page = AccountsPage {
        frame: &site.frame,
        shell: site.shell("/accounts", "Accounts"),
        users: &found.entries,
        pager: &site.pager(found.total, ("account", "accounts"), ACCOUNTS),
        form: &site.form,
        visibility: site.form.visibility(),
    };
    site.answer(&page)
}

/// Adds a user.
pub(super) async fn add(site: Site, form: Form) -> Result<Response, ApiError> {
    let added = async {
        site.needs_password(&form).await?;
        let name = owner_name(form.text("name"))?;
        let visibility: Visibility = form.parsed("visibility")?;
        let password = form.secret("new");
        let password = (!password.expose().is_empty()).then_some(&password);
        let admin = form.has("admin", "yes");
        let accounts = site.registry.accounts();
        accounts
            .add_user(&name, password, admin, visibility, &site.by)
            .await?;
        let notice = format!("The account {name} is added.");
        site.done(&format!("{ACCOUNTS}/{name}"), &notice)
    };
    let added = added.await;
    or_again(added, site, form, show).await
}

pub(super) async fn one(site: Site, Path(name): Path<String>) -> Result<Response, ApiError> {
    let name = owner_name(&name)?;
    let administration = site.registry.administration();
    let user = administration.accounts().find_user(&name).await?;
    let sessions = site.registry.access().sessions().list(user.id).await?;
    let page = AccountPage {
        frame: &site.frame,
        shell: site.shell("/accounts", "Account"),
        visibility: user.visibility,
        factor: administration.second_factors().state(&name).await?,
        sessions: &sessions,
        path: &format!("{ACCOUNTS}/{}", user.name),
        user: &user,
    };
    site.answer(&page)
}

/// Saves all of the form. A password is set only where one is typed.
pub(super) async fn change(
    site: Site,
    path: Path<String>,
    form: Form,
) -> Result<Response, ApiError> {
    let name = owner_name(&path.0)?;
    let changed = async {
        site.needs_password(&form).await?;
        let visibility: Visibility = form.parsed("visibility")?;
        let password = form.secret("new");
        let order = UserOrder {
            password: (!password.expose().is_empty()).then_some(&password),
            visibility: Some(visibility),
            admin: Some(form.has("admin", "yes")),
            disabled: Some(form.has("disabled", "yes")),
        };
        let accounts = site.registry.accounts();
        accounts.change_user(&name, order, &site.by).await?;
        site.done(&format!("{ACCOUNTS}/{name}"), "The account is saved.")
    };
    let changed = changed.await;
    or_again(changed, site, form, |site| one(site, path)).await
}

/// Turns the second factor of a user off, who lost the generator and the recovery codes.
pub(super) async fn disable_second_factor(
    site: Site,
    path: Path<String>,
    form: Form,
) -> Result<Response, ApiError> {
    let name = owner_name(&path.0)?;
    let disabled = async {
        site.needs_password(&form).await?;
        let factors = site.registry.second_factors();
        factors
            .disable(&name, Proof::Administrator, &site.by)
            .await?;
        site.done(&format!("{ACCOUNTS}/{name}"), "The second factor is off.")
    };
    let disabled = disabled.await;
    or_again(disabled, site, form, |site| one(site, path)).await
}

/// Signs a user out everywhere.
pub(super) async fn end_sessions(
    site: Site,
    Path(name): Path<String>,
    _: Form,
) -> Result<Response, ApiError> {
    let name = owner_name(&name)?;
    let user = site.registry.accounts().find_user(&name).await?;
    let sessions = site.registry.access().sessions();
    sessions.end_others(user.id, None, &site.by).await?;
    site.done(&format!("{ACCOUNTS}/{name}"), "All sessions have ended.")
}
