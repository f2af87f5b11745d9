//! `/api/v1/orgs`: organisations and who is in them.

use axum::{Json, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    administer::{no_content_or, owner_name, said, word},
    callers::{Of, Reading, Seeing, SeeingUser, Site},
    extract::{Body, Path, Query},
    moment::Moment,
    paging::{ListQuery, Pages},
    paths::{Named as _, OrganisationPath, UserPath},
    user::Person,
    users::RemovalQuery,
    words::{Permission, Visibility},
};
use crate::{code::Code, error::ApiError};
use tarn_core::{
    Registry,
    access::{AccountError, Action},
};
use tarn_store::metadata::{
    self, CatalogOwner, Member, Owner, OwnerId, OwnerKind, OwnersWanted, Role,
};

const KIND: OwnerKind = OwnerKind::Organisation;

/// An organisation, with the field names of Forgejo and Gitea.
#[derive(Serialize, ToSchema)]
pub(crate) struct Organisation {
    /// Stays the same for as long as it is there.
    #[schema(example = 9)]
    id: i64,
    /// The name.
    #[schema(example = "acme")]
    name: String,
    /// The name again.
    #[schema(example = "acme")]
    username: String,
    /// Who may read what it has.
    #[schema(value_type = Visibility)]
    visibility: &'static str,
    /// When it was made.
    created: Moment,
}

/// An organisation to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOrganisation {
    /// The name.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9_+-][A-Za-z0-9_.+-]*$",
        example = "acme"
    )]
    username: String,
    /// Who may read what it has; public if it is not said, or empty.
    #[schema(pattern = "^(public|limited|private)?$")]
    visibility: Option<String>,
    /// The user who becomes its first admin; the caller if it is not said.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9_+-][A-Za-z0-9_.+-]*$",
        example = "alice"
    )]
    owner: Option<String>,
}

/// What changes of an organisation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrganisationChange {
    /// Who may read what it has. Left out or empty: it stays.
    #[schema(pattern = "^(public|limited|private)?$")]
    visibility: Option<String>,
}

/// A member of an organisation.
#[derive(Serialize, ToSchema)]
pub(crate) struct OrganisationMember {
    #[serde(flatten)]
    person: Person,
    /// The greatest role that a team gives them.
    #[schema(value_type = Permission)]
    role: &'static str,
    /// The names of their teams.
    teams: Vec<String>,
}

impl From<Member> for OrganisationMember {
    fn from(member: Member) -> Self {
        Self {
            person: member.user.into(),
            role: member.role.as_str(),
            teams: member.teams,
        }
    }
}

/// Another name for an organisation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOrganisationName {
    /// The name. The old name redirects to it from then on, and no other owner can take it.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9_+-][A-Za-z0-9_.+-]*$",
        example = "acme2"
    )]
    new_name: String,
}

/// The role of a member.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRole {
    /// Puts the user into the built-in team of that role, and out of the other two.
    #[schema(value_type = Permission)]
    role: String,
}

fn no_member() -> ApiError {
    ApiError::Bare(
        Code::NoSuchMember,
        "the organisation has no such member".to_owned(),
    )
}

async fn shown(registry: &Registry, owner: Owner) -> Result<Json<Organisation>, ApiError> {
    let created_at = registry.metadata().owner_created_at(owner.id).await?;
    Ok(Json(CatalogOwner { owner, created_at }.into()))
}

impl From<CatalogOwner> for Organisation {
    fn from(CatalogOwner { owner, created_at }: CatalogOwner) -> Self {
        Self {
            id: owner.id.number(),
            name: owner.name.clone(),
            username: owner.name,
            visibility: owner.visibility.as_str(),
            created: created_at.into(),
        }
    }
}

