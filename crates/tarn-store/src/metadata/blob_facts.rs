//! What the database knows of blobs, and which of them may go.
//!
//! A blob has a row from the transaction that records its first package on. Its state, or that it has no row, says which of
//! these it is:
//!
//! - live: some package file has it, perhaps a deleted one that can still be restored: it stays;
//! - unneeded: the last such file is forgotten, or its owner was removed. The transaction that deletes the row of the file
//!   says so, and the next sweep frees the bytes. An upload of the same bytes makes it live again;
//! - the database does not know it. A crash cut an upload off between the blob and its record, or this is not the
//!   database that the store belongs to: a new one, or an older copy that was put back. The two look alike, so such a
//!   blob is noted as a stray, and may go after [`STRAY_GRACE`] and not before; and never when it was there before the
//!   database was.
//!
//! Only `publish/` removes blobs (`Publisher::take_back`, `Publisher::free_unneeded`). While no upload holds the blob
//! (`publish/in_use.rs`), it asks here, removes the bytes, and then has the row forgotten. A crash in between leaves an unneeded
//! row without bytes: the next sweep forgets it, and an upload of these bytes before then brings them again.

use std::time::{Duration, SystemTime};

use apk::digest::Sha256Digest;

use super::{
    Metadata, MetadataError,
    engine::{Row, Transaction, sql},
};
use tarn_base::clock::Timestamp;

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

/// A blob that the database knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobFacts {
    /// Which one.
    pub sha256: Sha256Digest,
    /// How many bytes it should have.
    pub size: u64,
    /// Whether it may go.
    pub standing: BlobStanding,
}

/// What the database says of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobStanding {
    /// A package file has it, perhaps a deleted one.
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
                    "INSERT INTO blobs (sha256, size, created_at, state) VALUES ($1, $2, $3, 'live') \
                     ON CONFLICT (sha256) DO UPDATE SET state = 'live', stray_since = NULL",
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
                "SELECT state, stray_since FROM blobs WHERE sha256 = $1",
                sha256.as_bytes()
            ))
            .await?;
        row.map_or(Ok(BlobStanding::Unknown), |row| standing(&row))
    }

    /// The blobs whose digest begins with that byte. All 256 together are all that the database knows; one at a time they
    /// take little memory.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn known_blobs(&self, first_byte: u8) -> Result<Vec<BlobFacts>, MetadataError> {
        let end = first_byte.checked_add(1);
        self.engine
            .rows(sql!(
                "SELECT sha256, size, state, stray_since FROM blobs WHERE sha256 >= $1 AND ($3 OR sha256 < $2)",
                &[first_byte][..],
                &[end.unwrap_or_default()][..],
                end.is_none()
            ))
            .await?
            .iter()
            .map(|row| {
                Ok(BlobFacts {
                    sha256: row.digest("sha256")?,
                    size: row.size("size")?,
                    standing: standing(row)?,
                })
            })
            .collect()
    }

    /// The first unneeded blobs behind `after`, at most `most`, in the order of their digests.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn unneeded_blobs(
        &self,
        after: Option<&Sha256Digest>,
        most: u32,
    ) -> Result<Vec<Sha256Digest>, MetadataError> {
        let after = after.map_or(&[][..], |after| &after.as_bytes()[..]);
        self.engine
            .rows(sql!(
                "SELECT sha256 FROM blobs WHERE state = 'unneeded' AND sha256 > $1 ORDER BY sha256 LIMIT $2",
                after,
                i64::from(most)
            ))
            .await?
            .iter()
            .map(|row| row.digest("sha256"))
            .collect()
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
                "INSERT INTO blobs (sha256, size, created_at, state, stray_since) VALUES ($1, $2, $3, 'stray', $3) \
                 ON CONFLICT (sha256) DO NOTHING",
                sha256.as_bytes(),
                size_in_row(size)?,
                now
            ))
            .await?;
        Ok(())
    }

    /// Forgets blobs whose bytes were removed from the store, in one transaction. Those that a package file has stay. Gives how
    /// many rows went.
    ///
    /// # Errors
    ///
    /// When the database fails. Then none of them went.
    pub async fn forget_blobs(&self, blobs: &[Sha256Digest]) -> Result<u64, MetadataError> {
        let blobs = blobs.to_vec();
        self.on_a_thread(async move |metadata: Self| {
            let mut transaction = metadata.engine.write_here().await?;
            let mut forgotten = 0;
            for sha256 in &blobs {
                forgotten += transaction
                    .run(sql!(
                        "DELETE FROM blobs WHERE sha256 = $1 AND state <> 'live' AND NOT EXISTS \
                         (SELECT 1 FROM package_files WHERE package_files.sha256 = blobs.sha256)",
                        sha256.as_bytes()
                    ))
                    .await?;
            }
            transaction.commit().await?;
            Ok(forgotten)
        })
        .await
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

fn standing(row: &Row) -> Result<BlobStanding, MetadataError> {
    Ok(match row.value::<&str>("state")? {
        "live" => BlobStanding::Referenced,
        "unneeded" => BlobStanding::Unneeded,
        _ => BlobStanding::Stray(row.time("stray_since")?),
    })
}

fn size_in_row(size: u64) -> Result<i64, MetadataError> {
    i64::try_from(size).map_err(|_| MetadataError::Corrupt {
        what: "size",
        value: size.to_string(),
    })
}
