//! What the database knows of blobs, and which of them may go.
//!
//! The bytes with one SHA-256 have one row, from the transaction that records their first package on. It names their place in
//! the store, which with the hash is their key ([`BlobKey`]), and its state:
//!
//! - live: some package file has the bytes, perhaps a deleted one that can still be restored: they stay;
//! - unneeded: the last such file is forgotten, or its owner was removed. The transaction that deletes the row of the file
//!   says so, and the next sweep frees the bytes. An upload of the same bytes makes them live again;
//! - stray: found in the store and never recorded. A crash cut an upload off between the blob and its record, or this is not
//!   the database that the store belongs to: a new one, or an older copy that was put back. The two look alike, so such a
//!   blob may go after [`STRAY_GRACE`] and not before; and never when it was there before the database was;
//! - dead: its bytes were freed, or are about to be.
//!
//! # Why a late DELETE takes nothing that is needed
//!
//! A store deletes what it is asked to, however late the request arrives, and several servers may share one. So **a key that was
//! deleted never comes back**:
//!
//! 1. Bytes are deleted only after a transaction has marked their key dead ([`Metadata::mark_blobs_dead`]), which it does only
//!    with one that is unneeded or stray.
//! 2. A row that is dead stays. The next upload of the same bytes takes the next place.
//! 3. An upload puts the bytes in their place and then records them there ([`kept`]). That fails if the place was marked
//!    dead meanwhile ([`RecordError::PlaceGone`](super::RecordError::PlaceGone)), and then the upload puts them in the next place.
//!
//! So a row that is live was live from its transaction on, and no DELETE of its key was ever asked for. No lock, no clock and no
//! count of uploads under way decides it. What is left in a dead place, because a server was killed or an upload was late, is
//! found by the next sweep (`jobs/sweep.rs`).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use apk::digest::Sha256Digest;

use super::{
    Metadata, MetadataError,
    engine::sql,
    given::{Given, given},
    rows::{Columns, FromRow, corrupt, select, size_in_row},
};
use crate::blobs::BlobKey;
use tarn_base::clock::Timestamp;

/// How long a blob that the database does not know stays: long enough to notice that packages are missing, and to put
/// the right database back.
pub const STRAY_GRACE: Duration = Duration::from_secs(30 * 86_400);

/// The bytes of a package file to be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewBlob {
    /// Their hash.
    pub sha256: Sha256Digest,
    /// Where they are in the store.
    pub place: u32,
    /// How many they are.
    pub size: u64,
}

/// A blob that the database knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobFacts {
    /// Where it is.
    pub key: BlobKey,
    /// How many bytes it should have.
    pub size: u64,
    /// Whether it may go.
    pub standing: BlobStanding,
}

/// What the database says of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobStanding {
    /// A package file has it, perhaps a deleted one.
    Live,
    /// Package files had it, and none has it any more.
    Unneeded,
    /// It was never recorded, and noticed at that time.
    Stray(Timestamp),
    /// It was deleted, or is about to be.
    Dead,
}

impl BlobFacts {
    /// Whether an upload that put these bytes there may be recorded: not where the place was given up meanwhile.
    pub(super) const fn may_be_put_to(&self, place: u32) -> bool {
        match self.standing {
            BlobStanding::Dead => place > self.key.place,
            BlobStanding::Live | BlobStanding::Unneeded | BlobStanding::Stray(_) => {
                place == self.key.place
            }
        }
    }

    /// Where an upload puts these bytes.
    pub const fn place_for_upload(&self) -> u32 {
        match self.standing {
            BlobStanding::Dead => self.key.place.saturating_add(1),
            BlobStanding::Live | BlobStanding::Unneeded | BlobStanding::Stray(_) => self.key.place,
        }
    }
}

impl NewBlob {
    /// Their key in the store.
    pub(super) const fn key(&self) -> BlobKey {
        BlobKey {
            sha256: self.sha256,
            place: self.place,
        }
    }
}

