//! Giving the disk back: rows and bytes of deleted packages, and blobs that no package needs.
//!
//! [`free`] is what happens often. It deletes the rows of what was removed with its owner and of what was deleted longer ago
//! than the settings keep it, in batches; what no package file has any more is unneeded by the same transaction, and then its
//! bytes go. Each step is whole, and finds by itself what the one before it left: after a crash between any two, the next run
//! goes on.
//!
//! [`sweep`] also compares what lies in the store with what the database knows. It removes what is left in places that were given
//! up. A refused upload takes its blob back itself.
//! One that was cut off between the blob and its record, by a crash or a power cut, cannot. What the database never heard of may
//! be all that is left of an owner's packages, with the wrong database beside it, and so it is in no hurry:
//! `metadata/blob_facts.rs` says when it goes, and until then a line in the log says that it is there. The other way round, a
//! package whose bytes are missing or of the wrong size is reported, too.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    time::SystemTime,
};

use apk::digest::Sha256Digest;

use crate::{Registry, publish::FreeError};
use tarn_base::clock::Timestamp;
use tarn_store::{
    blobs::{BlobError, Listed},
    metadata::{BlobFacts, BlobStanding, MetadataError, STRAY_GRACE, in_batches},
};

/// What was given back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Freed {
    /// Rows of owners and webhooks that were removed before.
    pub cleared: u64,
    /// Deleted package files that cannot be restored any more.
    pub forgotten: u64,
    /// Blobs that were removed.
    pub blobs: u64,
}

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
    /// Blobs that packages need and that are missing or have the wrong size.
    pub damaged: u64,
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
    /// Blobs were not all freed.
    #[error(transparent)]
    Free(#[from] FreeError),
}

/// Gives back what is not kept any longer. Uploads go on meanwhile: one that is about to need a blob keeps it.
///
/// # Errors
///
/// When the store or the database fails.
pub async fn free(registry: &Registry) -> Result<Freed, SweepError> {
    let metadata = registry.metadata();
    let now = registry.clock().now();
    let cleared = in_batches(|| metadata.clear_removed()).await?;
    in_batches(|| metadata.correct_deletion_times(now)).await?;
    let end = now.before(registry.settings().keep_deleted);
    let forgotten = in_batches(|| metadata.forget_deleted(end)).await?;
    let blobs = registry.publisher().free_unneeded().await?;
    Ok(Freed {
        cleared,
        forgotten,
        blobs,
    })
}

/// Does the same, and then removes the blobs that the database does not know, but for those that may belong to another
/// database.
///
/// # Errors
///
/// When the store or the database fails.
pub async fn sweep(registry: &Registry) -> Result<Swept, SweepError> {
    let mut swept = Swept {
        removed: free(registry).await?.blobs,
        ..Swept::default()
    };
    let sweep = Sweep {
        registry,
        now: registry.clock().now(),
        made_at: registry.metadata().made_at().await?,
    };
    for first_byte in 0..=u8::MAX {
        // In this order: a blob has its place before it has its row.
        let listed = registry.blobs().store().list(first_byte).await?;
        let known = registry.metadata().known_blobs(first_byte).await?;
        let known = known.into_iter().map(|facts| (facts.key.sha256, facts));
        let known: BTreeMap<_, _> = known.collect();
        for blob in &listed {
            let facts = known.get(&blob.key.sha256);
            sweep.look_at(blob, facts, &mut swept).await?;
        }
        let listed: BTreeSet<_> = listed.iter().map(|blob| blob.key).collect();
        for missing in known.values().filter(|facts| !listed.contains(&facts.key)) {
            sweep.look_for(missing, &mut swept).await?;
        }
    }
    Ok(swept)
}

/// How many damaged blobs a sweep names in the log.
const NAMED: u64 = 20;

struct Sweep<'a> {
    registry: &'a Registry,
    now: Timestamp,
    made_at: SystemTime,
}

impl Sweep<'_> {
    /// Decides about a blob in the store.
    async fn look_at(
        &self,
        blob: &Listed,
        facts: Option<&BlobFacts>,
        swept: &mut Swept,
    ) -> Result<(), SweepError> {
        let Some(facts) = facts else {
            return self.look_at_unknown(blob, swept).await;
        };
        match (blob.key.place.cmp(&facts.key.place), facts.standing) {
            (Ordering::Equal, BlobStanding::Live) => {
                swept.kept += 1;
                if facts.size != blob.size {
                    note_damaged(&blob.key.sha256, swept);
                }
            }
            // It became so a moment ago.
            (Ordering::Equal, BlobStanding::Unneeded) => {}
            (Ordering::Equal, BlobStanding::Stray(since)) => {
                if blob.written_at < self.made_at {
                    swept.older += 1;
                } else if self.now.since(since) < STRAY_GRACE {
                    swept.strays += 1;
                } else {
                    let publisher = self.registry.publisher();
                    swept.removed += u64::from(publisher.take_back(&blob.key).await);
                }
            }
            // Left in a place that was given up: by a server that was killed before it removed it, or an upload that came late.
            (Ordering::Less, _) | (Ordering::Equal, BlobStanding::Dead) => {
                let (removed, freed) = self.registry.blobs().store().remove(&[blob.key]).await?;
                freed.free().await;
                swept.removed += removed;
            }
            (Ordering::Greater, BlobStanding::Dead) => {
                return self.look_at_unknown(blob, swept).await;
            }
            // Of a newer copy of this database than the one that was put back; or it came a moment ago.
            (Ordering::Greater, _) => {
                if !self.registry.publisher().is_being_put(&blob.key.sha256) {
                    swept.strays += 1;
                }
            }
        }
        Ok(())
    }

    /// Notes a blob that was never recorded, unless an upload is about to record it or has done so by now.
    async fn look_at_unknown(&self, blob: &Listed, swept: &mut Swept) -> Result<(), SweepError> {
        if blob.written_at < self.made_at {
            swept.older += 1;
            return Ok(());
        }
        if self.registry.publisher().is_being_put(&blob.key.sha256) {
            return Ok(());
        }
        let metadata = self.registry.metadata();
        // An upload may have taken it back meanwhile.
        if metadata
            .note_stray_blob(&blob.key, blob.size, self.now)
            .await?
        {
            swept.strays += 1;
        } else {
            swept.kept += 1;
        }
        Ok(())
    }

    /// Decides about a row whose blob was not in the store when that was listed.
    async fn look_for(&self, facts: &BlobFacts, swept: &mut Swept) -> Result<(), SweepError> {
        match facts.standing {
            BlobStanding::Live => {
                let store = self.registry.blobs().store();
                if store.has(&facts.key, facts.size).await? {
                    return Ok(());
                }
                // It may have been deleted and freed meanwhile.
                let metadata = self.registry.metadata();
                if metadata.blob(&facts.key.sha256).await? == Some(*facts) {
                    note_damaged(&facts.key.sha256, swept);
                }
            }
            // It was taken away by hand, or a crash left its row.
            BlobStanding::Stray(_) => drop(
                self.registry
                    .metadata()
                    .mark_blobs_dead(&[facts.key], self.now)
                    .await?,
            ),
            BlobStanding::Unneeded | BlobStanding::Dead => {}
        }
        Ok(())
    }
}

fn note_damaged(sha256: &Sha256Digest, swept: &mut Swept) {
    swept.damaged += 1;
    if swept.damaged <= NAMED {
        tracing::error!(blob = %sha256, "the bytes of a package are missing or damaged");
    }
}
