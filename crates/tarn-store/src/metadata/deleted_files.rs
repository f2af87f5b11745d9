//! Deleted package files: until when they can be restored, and how they are forgotten.
//!
//! A deleted file keeps its row, with the generation and the time of its deletion, and with that its bytes. Restoring it
//! records it once more, in the repository's next generation; its own row stays what it was. When a file has been deleted for
//! long enough, its row goes ([`Metadata::forget_deleted`]): what the generations had that it was in is not known any more
//! (`history_from` of the index's head), and a blob that no other row has is unneeded from that transaction on.
//!
//! The time of a deletion is that of its generation, which is never before the one before it: a clock that was set back does
//! not make a deletion old. One that lies ahead of the clock, because that was ahead once, counts from when it is noticed.

use std::time::Instant;

use apk::{
    arch::Arch,
    digest::{PackageHash, Sha256Digest},
    name::PackageName,
    version::Version,
};

use super::{
    Act, Metadata, MetadataError, NewBlob, NewPackageFile, OwnerId, PackageFileId, PackageFormat,
    Page, Quota, RecordError, RepositoryId, StoredFacts, StoredSigners, WebhookEvent, Window,
    admission::Publish,
    batches::{Batch, STEP},
    change_times::after_the_wait,
    engine::{Transaction, sql},
    packages::{Origin, Past},
    publishing::record,
    removals::unneeded_without,
    rows::{row, select},
};
use crate::blobs::BlobKey;
use tarn_base::{
    clock::Timestamp,
    names::{Branch, RepositoryName},
};

row! {
    /// A package file that was deleted and whose bytes are kept.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct DeletedFile as deleted_columns {
        /// Which one.
        pub id: PackageFileId = package_files.id,
        /// Its branch.
        pub branch: Branch = repositories.branch,
        /// Its repository.
        pub repository: RepositoryName = repositories.name,
        /// The package's own architecture; may be noarch.
        pub arch: Arch = package_files.arch,
        /// The package's name.
        pub name: PackageName = package_files.name,
        /// The package's version.
        pub version: Version = package_files.version,
        /// The hash of its bytes.
        pub sha256: Sha256Digest = package_files.sha256,
        /// Where they are in the store.
        pub place: u32 = blobs.place,
        /// How many bytes.
        pub size: u64 = package_files.size,
        /// When it was deleted.
        pub deleted_at: Timestamp = package_files.deleted_at,
    }
}

row! {
    /// A file that was recorded before, as it is to be recorded once more.
    struct RecordedBefore as recorded_columns {
        pub branch: Branch = repositories.branch,
        pub repository: RepositoryName = repositories.name,
        pub arch: Arch = package_files.arch,
        pub name: PackageName = package_files.name,
        pub version: Version = package_files.version,
        pub sha256: Sha256Digest = package_files.sha256,
        pub size: u64 = package_files.size,
        pub place: u32 = blobs.place,
        pub format: PackageFormat = package_files.format,
        pub identity: PackageHash = package_files.identity,
        pub facts: StoredFacts = package_files.facts,
        pub signers: StoredSigners = package_files.signers,
        pub index_bytes: u64 = package_files.index_bytes,
        pub uploader: Option<OwnerId> = package_files.uploader_id,
        pub downloads: u64 = package_files.downloads,
    }
}

/// Which deleted file is meant.
#[derive(Debug, Clone, Copy)]
pub enum Deleted<'a> {
    /// That very one.
    File(PackageFileId),
    /// The one that was deleted last of those that this path served.
    At {
        /// The branch.
        branch: &'a Branch,
        /// The repository.
        repository: &'a RepositoryName,
        /// The package's own architecture.
        arch: &'a Arch,
        /// `{name}-{version}.apk`.
        file_name: &'a str,
    },
}

impl Deleted<'_> {
    /// The one of that number, if there is such a one.
    pub const fn numbered(number: i64) -> Self {
        Self::File(PackageFileId::from_row(number))
    }
}

row! {
/// What deleted files keep on the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many blobs only deleted files have.
    pub blobs: u64,
    /// How many bytes those are.
    pub bytes: u64,
}
}

/// The columns of [`DeletedFile`].
macro_rules! deleted_files {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            deleted_columns!(),
            " FROM repositories JOIN package_files ON package_files.repository_id = repositories.id \
             JOIN blobs ON blobs.sha256 = package_files.sha256 ",
            $rest
        )
    };
}