/// All that the caller may know of, or those with that member.
async fn listed(
    Seeing {
        registry,
        read_scope,
    }: Seeing,
    member: Option<OwnerId>,
    pages: Pages,
) -> Result<Response, ApiError> {
    let wanted = OwnersWanted {
        kind: Some(KIND),
        member,
        ..OwnersWanted::default()
    };
    let metadata = registry.metadata();
    let page = metadata.visible_owners(&read_scope, wanted, pages.window());
    Ok(pages.answer(page.await?, Organisation::from))
}

/// List the organisations whose packages the caller may read
///
/// By name.
#[utoipa::path(
    get, path = "/api/v1/orgs", tag = "organisations", operation_id = "orgGetAll",
    params(ListQuery),
    security((), ("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The organisations", body = Vec<Organisation>))
)]
pub(crate) async fn list(seeing: Seeing, pages: Pages) -> Result<Response, ApiError> {
    listed(seeing, None, pages).await
}

/// List the organisations that the caller is a member of
///
/// By name; with a token those that it may read.
#[utoipa::path(
    get, path = "/api/v1/user/orgs", tag = "organisations", operation_id = "orgListCurrentUserOrgs",
    params(ListQuery),
    responses((status = 200, description = "The organisations", body = Vec<Organisation>))
)]
pub(crate) async fn list_own(
    SeeingUser { user, seeing }: SeeingUser,
    pages: Pages,
) -> Result<Response, ApiError> {
    listed(seeing, Some(user), pages).await
}

/// Add an organisation
///
/// For administrators of the server.
#[utoipa::path(
    post, path = "/api/v1/orgs", tag = "organisations", operation_id = "orgCreate",
    request_body = NewOrganisation,
    responses((status = 201, description = "The organisation", body = Organisation))
)]
pub(crate) async fn add(
    site: Site,
    Body(new): Body<NewOrganisation>,
) -> Result<(StatusCode, Json<Organisation>), ApiError> {
    let name = owner_name(&new.username)?;
    let caller = site.caller.account().map_or("", |(_, name)| name);
    let first = owner_name(new.owner.as_deref().unwrap_or(caller))?;
    let visibility = said(new.visibility.as_deref())?.unwrap_or(metadata::Visibility::Public);
    let accounts = site.registry.accounts();
    let owner = accounts
        .add_organisation(&name, visibility, &first, &site.by)
        .await
        .map_err(|error| match error {
            // It is the body that names a user who is not there, not the path.
            AccountError::NoUser(_) | AccountError::Renamed(..) => ApiError::invalid_field(&error),
            error => error.into(),
        })?;
    Ok((StatusCode::CREATED, shown(&site.registry, owner).await?))
}

/// Show an organisation
///
/// For callers who may read what it has.
#[utoipa::path(
    get, path = "/api/v1/orgs/{org}", tag = "organisations", operation_id = "orgGet",
    params(OrganisationPath),
    security((), ("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The organisation", body = Organisation))
)]
pub(crate) async fn show(
    reading: Reading<OrganisationPath>,
) -> Result<Json<Organisation>, ApiError> {
    shown(&reading.registry, reading.owner.clone()).await
}

/// Change who may read what an organisation has
///
/// A token needs the scope `read:package` for it too.
#[utoipa::path(
    patch, path = "/api/v1/orgs/{org}", tag = "organisations", operation_id = "orgEdit",
    params(OrganisationPath),
    request_body = OrganisationChange,
    responses((status = 200, description = "The organisation", body = Organisation))
)]
pub(crate) async fn change(
    of: Of<OrganisationPath>,
    Body(change): Body<OrganisationChange>,
) -> Result<Json<Organisation>, ApiError> {
    let accounts = of.registry.accounts();
    if let Some(visibility) = said(change.visibility.as_deref())? {
        of.may_also(Action::Read).await?;
        accounts
            .set_visibility(KIND, &of.name, visibility, &of.by)
            .await?;
    }
    let owner = accounts.find_organisation(&of.name).await?;
    shown(&of.registry, owner).await
}

