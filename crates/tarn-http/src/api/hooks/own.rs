//! `/api/v1/user/hooks`: the webhooks of the caller.

use axum::{Json, extract::State, http::StatusCode, response::Response};

use super::{DeliveriesQuery, Hook, HookChange, HookDelivery, HookWithSecret, NewHook, Sent};
use crate::{
    api::{
        callers::Own,
        extract::{self, Path, Query},
        paging::{ListQuery, ListUrl, Pages},
        paths::{DeliveryPath, HookPath},
    },
    error::ApiError,
};
use tarn_core::Registry;

/// List the webhooks of the caller
#[utoipa::path(
    get, path = "/api/v1/user/hooks", tag = "webhooks", operation_id = "userListHooks",
    params(ListQuery),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The webhooks", body = Vec<Hook>))
)]
pub(crate) async fn list(
    State(registry): State<Registry>,
    of: Own,
    pages: Pages,
) -> Result<Response, ApiError> {
    super::list(&registry, &of, &pages).await
}

/// Add a webhook for the caller
///
/// A token needs the scope `read:package` for it too.
#[utoipa::path(
    post, path = "/api/v1/user/hooks", tag = "webhooks", operation_id = "userCreateHook",
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    request_body = NewHook,
    responses((status = 201, description = "The webhook", body = HookWithSecret))
)]
pub(crate) async fn add(
    State(registry): State<Registry>,
    of: Own,
    extract::Json(new): extract::Json<NewHook>,
) -> Result<(StatusCode, Json<HookWithSecret>), ApiError> {
    super::add(&registry, &of, new).await
}

/// Show a webhook of the caller
#[utoipa::path(
    get, path = "/api/v1/user/hooks/{id}", tag = "webhooks", operation_id = "userGetHook",
    params(HookPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The webhook", body = Hook))
)]
pub(crate) async fn show(
    State(registry): State<Registry>,
    of: Own,
    Path(hook): Path<HookPath>,
) -> Result<Json<Hook>, ApiError> {
    super::show(&registry, &of, &hook).await
}

/// Change a webhook of the caller
///
/// To say where it leads, a token needs the scope `read:package` too.
#[utoipa::path(
    patch, path = "/api/v1/user/hooks/{id}", tag = "webhooks", operation_id = "userEditHook",
    params(HookPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    request_body = HookChange,
    responses((status = 200, description = "The webhook", body = HookWithSecret))
)]
pub(crate) async fn change(
    State(registry): State<Registry>,
    of: Own,
    Path(hook): Path<HookPath>,
    extract::Json(order): extract::Json<HookChange>,
) -> Result<Json<HookWithSecret>, ApiError> {
    super::change(&registry, &of, &hook, order).await
}

/// Delete a webhook of the caller
#[utoipa::path(
    delete, path = "/api/v1/user/hooks/{id}", tag = "webhooks", operation_id = "userDeleteHook",
    params(HookPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 204, description = "The webhook is gone, with what was pending for it"))
)]
pub(crate) async fn remove(
    State(registry): State<Registry>,
    of: Own,
    Path(hook): Path<HookPath>,
) -> Result<StatusCode, ApiError> {
    super::remove(&registry, &of, &hook).await
}

/// List the messages to a webhook of the caller
///
/// Newest first: what is pending, and what was finished lately.
#[utoipa::path(
    get, path = "/api/v1/user/hooks/{id}/deliveries", tag = "webhooks", operation_id = "userListHookDeliveries",
    params(HookPath, DeliveriesQuery),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The messages", body = Vec<HookDelivery>))
)]
pub(crate) async fn deliveries(
    State(registry): State<Registry>,
    of: Own,
    Path(hook): Path<HookPath>,
    Query(query): Query<DeliveriesQuery>,
    url: ListUrl,
) -> Result<Response, ApiError> {
    super::deliveries(&registry, &of, &hook, (&query, &url)).await
}

/// Test a webhook of the caller
#[utoipa::path(
    post, path = "/api/v1/user/hooks/{id}/tests", tag = "webhooks", operation_id = "userTestHook",
    params(HookPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 201, description = "The message is on its way", body = Sent))
)]
pub(crate) async fn test(
    State(registry): State<Registry>,
    of: Own,
    Path(hook): Path<HookPath>,
) -> Result<(StatusCode, Json<Sent>), ApiError> {
    super::test(&registry, &of, &hook).await
}

/// Redeliver a message to a webhook of the caller
#[utoipa::path(
    post, path = "/api/v1/user/hooks/{id}/deliveries/{delivery}/redeliver", tag = "webhooks", operation_id = "userRedeliverHook",
    params(HookPath, DeliveryPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 201, description = "The message is on its way", body = Sent))
)]
pub(crate) async fn redeliver(
    State(registry): State<Registry>,
    of: Own,
    Path(hook): Path<HookPath>,
    Path(delivery): Path<DeliveryPath>,
) -> Result<(StatusCode, Json<Sent>), ApiError> {
    super::redeliver(&registry, &of, &hook, &delivery).await
}