/// Deleted files of owner `$1` in whose place nothing is; of several with the same bytes, the one deleted last.
macro_rules! restorable {
    () => {
        "WHERE repositories.owner_id = $1 AND package_files.removed_at IS NOT NULL AND NOT EXISTS \
         (SELECT 1 FROM package_files AS live WHERE live.repository_id = package_files.repository_id \
         AND live.file_name = package_files.file_name AND live.removed_at IS NULL \
         AND (live.arch = package_files.arch OR 'noarch' IN (live.arch, package_files.arch))) \
         AND NOT EXISTS (SELECT 1 FROM package_files AS later WHERE later.repository_id = package_files.repository_id \
         AND later.file_name = package_files.file_name AND later.arch = package_files.arch \
         AND later.sha256 = package_files.sha256 AND later.id > package_files.id)"
    };
}

impl Metadata {
    /// The deleted files of an owner that can be restored, the one deleted last first. A file in whose place another one is
    /// by now is not among them.
    pub async fn deleted_files(
        &self,
        owner: OwnerId,
        window: Window,
    ) -> Result<Page<DeletedFile>, MetadataError> {
        let count = sql!(
            concat!(
                "SELECT COUNT(*) AS count FROM repositories \
                     JOIN package_files ON package_files.repository_id = repositories.id ",
                restorable!()
            ),
            owner
        );
        let rows = sql!(
            concat!(
                deleted_files!(""),
                restorable!(),
                " ORDER BY package_files.deleted_at DESC, package_files.id DESC LIMIT $2 OFFSET $3"
            ),
            owner,
            window.limit,
            window.offset
        );
        self.page(count, rows).await
    }

    /// One deleted file of an owner. `None` when none is kept.
    pub async fn deleted_file(
        &self,
        owner: OwnerId,
        wanted: Deleted<'_>,
    ) -> Result<Option<DeletedFile>, MetadataError> {
        let statement = match wanted {
            Deleted::File(id) => sql!(
                deleted_files!(
                    "WHERE package_files.id = $2 AND repositories.owner_id = $1 AND package_files.removed_at IS NOT NULL"
                ),
                owner,
                id
            ),
            Deleted::At {
                branch,
                repository,
                arch,
                file_name,
            } => sql!(
                deleted_files!(
                    "WHERE repositories.owner_id = $1 AND repositories.branch = $2 AND repositories.name = $3 \
                     AND package_files.arch = $4 AND package_files.file_name = $5 AND package_files.removed_at IS NOT NULL \
                     ORDER BY package_files.removed_at DESC LIMIT 1"
                ),
                owner,
                branch.as_str(),
                repository.as_str(),
                arch.as_str(),
                file_name
            ),
        };
        self.engine.row(statement).await
    }

    /// What the deleted files of an owner keep on the disk that none of the owner's other files needs. What other owners have is
    /// not looked at: it would say whether another owner has certain bytes.
    pub async fn waiting_to_be_freed(&self, owner: OwnerId) -> Result<Waiting, MetadataError> {
        let waiting = self
            .engine
            .list(sql!(
                "SELECT COUNT(*) AS blobs, CAST(COALESCE(SUM(size), 0) AS BIGINT) AS bytes FROM \
                 (SELECT DISTINCT package_files.sha256 AS sha256, package_files.size AS size FROM repositories \
                 JOIN package_files ON package_files.repository_id = repositories.id \
                 WHERE repositories.owner_id = $1 AND package_files.removed_at IS NOT NULL AND NOT EXISTS \
                 (SELECT 1 FROM package_files AS live JOIN repositories AS own ON own.id = live.repository_id \
                 WHERE live.sha256 = package_files.sha256 AND live.removed_at IS NULL AND own.owner_id = $1)) AS waiting",
                owner
            ))
            .await?;
        let waiting = waiting.into_iter().next();
        waiting.ok_or(MetadataError::Missing("count"))
    }

