//! Keeping the audit log for as long as the settings say, and no longer.

use crate::{
    Registry,
    metadata::{Act, Actor, MetadataError},
};

/// How many entries go in one transaction: few enough that an upload does not wait for long.
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
