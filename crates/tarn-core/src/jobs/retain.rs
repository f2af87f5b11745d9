//! What ends by itself: packages by the rules of their owners, entries of the audit log, and tokens and sessions that have expired.
//!
//! Each function gives how many went. When the database fails, what was removed until then stays removed.

use std::time::Duration;

use crate::{
    Registry,
    publish::expiry::{ExpiryError, Run},
};
use tarn_store::metadata::{Actor, MetadataError, in_batches};

/// For how long a token that has expired is still listed, so that its owner finds out why it does not work any more.
const EXPIRED_TOKENS: Duration = Duration::from_secs(30 * 86_400);

/// How many rows go in one transaction: few enough that an upload does not wait for long.
const BATCH: u32 = 1_000;

/// Applies the expiry rules of every owner.
///
/// # Errors
///
/// When a rule can't be read.
pub async fn expire(registry: &Registry) -> Result<u64, ExpiryError> {
    let expiry = registry.administration().expiry();
    expiry.run(None, Run::Remove(&Actor::SERVER), |_| {}).await
}

/// Removes the entries of the audit log that are older than its retention.
pub async fn retain(registry: &Registry) -> Result<u64, MetadataError> {
    let Some(retention) = registry.settings().audit_retention else {
        return Ok(0);
    };
    let (metadata, at) = (registry.metadata(), registry.clock().now());
    let server = Actor::SERVER;
    let act = server.at(at);
    in_batches(|| metadata.prune_audit_log(at.before(retention), BATCH, &act)).await
}

/// Forgets tokens that expired long ago.
pub async fn forget_expired_tokens(registry: &Registry) -> Result<u64, MetadataError> {
    let end = registry.clock().now().before(EXPIRED_TOKENS);
    in_batches(|| registry.metadata().forget_expired_tokens(end, BATCH)).await
}

/// Forgets sessions that have ended.
pub async fn forget_expired_sessions(registry: &Registry) -> Result<u64, MetadataError> {
    let end = registry.clock().now();
    in_batches(|| registry.metadata().forget_expired_sessions(end, BATCH)).await
}
