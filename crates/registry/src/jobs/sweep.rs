//! Removing blobs that no package needs.
//!
//! A refused upload takes its blob back itself. One that was cut off between the blob and its record, by a crash or a
//! power cut, cannot; and the removal of an owner leaves the blobs of the packages. So what lies in the store is compared
//! with what the database needs.
//!
//! What the database needed once and needs no more goes at once. What it never heard of may be all that is left of
//! somebody's packages, with the wrong database beside it, and so it is in no hurry: `metadata/blob_facts.rs` says when
//! it goes, and until then a line in the log says that it is there.

use crate::{
    Registry,
    blobs::BlobError,
    metadata::{BlobStanding, MetadataError, STRAY_GRACE},
};

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Blobs that some package needs.
    pub kept: u64,
    /// Blobs that none does.
    pub removed: u64,
    /// Blobs that the database does not know, and that stay for now.
    pub strays: u64,
    /// Blobs that were there before the database was, and stay.
    pub older: u64,
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

/// Removes the blobs that no package of any generation needs, but for those that may belong to another database. Uploads
/// may go on meanwhile: one that is about to need a blob keeps it.
///
/// # Errors
///
/// When the store or the database cannot be read.
pub async fn sweep(registry: &Registry) -> Result<Swept, SweepError> {
    let mut swept = Swept::default();
    let metadata = registry.metadata();
    let now = registry.clock().now();
    let made_at = metadata.made_at().await?;
    for first_byte in 0..=u8::MAX {
        for blob in registry.blobs().list(first_byte).await? {
            let mut standing = metadata.blob_standing(&blob.sha256).await?;
            if standing == BlobStanding::Unknown {
                // Perhaps an upload is about to record it.
                registry.publisher().let_go_of(&blob.sha256).await;
                standing = metadata.blob_standing(&blob.sha256).await?;
            }
            match standing {
                BlobStanding::Referenced => {
                    swept.kept += 1;
                    continue;
                }
                BlobStanding::Unneeded => {}
                BlobStanding::Stray(_) | BlobStanding::Unknown if blob.written_at < made_at => {
                    swept.older += 1;
                    continue;
                }
                BlobStanding::Stray(since) if now.since(since) >= STRAY_GRACE => {}
                BlobStanding::Stray(_) => {
                    swept.strays += 1;
                    continue;
                }
                BlobStanding::Unknown => {
                    let (sha256, size) = (&blob.sha256, blob.size);
                    metadata.note_stray_blob(sha256, size, now).await?;
                    swept.strays += 1;
                    continue;
                }
            }
            swept.removed += u64::from(registry.publisher().take_back(&blob.sha256).await);
        }
    }
    Ok(swept)
}
