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
    below,
    form::Form,
    manage::{Managed, Shell, or_again},
    page::Frame,
    pager::{PAGE, Pager},
};
use crate::error::ApiError;
use tarn_core::{Registry, access::UserOrder};
use tarn_store::metadata::{Owner, Team, Visibility};

/// The routes.
pub(super) fn router() -> Router<Registry> {
    below(
        "/-/settings",
        [
            ("", get(profile).post(change_profile)),
            ("/password", get(password).post(change_password)),
            ("/second-factor", get(second_factor::show)),
            ("/second-factor/begin", post(second_factor::begin)),
            ("/second-factor/confirm", post(second_factor::confirm)),
            ("/second-factor/disable", post(second_factor::disable)),
            ("/second-factor/recovery-codes", post(second_factor::renew)),
            ("/sessions", get(sessions::show)),
            ("/sessions/end", post(sessions::end)),
            ("/sessions/end-others", post(sessions::end_others)),
            ("/tokens", get(tokens::show).post(tokens::add)),
            ("/tokens/revoke", post(tokens::revoke)),
            ("/organisations", get(organisations)),
        ],
    )
}

#[derive(Template)]
#[template(path = "account/profile.html")]
struct ProfilePage<'a> {
    frame: &'a Frame,
    shell: Shell,
    visibility: Visibility,
}

#[derive(Template)]
#[template(path = "account/password.html")]
struct PasswordPage<'a> {
    frame: &'a Frame,
    shell: Shell,
}

#[derive(Template)]
#[template(path = "account/organisations.html")]
struct OrganisationsPage<'a> {
    frame: &'a Frame,
    shell: Shell,
    teams: &'a [(Owner, Team)],
    pager: &'a Pager,
}

async fn profile(own: Managed) -> Result<Response, ApiError> {
    let page = ProfilePage {
        frame: &own.frame,
        shell: own.own_shell("", "Profile"),
        visibility: own.owner.visibility,
    };
    own.answer(&page)
}

async fn change_profile(own: Managed, form: Form) -> Result<Response, ApiError> {
    let changed = async {
        let visibility: Visibility = form.parsed("visibility")?;
        let accounts = own.registry.accounts();
        let kind = own.owner.kind;
        let set = accounts.set_visibility(kind, &own.name, visibility, &own.by);
        set.await?;
        own.done("/-/settings", "Your profile is saved.")
    };
    let changed = changed.await;
    or_again(changed, own, form, profile).await
}

async fn password(own: Managed) -> Result<Response, ApiError> {
    let page = PasswordPage {
        frame: &own.frame,
        shell: own.own_shell("/password", "Password"),
    };
    own.answer(&page)
}

/// Changes the password, for which the old one is asked unless it was given just now. Every session ends but that of this browser,
/// which gets another.
async fn change_password(own: Managed, form: Form) -> Result<Response, ApiError> {
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
        accounts.change_user(&own.name, order, &own.by).await?;
        let notice = "Your password is changed. All other sessions have ended.";
        let answer = own.done("/-/settings/password", notice)?;
        own.signed_in_again(answer).await
    };
    let changed = changed.await;
    or_again(changed, own, form, password).await
}

async fn organisations(own: Managed) -> Result<Response, ApiError> {
    let accounts = own.registry.accounts();
    let window = own.number.window(PAGE);
    let teams = accounts.teams_of(&own.name, window).await?;
    let path = "/-/settings/organisations";
    let page = OrganisationsPage {
        frame: &own.frame,
        shell: own.own_shell("/organisations", "Organisations"),
        teams: &teams.entries,
        pager: &own.pager(teams.total, ("team", "teams"), path),
    };
    own.answer(&page)
}
