//! What the database knows of blobs, and how a blob that nobody needs is removed without ever losing one that
//! somebody is about to need.
//!
//! The danger: an upload finds its bytes in the store already and leaves them there; a sweep, which looked a moment
//! earlier and saw no package with these bytes, removes them; then the package is recorded. So both keep to this
//! order.
//!
//! An upload: (1) [`Metadata::claim_blob`] once its digest is known; (2) the bytes into the store; (3)
//! [`Metadata::record_package`], within [`BLOB_CLAIM_LIFETIME`] of the claim.
//!
//! A sweep: (1) [`Metadata::unreferenced_blobs`], or a file of the store without a package; (2)
//! [`Metadata::condemn_blob`]; (3) not before [`BLOB_GRACE`] has gone by, [`Metadata::take_condemned_blobs`]; (4) the
//! bytes out of the store; (5) [`Metadata::forget_blob`].
//!
//! A claim or a record takes a condemnation back. If an upload claimed before the condemnation, it has recorded (or
//! given up) before the grace is over, and step 3 of the sweep passes the blob over. If it claims after, it takes the
//! condemnation back, or is told to try again because step 3 is done and step 5 is not. After step 5 the bytes are
//! gone for sure, and step 2 of the upload brings them anew. The grace is longer than a claim lasts, for clocks of
//! several nodes that differ.
//!
//! A crash between two steps of an upload leaves bytes without a package. They are found by listing the store and
//! asking [`Metadata::is_referenced`]. A crash of a sweep leaves blobs that [`Metadata::take_condemned_blobs`] gives
//! out again.

use std::time::Duration;

use apk::digest::Sha256Digest;

use super::{
    Metadata, MetadataError,
    engine::{Transaction, sql},
};
use crate::clock::Timestamp;

/// How long a claim lasts: far longer than a sync and a transaction take.
pub const BLOB_CLAIM_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// How long a condemned blob stays, so that every upload that claimed it has ended.
pub const BLOB_GRACE: Duration = Duration::from_secs(60 * 60);

/// The right to record a package file with these bytes. Got before the bytes go into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobClaim {
    sha256: Sha256Digest,
    size: u64,
    claimed_at: Timestamp,
}

impl BlobClaim {
    /// What the bytes are called in the store.
    pub const fn sha256(&self) -> &Sha256Digest {
        &self.sha256
    }

    /// How many bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn has_lapsed(&self, now: Timestamp) -> bool {
        now.since(self.claimed_at) > BLOB_CLAIM_LIFETIME
    }

    pub(super) fn size_in_row(&self) -> Result<i64, MetadataError> {
        size_in_row(self.size)
    }

    /// Puts the blob among those in use.
    pub(super) async fn keep(
        &self,
        transaction: &mut Transaction,
        now: Timestamp,
    ) -> Result<(), MetadataError> {
        let kept = transaction
            .run(sql!(
                "INSERT INTO blobs (sha256, size, created_at) VALUES ($1, $2, $3) \
                 ON CONFLICT (sha256) DO UPDATE SET condemned_at = NULL WHERE blobs.removing = FALSE",
                self.sha256.as_bytes(),
                self.size_in_row()?,
                now
            ))
            .await?;
        if kept == 0 {
            return Err(leaving());
        }
        Ok(())
    }
}

impl Metadata {
    /// Claims a blob, whether the store has it or not, before its bytes are put there.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Busy`] when a sweep is removing these very bytes; when the database fails.
    pub async fn claim_blob(
        &self,
        sha256: &Sha256Digest,
        size: u64,
        now: Timestamp,
    ) -> Result<BlobClaim, MetadataError> {
        let claim = BlobClaim {
            sha256: *sha256,
            size,
            claimed_at: now,
        };
        let condemned = self
            .engine
            .row(sql!(
                "SELECT removing FROM blobs WHERE sha256 = $1 AND condemned_at IS NOT NULL",
                sha256.as_bytes()
            ))
            .await?;
        if condemned.is_some() {
            let saved = self
                .engine
                .run(sql!(
                    "UPDATE blobs SET condemned_at = NULL WHERE sha256 = $1 AND removing = FALSE",
                    sha256.as_bytes()
                ))
                .await?;
            if saved == 0 {
                return Err(leaving());
            }
        }
        Ok(claim)
    }

