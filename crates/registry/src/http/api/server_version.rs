//! `GET /api/v1/version`.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// Which Tarn this is.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ServerVersion {
    /// The version of the server.
    #[schema(example = "0.1.0")]
    version: &'static str,
}

/// Tell the version of the server
#[utoipa::path(
    get,
    path = "/api/v1/version",
    tag = "server",
    operation_id = "getVersion",
    security(()),
    responses((status = 200, description = "The version", body = ServerVersion))
)]
pub(in crate::http) async fn show() -> Json<ServerVersion> {
    Json(ServerVersion {
        version: env!("CARGO_PKG_VERSION"),
    })
}
