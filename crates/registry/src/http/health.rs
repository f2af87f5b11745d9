//! `GET /healthz`: can this server serve?

use axum::extract::State;

use super::error::ApiError;
use crate::Registry;

/// 200 once the database answers.
pub(super) async fn show(State(registry): State<Registry>) -> Result<&'static str, ApiError> {
    registry.metadata().user_count().await?;
    Ok("ok\n")
}
