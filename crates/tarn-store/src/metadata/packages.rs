//! Package files: which repository has which, since which generation.
//!
//! A repository's generation moves on by one with every change of its packages. A row says which generation has the
//! file first and which has it no more, so what any past generation held is still known.

use apk::{
    arch::Arch,
    digest::{Identity, PackageHash},
    facts::{Format, PackageFacts},
    name::PackageName,
    v2::record,
    version::Version,
};

use super::{
    Act, Metadata, MetadataError, NewBlob, OverQuota, OwnerId, PackageFileId, PackageFormat, Quota,
    RepositoryId, StoredFacts, StoredSigners, WebhookEvent,
    audit::Done,
    catalog,
    change_times::next_change,
    engine::{Row, Transaction, sql},
    outbox::{self, Happened},
    quotas::{self, usage_columns},
    relations,
};
use tarn_base::{
    clock::Timestamp,
    names::{Branch, RepositoryName},
};

/// A package file to be recorded. Its bytes are in the blob store already.
#[derive(Debug, Clone)]
pub struct NewPackageFile {
    /// Whose repository.
    pub owner: OwnerId,
    /// The branch; made when it is new.
    pub branch: Branch,
    /// The repository; made when it is new.
    pub repository: RepositoryName,
    /// As in the package; may be noarch.
    pub arch: Arch,
    /// As in the package.
    pub name: PackageName,
    /// As in the package.
    pub version: Version,
    /// The bytes.
    pub blob: NewBlob,
    /// The format of the file.
    pub format: PackageFormat,
    /// What apk checks a download with.
    pub identity: PackageHash,
    /// What the package says of itself.
    pub facts: StoredFacts,
    /// What it describes itself as, for listings and searches.
    pub description: String,
    /// Its own signatures.
    pub signers: StoredSigners,
    /// Bytes of its record in an index.
    pub index_bytes: u64,
    /// What the owner may have, where the owner has no limits of their own.
    pub default_quota: Quota,
    /// How many bytes the records of one index may have together.
    pub max_index: u64,
}

impl NewPackageFile {
    /// A package file without known signatures, in a repository and of an owner without limits.
    pub fn new(
        owner: OwnerId,
        branch: Branch,
        repository: RepositoryName,
        facts: &PackageFacts,
        identity: PackageHash,
        blob: NewBlob,
    ) -> Self {
        // The record of a v3 package is as long, for what this is: a measure of what an index may have.
        let any = Identity::from_bytes([0; 20]);
        let record = record::render(facts, &any, blob.size, &facts.arch);
        Self {
            owner,
            branch,
            repository,
            arch: facts.arch.clone(),
            name: facts.name.clone(),
            version: facts.version.clone(),
            blob,
            format: match facts.format {
                Format::V2 { .. } => PackageFormat::V2,
                Format::V3 => PackageFormat::V3,
            },
            identity,
            facts: StoredFacts::of(facts),
            description: facts.description.clone(),
            signers: StoredSigners::of(&[]),
            index_bytes: record.len() as u64,
            default_quota: Quota::default(),
            max_index: u64::MAX,
        }
    }

    /// The file, by what it is.
    fn address(&self) -> PackageAddress<'_> {
        PackageAddress {
            owner: self.owner,
            branch: &self.branch,
            repository: &self.repository,
            arch: &self.arch,
            name: &self.name,
            version: &self.version,
        }
    }
}

/// Where a package file was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The repository, perhaps just made.
    pub repository: RepositoryId,
    /// The first generation that has the file.
    pub generation: i64,
    /// The place of the file in the index: later files have greater ones.
    pub sequence: i64,
}