/// The columns of [`BlobFacts`].
macro_rules! blob_columns {
    () => {
        "blobs.sha256, blobs.place, blobs.size, blobs.state, blobs.stray_since"
    };
}

/// The question for what is known of the bytes that new files have.
pub(super) fn known<'b>(blobs: impl Iterator<Item = &'b NewBlob>) -> Given {
    let digests: BTreeSet<Sha256Digest> = blobs.map(|blob| blob.sha256).collect();
    given!(
        digests,
        |sha256| { sha256: sha256.as_bytes() },
        concat!(
            "SELECT ",
            blob_columns!(),
            " FROM given JOIN blobs ON blobs.sha256 = given.sha256"
        )
    )
}

/// Marks the blobs of new files as in use, in the transaction that records the files. Each comes with its size and time. All are in a
/// place that they may be put to ([`BlobFacts::may_be_put_to`]), and the same bytes are in the same one.
pub(super) fn kept(files: impl Iterator<Item = (NewBlob, i64, Timestamp)>) -> Given {
    let mut blobs: BTreeMap<Sha256Digest, (u32, i64, Timestamp)> = BTreeMap::new();
    for (blob, size, at) in files {
        let first_at = blobs.get(&blob.sha256).map_or(at, |(_, _, first)| *first);
        blobs.insert(blob.sha256, (blob.place, size, first_at));
    }
    given!(
        blobs,
        |(sha256, (place, size, first_at))| {
            sha256: sha256.as_bytes(),
            size: size,
            created_at: first_at,
            place: place,
        },
        "INSERT INTO blobs (sha256, size, created_at, place, state) \
         SELECT sha256, size, created_at, place, 'live' FROM given WHERE TRUE ON CONFLICT (sha256) DO UPDATE SET \
         state = 'live', stray_since = NULL, size = excluded.size, place = excluded.place"
    )
    .each_changes("blob")
}

impl Metadata {
    /// What the database knows of the bytes with that hash; `None` when it never heard of them.
    pub async fn blob(&self, sha256: &Sha256Digest) -> Result<Option<BlobFacts>, MetadataError> {
        self.engine
            .look_up(sql!(
                select!(blob_columns, "FROM blobs WHERE sha256 = $1"),
                sha256.as_bytes()
            ))
            .await
    }

    /// The blobs whose digest begins with that byte. All 256 together are all that the database knows; one at a time they
    /// take little memory.
    pub async fn known_blobs(&self, first_byte: u8) -> Result<Vec<BlobFacts>, MetadataError> {
        let end = first_byte.checked_add(1);
        self.engine
            .rows(sql!(
                select!(
                    blob_columns,
                    "FROM blobs WHERE sha256 >= $1 AND ($3 OR sha256 < $2)"
                ),
                &[first_byte][..],
                &[end.unwrap_or_default()][..],
                end.is_none()
            ))
            .await
    }

    /// The first unneeded blobs behind `after`, at most `most`, in the order of their digests.
    pub async fn unneeded_blobs(
        &self,
        after: Option<&Sha256Digest>,
        most: u32,
    ) -> Result<Vec<BlobKey>, MetadataError> {
        let after = after.map_or(&[][..], |after| &after.as_bytes()[..]);
        self.engine
            .rows(sql!(
                "SELECT sha256, place FROM blobs WHERE state = 'unneeded' AND sha256 > $1 ORDER BY sha256 LIMIT $2",
                after,
                most
            ))
            .await
    }

