//! `GET /healthz`: can this server serve?

use axum::extract::State;

use crate::error::ApiError;
use tarn_core::Registry;

/// 200 once the database answers.
pub(crate) async fn show(State(registry): State<Registry>) -> Result<&'static str, ApiError> {
    registry.metadata().user_count().await?;
    Ok("ok\n")
}