/// Why a package file was not recorded. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The repository has a file of that name, version and architecture.
    #[error("package file already exists")]
    AlreadyExists,
    /// The repository has a file of that name and version, and one of the two is noarch: one index would list both,
    /// and a client could be handed the wrong one.
    #[error(
        "package file already exists for the architecture {existing}: a noarch file and one of an architecture exclude each other"
    )]
    NoarchClash {
        /// The architecture of the file that is there.
        existing: Arch,
    },
    /// The owner may have no more.
    #[error(transparent)]
    OverQuota(#[from] OverQuota),
    /// The index may grow no more.
    #[error(
        "the index of this repository has {used} bytes, this package would add {added}, and it may have at most {limit}: publish \
         into another repository, or delete old packages of this one"
    )]
    IndexFull {
        /// Bytes of its records now; of several indexes, of the largest.
        used: u64,
        /// Bytes of the new record.
        added: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The owner was removed while the upload was under way.
    #[error("the owner was removed while the upload was under way; nothing was stored")]
    OwnerGone,
    /// Whoever acts was removed while the upload was under way.
    #[error(
        "the account that uploads was removed while the upload was under way; nothing was stored"
    )]
    UploaderGone,
    /// The place of the bytes in the store was given up while the upload was under way: they have to be put into another one.
    #[error(
        "the place of the bytes in the store was given up while the upload was under way; upload the package again"
    )]
    PlaceGone,
    /// The database failed.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// One package file by what it is, for a change of it.
#[derive(Debug, Clone, Copy)]
pub struct PackageAddress<'a> {
    /// Whose repository.
    pub owner: OwnerId,
    /// The branch.
    pub branch: &'a Branch,
    /// The repository.
    pub repository: &'a RepositoryName,
    /// The package's own architecture: noarch for a noarch file, whatever path it is served at.
    pub arch: &'a Arch,
    /// The package's name.
    pub name: &'a PackageName,
    /// The package's version, as written in it.
    pub version: &'a Version,
}

/// A repository in the middle of a change.
pub(super) struct Moved {
    pub(super) repository: RepositoryId,
    pub(super) generation: i64,
    last_sequence: i64,
    pub(super) changed_at: Timestamp,
}

impl Metadata {
    /// Records a package file: the repository made when it is new, its generation moved on. All of it is one transaction,
    /// which others who record at the same time share ([`super::committer`]). Whoever acts is its uploader.
    ///
    /// # Errors
    ///
    /// When such a file is there, it would clash with a noarch one, the owner may have no more, or the database fails.
    pub async fn record_package(
        &self,
        new: &NewPackageFile,
        act: &Act<'_>,
    ) -> Result<Recorded, RecordError> {
        self.committer.record(new, act).await
    }

    /// How many transactions recorded packages so far, in this process. Those who come at the same time share one.
    pub fn recording_transactions(&self) -> u64 {
        self.committer.commits()
    }
}

/// What the file of a package is called in the folder of its architecture (`default_reponame_spec` in apk-tools'
/// `src/context.c`).
pub(super) fn file_name(name: &PackageName, version: &Version) -> String {
    format!("{name}-{version}.apk")
}

/// A package file as the audit log names it.
pub(super) fn target(
    branch: &Branch,
    repository: &RepositoryName,
    arch: &Arch,
    file_name: &str,
) -> String {
    format!("{branch}/{repository}/{arch}/{file_name}")
}

pub(super) fn corrupt(what: &'static str, value: &str) -> MetadataError {
    MetadataError::Corrupt {
        what,
        value: value.chars().take(64).collect(),
    }
}

