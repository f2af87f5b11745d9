//! `GET /api/v1/version`.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// Which server this is.
#[derive(Serialize, ToSchema)]
pub(crate) struct ServerVersion {
    /// The version of Gitea whose API this one is closest to, which clients of the forges compare with what they need; behind
    /// `+tarn-` the version of Tarn.
    #[schema(example = "1.24.0+tarn-0.1.0")]
    version: &'static str,
}

/// Show the version of the server
#[utoipa::path(
    get,
    path = "/api/v1/version",
    tag = "server",
    operation_id = "getVersion",
    security(()),
    responses((status = 200, description = "The version", body = ServerVersion))
)]
pub(crate) async fn show() -> Json<ServerVersion> {
    Json(ServerVersion {
        // The Go SDK of Gitea refuses servers older than 1.11, and asks newer ones for what it knows of them.
        version: concat!("1.24.0+tarn-", env!("CARGO_PKG_VERSION")),
    })
}
