//! `/api/v1/admin`: accounts and former names, for administrators of the server.

use axum::{Json, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    administer::{NewName, no_content_or, owner_name, said},
    callers::{Of, Site},
    extract::{Body, Path, Query},
    forges::refuse_if,
    moment::Moment,
    paging::{ListQuery, Pages},
    paths::{FormerNamePath, Named as _, OwnerPath, UserPath},
    user::User,
};
use crate::{code::Code, error::ApiError};
use tarn_base::{names::OwnerName, secret::Secret};
use tarn_core::{
    Registry,
    access::{Action, Proof, UserOrder},
};
use tarn_store::metadata::{self, FormerName, OwnerKind};

/// An account to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    /// The name.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9_+-][A-Za-z0-9_.+-]*$",
        example = "alice"
    )]
    username: String,
    /// The password. Not by a token. None, or empty: the account signs in by tokens only.
    #[schema(max_length = 1024, format = Password)]
    password: Option<String>,
    /// Whether it administers the server. Not by a token.
    #[serde(default)]
    admin: bool,
    /// Who may read what the user has; public if it is not said, or empty.
    #[schema(pattern = "^(public|limited|private)?$")]
    visibility: Option<String>,
    /// Always 0: every account signs in by what is kept here.
    #[schema(minimum = 0, maximum = 0)]
    source_id: Option<i64>,
    /// Always false: no user is made to change a password.
    must_change_password: Option<bool>,
    /// Always false: whom an owner's visibility lets in, it lets in.
    restricted: Option<bool>,
    /// Always null: an account is as old as it is.
    #[schema(value_type = Option<()>)]
    created_at: Option<String>,
}

/// What changes of an account; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserChange {
    /// Whether the account is not disabled.
    active: Option<bool>,
    /// Whether the account is disabled. It is as soon as this or `active` says so.
    prohibit_login: Option<bool>,
    /// Whether it administers the server. Not by a token.
    admin: Option<bool>,
    /// A new password. Not by a token. Empty: it stays.
    #[schema(max_length = 1024, format = Password)]
    password: Option<String>,
    /// Who may read what the user has. Left out or empty: it stays.
    #[schema(pattern = "^(public|limited|private)?$")]
    visibility: Option<String>,
    /// Always 0: every account signs in by what is kept here.
    #[schema(minimum = 0, maximum = 0)]
    source_id: Option<i64>,
    /// Always false: no user is made to change a password.
    must_change_password: Option<bool>,
    /// Always false: whom an owner's visibility lets in, it lets in.
    restricted: Option<bool>,
}

impl UserChange {
    /// Whether the account is to be disabled, where anything is said of it.
    fn disabled(&self) -> Option<bool> {
        match (self.active, self.prohibit_login) {
            (None, None) => None,
            (active, prohibited) => Some(active == Some(false) || prohibited == Some(true)),
        }
    }
}

/// What the forges can have of an account, and this server has not.
fn only_what_there_is(
    source: Option<i64>,
    must_change_password: Option<bool>,
    restricted: Option<bool>,
) -> Result<(), ApiError> {
    refuse_if(
        source.is_some_and(|source| source != 0),
        "every account signs in by what is kept here; leave `source_id` out, or write 0",
    )?;
    refuse_if(
        must_change_password == Some(true),
        "no user is made to change a password here; leave `must_change_password` out, or write false",
    )?;
    refuse_if(
        restricted == Some(true),
        "no account is restricted here; leave `restricted` out, or write false",
    )
}

/// Whether what belongs to an owner goes with it.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemovalQuery {
    /// Whether its packages go too. If they may not and there are some, nothing goes.
    #[param(required = false, value_type = Switch, inline)]
    purge: Option<Switch>,
}

/// Yes or no, in a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Switch {
    /// Yes.
    True,
    /// No.
    False,
}

impl RemovalQuery {
    pub(crate) fn with_packages(&self) -> bool {
        self.purge == Some(Switch::True)
    }
}

async fn shown(registry: &Registry, name: &OwnerName) -> Result<Json<User>, ApiError> {
    let user = registry.accounts().find_user(name).await?;
    User::shown(registry, user).await
}

const fn unknown() -> ApiError {
    ApiError::UnknownOwner
}

/// List all accounts
///
/// By name, disabled ones too.
#[utoipa::path(
    get, path = "/api/v1/admin/users", tag = "admin", operation_id = "adminGetAllUsers",
    params(ListQuery),
    responses((status = 200, description = "The accounts", body = Vec<User>))
)]
pub(crate) async fn list(site: Site, pages: Pages) -> Result<Response, ApiError> {
    let metadata = site.registry.metadata();
    let page = metadata.listed_users(pages.window()).await?;
    Ok(pages.answer(page, |(user, created)| User::new(user, created)))
}

/// Add an account
#[utoipa::path(
    post, path = "/api/v1/admin/users", tag = "admin", operation_id = "adminCreateUser",
    request_body = NewUser,
    responses((status = 201, description = "The account", body = User))
)]
pub(crate) async fn add(
    site: Site,
    Body(new): Body<NewUser>,
) -> Result<(StatusCode, Json<User>), ApiError> {
    let password = new.password.filter(|password| !password.is_empty());
    if new.admin || password.is_some() {
        site.needs_password()?;
    }
    only_what_there_is(new.source_id, new.must_change_password, new.restricted)?;
    refuse_if(
        new.created_at.is_some(),
        "an account is as old as it is; leave `created_at` out, or write null",
    )?;
    let name = owner_name(&new.username)?;
    let visibility = said(new.visibility.as_deref())?.unwrap_or(metadata::Visibility::Public);
    let password = password.map(Secret::new);
    let accounts = site.registry.accounts();
    accounts
        .add_user(&name, password.as_ref(), new.admin, visibility, &site.by)
        .await?;
    Ok((StatusCode::CREATED, shown(&site.registry, &name).await?))
}

