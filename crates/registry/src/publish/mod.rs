//! The way of a package into the registry: receive, inspect, check the rules, record.
//!
//! 1. [`receive`] streams the body into a temporary file, and each piece passes the reader of `apk` and the hash of
//!    the blob on its way to the disk.
//! 2. [`rules`] says what this registry refuses although apk would take it.
//! 3. The blob is made durable under its SHA-256.
//! 4. One transaction records the package and moves its repository on to the next generation.
//!
//! A refusal at any step leaves nothing behind: the temporary file goes with its handle, and a blob that no row came
//! to need is taken away again.

mod receive;
mod rules;

use apk::{limits::Limits, v2::package::PackageError};
use bytes::Bytes;
use futures_util::Stream;

use crate::{
    blobs::{BlobError, Blobs},
    clock::Clock,
    metadata::{Metadata, MetadataError, NewPackageFile, OwnerId, RecordError},
    names::{Branch, RepositoryName},
    settings::Settings,
};

pub use self::rules::RuleError;

/// Where a package is to go, and who brings it.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The owner of the repository.
    pub owner: OwnerId,
    /// Its branch.
    pub branch: Branch,
    /// Its name.
    pub repository: RepositoryName,
    /// The account that uploads.
    pub uploader: Option<OwnerId>,
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
    #[error("the form cannot be read: {0}; send the package as the raw body, e.g. `curl --upload-file FILE URL`")]
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
    /// The body is not a package that apk takes.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The body is a package that this registry does not take.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The same file is there already.
    #[error("package file already exists")]
    AlreadyExists,
    /// A noarch file and an architecture's file of one name and version exclude each other.
    #[error(
        "package file already exists for another architecture: a noarch package and one for an architecture cannot \
         share name and version, one index would list both; delete the other or raise pkgrel"
    )]
    NoarchClash,
    /// The bytes could not be kept.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The facts could not be kept.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// A worker thread of the server died.
    #[error("a worker of the upload stopped")]
    Worker(#[from] tokio::task::JoinError),
}

/// The way in for packages.
#[derive(Clone)]
pub struct Publisher {
    metadata: Metadata,
    blobs: Blobs,
    clock: Clock,
    limits: Limits,
    max_upload: u64,
}

impl Publisher {
    /// A publisher onto `metadata` and `blobs`.
    pub fn new(metadata: Metadata, blobs: Blobs, clock: Clock, settings: &Settings) -> Self {
        let limits = settings.package_limits.clone();
        Self { metadata, blobs, clock, limits, max_upload: settings.max_upload }
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
    ) -> Result<(), PublishError> {
        let incoming = self.blobs.begin().await?;
        let received = receive::receive(incoming, body, &self.limits, self.max_upload).await?;
        rules::check(&received.package)?;

        let package = &received.package;
        let record = apk::v2::record::render(&package.info, &package.identity, package.size, &package.info.arch);
        let file = NewPackageFile {
            owner: destination.owner,
            branch: destination.branch,
            repository: destination.repository,
            arch: package.info.arch.clone(),
            name: package.info.name.clone(),
            version: package.info.version.clone(),
            sha256: received.sha256,
            size: package.size,
            pkginfo: package.pkginfo.clone(),
            record,
            uploader: destination.uploader,
        };
        // What is there already is told before the bytes are synced. Two uploads at once both pass here; the
        // transaction decides between them.
        self.metadata.check_free(&file).await?;

        let in_use = self.blobs.hold(&file.sha256).await;
        received.keep().await?;
        match self.metadata.record_package(&file, self.clock.now()).await {
            Ok(_) => Ok(()),
            Err(refusal) => {
                drop(in_use);
                self.take_back(&file).await;
                Err(refusal.into())
            }
        }
    }

    /// Removes the blob of a refused upload, unless another package needs the same bytes.
    async fn take_back(&self, file: &NewPackageFile) {
        let _alone = self.blobs.hold_alone(&file.sha256).await;
        let removed = match self.metadata.is_referenced(&file.sha256).await {
            Ok(false) => self.blobs.remove(&file.sha256).await.map_err(|error| error.to_string()),
            Ok(true) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = removed {
            tracing::warn!(sha256 = %file.sha256, error, "a blob that nothing needs was left for the sweep");
        }
    }
}

impl From<RecordError> for PublishError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::AlreadyExists => Self::AlreadyExists,
            RecordError::NoarchClash => Self::NoarchClash,
            RecordError::Metadata(error) => Self::Metadata(error),
        }
    }
}
