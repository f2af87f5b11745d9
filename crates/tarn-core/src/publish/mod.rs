//! The way of a package into the registry: receive, inspect, record.
//!
//! 1. [`receive`] streams the body into a temporary file, and each piece passes the reader of `apk` and the hash of
//!    the blob on its way to the disk.
//! 2. The blob is made durable in its place in the store ([`places`]).
//! 3. One transaction records the package and moves its repository on to the next generation.
//!
//! A refusal at any step leaves nothing behind: the temporary file goes with its handle, and a blob that no row came
//! to need is taken away again. One that was there before the upload stays, known to the database or not: it may be what
//! another database needs, and `metadata/blob_facts.rs` says when it goes.

mod check;
pub mod expiry;
mod notice;
mod places;
mod quotas;
mod receive;
mod remove;
mod signers;

use std::sync::Arc;

use apk::{
    arch::Arch,
    digest::Sha256Digest,
    limits::Limits,
    memory::{Memory, MemoryTaken},
    package::PackageError,
    v3::package as v3,
};
use bytes::Bytes;
use futures_util::Stream;
use tokio::{runtime::Handle, sync::Semaphore, task::spawn_blocking};

use crate::{settings::Settings, under_way::UnderWay};
use tarn_base::{
    clock::Clock,
    counter::Counter,
    names::{Branch, RepositoryName},
};
use tarn_store::{
    blobs::{BlobError, Blobs, Expected},
    metadata::{
        Actor, FileAddress, Metadata, MetadataError, OverQuota, OwnerId, Past, Quota, RecordError,
        VersionRule,
    },
};

use self::receive::Received;
pub use self::{
    check::check,
    places::FreeError,
    quotas::{Allowance, QuotaChange, Quotas},
    remove::{Remover, RestoreError},
};

/// How many uploads ended how.
#[derive(Debug, Default)]
pub struct PublishCounts {
    /// Taken in.
    pub taken: Counter,
    /// The file was there.
    pub existing: Counter,
    /// No package, or not one for this registry.
    pub refused: Counter,
    /// The body ended early, was too slow or too large.
    pub cut_off: Counter,
    /// A fault of the server.
    pub failed: Counter,
}

/// How many uploads are made durable and recorded at once.
const KEEPERS: usize = 64;

/// Where a package is to go, and who brings it.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The owner of the repository.
    pub owner: OwnerId,
    /// Its branch.
    pub branch: Branch,
    /// Its name.
    pub repository: RepositoryName,
    /// Who brings it.
    pub by: Actor,
    /// How many bytes the package has at least, where the sender said so before the first one.
    pub announced: Option<u64>,
    /// The file name that the sender gave it. It has to be the package's own.
    pub file_name: Option<String>,
    /// What to do where the package is there already.
    pub if_exists: IfExists,
    /// What an imported package was elsewhere. It is recorded with the package, or not at all where the package is there already.
    pub past: Option<Past>,
}

/// What becomes of an upload whose very bytes are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IfExists {
    /// It is refused, like one of other bytes.
    #[default]
    Refuse,
    /// It is done: a client that lost the answer to its first attempt may try again.
    Same,
}

/// Why bytes of a body did not come.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection ended before the body did.
    #[error("the upload ended before it was complete")]
    Gone(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The client sent too slowly.
    #[error("the upload was too slow; send faster, or try again on a better connection")]
    TooSlow,
    /// The form around the package cannot be read.
    #[error(
        "the form cannot be read: {0}; send the package as the raw body, e.g. `curl --upload-file FILE URL`"
    )]
    Form(String),
}

/// Why a package was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The body ended early or came too slowly.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The body is larger than an upload may be.
    #[error("the package is larger than {limit} bytes, the most that one upload may have here")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The owner may have no more, which was known before the bytes were made durable.
    #[error(transparent)]
    OverQuota(#[from] OverQuota),
    /// The body is not a package that apk takes.
    #[error(transparent)]
    Package(PackageError),
    /// A part of the package is larger than is taken here, and apk may take it.
    #[error(transparent)]
    OverLimit(PackageError),
    /// Other v3 packages on their way in hold the memory that this one needs.
    #[error(transparent)]
    Memory(MemoryTaken),
    /// The sender gave it a name that is not its own.
    #[error(
        "the path ends in {given:?}, and this package is `{own}`; leave the file name off (PUT /{{branch}}/{{repository}}), or \
         write that one"
    )]
    FileName {
        /// The name at the end of the path.
        given: String,
        /// The one that the package has.
        own: String,
    },
    /// The same file is there already.
    #[error(
        "package file already exists, with {}",
        match (.same, .repaired) {
            (_, true) => "the same bytes; it was damaged on the server, and is whole again",
            (true, false) => "the same bytes; with `?if-exists=same` that is a success",
            (false, false) => "other bytes; raise pkgrel, or delete that file first",
        }
    )]
    Exists {
        /// Whether it has the same bytes.
        same: bool,
        /// Whether those were damaged or missing, and this upload replaced them.
        repaired: bool,
    },
    /// A file that excludes this one is there already; the owner may have no more; the database failed.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The bytes could not be kept.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The facts could not be kept.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// The account has as many uploads under way as it may have.
    #[error(
        "this account has {limit} uploads under way, the most that one may have at once; wait until one of them is done"
    )]
    TooManyAtOnce {
        /// The limit.
        limit: usize,
    },
    /// A worker thread of the server died.
    #[error("a worker of the upload stopped")]
    Worker(#[from] tokio::task::JoinError),
    /// A worker thread was asked for again after it died.
    #[error("a worker of the upload had stopped before")]
    Gone,
}

