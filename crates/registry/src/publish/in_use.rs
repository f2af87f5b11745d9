//! Which blobs uploads are about to need.
//!
//! Two uploads may bring the same bytes. If one is refused and takes its blob back while the other has just found that
//! blob in place, the other would record a package without bytes. So an upload holds its blob from before it is put in
//! place until the package is recorded, any number of uploads at once; and taking back needs it alone.

use std::sync::Arc;

use apk::digest::Sha256Digest;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Blobs share a lock with those whose digest begins with the same bits. It costs a wait at worst.
const LOCKS: usize = 64;

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
