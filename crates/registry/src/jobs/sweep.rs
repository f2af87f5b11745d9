//! Removing blobs that no package needs.
//!
//! A refused upload takes its blob back itself. One that was cut off between the blob and its record, by a crash or a
//! power cut, cannot. So what lies in the store is compared with what the database needs, once when a server starts.

use crate::{Registry, blobs::BlobError, metadata::MetadataError};

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Blobs that some package needs.
    pub kept: u64,
    /// Blobs that none does.
    pub removed: u64,
}

/// Why a sweep ended early. What it removed until then stays removed.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The store cannot be listed.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The database cannot say what is needed.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// Removes every blob that no package of any generation needs. Uploads may go on meanwhile: one that is about to need
/// a blob keeps it.
///
/// # Errors
///
/// When the store or the database cannot be read.
pub async fn sweep(registry: &Registry) -> Result<Swept, SweepError> {
    let mut swept = Swept::default();
    for first_byte in 0..=u8::MAX {
        for blob in registry.blobs().list(first_byte).await? {
            if registry.metadata().is_referenced(&blob.sha256).await? {
                swept.kept += 1;
            } else if registry.publisher().take_back(&blob.sha256).await {
                swept.removed += 1;
            }
        }
    }
    Ok(swept)
}