impl From<PackageError> for PublishError {
    fn from(error: PackageError) -> Self {
        match error {
            PackageError::V3(v3::PackageError::Memory(taken)) => Self::Memory(taken),
            error if error.is_over_limit() => Self::OverLimit(error),
            error => Self::Package(error),
        }
    }
}

/// A package that was taken in.
#[derive(Debug, Clone)]
pub struct Published {
    /// `{name}-{version}.apk`.
    pub file_name: String,
    /// The package's own architecture; may be noarch.
    pub arch: Arch,
    /// Bytes of the file.
    pub size: u64,
    /// Whether it came with this upload. It was there already otherwise.
    pub is_new: bool,
    /// What the publisher should know although the package was taken: one line.
    pub notice: Option<String>,
}

/// The way in for packages.
#[derive(Debug, Clone)]
pub struct Publisher {
    metadata: Metadata,
    blobs: Blobs,
    clock: Clock,
    limits: Limits,
    max_upload: u64,
    quota: Quota,
    max_index: u64,
    versions: VersionRule,
    /// Which bytes the uploads of this process are putting, so that a sweep does not report them as left behind. Nothing else
    /// depends on it.
    being_put: UnderWay<Sha256Digest>,
    /// Only so many uploads wait for the disk at once. Fewer than there may be threads that wait, for each of these waits
    /// for others.
    keepers: Arc<Semaphore>,
    max_uploads: usize,
    /// What v3 packages have in front of their files' data, and windows of zstd, take of this.
    memory: Memory,
    /// The uploads of each account, and its part of the memory; `None` are those of no account. Each upload takes memory, a connection
    /// and a temporary file.
    under_way: UnderWay<Option<OwnerId>, Memory>,
    counts: Arc<PublishCounts>,
}

impl Publisher {
    /// A publisher onto `metadata` and `blobs`.
    pub fn new(metadata: Metadata, blobs: Blobs, clock: Clock, settings: &Settings) -> Self {
        let limits = settings.package_limits.clone();
        Self {
            metadata,
            blobs,
            clock,
            limits,
            max_upload: settings.max_upload,
            quota: settings.quota,
            max_index: settings.max_index,
            versions: settings.versions,
            being_put: UnderWay::default(),
            keepers: Arc::new(Semaphore::new(KEEPERS)),
            max_uploads: settings.max_uploads,
            memory: Memory::of(settings.package_memory).with_windows(settings.window_memory),
            under_way: UnderWay::default(),
            counts: Arc::default(),
        }
    }

    /// How the uploads so far ended.
    pub fn counts(&self) -> &PublishCounts {
        &self.counts
    }

    /// Takes a package in. Once this has returned `Ok`, the package survives a power cut and is in every index that
    /// is asked for from now on.
    ///
    /// # Errors
    ///
    /// When the body or the package is refused, when the file is there already, and when disk or database fail. In
    /// every case nothing of the upload stays.
    pub async fn publish(
        &self,
        destination: Destination,
        body: impl Stream<Item = Result<Bytes, BodyError>> + Unpin,
    ) -> Result<Published, PublishError> {
        let published = self.take_in(destination, body).await;
        self.count(&published);
        published
    }

    fn count(&self, published: &Result<Published, PublishError>) {
        let counts = &self.counts;
        let count = match published {
            Ok(published) if published.is_new => &counts.taken,
            Ok(_) | Err(PublishError::Exists { .. }) => &counts.existing,
            Err(PublishError::Body(_) | PublishError::TooLarge { .. }) => &counts.cut_off,
            Err(
                PublishError::Package(_)
                | PublishError::OverLimit(_)
                | PublishError::Memory(_)
                | PublishError::FileName { .. }
                | PublishError::OverQuota(_)
                | PublishError::TooManyAtOnce { .. }
                | PublishError::Record(
                    RecordError::OverQuota(_)
                    | RecordError::IndexFull { .. }
                    | RecordError::OwnerGone
                    | RecordError::UploaderGone,
                ),
            ) => &counts.refused,
            Err(PublishError::Record(
                RecordError::AlreadyExists | RecordError::NoarchClash { .. },
            )) => &counts.existing,
            Err(_) => &counts.failed,
        };
        count.one();
    }

