//! Teams of organisations: `/api/v1/orgs/{org}/teams` and `/api/v1/teams/{id}`.

use std::collections::HashMap;

use axum::{
    Json,
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    administer::{self, Administered, no_content_or, word},
    callers::Of,
    extract::{Body, Path},
    forges::refuse_if,
    paging::{ListQuery, Pages},
    paths::{Named as _, OrganisationPath, TeamPath, UserPath},
    user::Person,
    words::Permission,
};
use crate::{
    authorize::{Presented, wanted},
    code::Code,
    error::ApiError,
};
use tarn_base::names::TeamName;
use tarn_core::{
    Registry,
    access::{Action, Denied, TeamLimits},
};
use tarn_store::metadata::Role;

/// A team, with the field names of Forgejo and Gitea.
#[derive(Serialize, ToSchema)]
pub(crate) struct Team {
    /// Which one. Never given out twice.
    #[schema(example = 4)]
    id: i64,
    /// Its name.
    #[schema(example = "ci")]
    name: String,
    /// What its members may do; everybody reads all of the organisation.
    #[schema(value_type = Permission)]
    permission: &'static str,
    /// Where a team that writes does: patterns `branch/repository`. None: everywhere.
    #[schema(example = json!(["edge/testing"]))]
    limits: Vec<String>,
    /// Whether it came with the organisation and stays as it is.
    built_in: bool,
}

impl From<tarn_store::metadata::Team> for Team {
    fn from(team: tarn_store::metadata::Team) -> Self {
        Self {
            id: team.id.number(),
            permission: team.role.as_str(),
            limits: team.limits.split_whitespace().map(str::to_owned).collect(),
            name: team.name,
            built_in: team.built_in,
        }
    }
}

/// A team to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTeam {
    /// The name.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9_+-][A-Za-z0-9_.+-]*$",
        example = "ci"
    )]
    name: String,
    /// What its members may do.
    #[schema(value_type = Permission)]
    permission: String,
    /// Where a team that writes does: patterns `branch/repository`, where `*` stands for any run of characters. None:
    /// everywhere. The other roles have none.
    #[serde(default)]
    #[schema(max_items = 64, example = json!(["edge/testing"]))]
    limits: Vec<String>,
    /// If it is said, `repo.packages` has to be in it: a team is about packages only.
    units: Option<Vec<String>>,
    /// If it is said, `repo.packages` has to be in it, with the same as `permission`.
    units_map: Option<HashMap<String, String>>,
}

/// What changes of a team.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TeamChange {
    /// Where it writes from now on. An empty list: everywhere. Left out: it stays.
    #[schema(max_items = 64, example = json!(["edge/testing"]))]
    limits: Option<Vec<String>>,
    /// The name that it has, or an empty one: it stays.
    #[schema(max_length = 64, example = "ci")]
    name: Option<String>,
    /// What its members may do already, or nothing: it stays.
    #[schema(pattern = "^(read|write|admin)?$")]
    permission: Option<String>,
    /// If it is said, `repo.packages` has to be in it: a team is about packages only.
    units: Option<Vec<String>>,
    /// If it is said, `repo.packages` has to be in it, with what its members may do.
    units_map: Option<HashMap<String, String>>,
}

/// The one kind of things that there is here, in the words of the forges.
const PACKAGES: &str = "repo.packages";

/// Refuses units that would leave a team other rights on packages than `role`. Every member of a team reads, and an admin does
/// everything, there as here.
fn check_units(
    role: Role,
    units: Option<&[String]>,
    map: Option<&HashMap<String, String>>,
) -> Result<(), ApiError> {
    let asked = match (map.filter(|map| !map.is_empty()), units) {
        (Some(map), _) => map.get(PACKAGES).map_or("none", String::as_str),
        (None, Some(units)) if !units.is_empty() && !units.iter().any(|unit| unit == PACKAGES) => {
            "none"
        }
        _ => return Ok(()),
    };
    let fits =
        asked == role.as_str() || role == Role::Admin || (role == Role::Read && asked == "none");
    refuse_if(
        !fits,
        "a team is about packages only; say the same in `permission` and for `repo.packages`, or leave the units out",
    )
}

