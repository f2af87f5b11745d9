//! What the database knows of blobs, and which of them may go.
//!
//! A blob has a row from the transaction that records its first package on. One in the store is one of these:
//!
//! - some package file of any generation has it: it stays;
//! - none has it any more, because its owner was removed: it may go;
//! - the database does not know it. A crash cut an upload off between the blob and its record, or this is not the
//!   database that the store belongs to: a new one, or an older copy that was put back. The two look alike, so such a
//!   blob is noted as a stray, and may go after [`STRAY_GRACE`] and not before; and never when it was there before the
//!   database was.
//!
//! Only `Publisher::take_back` in `publish/` removes blobs. While no upload holds the blob (`publish/in_use.rs`), it asks
//! here, removes the bytes, and then has the row forgotten. A crash in between leaves a row without bytes, which harms
//! nobody: the next upload of these bytes brings them again.

use std::time::{Duration, SystemTime};

use apk::digest::Sha256Digest;

use super::{
    Metadata, MetadataError,
    engine::{Transaction, sql},
};
use crate::clock::Timestamp;

/// How long a blob that the database does not know stays: long enough to notice that packages are missing, and to put
/// the right database back.
pub const STRAY_GRACE: Duration = Duration::from_secs(30 * 86_400);

/// The bytes of a package file to be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewBlob {
    /// What they are called in the store.
    pub sha256: Sha256Digest,
    /// How many they are.
    pub size: u64,
}

/// What the database says of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobStanding {
    /// A package file has it.
    Referenced,
    /// Package files had it, and none has it any more.
    Unneeded,
    /// It was never recorded, and noticed at that time.
    Stray(Timestamp),
    /// It was never heard of.
    Unknown,
}

impl NewBlob {
    pub(super) fn size_in_row(&self) -> Result<i64, MetadataError> {
        size_in_row(self.size)
    }

    /// Puts the blob among those in use.
    pub(super) async fn keep(
        &self,
        transaction: &mut Transaction,
        now: Timestamp,
    ) -> Result<(), MetadataError> {
        transaction
            .run_one(
                "blob",
                sql!(
                    "INSERT INTO blobs (sha256, size, created_at) VALUES ($1, $2, $3) \
                     ON CONFLICT (sha256) DO UPDATE SET stray_since = NULL",
                    self.sha256.as_bytes(),
                    self.size_in_row()?,
                    now
                ),
            )
            .await
    }
}

impl Metadata {
    /// Whether any package file, of any generation, has these bytes.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn is_referenced(&self, sha256: &Sha256Digest) -> Result<bool, MetadataError> {
        let row = self
            .engine
            .look_up(sql!(
                "SELECT id FROM package_files WHERE sha256 = $1 LIMIT 1",
                sha256.as_bytes()
            ))
            .await?;
        Ok(row.is_some())
    }

    /// What the database knows of a blob.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn blob_standing(
        &self,
        sha256: &Sha256Digest,
    ) -> Result<BlobStanding, MetadataError> {
        let row = self
            .engine
            .look_up(sql!(
                "SELECT stray_since, EXISTS (SELECT 1 FROM package_files WHERE package_files.sha256 = $1) AS referenced \
                 FROM blobs WHERE sha256 = $1",
                sha256.as_bytes()
            ))
            .await?;
        let Some(row) = row else {
            return Ok(BlobStanding::Unknown);
        };
        if row.value::<i64>("referenced")? != 0 {
            return Ok(BlobStanding::Referenced);
        }
        let stray_since: Option<i64> = row.value("stray_since")?;
        Ok(match stray_since {
            Some(since) => BlobStanding::Stray(Timestamp::from_micros(since)),
            None => BlobStanding::Unneeded,
        })
    }

    /// Notes a blob that was found in the store and never recorded. One that has a row already keeps it as it is.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn note_stray_blob(
        &self,
        sha256: &Sha256Digest,
        size: u64,
        now: Timestamp,
    ) -> Result<(), MetadataError> {
        self.engine
            .run(sql!(
                "INSERT INTO blobs (sha256, size, created_at, stray_since) VALUES ($1, $2, $3, $3) \
                 ON CONFLICT (sha256) DO NOTHING",
                sha256.as_bytes(),
                size_in_row(size)?,
                now
            ))
            .await?;
        Ok(())
    }

    /// Forgets a blob whose bytes were removed from the store. `false` when there is no row of it, or a package file has
    /// it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn forget_blob(&self, sha256: &Sha256Digest) -> Result<bool, MetadataError> {
        let forgotten = self
            .engine
            .run(sql!(
                "DELETE FROM blobs WHERE sha256 = $1 AND NOT EXISTS \
                 (SELECT 1 FROM package_files WHERE package_files.sha256 = blobs.sha256)",
                sha256.as_bytes()
            ))
            .await?;
        Ok(forgotten == 1)
    }

    /// When this database was made, by the clock of the machine and not by the registry's: to be compared with the
    /// times of files.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn made_at(&self) -> Result<SystemTime, MetadataError> {
        let row = self
            .engine
            .row(sql!("SELECT MAX(made_at) AS made_at FROM origin"))
            .await?
            .ok_or(MetadataError::Missing("origin"))?;
        Ok(row.time("made_at")?.to_system_time())
    }
}

fn size_in_row(size: u64) -> Result<i64, MetadataError> {
    i64::try_from(size).map_err(|_| MetadataError::Nonsense {
        what: "size",
        value: size.to_string(),
    })
}
