//! `/api/v1/orgs/{org}/hooks`: the webhooks of an organisation.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Hook, HookChange, HookDelivery, HookWithSecret, NewHook, Sent};
use crate::{
    Registry,
    http::{
        api::{
            administer::{Administered, OrganisationPath},
            extract::{self, Path, Query},
            paging::ListQuery,
        },
        authorize::Presented,
        error::ApiError,
    },
    metadata::OwnerKind,
};

/// A webhook of an organisation in the path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct OrganisationHookPath {
    /// The name of an organisation, in any letters' case.
    #[param(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9_+-][A-Za-z0-9_.+-]*$",
        example = "acme"
    )]
    org: String,
    /// The number of a webhook.
    #[param(value_type = i64, minimum = 1, example = 5)]
    id: String,
}

/// A message to a webhook of an organisation in the path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct OrganisationDeliveryPath {
    /// The name of an organisation, in any letters' case.
    #[param(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9_+-][A-Za-z0-9_.+-]*$",
        example = "acme"
    )]
    org: String,
    /// The number of a webhook.
    #[param(value_type = i64, minimum = 1, example = 5)]
    id: String,
    /// The number of a message.
    #[param(value_type = i64, minimum = 1, example = 88)]
    delivery: String,
}

/// List the webhooks of an organisation
#[utoipa::path(
    get, path = "/api/v1/orgs/{org}/hooks", tag = "webhooks", operation_id = "orgListHooks",
    params(OrganisationPath, ListQuery),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The webhooks", body = Vec<Hook>))
)]
pub(in crate::http) async fn list(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<OrganisationPath>,
    Query(query): Query<ListQuery>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let of = Administered::of(OwnerKind::Organisation, &presented, &registry, &path.org).await?;
    super::list(&registry, &of, &query, &uri).await
}

/// Make a webhook for an organisation
#[utoipa::path(
    post, path = "/api/v1/orgs/{org}/hooks", tag = "webhooks", operation_id = "orgCreateHook",
    params(OrganisationPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    request_body = NewHook,
    responses((status = 201, description = "The webhook", body = HookWithSecret))
)]
pub(in crate::http) async fn add(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<OrganisationPath>,
    extract::Json(new): extract::Json<NewHook>,
) -> Result<(StatusCode, Json<HookWithSecret>), ApiError> {
    let of = Administered::of(OwnerKind::Organisation, &presented, &registry, &path.org).await?;
    super::add(&registry, &of, new).await
}

/// Show a webhook of an organisation
#[utoipa::path(
    get, path = "/api/v1/orgs/{org}/hooks/{id}", tag = "webhooks", operation_id = "orgGetHook",
    params(OrganisationHookPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The webhook", body = Hook))
)]
pub(in crate::http) async fn show(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<OrganisationHookPath>,
) -> Result<Json<Hook>, ApiError> {
    let of = Administered::of(OwnerKind::Organisation, &presented, &registry, &path.org).await?;
    super::show(&registry, &of, &path.id).await
}

/// Change a webhook of an organisation
#[utoipa::path(
    patch, path = "/api/v1/orgs/{org}/hooks/{id}", tag = "webhooks", operation_id = "orgEditHook",
    params(OrganisationHookPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    request_body = HookChange,
    responses((status = 200, description = "The webhook", body = HookWithSecret))
)]
pub(in crate::http) async fn change(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<OrganisationHookPath>,
    extract::Json(order): extract::Json<HookChange>,
) -> Result<Json<HookWithSecret>, ApiError> {
    let of = Administered::of(OwnerKind::Organisation, &presented, &registry, &path.org).await?;
    super::change(&registry, &of, &path.id, order).await
}

/// Delete a webhook of an organisation
#[utoipa::path(
    delete, path = "/api/v1/orgs/{org}/hooks/{id}", tag = "webhooks", operation_id = "orgDeleteHook",
    params(OrganisationHookPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 204, description = "The webhook is gone, with what was pending for it"))
)]
pub(in crate::http) async fn remove(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<OrganisationHookPath>,
) -> Result<StatusCode, ApiError> {
    let of = Administered::of(OwnerKind::Organisation, &presented, &registry, &path.org).await?;
    super::remove(&registry, &of, &path.id).await
}

/// List the messages to a webhook of an organisation
///
/// Newest first: what is pending, and what was finished lately.
#[utoipa::path(
    get, path = "/api/v1/orgs/{org}/hooks/{id}/deliveries", tag = "webhooks", operation_id = "orgListHookDeliveries",
    params(OrganisationHookPath, ListQuery),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The messages", body = Vec<HookDelivery>))
)]
pub(in crate::http) async fn deliveries(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<OrganisationHookPath>,
    Query(query): Query<ListQuery>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let of = Administered::of(OwnerKind::Organisation, &presented, &registry, &path.org).await?;
    super::deliveries(&registry, &of, &path.id, &query, &uri).await
}

/// Send a webhook of an organisation a message, to see whether it arrives
#[utoipa::path(
    post, path = "/api/v1/orgs/{org}/hooks/{id}/tests", tag = "webhooks", operation_id = "orgTestHook",
    params(OrganisationHookPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 201, description = "The message is on its way", body = Sent))
)]
pub(in crate::http) async fn test(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<OrganisationHookPath>,
) -> Result<(StatusCode, Json<Sent>), ApiError> {
    let of = Administered::of(OwnerKind::Organisation, &presented, &registry, &path.org).await?;
    super::test(&registry, &of, &path.id).await
}

/// Send a message to a webhook of an organisation once more
#[utoipa::path(
    post, path = "/api/v1/orgs/{org}/hooks/{id}/deliveries/{delivery}/redeliver", tag = "webhooks", operation_id = "orgRedeliverHook",
    params(OrganisationDeliveryPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 201, description = "The message is on its way", body = Sent))
)]
pub(in crate::http) async fn redeliver(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<OrganisationDeliveryPath>,
) -> Result<(StatusCode, Json<Sent>), ApiError> {
    let of = Administered::of(OwnerKind::Organisation, &presented, &registry, &path.org).await?;
    super::redeliver(&registry, &of, &path.id, &path.delivery).await
}