/// A team whose organisation the caller may administer.
pub(crate) struct Found {
    of: Administered,
    team: tarn_store::metadata::Team,
    name: TeamName,
}

fn no_team() -> ApiError {
    ApiError::Refused(
        Code::NoSuchTeam,
        "there is no such team; the list of an organisation names its teams".to_owned(),
    )
}

fn no_member() -> ApiError {
    ApiError::Bare(Code::NoSuchMember, "the team has no such member".to_owned())
}

impl FromRequestParts<Registry> for Found {
    type Rejection = ApiError;

    /// A caller who may not administer the organisation gets the same answer whether the team exists or not.
    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let Path(path) = Path::<TeamPath>::from_request_parts(parts, registry).await?;
        let presented = Presented::from_request_parts(parts, registry).await?;
        let caller = presented.signed_in(registry).await?;
        // Asked of all teams alike: it would tell which there are.
        let needed = Action::Administer.scope();
        if caller
            .token()
            .is_some_and(|token| !token.scopes.has(needed))
        {
            let denied = Denied::TokenLacksScope { needed };
            presented.note(registry, &caller, wanted(Action::Administer), None, &denied);
            return Err(denied.into());
        }
        let number = path.number().ok_or_else(no_team)?;
        let found = registry.metadata().team_by_number(number).await?;
        let (owner, team) = found.ok_or_else(no_team)?;
        let of = Administered::after(presented, registry, caller, owner)
            .await
            .map_err(|error| match error {
                error if error.code().status() == StatusCode::FORBIDDEN => no_team(),
                error => error,
            })?;
        let name = TeamName::parse(&team.name)?;
        Ok(Self { of, team, name })
    }
}

/// List the teams of an organisation
///
/// The built-in ones first, then by name.
#[utoipa::path(
    get, path = "/api/v1/orgs/{org}/teams", tag = "teams", operation_id = "orgListTeams",
    params(OrganisationPath, ListQuery),
    responses((status = 200, description = "The teams", body = Vec<Team>))
)]
pub(crate) async fn list(of: Of<OrganisationPath>, pages: Pages) -> Result<Response, ApiError> {
    let accounts = of.registry.accounts();
    let teams = accounts.teams(&of.name, pages.window()).await?;
    Ok(pages.answer(teams, |(team, _)| Team::from(team)))
}

/// Add a team
#[utoipa::path(
    post, path = "/api/v1/orgs/{org}/teams", tag = "teams", operation_id = "orgCreateTeam",
    description = "A token must itself have the rights that it grants, and neither expire nor be limited to networks.",
    params(OrganisationPath),
    request_body = NewTeam,
    responses((status = 201, description = "The team", body = Team))
)]
pub(crate) async fn add(
    of: Of<OrganisationPath>,
    Body(new): Body<NewTeam>,
) -> Result<(StatusCode, Json<Team>), ApiError> {
    let name = TeamName::parse(&new.name).map_err(|error| ApiError::invalid_field(&error))?;
    let role = word(&new.permission)?;
    check_units(role, new.units.as_deref(), new.units_map.as_ref())?;
    let limits: TeamLimits = administer::list("limits", &new.limits)?;
    of.may_grant(role).await?;
    let accounts = of.registry.accounts();
    let team = accounts
        .add_team(&of.name, &name, role, &limits, &of.by)
        .await?;
    Ok((StatusCode::CREATED, Json(team.into())))
}

/// Show a team
#[utoipa::path(
    get, path = "/api/v1/teams/{id}", tag = "teams", operation_id = "orgGetTeam",
    params(TeamPath),
    responses((status = 200, description = "The team", body = Team))
)]
pub(crate) async fn show(found: Found) -> Result<Json<Team>, ApiError> {
    Ok(Json(found.team.into()))
}

