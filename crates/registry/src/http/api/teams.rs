//! Teams of organisations: `/api/v1/orgs/{org}/teams` and `/api/v1/teams/{id}`.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    administer::{self, Administered, OrganisationPath, word},
    extract::{self, Path, Query},
    organisations::Permission,
    paging::ListQuery,
    user::Person,
};
use crate::{
    Registry,
    access::TeamLimits,
    http::{authorize::Presented, error::ApiError},
    metadata::{OwnerKind, User},
    names::{OwnerName, TeamName},
};

/// A team, with the field names of Forgejo and Gitea.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Team {
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

impl From<crate::metadata::Team> for Team {
    fn from(team: crate::metadata::Team) -> Self {
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
pub(in crate::http) struct NewTeam {
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
}

/// What changes of a team.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct TeamChange {
    /// Where it writes from now on. None: everywhere.
    #[schema(max_items = 64, example = json!(["edge/testing"]))]
    limits: Vec<String>,
}

/// The team in the path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct TeamPath {
    /// The number of a team.
    #[param(value_type = i64, minimum = 1, example = 4)]
    id: String,
}

/// A member of a team in the path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct TeamMemberPath {
    /// The number of a team.
    #[param(value_type = i64, minimum = 1, example = 4)]
    id: String,
    /// The name of a user, in any letters' case.
    #[param(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9_+-][A-Za-z0-9_.+-]*$",
        example = "alice"
    )]
    username: String,
}

/// A team whose organisation the caller may administer.
struct Found {
    of: Administered,
    team: crate::metadata::Team,
    name: TeamName,
}

fn no_team() -> ApiError {
    ApiError::NotFound(
        "there is no such team; the list of an organisation names its teams".to_owned(),
    )
}

fn no_member() -> ApiError {
    ApiError::NotFound("the team has no such member".to_owned())
}

/// Whoever may not administer the organisation is told as little of a team that is there as of one that is not.
async fn find(registry: &Registry, presented: &Presented, id: &str) -> Result<Found, ApiError> {
    let caller = presented.signed_in(registry).await?;
    let number: i64 = id.parse().map_err(|_| no_team())?;
    let found = registry.metadata().team_by_number(number).await?;
    let (owner, team) = found.ok_or_else(no_team)?;
    let of = Administered::after(presented, registry, caller, owner)
        .await
        .map_err(|error| match error {
            ApiError::Forbidden(_) => no_team(),
            error => error,
        })?;
    let name = TeamName::parse(&team.name)?;
    Ok(Found { of, team, name })
}

/// List the teams of an organisation
///
/// The built-in ones first, then by name.
#[utoipa::path(
    get, path = "/api/v1/orgs/{org}/teams", tag = "teams", operation_id = "orgListTeams",
    params(OrganisationPath, ListQuery),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The teams", body = Vec<Team>))
)]
pub(in crate::http) async fn list(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<OrganisationPath>,
    Query(query): Query<ListQuery>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let kind = OwnerKind::Organisation;
    let of = Administered::of(kind, &presented, &registry, &path.org).await?;
    let teams = registry.administration().accounts().teams(&of.name).await?;
    let paging = query.paging(&registry.settings().api);
    Ok(paging.answer_part_of(&uri, teams, Team::from))
}

/// Make a team
#[utoipa::path(
    post, path = "/api/v1/orgs/{org}/teams", tag = "teams", operation_id = "orgCreateTeam",
    params(OrganisationPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    request_body = NewTeam,
    responses((status = 201, description = "The team", body = Team))
)]
pub(in crate::http) async fn add(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<OrganisationPath>,
    extract::Json(new): extract::Json<NewTeam>,
) -> Result<(StatusCode, Json<Team>), ApiError> {
    let kind = OwnerKind::Organisation;
    let of = Administered::of(kind, &presented, &registry, &path.org).await?;
    let name =
        TeamName::parse(&new.name).map_err(|error| ApiError::Unprocessable(error.to_string()))?;
    let role = word(&new.permission)?;
    let limits: TeamLimits = administer::list("limits", &new.limits)?;
    let accounts = registry.administration().accounts();
    let team = accounts
        .add_team(&of.name, &name, role, &limits, &of.by)
        .await?;
    Ok((StatusCode::CREATED, Json(team.into())))
}

