//! `/api/v1/user/hooks`: the webhooks of the caller.

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
            administer::Administered,
            extract::{self, Path, Query},
            paging::ListQuery,
        },
        authorize::Presented,
        error::ApiError,
    },
};

/// A webhook of the caller in the path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct OwnHookPath {
    /// The number of a webhook.
    #[param(value_type = i64, minimum = 1, example = 5)]
    id: String,
}

/// A message to a webhook of the caller in the path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct OwnDeliveryPath {
    /// The number of a webhook.
    #[param(value_type = i64, minimum = 1, example = 5)]
    id: String,
    /// The number of a message.
    #[param(value_type = i64, minimum = 1, example = 88)]
    delivery: String,
}

/// List the webhooks of the caller
#[utoipa::path(
    get, path = "/api/v1/user/hooks", tag = "webhooks", operation_id = "userListHooks",
    params(ListQuery),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The webhooks", body = Vec<Hook>))
)]
pub(in crate::http) async fn list(
    State(registry): State<Registry>,
    presented: Presented,
    Query(query): Query<ListQuery>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let of = Administered::own(&presented, &registry).await?;
    super::list(&registry, &of, &query, &uri).await
}

/// Make a webhook for the caller
#[utoipa::path(
    post, path = "/api/v1/user/hooks", tag = "webhooks", operation_id = "userCreateHook",
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    request_body = NewHook,
    responses((status = 201, description = "The webhook", body = HookWithSecret))
)]
pub(in crate::http) async fn add(
    State(registry): State<Registry>,
    presented: Presented,
    extract::Json(new): extract::Json<NewHook>,
) -> Result<(StatusCode, Json<HookWithSecret>), ApiError> {
    let of = Administered::own(&presented, &registry).await?;
    super::add(&registry, &of, new).await
}

/// Show a webhook of the caller
#[utoipa::path(
    get, path = "/api/v1/user/hooks/{id}", tag = "webhooks", operation_id = "userGetHook",
    params(OwnHookPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The webhook", body = Hook))
)]
pub(in crate::http) async fn show(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<OwnHookPath>,
) -> Result<Json<Hook>, ApiError> {
    let of = Administered::own(&presented, &registry).await?;
    super::show(&registry, &of, &path.id).await
}

/// Change a webhook of the caller
#[utoipa::path(
    patch, path = "/api/v1/user/hooks/{id}", tag = "webhooks", operation_id = "userEditHook",
    params(OwnHookPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    request_body = HookChange,
    responses((status = 200, description = "The webhook", body = HookWithSecret))
)]
pub(in crate::http) async fn change(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<OwnHookPath>,
    extract::Json(order): extract::Json<HookChange>,
) -> Result<Json<HookWithSecret>, ApiError> {
    let of = Administered::own(&presented, &registry).await?;
    super::change(&registry, &of, &path.id, order).await
}

/// Delete a webhook of the caller
#[utoipa::path(
    delete, path = "/api/v1/user/hooks/{id}", tag = "webhooks", operation_id = "userDeleteHook",
    params(OwnHookPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 204, description = "The webhook is gone, with what was pending for it"))
)]
pub(in crate::http) async fn remove(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<OwnHookPath>,
) -> Result<StatusCode, ApiError> {
    let of = Administered::own(&presented, &registry).await?;
    super::remove(&registry, &of, &path.id).await
}

/// List the messages to a webhook of the caller
///
/// Newest first: what is pending, and what was finished lately.
#[utoipa::path(
    get, path = "/api/v1/user/hooks/{id}/deliveries", tag = "webhooks", operation_id = "userListHookDeliveries",
    params(OwnHookPath, ListQuery),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The messages", body = Vec<HookDelivery>))
)]
pub(in crate::http) async fn deliveries(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<OwnHookPath>,
    Query(query): Query<ListQuery>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let of = Administered::own(&presented, &registry).await?;
    super::deliveries(&registry, &of, &path.id, &query, &uri).await
}

/// Send a webhook of the caller a message, to see whether it arrives
#[utoipa::path(
    post, path = "/api/v1/user/hooks/{id}/tests", tag = "webhooks", operation_id = "userTestHook",
    params(OwnHookPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 201, description = "The message is on its way", body = Sent))
)]
pub(in crate::http) async fn test(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<OwnHookPath>,
) -> Result<(StatusCode, Json<Sent>), ApiError> {
    let of = Administered::own(&presented, &registry).await?;
    super::test(&registry, &of, &path.id).await
}

/// Send a message to a webhook of the caller once more
#[utoipa::path(
    post, path = "/api/v1/user/hooks/{id}/deliveries/{delivery}/redeliver", tag = "webhooks", operation_id = "userRedeliverHook",
    params(OwnDeliveryPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 201, description = "The message is on its way", body = Sent))
)]
pub(in crate::http) async fn redeliver(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<OwnDeliveryPath>,
) -> Result<(StatusCode, Json<Sent>), ApiError> {
    let of = Administered::own(&presented, &registry).await?;
    super::redeliver(&registry, &of, &path.id, &path.delivery).await
}