/// Whether a package file may be recorded, as this transaction sees it. Changes nothing: others in it go on after a refusal.
///
/// # Errors
///
/// The refusal, or that the database fails.
pub(super) async fn refuse(
    transaction: &mut Transaction,
    new: &NewPackageFile,
) -> Result<(), RecordError> {
    let rows = transaction
        .rows(sql!(
            // One question costs less than two: a row for each file of that name, or one without.
            concat!(
                "SELECT same.arch AS arch, \
                 CAST((SELECT COALESCE(MAX(CASE WHEN heads.arch = $6 THEN heads.bytes END), 0) \
                 + COALESCE(MAX(CASE WHEN heads.arch <> $6 AND ($5 = $6 OR heads.arch = $5) THEN heads.bytes END), 0) \
                 FROM (SELECT index_heads.arch AS arch, SUM(index_heads.bytes) AS bytes \
                 FROM repositories JOIN index_heads ON index_heads.repository_id = repositories.id \
                 WHERE repositories.owner_id = $1 AND repositories.branch = $2 AND repositories.name = $3 \
                 GROUP BY index_heads.arch) AS heads) AS BIGINT) AS index_bytes, ",
                usage_columns!(),
                " LEFT JOIN (SELECT package_files.arch AS arch FROM repositories \
                 JOIN package_files ON package_files.repository_id = repositories.id \
                 WHERE repositories.owner_id = $1 AND repositories.branch = $2 AND repositories.name = $3 \
                 AND package_files.file_name = $4 AND package_files.removed_at IS NULL) AS same ON TRUE \
                 WHERE owners.id = $1 ORDER BY same.arch"
            ),
            new.owner,
            new.branch.as_str(),
            new.repository.as_str(),
            file_name(&new.name, &new.version),
            new.arch.as_str(),
            Arch::noarch().as_str()
        ))
        .await?;
    let mut clash = None;
    for row in &rows {
        let Some(existing) = row.value::<Option<&str>>("arch")? else {
            continue;
        };
        let existing = Arch::parse(existing).map_err(|_| corrupt("architecture", existing))?;
        if existing == new.arch {
            return Err(RecordError::AlreadyExists);
        }
        if existing.is_noarch() || new.arch.is_noarch() {
            clash.get_or_insert(existing);
        }
    }
    if let Some(existing) = clash {
        return Err(RecordError::NoarchClash { existing });
    }
    let owner = rows.first().ok_or(RecordError::OwnerGone)?;
    quotas::admit(owner, new.blob.size, new.default_quota)?;
    let (used, added) = (owner.size("index_bytes")?, new.index_bytes);
    if used.saturating_add(added) > new.max_index {
        return Err(RecordError::IndexFull {
            used,
            added,
            limit: new.max_index,
        });
    }
    Ok(())
}

/// Where a package file that is recorded comes from.
pub(super) struct Origin {
    /// What the audit log calls it.
    pub(super) action: &'static str,
    /// Who uploaded it, if that is known.
    pub(super) uploader: Option<OwnerId>,
}

impl Origin {
    /// An upload of whoever acts.
    pub(super) fn upload(act: &Act<'_>) -> Self {
        Self {
            action: "package.publish",
            uploader: act.by.account_id(),
        }
    }
}

/// Records a package file that was not refused: all of what that is. Gives whether a webhook is to be told, too: see
/// [`Metadata::wake_outbox`]. When it gives an error, it may have done a part, and the transaction must not be committed.
///
/// # Errors
///
/// When the same file was recorded meanwhile, the owner, the uploader or the place of the blob is gone, or the database fails.
pub(super) async fn record(
    transaction: &mut Transaction,
    new: &NewPackageFile,
    origin: &Origin,
    act: &Act<'_>,
) -> Result<(Recorded, bool), RecordError> {
    // First of all, because the row of the repository is what two changes of it wait at.
    let moved = move_on_for_new_file(transaction, new, act.at)
        .await?
        .ok_or(RecordError::OwnerGone)?;
    let file_name = file_name(&new.name, &new.version);
    let index_bytes = i64::try_from(new.index_bytes)
        .map_err(|_| corrupt("size of a record", &new.index_bytes.to_string()))?;
    quotas::take(transaction, new.owner, new.blob.size).await?;
    if !new.blob.keep(transaction, act.at).await? {
        return Err(RecordError::PlaceGone);
    }
    let file = transaction
        .row(
            sql!(
                "INSERT INTO package_files (repository_id, arch, name, version, file_name, sha256, size, format, identity, \
                 index_bytes, signers, facts, sequence, added_at, uploader_id, created_at) \
                 SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16 \
                 WHERE $17 IS NULL OR EXISTS (SELECT 1 FROM owners WHERE id = $17) RETURNING id",
                moved.repository,
                new.arch.as_str(),
                new.name.as_str(),
                new.version.as_str(),
                file_name.as_str(),
                new.blob.sha256.as_bytes(),
                new.blob.size_in_row()?,
                new.format.as_str(),
                new.identity.as_bytes(),
                index_bytes,
                new.signers.as_str(),
                new.facts.as_str(),
                moved.last_sequence,
                moved.generation,
                origin.uploader,
                act.at,
                act.by.account_id()
            ),
        )
        .await
        .map_err(|error| {
            if error.is_duplicate() {
                RecordError::AlreadyExists
            } else {
                error.into()
            }
        })?
        .ok_or(RecordError::UploaderGone)?;
    transaction
        .run_one(
            "index",
            sql!(
                "INSERT INTO index_heads (repository_id, arch, format, generation, changed_at, live, bytes) \
                 VALUES ($1, $2, $3, $4, $5, 1, $6) ON CONFLICT (repository_id, arch, format) DO UPDATE SET \
                 generation = excluded.generation, changed_at = excluded.changed_at, live = index_heads.live + 1, \
                 bytes = index_heads.bytes + excluded.bytes",
                moved.repository,
                new.arch.as_str(),
                new.format.as_str(),
                moved.generation,
                moved.changed_at,
                index_bytes
            ),
        )
        .await?;
    catalog::added(transaction, new, origin.uploader, act.at).await?;
    let file = PackageFileId::from_row(file.value("id")?);
    relations::added(transaction, moved.repository, file, new).await?;
    let done = Done {
        action: origin.action,
        owner: Some(new.owner),
        target: &target(&new.branch, &new.repository, &new.arch, &file_name),
        detail: None,
    };
    transaction.note(act, done).await?;
    let happened = Happened {
        event: WebhookEvent::Published,
        file,
        package: new.address(),
        sender: act.by.account_id(),
        at: act.at,
    };
    let filled = outbox::enqueue(transaction, &happened).await?;
    let recorded = Recorded {
        repository: moved.repository,
        generation: moved.generation,
        sequence: moved.last_sequence,
    };
    Ok((recorded, filled))
}

