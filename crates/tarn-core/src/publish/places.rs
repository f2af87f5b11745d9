//! Which place in the store the bytes of an upload get, and how places are given up.
//!
//! Two uploads may bring the same bytes, a sweep may free them meanwhile, and any of them may be on another machine, paused or
//! killed. `metadata/blob_facts.rs` has the rule that makes all of it right: a key that was deleted never comes back. Here is what
//! follows from it: an upload asks for its place, puts the bytes there, and records them; when the place was given up meanwhile,
//! it puts them into the next one. Bytes are freed only after their key is marked dead.

use std::time::Instant;

use apk::digest::Sha256Digest;
use tokio::task::spawn;

use super::{Destination, PublishError, Publisher, Received};
use tarn_store::{
    blobs::{BlobError, BlobKey, Expected},
    metadata::{
        BlobFacts, BlobStanding, MetadataError, NewBlob, NewPackageFile, RecordError,
        StoredSigners, rest_since,
    },
};

/// How many places an upload tries. Each was given up by a sweep in the moment between its put and its record.
const MOST_PLACES: usize = 16;

/// How many blobs are freed together: the transaction that marks them is a short one.
const TOGETHER: u32 = 32;

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
    /// Puts the bytes into their place and records the package, or takes back what this upload brought.
    pub(super) async fn put_and_record(
        &self,
        destination: &Destination,
        received: &mut Received,
    ) -> Result<(), PublishError> {
        let sha256 = received.sha256;
        let _putting = self.being_put.begin(sha256, usize::MAX, || ());
        let mut file = self.new_file(destination, received).await?;
        for _ in 0..MOST_PLACES {
            let known = self.metadata.blob(&sha256).await?;
            let place = known.as_ref().map_or(0, BlobFacts::place_for_upload);
            let expected = match known.map(|known| known.standing) {
                None | Some(BlobStanding::Dead) => Expected::New,
                Some(BlobStanding::Live | BlobStanding::Unneeded | BlobStanding::Stray(_)) => {
                    Expected::There
                }
            };
            file.blob.place = place;
            let put = received.put(&self.blobs, place, expected).await;
            let done = match put {
                Ok(_) => {
                    let act = destination.by.at(self.clock.now());
                    let recorded = self.metadata.record_package(&file, &act).await;
                    recorded.map(drop).map_err(PublishError::from)
                }
                Err(error) => Err(error),
            };
            let key = BlobKey { sha256, place };
            match done {
                Ok(()) => return Ok(()),
                Err(PublishError::Record(RecordError::PlaceGone)) => {
                    // Nothing needs what is in a dead place. What stays there is for a sweep.
                    if received.is_brought() {
                        drop(self.blobs.store().remove(&[key]).await);
                    }
                }
                Err(error) => {
                    if received.is_brought() {
                        self.take_back_after(&error, key).await;
                    }
                    return Err(error);
                }
            }
        }
        Err(RecordError::PlaceGone.into())
    }

    async fn new_file(
        &self,
        destination: &Destination,
        received: &Received,
    ) -> Result<NewPackageFile, PublishError> {
        let package = &received.package;
        let blob = NewBlob {
            sha256: received.sha256,
            place: 0,
            size: package.size(),
        };
        let signers = self.signers(destination.owner, package).await?;
        Ok(NewPackageFile {
            signers: StoredSigners::of(&signers),
            default_quota: self.quota,
            max_index: self.max_index,
            past: destination.past,
            ..NewPackageFile::new(
                destination.owner,
                destination.branch.clone(),
                destination.repository.clone(),
                package.facts(),
                package.hash(),
                blob,
            )
        })
    }

    /// Whether an upload of this process is putting these bytes.
    pub(crate) fn is_being_put(&self, sha256: &Sha256Digest) -> bool {
        self.being_put.has(sha256)
    }

    /// Removes the blob that an upload brought which failed so. Where the database has kept it waiting, the client need not wait for it
    /// once more.
    async fn take_back_after(&self, error: &PublishError, key: BlobKey) {
        let waited = matches!(
            error,
            PublishError::Record(RecordError::Metadata(
                MetadataError::Busy(_) | MetadataError::Unreachable(_)
            ))
        );
        if waited {
            let publisher = self.clone();
            drop(spawn(async move { publisher.take_back(&key).await }));
        } else {
            self.take_back(&key).await;
        }
    }

    /// Removes a blob, unless a package needs it. Gives whether it was removed; when it could not be, a sweep finds it.
    pub(crate) async fn take_back(&self, key: &BlobKey) -> bool {
        self.give_up(&[*key])
            .await
            .map(|removed| removed > 0)
            .unwrap_or_else(|error| {
                tracing::warn!(blob = %key, %error, "a blob that no package needs was left for the next sweep");
                false
            })
    }

    /// Has those of the keys that no package needs marked dead, and then removes their bytes. Gives how many were there.
    async fn give_up(&self, keys: &[BlobKey]) -> Result<u64, FreeError> {
        let dead = self
            .metadata
            .mark_blobs_dead(keys, self.clock.now())
            .await?;
        if dead.is_empty() {
            return Ok(0);
        }
        let (count, freed) = self.blobs.store().remove(&dead).await?;
        freed.free().await;
        Ok(count)
    }

    /// Frees the bytes of blobs that no package needs any more, a few at a time, so that uploads come in between. Gives how many
    /// blobs were removed.
    ///
    /// # Errors
    ///
    /// When the store or the database fails; what was freed until then stays freed.
    pub(crate) async fn free_unneeded(&self) -> Result<u64, FreeError> {
        let (mut removed, mut after) = (0, None);
        loop {
            let began = Instant::now();
            let found = self
                .metadata
                .unneeded_blobs(after.as_ref(), TOGETHER)
                .await?;
            let Some(last) = found.last() else {
                return Ok(removed);
            };
            removed += self.give_up(&found).await?;
            after = Some(last.sha256);
            rest_since(began).await;
        }
    }
}
