//! `/-/settings`: the viewer's own account.

mod second_factor;
mod sessions;
pub(super) mod tokens;

use askama::Template;
use axum::{
    Router,
    response::Response,
    routing::{get, post},
};

use super::{
    form::Form,
    manage::{Managed, Own, Shell, or_problem},
    page::Frame,
    pager::{PAGE, PageNumber, Pager},
};
use crate::error::ApiError;
use tarn_core::{Registry, access::UserOrder};
use tarn_store::metadata::{Owner, Team, Visibility};

/// The routes.
pub(super) fn router() -> Router<Registry> {
    Router::new()
        .route("/-/settings", get(profile).post(change_profile))
        .route("/-/settings/password", get(password).post(change_password))
        .route("/-/settings/second-factor", get(second_factor::show))
        .route(
            "/-/settings/second-factor/begin",
            post(second_factor::begin),
        )
        .route(
            "/-/settings/second-factor/confirm",
            post(second_factor::confirm),
        )
        .route(
            "/-/settings/second-factor/disable",
            post(second_factor::disable),
        )
        .route(
            "/-/settings/second-factor/recovery-codes",
            post(second_factor::renew),
        )
        .route("/-/settings/sessions", get(sessions::show))
        .route("/-/settings/sessions/end", post(sessions::end))
        .route(
            "/-/settings/sessions/end-others",
            post(sessions::end_others),
        )
        .route(
            "/-/settings/tokens",
            get(tokens::show_own).post(tokens::add_own),
        )
        .route("/-/settings/tokens/revoke", post(tokens::revoke_own))
        .route("/-/settings/organisations", get(organisations))
}

#[derive(Template)]
#[template(path = "account/profile.html")]
struct ProfilePage<'a> {
    frame: &'a Frame,
    shell: &'a Shell,
    visibility: Visibility,
}

#[derive(Template)]
#[template(path = "account/password.html")]
struct PasswordPage<'a> {
    frame: &'a Frame,
    shell: &'a Shell,
}

#[derive(Template)]
#[template(path = "account/organisations.html")]
struct OrganisationsPage<'a> {
    frame: &'a Frame,
    shell: &'a Shell,
    teams: &'a [(Owner, Team)],
    pager: &'a Pager,
}

async fn profile(Own(own): Own) -> Result<Response, ApiError> {
    profile_page(&own, &own.own_shell("", "Profile", None))
}

fn profile_page(own: &Managed, shell: &Shell) -> Result<Response, ApiError> {
    let page = ProfilePage {
        frame: own.frame(),
        shell,
        visibility: own.owner.visibility,
    };
    own.show(&page, shell)
}

async fn change_profile(Own(own): Own, form: Form) -> Result<Response, ApiError> {
    let changed = async {
        let visibility: Visibility = form.parsed("visibility")?;
        let accounts = own.registry.accounts();
        let kind = own.owner.kind;
        let set = accounts.set_visibility(kind, &own.name, visibility, &own.by);
        Ok::<_, ApiError>(set.await?)
    };
    match or_problem(changed.await)? {
        Ok(_) => own.done("/-/settings", "Your profile is saved."),
        Err(problem) => profile_page(&own, &own.own_shell("", "Profile", Some(problem))),
    }
}

async fn password(Own(own): Own) -> Result<Response, ApiError> {
    password_page(&own, &own.own_shell("/password", "Password", None))
}

fn password_page(own: &Managed, shell: &Shell) -> Result<Response, ApiError> {
    let page = PasswordPage {
        frame: own.frame(),
        shell,
    };
    own.show(&page, shell)
}

/// Changes the password, for which the old one is asked unless it was given just now. Every session ends but that of this browser,
/// which gets another.
async fn change_password(Own(own): Own, form: Form) -> Result<Response, ApiError> {
    let changed = async {
        own.needs_password(&form).await?;
        if form.raw("new") != form.raw("again") {
            return Err(ApiError::Unprocessable(
                "the two new passwords differ; type the new one twice".to_owned(),
            ));
        }
        let new = form.secret("new");
        let order = UserOrder {
            password: Some(&new),
            ..UserOrder::default()
        };
        let accounts = own.registry.accounts();
        Ok(accounts.change_user(&own.name, order, &own.by).await?)
    };
    match or_problem(changed.await)? {
        Ok(_) => {
            let notice = "Your password is changed. All other sessions have ended.";
            let mut response = own.done("/-/settings/password", notice)?;
            own.sign_in_again(&mut response).await?;
            Ok(response)
        }
        Err(problem) => password_page(&own, &own.own_shell("/password", "Password", Some(problem))),
    }
}

async fn organisations(Own(own): Own, number: PageNumber) -> Result<Response, ApiError> {
    let accounts = own.registry.accounts();
    let teams = accounts.teams_of(&own.name, number.window(PAGE)).await?;
    let shell = own.own_shell("/organisations", "Organisations", None);
    let page = OrganisationsPage {
        frame: own.frame(),
        shell: &shell,
        teams: &teams.entries,
        pager: &own.pager_at(
            number,
            teams.total,
            ("team", "teams"),
            "/-/settings/organisations",
        ),
    };
    own.show(&page, &shell)
}