/// Change an account
///
/// All of it or, when any part is refused, nothing. To change who may read what the user has, a token needs the scope
/// `read:package` too.
#[utoipa::path(
    patch, path = "/api/v1/admin/users/{username}", tag = "admin", operation_id = "adminEditUser",
    params(UserPath),
    request_body = UserChange,
    responses((status = 200, description = "The account", body = User))
)]
pub(crate) async fn change(
    site: Site,
    Path(path): Path<UserPath>,
    Body(change): Body<UserChange>,
) -> Result<Json<User>, ApiError> {
    let disabled = change.disabled();
    let password = change.password.filter(|password| !password.is_empty());
    if password.is_some() || change.admin.is_some() {
        site.needs_password()?;
    }
    only_what_there_is(
        change.source_id,
        change.must_change_password,
        change.restricted,
    )?;
    let name = path.parse(unknown)?;
    let visibility = said(change.visibility.as_deref())?;
    let accounts = site.registry.accounts();
    if visibility.is_some() {
        let owner = accounts.find_owner(&name).await?;
        site.may_also(&owner, Action::Read).await?;
    }
    let password = password.map(Secret::new);
    let order = UserOrder {
        password: password.as_ref(),
        visibility,
        admin: change.admin,
        disabled,
    };
    accounts.change_user(&name, order, &site.by).await?;
    shown(&site.registry, &name).await
}

/// Delete an account
///
/// To take its packages along, a token needs the scope `delete:package` too.
#[utoipa::path(
    delete, path = "/api/v1/admin/users/{username}", tag = "admin", operation_id = "adminDeleteUser",
    params(UserPath, RemovalQuery),
    responses((status = 204, description = "The account is gone"))
)]
pub(crate) async fn remove(
    site: Site,
    Path(path): Path<UserPath>,
    Query(query): Query<RemovalQuery>,
) -> Result<StatusCode, ApiError> {
    let name = path.parse(unknown)?;
    let accounts = site.registry.accounts();
    if query.with_packages() {
        let owner = accounts.find_owner(&name).await?;
        site.may_also(&owner, Action::Delete).await?;
    }
    accounts
        .remove(OwnerKind::User, &name, query.with_packages(), &site.by)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Rename an account
///
/// The old name redirects to the new one. The file names of keys stay as they are.
#[utoipa::path(
    post, path = "/api/v1/admin/users/{username}/rename", tag = "admin", operation_id = "adminRenameUser",
    params(UserPath),
    request_body = NewName,
    responses((status = 204, description = "The account has that name"))
)]
pub(crate) async fn rename(
    site: Site,
    Path(path): Path<UserPath>,
    Body(new): Body<NewName>,
) -> Result<StatusCode, ApiError> {
    let name = owner_name(&new.new_username)?;
    site.registry
        .accounts()
        .rename(OwnerKind::User, &path.parse(unknown)?, &name, &site.by)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Disable the second factor of an account
///
/// For a user who lost the generator and the recovery codes. Not by a token.
#[utoipa::path(
    delete, path = "/api/v1/admin/users/{username}/second-factor", tag = "admin", operation_id = "adminDisableSecondFactor",
    params(UserPath),
    security(("basic" = [])),
    responses((status = 204, description = "The password is enough"))
)]
pub(crate) async fn disable_second_factor(
    site: Site,
    Path(path): Path<UserPath>,
) -> Result<StatusCode, ApiError> {
    site.needs_password()?;
    let factors = site.registry.second_factors();
    factors
        .disable(&path.parse(unknown)?, Proof::Administrator, &site.by)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A name that an owner had.
#[derive(Serialize, ToSchema)]
pub(crate) struct Former {
    /// The name.
    #[schema(example = "alice")]
    name: String,
    /// When the owner got another one.
    since: Moment,
}

impl From<FormerName> for Former {
    fn from(former: FormerName) -> Self {
        Self {
            name: former.name,
            since: former.since.into(),
        }
    }
}

/// List the names that an owner had
///
/// Each still redirects to the owner, and no other owner can take it.
#[utoipa::path(
    get, path = "/api/v1/owners/{owner}/former-names", tag = "owners", operation_id = "listFormerNames",
    params(OwnerPath, ListQuery),
    responses((status = 200, description = "The names", body = Vec<Former>))
)]
pub(crate) async fn former_names(of: Of<OwnerPath>, pages: Pages) -> Result<Response, ApiError> {
    let accounts = of.registry.accounts();
    let names = accounts.former_names(&of.owner).await?;
    Ok(pages.answer_part_of(names, Former::from))
}

/// Release a former name
///
/// The name then redirects nowhere, and anyone can take it. Who relies on it gets whatever its next owner has.
#[utoipa::path(
    delete, path = "/api/v1/admin/former-names/{name}", tag = "admin", operation_id = "adminReleaseName",
    params(FormerNamePath),
    responses((status = 204, description = "The name is free"))
)]
pub(crate) async fn release_name(
    site: Site,
    Path(path): Path<FormerNamePath>,
) -> Result<StatusCode, ApiError> {
    let missing = || ApiError::Bare(Code::NoSuchName, "no owner had that name".to_owned());
    let name = path.parse(missing)?;
    let accounts = site.registry.accounts();
    no_content_or(accounts.release_name(&name, &site.by).await?, missing)
}