    /// Notes a blob that was found in the store and never recorded. `false` when the database knows these bytes by now, in this
    /// place or in another one: then nothing was changed.
    pub async fn note_stray_blob(
        &self,
        stray: &BlobKey,
        size: u64,
        now: Timestamp,
    ) -> Result<bool, MetadataError> {
        let noted = self
            .engine
            .run(sql!(
                "INSERT INTO blobs (sha256, size, created_at, place, state, stray_since) VALUES ($1, $2, $3, $4, 'stray', $3) \
                 ON CONFLICT (sha256) DO UPDATE SET state = 'stray', stray_since = excluded.stray_since, \
                 size = excluded.size, place = excluded.place \
                 WHERE blobs.place < excluded.place AND blobs.state = 'dead'",
                stray.sha256.as_bytes(),
                size_in_row(size)?,
                now,
                stray.place
            ))
            .await?;
        Ok(noted > 0)
    }

    /// Marks keys dead, in one transaction, so that their bytes may be deleted: those that are unneeded or stray, and those that
    /// were put and not recorded. Gives which; the others are needed, or were marked before.
    ///
    /// # Errors
    ///
    /// When the database fails. Then none was marked.
    pub async fn mark_blobs_dead(
        &self,
        keys: &[BlobKey],
        now: Timestamp,
    ) -> Result<Vec<BlobKey>, MetadataError> {
        let keys = keys.to_vec();
        self.on_a_thread(async move |metadata: Self| {
            let mut transaction = metadata.engine.write_here().await?;
            let mut dead = Vec::with_capacity(keys.len());
            for key in keys {
                let marked = transaction
                    .run(sql!(
                        "INSERT INTO blobs (sha256, size, created_at, place, state) VALUES ($1, 0, $2, $3, 'dead') \
                         ON CONFLICT (sha256) DO UPDATE SET state = 'dead', stray_since = NULL, place = excluded.place \
                         WHERE (blobs.place = excluded.place AND blobs.state IN ('unneeded', 'stray')) \
                         OR (blobs.place < excluded.place AND blobs.state = 'dead')",
                        key.sha256.as_bytes(),
                        now,
                        key.place
                    ))
                    .await?;
                if marked > 0 {
                    dead.push(key);
                }
            }
            transaction.commit().await?;
            Ok(dead)
        })
        .await
    }

    /// When this database was made, by the clock of the machine and not by the registry's: to be compared with the
    /// times of files.
    pub async fn made_at(&self) -> Result<SystemTime, MetadataError> {
        let made_at = sql!("SELECT MAX(made_at) AS made_at FROM origin");
        let made_at: Option<Timestamp> = self.engine.row(made_at).await?;
        let made_at = made_at.ok_or(MetadataError::Missing("origin"))?;
        Ok(made_at.to_system_time())
    }

    /// The identifier of this database, the same in every copy of it: `new`, if it has none yet.
    pub async fn identifier(&self, new: &str) -> Result<String, MetadataError> {
        self.engine
            .run(sql!(
                "UPDATE origin SET identifier = $1 WHERE identifier IS NULL",
                new
            ))
            .await?;
        let identifier = self.engine.row(sql!("SELECT identifier FROM origin"));
        identifier.await?.ok_or(MetadataError::Missing("origin"))
    }
}

impl FromRow for BlobFacts {
    const COLUMNS: usize = BlobKey::COLUMNS + 3;

    fn take(left: &mut Columns) -> Result<Self, MetadataError> {
        Ok(Self {
            key: FromRow::take(left)?,
            size: FromRow::take(left)?,
            standing: match (String::take(left)?.as_str(), FromRow::take(left)?) {
                ("live", _) => BlobStanding::Live,
                ("unneeded", _) => BlobStanding::Unneeded,
                ("stray", Some(since)) => BlobStanding::Stray(since),
                ("dead", _) => BlobStanding::Dead,
                (other, _) => return Err(corrupt("state of a blob", other)),
            },
        })
    }
}

impl FromRow for BlobKey {
    const COLUMNS: usize = 2;

    fn take(left: &mut Columns) -> Result<Self, MetadataError> {
        let (sha256, place) = FromRow::take(left)?;
        Ok(Self { sha256, place })
    }
}
