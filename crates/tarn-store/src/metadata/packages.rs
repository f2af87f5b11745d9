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
    Act, Metadata, MetadataError, NewBlob, OverQuota, OwnerId, PackageFormat, Quota, RepositoryId,
    StoredFacts, StoredSigners, WebhookEvent,
    change_times::next_change,
    engine::{Transaction, sql},
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
    /// What it was elsewhere. `None`: it is new, and the one who acts publishes it now.
    pub past: Option<Past>,
}

/// What a package file was before it came here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// When it was published there.
    pub created_at: Timestamp,
    /// Who published it, where that account is known here.
    pub creator: Option<OwnerId>,
    /// How often it was downloaded there; those from here are added.
    pub downloads: u64,
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
            past: None,
        }
    }

    /// The file, by what it is.
    pub(super) fn address(&self) -> PackageAddress<'_> {
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
    /// The caller was removed while the upload was under way.
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
    pub(super) changed_at: Timestamp,
}

impl Metadata {
    /// Records a package file: the repository made when it is new, its generation moved on. All of it is one transaction,
    /// which others who record at the same time share ([`super::committer`]). The one who acts is its uploader.
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

/// Where a package file that is recorded comes from.
pub(super) struct Origin {
    /// What the audit log calls it.
    pub(super) action: &'static str,
    /// The event that webhooks receive for it.
    pub(super) event: WebhookEvent,
    /// Who uploaded it, if that is known.
    pub(super) uploader: Option<OwnerId>,
}

impl Origin {
    /// An upload by the one who acts.
    pub(super) fn upload(act: &Act<'_>) -> Self {
        Self {
            action: "package.publish",
            event: WebhookEvent::Published,
            uploader: act.by.account_id(),
        }
    }
}

/// Moves the generation of a repository on, when it is there.
pub(super) async fn move_on(
    transaction: &mut Transaction,
    address: &PackageAddress<'_>,
    now: Timestamp,
) -> Result<Option<Moved>, MetadataError> {
    let moved = transaction
        .row(sql!(
            "UPDATE repositories SET generation = generation + 1 WHERE owner_id = $1 AND branch = $2 AND name = $3 \
             RETURNING id, generation, changed_at, \
             COALESCE((SELECT MAX(signing_keys.changed_at) FROM signing_keys WHERE signing_keys.owner_id = $1), 0) \
             AS keys_changed_at",
            address.owner,
            address.branch.as_str(),
            address.repository.as_str()
        ))
        .await?;
    let Some((repository, generation, changed_at, keys_changed_at)) = moved else {
        return Ok(None);
    };
    // An index takes the later of its head and the last change of the keys that sign it, so both count.
    let changed_at = next_change(Timestamp::max(changed_at, keys_changed_at), now);
    let statement = sql!(
        "UPDATE repositories SET changed_at = $2 WHERE id = $1",
        repository,
        changed_at
    );
    transaction.run_one("repository", statement).await?;
    Ok(Some(Moved {
        repository,
        generation,
        changed_at,
    }))
}
