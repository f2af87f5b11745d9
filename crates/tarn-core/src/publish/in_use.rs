//! Which blobs uploads are about to need.
//!
//! Two uploads may bring the same bytes. If one is refused and takes its blob back while the other has just found that
//! blob in place, the other would record a package without bytes. So an upload holds its blob from before it is put in
//! place until the package is recorded, any number of uploads at once; and whoever removes it needs it alone. That is here too:
//! taking back what a refused upload brought, and freeing what no package needs any more.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use apk::digest::Sha256Digest;
use tokio::{
    sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock},
    time::sleep,
};

use super::Publisher;
use tarn_store::{
    blobs::BlobError,
    metadata::{BlobStanding, MetadataError, rest_since},
};

/// Blobs share a lock with those whose digest begins with the same bits. It costs a wait at worst.
const LOCKS: usize = 64;

/// How often, and after what pause, the lock of blobs to be removed is tried.
const TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(5);

/// How many blobs are removed together: an upload that needs one of their folder waits for as long as that takes.
const TOGETHER: u32 = 32;

#[derive(Debug, Clone)]
pub(super) struct BlobsInUse(Arc<[Arc<RwLock<()>>]>);

impl Default for BlobsInUse {
    fn default() -> Self {
        Self((0..LOCKS).map(|_| Arc::default()).collect())
    }
}

impl BlobsInUse {
    /// Keeps the blob in its place while the guard lives.
    pub(super) async fn hold(&self, sha256: &Sha256Digest) -> OwnedRwLockReadGuard<()> {
        self.lock(sha256).read_owned().await
    }

    /// The same as [`BlobsInUse::hold_alone`], but only where no upload holds the blob. A large upload holds its blob for
    /// seconds, and whoever waits for it holds up all that come after.
    pub(super) fn try_hold_alone(
        &self,
        sha256: &Sha256Digest,
    ) -> Option<OwnedRwLockWriteGuard<()>> {
        self.lock(sha256).try_write_owned().ok()
    }

    /// The same as [`BlobsInUse::try_hold_alone`], tried for a moment: a small upload is over by then.
    async fn hold_alone_soon(&self, sha256: &Sha256Digest) -> Option<OwnedRwLockWriteGuard<()>> {
        for _ in 0..TRIES {
            if let Some(alone) = self.try_hold_alone(sha256) {
                return Some(alone);
            }
            sleep(BETWEEN_TRIES).await;
        }
        None
    }

    /// Waits until no upload holds the blob, and keeps others from it while the guard lives.
    pub(super) async fn hold_alone(&self, sha256: &Sha256Digest) -> OwnedRwLockWriteGuard<()> {
        self.lock(sha256).write_owned().await
    }

    fn lock(&self, sha256: &Sha256Digest) -> Arc<RwLock<()>> {
        let first = sha256.as_bytes().first().copied().unwrap_or_default();
        self.0
            .get(usize::from(first) % LOCKS)
            .map(Arc::clone)
            .unwrap_or_default()
    }
}

/// Why blobs were not all freed.
#[derive(Debug, thiserror::Error)]
pub enum FreeError {
    /// The store fails.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// The database cannot say what is needed.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

impl Publisher {
    /// Removes a blob, unless a package needs these bytes or an upload is about to. Gives whether it was removed; when it
    /// could not be, the next sweep finds it.
    pub(crate) async fn take_back(&self, sha256: &Sha256Digest) -> bool {
        self.remove_unneeded(sha256).await.unwrap_or_else(|error| {
            tracing::warn!(%sha256, error, "a blob that no package needs was left for the next sweep");
            false
        })
    }

    /// Whether no upload holds the blob, nor did since a moment before.
    pub(crate) fn is_let_go_of(&self, sha256: &Sha256Digest) -> bool {
        self.in_use.try_hold_alone(sha256).is_some()
    }

    /// Removes a blob in the order that `metadata/blob_facts.rs` gives.
    async fn remove_unneeded(
        &self,
        sha256: &Sha256Digest,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        let _alone = self.in_use.hold_alone(sha256).await;
        let standing = self.metadata.blob_standing(sha256).await?;
        if standing == BlobStanding::Referenced {
            return Ok(false);
        }
        let (removed, _) = self.blobs.remove(&[*sha256]).await?;
        if standing != BlobStanding::Unknown {
            self.metadata.forget_blobs(&[*sha256]).await?;
        }
        Ok(removed > 0)
    }

    /// Frees the bytes of blobs that no package needs any more, a few at a time, so that uploads come in between. Those whose
    /// lock an upload has are left for the next time. Gives how many blobs were removed.
    ///
    /// # Errors
    ///
    /// When the store or the database fails; what was freed until then stays freed.
    pub(crate) async fn free_unneeded(&self) -> Result<u64, FreeError> {
        let (mut removed, mut after) = (0, None);
        loop {
            let found = self
                .metadata
                .unneeded_blobs(after.as_ref(), TOGETHER)
                .await?;
            let Some(first) = found.first() else {
                return Ok(removed);
            };
            let began = Instant::now();
            // Those in the folder of the first one have its lock, too.
            let of_first =
                |sha256: &&Sha256Digest| sha256.as_bytes().first() == first.as_bytes().first();
            let last = found.iter().take_while(of_first).last();
            if let Some(alone) = self.in_use.hold_alone_soon(first).await {
                // An upload may have needed one of them since they were looked for.
                let mut unneeded = self
                    .metadata
                    .unneeded_blobs(after.as_ref(), TOGETHER)
                    .await?;
                unneeded.retain(|sha256| of_first(&sha256) && Some(sha256) <= last);
                let (count, freed) = self.blobs.remove(&unneeded).await?;
                self.metadata.forget_blobs(&unneeded).await?;
                drop(alone);
                freed.free().await;
                removed += count;
            }
            after = last.copied();
            rest_since(began).await;
        }
    }
}
