//! `/api/v1/owners`: who there is, as far as the caller may know, and what repositories they have.

use axum::{Json, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    callers::{Reading, Seeing},
    extract::Query,
    moment::Moment,
    paging::{ListQuery, ListUrl, Number, Pages},
    paths::{OwnerPath, UserPath},
    words::{OwnerKind, Visibility},
};
use crate::error::ApiError;
use tarn_base::names::MAX_BYTES;
use tarn_store::metadata::{CatalogOwner, CatalogRepository, OwnersWanted};

/// A user or an organisation. `login` and `username` are the same: Forgejo and Gitea write both.
#[derive(Serialize, ToSchema)]
pub(crate) struct Owner {
    /// Stays the same for as long as the owner is there.
    #[schema(example = 7)]
    id: i64,
    /// The name.
    #[schema(example = "alice")]
    login: String,
    /// The name again.
    #[schema(example = "alice")]
    username: String,
    /// What it is.
    #[schema(value_type = OwnerKind)]
    kind: &'static str,
    /// Who may read what it has.
    #[schema(value_type = Visibility)]
    visibility: &'static str,
}

impl From<tarn_store::metadata::Owner> for Owner {
    fn from(owner: tarn_store::metadata::Owner) -> Self {
        Self {
            id: owner.id.number(),
            login: owner.name.clone(),
            username: owner.name,
            kind: owner.kind.as_str(),
            visibility: owner.visibility.as_str(),
        }
    }
}

/// An owner, and since when it is there.
#[derive(Serialize, ToSchema)]
pub(crate) struct OwnerDetails {
    #[serde(flatten)]
    owner: Owner,
    /// When the account or the organisation was made.
    created: Moment,
}

impl From<CatalogOwner> for OwnerDetails {
    fn from(entry: CatalogOwner) -> Self {
        Self {
            owner: entry.owner.into(),
            created: entry.created_at.into(),
        }
    }
}

/// A repository: what a line in `/etc/apk/repositories` names.
#[derive(Serialize, ToSchema)]
pub(crate) struct Repository {
    /// The first of the two segments that a publisher chooses.
    #[schema(example = "v3.23")]
    branch: String,
    /// The second of them.
    #[schema(example = "main")]
    repository: String,
    /// Moves on by one with every change of its packages.
    #[schema(minimum = 1, example = 42)]
    generation: i64,
    /// When its packages last changed.
    updated_at: Moment,
    /// Package files in it, all architectures together.
    #[schema(example = 12)]
    packages: u64,
    /// The architectures that have packages of their own.
    architectures: Vec<Architecture>,
}

/// How many package files of one architecture there are. Those of `noarch` are in the index of every architecture.
#[derive(Serialize, ToSchema)]
struct Architecture {
    /// Its name.
    #[schema(example = "x86_64")]
    name: String,
    /// Package files of it.
    #[schema(example = 12)]
    packages: u64,
}

impl From<CatalogRepository> for Repository {
    fn from(repository: CatalogRepository) -> Self {
        Self {
            branch: repository.branch.as_str().to_owned(),
            repository: repository.name.as_str().to_owned(),
            generation: repository.generation,
            updated_at: repository.changed_at.into(),
            packages: repository
                .architectures
                .iter()
                .map(|state| state.packages)
                .sum(),
            architectures: repository
                .architectures
                .into_iter()
                .map(|state| Architecture {
                    name: state.arch.as_str().to_owned(),
                    packages: state.packages,
                })
                .collect(),
        }
    }
}

/// Which owners.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnersQuery {
    /// Only owners whose name begins with this, in any letters' case.
    #[param(required = false, value_type = String, max_length = 64, example = "al")]
    q: Option<String>,
    /// Which page, counted from 1; 0 is the first page too.
    #[param(required = false, value_type = u64, minimum = 0, example = 1)]
    page: Option<Number>,
    /// How many entries a page has at most; 0 or none is the usual number, more than 100 counts as 100.
    #[param(required = false, value_type = u64, minimum = 0, example = 30)]
    limit: Option<Number>,
}

/// List the owners whose packages the caller may read
///
/// By name. A private owner is in the list only for its members and for site administrators.
#[utoipa::path(
    get,
    path = "/api/v1/owners",
    tag = "owners",
    operation_id = "listOwners",
    params(OwnersQuery),
    security((), ("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The owners", body = Vec<OwnerDetails>))
)]
pub(crate) async fn list(
    Seeing {
        registry,
        read_scope,
    }: Seeing,
    Query(query): Query<OwnersQuery>,
    url: ListUrl,
) -> Result<Response, ApiError> {
    let pages = url.page(query.page, query.limit);
    let prefix = query.q.as_deref().unwrap_or("");
    if prefix.len() > MAX_BYTES {
        return Err(ApiError::BadRequest(format!(
            "`q` is too long; no name has more than {MAX_BYTES} bytes"
        )));
    }
    let wanted = OwnersWanted {
        prefix,
        ..OwnersWanted::default()
    };
    let metadata = registry.metadata();
    let page = metadata.visible_owners(&read_scope, wanted, pages.window());
    Ok(pages.answer(page.await?, OwnerDetails::from))
}

/// Show an owner
#[utoipa::path(
    get,
    path = "/api/v1/owners/{owner}",
    tag = "owners",
    operation_id = "getOwner",
    params(OwnerPath),
    security((), ("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The owner", body = OwnerDetails))
)]
pub(crate) async fn show(reading: Reading<OwnerPath>) -> Result<Json<OwnerDetails>, ApiError> {
    shown(&reading).await
}

/// Show a user
#[utoipa::path(
    get,
    path = "/api/v1/users/{username}",
    tag = "owners",
    operation_id = "userGet",
    params(UserPath),
    security((), ("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The user", body = OwnerDetails))
)]
pub(crate) async fn show_user(reading: Reading<UserPath>) -> Result<Json<OwnerDetails>, ApiError> {
    shown(&reading).await
}

async fn shown<P>(reading: &Reading<P>) -> Result<Json<OwnerDetails>, ApiError> {
    let owner = reading.owner.clone();
    let created_at = reading
        .registry
        .metadata()
        .owner_created_at(owner.id)
        .await?;
    Ok(Json(CatalogOwner { owner, created_at }.into()))
}

/// List the repositories of an owner
///
/// By branch and name, also those whose packages are all gone.
#[utoipa::path(
    get,
    path = "/api/v1/owners/{owner}/repositories",
    tag = "owners",
    operation_id = "listRepositories",
    params(OwnerPath, ListQuery),
    security((), ("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The repositories", body = Vec<Repository>))
)]
pub(crate) async fn repositories(
    reading: Reading<OwnerPath>,
    pages: Pages,
) -> Result<Response, ApiError> {
    let read_scope = reading.read_scope().await?;
    let metadata = reading.registry.metadata();
    let page = metadata.listed_repositories(&read_scope, reading.owner.id, pages.window());
    Ok(pages.answer(page.await?, Repository::from))
}