    /// Records a deleted file of an owner once more, as a new one with the same uploader, in the next generation of its
    /// repository. Webhooks get it as they get a publish. `false` when no such deleted file is kept.
    ///
    /// # Errors
    ///
    /// When another file has its place, the owner may have no more or is gone, or the database fails. Nothing was changed
    /// then.
    pub async fn restore_package(
        &self,
        owner: OwnerId,
        file: PackageFileId,
        default_quota: Quota,
        max_index: u64,
        act: &Act<'_>,
    ) -> Result<bool, RecordError> {
        let since = Instant::now();
        let mut transaction = self.engine.write().await?;
        let act = &Act {
            by: act.by,
            at: after_the_wait(act.at, since),
        };
        let kept: Option<RecordedBefore> = transaction
            .row(sql!(
                select!(
                    recorded_columns,
                    "FROM package_files \
                     JOIN repositories ON repositories.id = package_files.repository_id \
                     JOIN blobs ON blobs.sha256 = package_files.sha256 \
                     WHERE package_files.id = $2 AND repositories.owner_id = $1 AND package_files.removed_at IS NOT NULL"
                ),
                owner,
                file
            ))
            .await?;
        let Some(kept) = kept else {
            return Ok(false);
        };
        let origin = Origin {
            action: "package.restore",
            event: WebhookEvent::Published,
            uploader: kept.uploader,
        };
        // Its date is that of now: with the old one, the rule of expiry that deleted it would do so again.
        let past = Past {
            created_at: act.at,
            creator: kept.uploader,
            downloads: kept.downloads,
        };
        let new = NewPackageFile {
            owner,
            branch: kept.branch,
            repository: kept.repository,
            arch: kept.arch,
            name: kept.name,
            version: kept.version,
            blob: NewBlob {
                sha256: kept.sha256,
                size: kept.size,
                place: kept.place,
            },
            format: kept.format,
            identity: kept.identity,
            // What other hands put there has none.
            description: kept.facts.description().unwrap_or_default(),
            facts: kept.facts,
            signers: kept.signers,
            index_bytes: kept.index_bytes,
            default_quota,
            max_index,
            past: Some(past),
        };
        let again = Publish {
            new: &new,
            act: *act,
            origin,
        };
        record(&mut transaction, again).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Forgets a batch of the files that were deleted at `end` or before it. Gives how many; 0 when none is left.
    ///
    /// # Errors
    ///
    /// When the database fails. Then nothing of this batch was forgotten.
    pub async fn forget_deleted(&self, end: Timestamp) -> Result<u64, MetadataError> {
        let oldest = sql!(
            "SELECT 1 AS one FROM package_files WHERE deleted_at <= $1 LIMIT 1",
            end
        );
        if !self.engine.any(oldest).await? {
            return Ok(0);
        }
        self.on_a_thread(async move |metadata: Self| {
            let mut transaction = metadata.engine.write_here().await?;
            let mut batch = Batch::begin();
            while batch.has_room() {
                let gone: Vec<(Sha256Digest, InIndex)> = transaction
                    .rows(sql!(
                        "DELETE FROM package_files WHERE id IN (SELECT id FROM package_files WHERE deleted_at <= $1 \
                         ORDER BY deleted_at LIMIT $2) RETURNING sha256, repository_id, arch, format, removed_at",
                        end,
                        STEP
                    ))
                    .await?;
                let (blobs, files): (Vec<_>, Vec<_>) = gone.into_iter().unzip();
                cut_history(&mut transaction, &files).await?;
                unneeded_without(&mut transaction, &blobs).await?;
                batch.add(blobs.len() as u64);
                if blobs.len() < STEP as usize {
                    break;
                }
            }
            transaction.commit().await?;
            Ok(batch.rows())
        })
        .await
    }

    /// Has deletions whose time lies ahead of the clock count from now on. Gives how many of a batch those were.
    pub async fn correct_deletion_times(&self, now: Timestamp) -> Result<u64, MetadataError> {
        let ahead = sql!(
            "SELECT 1 AS one FROM package_files WHERE deleted_at > $1 LIMIT 1",
            now
        );
        if !self.engine.any(ahead).await? {
            return Ok(0);
        }
        self.engine
            .run(sql!(
                "UPDATE package_files SET deleted_at = $1 WHERE id IN \
                 (SELECT id FROM package_files WHERE deleted_at > $1 LIMIT $2)",
                now,
                STEP
            ))
            .await
    }
}

/// Where a file was: the repository, the architecture, the format, and the generation that has it no more.
type InIndex = (RepositoryId, String, PackageFormat, i64);

/// Moves the beginning of what is known of indexes behind the files whose rows were just deleted.
async fn cut_history(transaction: &mut Transaction, gone: &[InIndex]) -> Result<(), MetadataError> {
    for (repository, arch, format, removed_at) in gone {
        transaction
            .run(sql!(
                "UPDATE index_heads SET history_from = $3 WHERE repository_id = $1 AND arch = $2 AND format = $4 \
                 AND history_from < $3",
                *repository,
                arch.as_str(),
                *removed_at,
                *format
            ))
            .await?;
    }
    Ok(())
}

impl DeletedFile {
    /// The key of its bytes in the store.
    pub const fn blob(&self) -> BlobKey {
        BlobKey {
            sha256: self.sha256,
            place: self.place,
        }
    }
}
