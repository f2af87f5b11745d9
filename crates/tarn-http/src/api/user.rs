//! `/api/v1/user`: the caller, and what they change about themselves.

use axum::{Json, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    administer::word,
    callers::{AskingUser, Own, OwnByPassword},
    extract::Body,
    moment::Moment,
    words::Visibility,
};
use crate::error::ApiError;
use tarn_base::{clock::Timestamp, secret::Secret};
use tarn_core::{Registry, access::Action};
use tarn_store::metadata::{self, OwnerKind};

/// A user, with the field names of Forgejo and Gitea.
#[derive(Serialize, ToSchema)]
pub(crate) struct User {
    /// Stays the same for as long as the account is there.
    #[schema(example = 7)]
    id: i64,
    /// The name.
    #[schema(example = "alice")]
    login: String,
    /// The name again.
    #[schema(example = "alice")]
    username: String,
    /// Who may read what the user has.
    #[schema(value_type = Visibility)]
    visibility: &'static str,
    /// Whether the user passes every check.
    is_admin: bool,
    /// Whether the account is not disabled.
    active: bool,
    /// Whether the account is disabled.
    prohibit_login: bool,
    /// When the account was made.
    created: Moment,
}

impl User {
    /// `user`, whose account was made at that moment.
    pub(crate) fn new(user: metadata::User, created: Timestamp) -> Self {
        Self {
            id: user.id.number(),
            login: user.name.clone(),
            username: user.name,
            visibility: user.visibility.as_str(),
            is_admin: user.admin,
            active: !user.disabled,
            prohibit_login: user.disabled,
            created: created.into(),
        }
    }

    /// The answer that shows a user.
    pub(super) async fn shown(
        registry: &Registry,
        user: metadata::User,
    ) -> Result<Json<Self>, ApiError> {
        let created = registry.metadata().owner_created_at(user.id).await?;
        Ok(Json(Self::new(user, created)))
    }
}

/// A user, as other members of an organisation see them.
#[derive(Serialize, ToSchema)]
pub(crate) struct Person {
    /// Stays the same for as long as the account is there.
    #[schema(example = 7)]
    id: i64,
    /// The name.
    #[schema(example = "alice")]
    login: String,
    /// The name again.
    #[schema(example = "alice")]
    username: String,
}

impl From<metadata::User> for Person {
    fn from(user: metadata::User) -> Self {
        Self {
            id: user.id.number(),
            login: user.name.clone(),
            username: user.name,
        }
    }
}

/// Show the caller
#[utoipa::path(
    get,
    path = "/api/v1/user",
    tag = "user",
    operation_id = "userGetCurrent",
    responses((status = 200, description = "The caller", body = User))
)]
pub(crate) async fn show(
    AskingUser {
        registry,
        signed_in,
    }: AskingUser,
) -> Result<Json<User>, ApiError> {
    User::shown(&registry, signed_in.user).await
}

/// What changes of the caller's account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Who may read what the user has.
    #[schema(value_type = Visibility)]
    visibility: String,
}

/// Change who may read what the caller has
///
/// A token needs the scope `read:package` for it too.
#[utoipa::path(
    patch,
    path = "/api/v1/user/settings",
    tag = "user",
    operation_id = "updateUserSettings",
    request_body = Settings,
    responses((status = 200, description = "The caller", body = User))
)]
pub(crate) async fn change_settings(
    own: Own,
    Body(settings): Body<Settings>,
) -> Result<Json<User>, ApiError> {
    own.may_also(Action::Read).await?;
    let visibility = word(&settings.visibility)?;
    let accounts = own.registry.accounts();
    accounts
        .set_visibility(OwnerKind::User, &own.name, visibility, &own.by)
        .await?;
    let user = accounts.find_user(&own.name).await?;
    User::shown(&own.registry, user).await
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    /// The new password; the old one counts no more from then on.
    #[schema(min_length = 1, max_length = 1024, format = Password)]
    password: String,
}

/// Change the caller's password
///
/// The caller proves who they are with the old password: no token changes it, whatever its scopes.
#[utoipa::path(
    put,
    path = "/api/v1/user/password",
    tag = "user",
    operation_id = "userChangePassword",
    security(("basic" = [])),
    request_body = NewPassword,
    responses((status = 204, description = "The password is changed"))
)]
pub(crate) async fn change_password(
    own: OwnByPassword,
    Body(new): Body<NewPassword>,
) -> Result<StatusCode, ApiError> {
    let password = Secret::new(new.password);
    let accounts = own.registry.accounts();
    accounts
        .change_password(&own.name, &password, &own.by)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
