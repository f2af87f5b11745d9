//! `/-/admin/accounts`: users, and what an administrator does for them.

use askama::Template;
use axum::{extract::Path, response::Response};

use super::super::{
    form::{Form, Problem},
    manage::{Shell, Site, or_problem},
    page::Frame,
    pager::{PAGE, PageNumber, Pager},
    shown,
};
use crate::{api::administer::owner_name, error::ApiError};
use tarn_base::{clock::Timestamp, names::OwnerName};
use tarn_core::access::{FactorState, Proof, UserOrder};
use tarn_store::metadata::{Session, User, Visibility};

#[derive(Template)]
#[template(path = "admin/accounts.html")]
struct AccountsPage<'a> {
    frame: &'a Frame,
    shell: &'a Shell,
    users: &'a [(User, Timestamp)],
    pager: &'a Pager,
    form: &'a Form,
    visibility: Visibility,
}

#[derive(Template)]
#[template(path = "admin/account.html")]
struct AccountPage<'a> {
    frame: &'a Frame,
    shell: &'a Shell,
    user: &'a User,
    visibility: Visibility,
    factor: FactorState,
    sessions: &'a [Session],
    path: &'a str,
}

pub(super) async fn show(site: Site, number: PageNumber) -> Result<Response, ApiError> {
    page(&site, number, None, &Form::default()).await
}

async fn page(
    site: &Site,
    number: PageNumber,
    problem: Option<Problem>,
    form: &Form,
) -> Result<Response, ApiError> {
    let metadata = site.registry.metadata();
    let found = metadata.listed_users(number.window(PAGE)).await?;
    let shell = site.shell("/accounts", "Accounts", problem);
    let page = AccountsPage {
        frame: site.frame(),
        shell: &shell,
        users: &found.entries,
        pager: &site.pager_at(
            number,
            found.total,
            ("account", "accounts"),
            "/-/admin/accounts",
        ),
        form,
        visibility: form
            .text("visibility")
            .parse()
            .unwrap_or(Visibility::Public),
    };
    site.show(&page, &shell)
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
        Ok::<_, ApiError>(name)
    };
    match or_problem(added.await)? {
        Ok(name) => {
            let path = format!("/-/admin/accounts/{name}");
            site.done(&path, &format!("The account {name} is added."))
        }
        Err(problem) => page(&site, PageNumber::FIRST, Some(problem), &form).await,
    }
}

pub(super) async fn one(site: Site, Path(name): Path<String>) -> Result<Response, ApiError> {
    one_page(&site, &owner_name(&name)?, None).await
}

async fn one_page(
    site: &Site,
    name: &OwnerName,
    problem: Option<Problem>,
) -> Result<Response, ApiError> {
    let administration = site.registry.administration();
    let user = administration.accounts().find_user(name).await?;
    let sessions = site.registry.access().sessions().list(user.id).await?;
    let shell = site.shell("/accounts", "Account", problem);
    let page = AccountPage {
        frame: site.frame(),
        shell: &shell,
        visibility: user.visibility,
        factor: administration.second_factors().state(name).await?,
        sessions: &sessions,
        path: &format!("/-/admin/accounts/{}", user.name),
        user: &user,
    };
    site.show(&page, &shell)
}

/// Saves all of the form. A password is set only where one is typed.
pub(super) async fn change(
    site: Site,
    Path(name): Path<String>,
    form: Form,
) -> Result<Response, ApiError> {
    let name = owner_name(&name)?;
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
        Ok::<_, ApiError>(accounts.change_user(&name, order, &site.by).await?)
    };
    match or_problem(changed.await)? {
        Ok(_) => site.done(
            &format!("/-/admin/accounts/{name}"),
            "The account is saved.",
        ),
        Err(problem) => one_page(&site, &name, Some(problem)).await,
    }
}

/// Turns the second factor of a user off, who lost the generator and the recovery codes.
pub(super) async fn disable_second_factor(
    site: Site,
    Path(name): Path<String>,
    form: Form,
) -> Result<Response, ApiError> {
    let name = owner_name(&name)?;
    let disabled = async {
        site.needs_password(&form).await?;
        let factors = site.registry.second_factors();
        Ok::<_, ApiError>(
            factors
                .disable(&name, Proof::Administrator, &site.by)
                .await?,
        )
    };
    match or_problem(disabled.await)? {
        Ok(()) => site.done(
            &format!("/-/admin/accounts/{name}"),
            "The second factor is off.",
        ),
        Err(problem) => one_page(&site, &name, Some(problem)).await,
    }
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
    site.done(
        &format!("/-/admin/accounts/{name}"),
        "All sessions have ended.",
    )
}