    async fn take_in(
        &self,
        destination: Destination,
        body: impl Stream<Item = Result<Bytes, BodyError>> + Unpin,
    ) -> Result<Published, PublishError> {
        let (account, limit) = (destination.by.account_id(), self.max_uploads);
        let begun = self.under_way.begin(account, limit, || self.memory.part());
        let turn = begun.ok_or(PublishError::TooManyAtOnce { limit })?;
        let most = self.admit(&destination).await?;
        let own = self.metadata.version_rule(destination.owner).await?;
        let lenient = own.unwrap_or(self.versions) == VersionRule::Lenient;
        let limits = self.limits.with_lenient_versions(lenient);
        let received = receive::receive(&self.blobs, body, &limits, &turn.shared, most).await?;
        let package = &received.package;
        let facts = package.facts();
        let published = Published {
            file_name: facts.file_name(),
            arch: facts.arch.clone(),
            size: package.size(),
            is_new: true,
            notice: notice::notice(facts),
        };
        if let Some(given) = &destination.file_name
            && *given != published.file_name
        {
            return Err(PublishError::FileName {
                given: given.clone(),
                own: published.file_name,
            });
        }
        // All of it is here. What follows goes on also when the client, and with it this future, goes away: stopped
        // between the blob and its record, it would leave a blob that nothing needs. It waits for the disk, so it
        // has a thread that may.
        let keeper = Arc::clone(&self.keepers).acquire_owned().await;
        let publisher = self.clone();
        spawn_blocking(move || {
            let _keeper = keeper;
            Handle::current().block_on(publisher.keep(destination, received, published))
        })
        .await?
    }

    /// Refuses, before a byte is asked for, what could not be kept anyhow. Gives how many bytes may come. Of two uploads
    /// that want the last place both may pass here; the transaction decides between them.
    async fn admit(&self, destination: &Destination) -> Result<u64, PublishError> {
        let (used, own) = self.metadata.usage(destination.owner).await?;
        let limit = own.upload.unwrap_or(self.max_upload);
        // A package has at least one byte.
        let needed = destination.announced.unwrap_or(1);
        if needed > limit {
            return Err(PublishError::TooLarge { limit });
        }
        // What is there already needs no room.
        if destination.if_exists == IfExists::Refuse {
            own.over(self.quota).admit(used, needed)?;
        }
        Ok(limit)
    }

    /// Makes the blob durable and records its package.
    async fn keep(
        &self,
        destination: Destination,
        mut received: Received,
        published: Published,
    ) -> Result<Published, PublishError> {
        // What is there already, and what does not fit, is refused before the bytes are synced. Two uploads at once both pass
        // here; the transaction decides between them.
        if self
            .is_there(&destination, &published, &mut received)
            .await?
        {
            return Ok(Published {
                is_new: false,
                ..published
            });
        }
        let (used, own) = self.metadata.usage(destination.owner).await?;
        own.over(self.quota).admit(used, published.size)?;
        let kept = self.put_and_record(&destination, &mut received).await;
        let is_new = match kept {
            Err(PublishError::Record(RecordError::AlreadyExists)) => {
                // It came, and may be gone again, while this one was on its way: as it was found in the transaction.
                let is_there = self.is_there(&destination, &published, &mut received);
                if !is_there.await? {
                    return Err(RecordError::AlreadyExists.into());
                }
                false
            }
            kept => {
                kept?;
                true
            }
        };
        Ok(Published {
            is_new,
            ..published
        })
    }

    /// Whether these very bytes are there already, which is an error but where the sender expects it. So is another file that is
    /// in their place.
    async fn is_there(
        &self,
        destination: &Destination,
        new: &Published,
        received: &mut Received,
    ) -> Result<bool, PublishError> {
        let address = FileAddress {
            owner: destination.owner,
            branch: &destination.branch,
            repository: &destination.repository,
            arch: &new.arch,
            file_name: &new.file_name,
        };
        let Some(existing) = self.metadata.package_file(&address).await? else {
            return Ok(false);
        };
        if existing.arch != new.arch {
            let existing = existing.arch;
            return Err(RecordError::NoarchClash { existing }.into());
        }
        let same = existing.sha256 == received.sha256;
        // Replaced, should they be damaged.
        let repaired = same
            && received
                .put(&self.blobs, existing.place, Expected::There)
                .await?;
        if same && destination.if_exists == IfExists::Same {
            return Ok(true);
        }
        Err(PublishError::Exists { same, repaired })
    }
}
