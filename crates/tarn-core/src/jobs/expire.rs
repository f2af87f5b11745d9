//! Removing packages that expired.

use crate::{
    Registry,
    publish::expiry::{ExpiryError, Run},
};
use tarn_store::metadata::Actor;

/// Applies the expiry rules of every owner. Gives how many packages went.
///
/// # Errors
///
/// When the database fails; what was removed until then stays removed.
pub async fn expire(registry: &Registry) -> Result<u64, ExpiryError> {
    let expiry = registry.administration().expiry();
    expiry.run(None, Run::Remove(&Actor::SERVER), |_| {}).await
}