/// Delete an organisation
///
/// To take its packages along, a token needs the scope `delete:package` too.
#[utoipa::path(
    delete, path = "/api/v1/orgs/{org}", tag = "organisations", operation_id = "orgDelete",
    params(OrganisationPath, RemovalQuery),
    responses((status = 204, description = "The organisation is gone"))
)]
pub(crate) async fn remove(
    of: Of<OrganisationPath>,
    Query(query): Query<RemovalQuery>,
) -> Result<StatusCode, ApiError> {
    if query.with_packages() {
        of.may_also(Action::Delete).await?;
    }
    of.registry
        .accounts()
        .remove(KIND, &of.name, query.with_packages(), &of.by)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Rename an organisation
///
/// The old name redirects to the new one. The file names of keys stay as they are.
#[utoipa::path(
    post, path = "/api/v1/orgs/{org}/rename", tag = "organisations", operation_id = "renameOrg",
    params(OrganisationPath),
    request_body = NewOrganisationName,
    responses((status = 204, description = "The organisation has that name"))
)]
pub(crate) async fn rename(
    of: Of<OrganisationPath>,
    Body(new): Body<NewOrganisationName>,
) -> Result<StatusCode, ApiError> {
    let name = owner_name(&new.new_name)?;
    of.registry
        .accounts()
        .rename(KIND, &of.name, &name, &of.by)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the members of an organisation
#[utoipa::path(
    get, path = "/api/v1/orgs/{org}/members", tag = "organisations", operation_id = "orgListMembers",
    params(OrganisationPath, ListQuery),
    responses((status = 200, description = "The members", body = Vec<OrganisationMember>))
)]
pub(crate) async fn members(of: Of<OrganisationPath>, pages: Pages) -> Result<Response, ApiError> {
    let accounts = of.registry.accounts();
    let members = accounts.members(&of.name, pages.window()).await?;
    Ok(pages.answer(members, OrganisationMember::from))
}

/// Show whether a user is a member of an organisation
#[utoipa::path(
    get, path = "/api/v1/orgs/{org}/members/{username}", tag = "organisations", operation_id = "orgIsMember",
    params(OrganisationPath, UserPath),
    responses((status = 204, description = "They are"))
)]
pub(crate) async fn is_member(
    of: Of<OrganisationPath>,
    Path(path): Path<UserPath>,
) -> Result<StatusCode, ApiError> {
    let metadata = of.registry.metadata();
    let user = metadata.user(&path.parse(no_member)?).await?;
    let user = user.ok_or_else(no_member)?;
    // One who is in no team is not a member.
    let grants = metadata.team_grants(of.owner.id, user.id).await?;
    no_content_or(!grants.is_empty(), no_member)
}

/// Change the role of a member of an organisation, or add one
#[utoipa::path(
    put, path = "/api/v1/orgs/{org}/members/{username}", tag = "organisations", operation_id = "orgChangeMember",
    description = "A token must itself have the rights that it grants, and neither expire nor be limited to networks.",
    params(OrganisationPath, UserPath),
    request_body = NewRole,
    responses((status = 204, description = "They have that role"))
)]
pub(crate) async fn set_member(
    of: Of<OrganisationPath>,
    Path(path): Path<UserPath>,
    Body(new): Body<NewRole>,
) -> Result<StatusCode, ApiError> {
    let role: Role = word(&new.role)?;
    of.may_grant(role).await?;
    of.registry
        .accounts()
        .set_member(&of.name, &path.parse(no_member)?, Some(role), &of.by)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a member from an organisation
#[utoipa::path(
    delete, path = "/api/v1/orgs/{org}/members/{username}", tag = "organisations", operation_id = "orgDeleteMember",
    params(OrganisationPath, UserPath),
    responses((status = 204, description = "They are in none"))
)]
pub(crate) async fn remove_member(
    of: Of<OrganisationPath>,
    Path(path): Path<UserPath>,
) -> Result<StatusCode, ApiError> {
    let accounts = of.registry.accounts();
    let changed = accounts
        .set_member(&of.name, &path.parse(no_member)?, None, &of.by)
        .await?;
    no_content_or(changed, no_member)
}
