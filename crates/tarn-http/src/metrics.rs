//! `GET /metrics`: what was counted, for Prometheus.

use axum::{
    extract::State,
    http::{Uri, header},
    response::{IntoResponse, Response},
};

use super::error::ApiError;
use tarn_core::{Registry, metrics};

/// The text, where the settings say that there is one.
pub(super) async fn show(State(registry): State<Registry>, uri: Uri) -> Result<Response, ApiError> {
    if !registry.settings().metrics {
        return Err(ApiError::NoSuchRoute(uri.path().to_owned()));
    }
    let text = metrics::exposition(&registry).await;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
