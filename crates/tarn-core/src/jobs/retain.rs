//! Keeping the audit log for as long as the settings say, tokens for a while after they expired, and sessions until they end.

use std::time::Duration;

use crate::Registry;
use tarn_store::metadata::{Act, Actor, MetadataError};

/// For how long a token that has expired is still listed, so that its owner finds out why it does not work any more.
const EXPIRED_TOKENS: Duration = Duration::from_secs(30 * 86_400);

/// How many rows go in one transaction: few enough that an upload does not wait for long.
const BATCH: u32 = 1_000;

/// Removes the entries of the audit log that are older than its retention. Gives how many went.
///
/// # Errors
///
/// When the database fails; what was removed until then stays removed.
pub async fn retain(registry: &Registry) -> Result<u64, MetadataError> {
    let Some(retention) = registry.settings().audit_retention else {
        return Ok(0);
    };
    let at = registry.clock().now();
    let by = &Actor::SERVER;
    let mut removed = 0;
    loop {
        let gone = registry
            .metadata()
            .prune_audit_log(at.before(retention), BATCH, &Act { by, at })
            .await?;
        removed += gone;
        if gone < u64::from(BATCH) {
            return Ok(removed);
        }
    }
}

/// Forgets tokens that expired long ago. Gives how many went.
///
/// # Errors
///
/// When the database fails; what was removed until then stays removed.
pub async fn forget_expired_tokens(registry: &Registry) -> Result<u64, MetadataError> {
    let end = registry.clock().now().before(EXPIRED_TOKENS);
    let metadata = registry.metadata();
    let mut removed = 0;
    loop {
        let gone = metadata.forget_expired_tokens(end, BATCH).await?;
        removed += gone;
        if gone < u64::from(BATCH) {
            return Ok(removed);
        }
    }
}

/// Forgets sessions that have ended. Gives how many went.
///
/// # Errors
///
/// When the database fails; what was removed until then stays removed.
pub async fn forget_expired_sessions(registry: &Registry) -> Result<u64, MetadataError> {
    let end = registry.clock().now();
    let metadata = registry.metadata();
    let mut removed = 0;
    loop {
        let gone = metadata.forget_expired_sessions(end, BATCH).await?;
        removed += gone;
        if gone < u64::from(BATCH) {
            return Ok(removed);
        }
    }
}