/// Show a team
#[utoipa::path(
    get, path = "/api/v1/teams/{id}", tag = "teams", operation_id = "orgGetTeam",
    params(TeamPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The team", body = Team))
)]
pub(in crate::http) async fn show(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<TeamPath>,
) -> Result<Json<Team>, ApiError> {
    let found = find(&registry, &presented, &path.id).await?;
    Ok(Json(found.team.into()))
}

/// Change where a team writes
#[utoipa::path(
    patch, path = "/api/v1/teams/{id}", tag = "teams", operation_id = "orgEditTeam",
    params(TeamPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    request_body = TeamChange,
    responses((status = 200, description = "The team", body = Team))
)]
pub(in crate::http) async fn change(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<TeamPath>,
    extract::Json(change): extract::Json<TeamChange>,
) -> Result<Json<Team>, ApiError> {
    let Found { of, name, .. } = find(&registry, &presented, &path.id).await?;
    let accounts = registry.administration().accounts();
    let limits: TeamLimits = administer::list("limits", &change.limits)?;
    accounts
        .set_team_limits(&of.name, &name, &limits, &of.by)
        .await?;
    Ok(Json(accounts.find_team(&of.name, &name).await?.into()))
}

/// Delete a team
#[utoipa::path(
    delete, path = "/api/v1/teams/{id}", tag = "teams", operation_id = "orgDeleteTeam",
    params(TeamPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 204, description = "The team is gone"))
)]
pub(in crate::http) async fn remove(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<TeamPath>,
) -> Result<StatusCode, ApiError> {
    let Found { of, name, .. } = find(&registry, &presented, &path.id).await?;
    let accounts = registry.administration().accounts();
    accounts.remove_team(&of.name, &name, &of.by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the members of a team
#[utoipa::path(
    get, path = "/api/v1/teams/{id}/members", tag = "teams", operation_id = "orgListTeamMembers",
    params(TeamPath, ListQuery),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The members", body = Vec<Person>))
)]
pub(in crate::http) async fn members(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<TeamPath>,
    Query(query): Query<ListQuery>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let Found { of, name, .. } = find(&registry, &presented, &path.id).await?;
    let accounts = registry.administration().accounts();
    let members = accounts.team_members(&of.name, &name).await?;
    let paging = query.paging(&registry.settings().api);
    Ok(paging.answer_part_of(&uri, members, Person::from))
}

/// Show a member of a team
#[utoipa::path(
    get, path = "/api/v1/teams/{id}/members/{username}", tag = "teams", operation_id = "orgListTeamMember",
    params(TeamMemberPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The member", body = Person))
)]
pub(in crate::http) async fn member(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<TeamMemberPath>,
) -> Result<Json<Person>, ApiError> {
    let Found { of, name, .. } = find(&registry, &presented, &path.id).await?;
    let accounts = registry.administration().accounts();
    let members = accounts.team_members(&of.name, &name).await?;
    let is_it = |user: &User| user.name.eq_ignore_ascii_case(&path.username);
    let found = members.into_iter().find(is_it).ok_or_else(no_member)?;
    Ok(Json(found.into()))
}

/// Put somebody into a team
#[utoipa::path(
    put, path = "/api/v1/teams/{id}/members/{username}", tag = "teams", operation_id = "orgAddTeamMember",
    params(TeamMemberPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 204, description = "They are in it"))
)]
pub(in crate::http) async fn add_member(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<TeamMemberPath>,
) -> Result<StatusCode, ApiError> {
    let Found { of, name, .. } = find(&registry, &presented, &path.id).await?;
    let user = OwnerName::parse(&path.username).map_err(|_| no_member())?;
    let accounts = registry.administration().accounts();
    accounts
        .add_team_member(&of.name, &name, &user, &of.by)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take somebody out of a team
#[utoipa::path(
    delete, path = "/api/v1/teams/{id}/members/{username}", tag = "teams", operation_id = "orgRemoveTeamMember",
    params(TeamMemberPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 204, description = "They are not in it"))
)]
pub(in crate::http) async fn remove_member(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<TeamMemberPath>,
) -> Result<StatusCode, ApiError> {
    let Found { of, name, .. } = find(&registry, &presented, &path.id).await?;
    let user = OwnerName::parse(&path.username).map_err(|_| no_member())?;
    let accounts = registry.administration().accounts();
    let removed = accounts
        .remove_team_member(&of.name, &name, &user, &of.by)
        .await?;
    if removed {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(no_member())
    }
}