/// Moves a repository's generation and sequence on, making the repository when it is new. `None` when the owner is gone.
async fn move_on_for_new_file(
    transaction: &mut Transaction,
    new: &NewPackageFile,
    now: Timestamp,
) -> Result<Option<Moved>, MetadataError> {
    let row = transaction
        .row(sql!(
            "INSERT INTO repositories (owner_id, branch, name, generation, last_sequence, changed_at) \
             SELECT owners.id, $2, $3, 1, 1, 0 FROM owners WHERE owners.id = $1 ON CONFLICT (owner_id, branch, name) DO UPDATE SET \
             generation = repositories.generation + 1, last_sequence = repositories.last_sequence + 1 \
             RETURNING id, generation, last_sequence, changed_at, \
             COALESCE((SELECT MAX(signing_keys.changed_at) FROM signing_keys WHERE signing_keys.owner_id = $1), 0) \
             AS keys_changed_at",
            new.owner,
            new.branch.as_str(),
            new.repository.as_str()
        ))
        .await?;
    match row {
        Some(row) => stamp(transaction, &row, now).await.map(Some),
        None => Ok(None),
    }
}

/// Moves the generation of a repository on, when it is there.
pub(super) async fn move_on(
    transaction: &mut Transaction,
    address: &PackageAddress<'_>,
    now: Timestamp,
) -> Result<Option<Moved>, MetadataError> {
    let row = transaction
        .row(sql!(
            "UPDATE repositories SET generation = generation + 1 WHERE owner_id = $1 AND branch = $2 AND name = $3 \
             RETURNING id, generation, last_sequence, changed_at, \
             COALESCE((SELECT MAX(signing_keys.changed_at) FROM signing_keys WHERE signing_keys.owner_id = $1), 0) \
             AS keys_changed_at",
            address.owner,
            address.branch.as_str(),
            address.repository.as_str()
        ))
        .await?;
    match row {
        Some(row) => stamp(transaction, &row, now).await.map(Some),
        None => Ok(None),
    }
}

/// Gives the generation that a repository was just moved on to its time.
async fn stamp(
    transaction: &mut Transaction,
    row: &Row,
    now: Timestamp,
) -> Result<Moved, MetadataError> {
    let repository = RepositoryId::from_row(row.value("id")?);
    // An index takes the later of its head and the last change of the keys that sign it, so both count.
    let previous = row.time("changed_at")?.max(row.time("keys_changed_at")?);
    let changed_at = next_change(previous, now);
    transaction
        .run_one(
            "repository",
            sql!(
                "UPDATE repositories SET changed_at = $2 WHERE id = $1",
                repository,
                changed_at
            ),
        )
        .await?;
    Ok(Moved {
        repository,
        generation: row.value("generation")?,
        last_sequence: row.value("last_sequence")?,
        changed_at,
    })
}
