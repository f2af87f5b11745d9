//! `GET /healthz`, whether this server can serve, and `GET /metrics`, what was counted, for Prometheus.

use axum::{
    extract::State,
    http::{Uri, header},
    response::{IntoResponse, Response},
};

use super::error::ApiError;
use tarn_core::{Registry, metrics};

/// 200 once the database answers.
pub(super) async fn show_health(
    State(registry): State<Registry>,
) -> Result<&'static str, ApiError> {
    registry.metadata().user_count().await?;
    Ok("ok\n")
}

/// The text, where the settings say that there is one.
pub(super) async fn show_metrics(
    State(registry): State<Registry>,
    uri: Uri,
) -> Result<Response, ApiError> {
    if !registry.settings().metrics {
        return Err(ApiError::NoSuchRoute(uri.path().to_owned()));
    }
    let text = metrics::exposition(&registry).await;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