    /// Whether any package file, of any generation, has these bytes.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn is_referenced(&self, sha256: &Sha256Digest) -> Result<bool, MetadataError> {
        let row = self
            .engine
            .row(sql!(
                "SELECT id FROM package_files WHERE sha256 = $1 LIMIT 1",
                sha256.as_bytes()
            ))
            .await?;
        Ok(row.is_some())
    }

    /// Blobs that no package file has, of those the database knows for longer and that are not condemned: digest and
    /// size in bytes.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn unreferenced_blobs(
        &self,
        older_than: Timestamp,
        limit: u32,
    ) -> Result<Vec<(Sha256Digest, u64)>, MetadataError> {
        self.engine
            .rows(sql!(
                "SELECT sha256, size FROM blobs WHERE created_at < $1 AND condemned_at IS NULL AND NOT EXISTS \
                 (SELECT 1 FROM package_files WHERE package_files.sha256 = blobs.sha256) ORDER BY created_at LIMIT $2",
                older_than,
                i64::from(limit)
            ))
            .await?
            .iter()
            .map(|row| Ok((row.digest("sha256")?, row.size("size")?)))
            .collect()
    }

    /// Condemns a blob that no package file has, also one that the database does not know yet (bytes found in the
    /// store). `false` when a package file has it, or it was condemned before.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn condemn_blob(
        &self,
        sha256: &Sha256Digest,
        size: u64,
        now: Timestamp,
    ) -> Result<bool, MetadataError> {
        let condemned = self
            .engine
            .run(sql!(
                "INSERT INTO blobs (sha256, size, created_at, condemned_at) VALUES ($1, $2, $3, $3) \
                 ON CONFLICT (sha256) DO UPDATE SET condemned_at = excluded.condemned_at \
                 WHERE blobs.condemned_at IS NULL AND NOT EXISTS \
                 (SELECT 1 FROM package_files WHERE package_files.sha256 = blobs.sha256)",
                sha256.as_bytes(),
                size_in_row(size)?,
                now
            ))
            .await?;
        Ok(condemned == 1)
    }

    /// Blobs whose bytes are to be removed now: condemned for longer than [`BLOB_GRACE`] and still not needed, and
    /// those that were given out before and not forgotten. Nobody can claim them until [`Metadata::forget_blob`].
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn take_condemned_blobs(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<Sha256Digest>, MetadataError> {
        let grace = i64::try_from(BLOB_GRACE.as_micros()).unwrap_or(i64::MAX);
        let condemned_by = Timestamp::from_micros(now.micros().saturating_sub(grace));
        let mut transaction = self.engine.write().await?;
        let rows = transaction
            .rows(sql!(
                "UPDATE blobs SET removing = TRUE WHERE sha256 IN \
                 (SELECT sha256 FROM blobs WHERE condemned_at <= $1 ORDER BY condemned_at LIMIT $2) \
                 AND condemned_at <= $1 AND NOT EXISTS \
                 (SELECT 1 FROM package_files WHERE package_files.sha256 = blobs.sha256) RETURNING sha256",
                condemned_by,
                i64::from(limit)
            ))
            .await?;
        let taken = rows
            .iter()
            .map(|row| row.digest("sha256"))
            .collect::<Result<_, _>>()?;
        transaction.commit().await?;
        Ok(taken)
    }

    /// Forgets a blob whose bytes were removed from the store, so that an upload may bring it anew. `false` when it was
    /// not given out by [`Metadata::take_condemned_blobs`].
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn forget_blob(&self, sha256: &Sha256Digest) -> Result<bool, MetadataError> {
        let forgotten = self
            .engine
            .run(sql!(
                "DELETE FROM blobs WHERE sha256 = $1 AND removing = TRUE",
                sha256.as_bytes()
            ))
            .await?;
        Ok(forgotten == 1)
    }
}

fn leaving() -> MetadataError {
    MetadataError::Busy("a sweep is removing a blob with these very bytes".into())
}

fn size_in_row(size: u64) -> Result<i64, MetadataError> {
    i64::try_from(size).map_err(|_| MetadataError::Nonsense {
        what: "size",
        value: size.to_string(),
    })
}