/// Change where a team writes
#[utoipa::path(
    patch, path = "/api/v1/teams/{id}", tag = "teams", operation_id = "orgEditTeam",
    description = "A token must itself have the rights that it grants, and neither expire nor be limited to networks.",
    params(TeamPath),
    request_body = TeamChange,
    responses((status = 200, description = "The team", body = Team))
)]
pub(crate) async fn change(
    Found { of, name, team }: Found,
    Body(change): Body<TeamChange>,
) -> Result<Json<Team>, ApiError> {
    let differs = |asked: Option<&str>, has: &str| {
        asked.is_some_and(|asked| !asked.is_empty() && asked != has)
    };
    refuse_if(
        differs(change.name.as_deref(), &team.name)
            || differs(change.permission.as_deref(), team.role.as_str()),
        "a team keeps its name and what its members may do; make another team, and delete this one",
    )?;
    check_units(
        team.role,
        change.units.as_deref(),
        change.units_map.as_ref(),
    )?;
    let accounts = of.registry.accounts();
    if let Some(limits) = &change.limits {
        let limits: TeamLimits = administer::list("limits", limits)?;
        of.may_grant(team.role).await?;
        accounts
            .set_team_limits(&of.name, &name, &limits, &of.by)
            .await?;
    }
    Ok(Json(accounts.find_team(&of.name, &name).await?.into()))
}

/// Delete a team
#[utoipa::path(
    delete, path = "/api/v1/teams/{id}", tag = "teams", operation_id = "orgDeleteTeam",
    params(TeamPath),
    responses((status = 204, description = "The team is gone"))
)]
pub(crate) async fn remove(Found { of, name, .. }: Found) -> Result<StatusCode, ApiError> {
    let accounts = of.registry.accounts();
    accounts.remove_team(&of.name, &name, &of.by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the members of a team
#[utoipa::path(
    get, path = "/api/v1/teams/{id}/members", tag = "teams", operation_id = "orgListTeamMembers",
    params(TeamPath, ListQuery),
    responses((status = 200, description = "The members", body = Vec<Person>))
)]
pub(crate) async fn members(
    Found { of, name, .. }: Found,
    pages: Pages,
) -> Result<Response, ApiError> {
    let accounts = of.registry.accounts();
    let members = accounts
        .team_members(&of.name, &name, pages.window())
        .await?;
    Ok(pages.answer(members, Person::from))
}

/// Show a member of a team
#[utoipa::path(
    get, path = "/api/v1/teams/{id}/members/{username}", tag = "teams", operation_id = "orgListTeamMember",
    params(TeamPath, UserPath),
    responses((status = 200, description = "The member", body = Person))
)]
pub(crate) async fn member(
    Found { of, team, .. }: Found,
    Path(path): Path<UserPath>,
) -> Result<Json<Person>, ApiError> {
    let user = path.parse(no_member)?;
    let found = of.registry.metadata().team_member(&team, &user).await?;
    Ok(Json(found.ok_or_else(no_member)?.into()))
}

/// Add a member to a team
#[utoipa::path(
    put, path = "/api/v1/teams/{id}/members/{username}", tag = "teams", operation_id = "orgAddTeamMember",
    description = "A token must itself have the rights that it grants, and neither expire nor be limited to networks.",
    params(TeamPath, UserPath),
    responses((status = 204, description = "They are in it"))
)]
pub(crate) async fn add_member(
    Found { of, name, team }: Found,
    Path(path): Path<UserPath>,
) -> Result<StatusCode, ApiError> {
    let user = path.parse(no_member)?;
    of.may_grant(team.role).await?;
    let accounts = of.registry.accounts();
    accounts
        .add_team_member(&of.name, &name, &user, &of.by)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Remove a member from a team
#[utoipa::path(
    delete, path = "/api/v1/teams/{id}/members/{username}", tag = "teams", operation_id = "orgRemoveTeamMember",
    params(TeamPath, UserPath),
    responses((status = 204, description = "They are not in it"))
)]
pub(crate) async fn remove_member(
    Found { of, name, .. }: Found,
    Path(path): Path<UserPath>,
) -> Result<StatusCode, ApiError> {
    let user = path.parse(no_member)?;
    let accounts = of.registry.accounts();
    let removed = accounts
        .remove_team_member(&of.name, &name, &user, &of.by)
        .await?;
    no_content_or(removed, no_member)
}
