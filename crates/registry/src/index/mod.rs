//! From a generation to a signed index.
//!
//! An index is derived, never stored: a pure function of the packages of one branch, repository and architecture at
//! one generation, and of the owner's active keys. Nothing here is kept but a cache, and the cache holds nothing that
//! could not be made again, byte for byte.
//!
//! Every request asks the database for the newest generation first, so every reader sees what was committed before
//! it asked. The index of a generation is made once, by whoever needs it first; a generation that nobody asks for
//! costs nothing.

mod derive;

use std::sync::Arc;

use apk::{arch::Arch, digest::Sha256Digest, limits::Limits};
use bytes::Bytes;
use moka::future::Cache;
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use crate::{
    clock::Timestamp,
    keys::{KeyError, Keys, OwnerKeys},
    metadata::{IndexHead, Metadata, MetadataError, Owner, RepositoryId},
    names::{Branch, RepositoryName},
};

pub use self::derive::DeriveError;

/// The two forms in which apk reads an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `APKINDEX.tar.gz`.
    V2,
    /// `Packages.adb`.
    V3,
}

impl Format {
    /// The file name that apk asks for.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::V2 => "APKINDEX.tar.gz",
            Self::V3 => "Packages.adb",
        }
    }
}

/// A signed index, verified and ready to be sent.
#[derive(Debug, Clone)]
pub struct SignedIndex {
    bytes: Bytes,
    etag: Arc<str>,
    changed_at: Timestamp,
}

impl SignedIndex {
    /// What is sent.
    pub fn bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    /// A strong ETag made from the content, quotes included.
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// When a package of this index was last added or removed, or its keys last changed.
    pub fn changed_at(&self) -> Timestamp {
        self.changed_at
    }
}

/// Why there is no index to serve.
#[derive(Debug, Clone, thiserror::Error)]
pub enum IndexError {
    /// The facts cannot be read.
    #[error("cannot read the packages of the index")]
    Metadata(#[source] Arc<MetadataError>),
    /// The signing keys cannot be had.
    #[error("cannot sign the index")]
    Keys(#[source] Arc<KeyError>),
    /// The index was made, and is not one that apk would take. It is not served.
    #[error("the index failed its verification and is not served")]
    Derive(#[from] DeriveError),
    /// A worker thread of the server died.
    #[error("a worker of the index stopped: {0}")]
    Worker(String),
}

/// What one index is the function of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Version {
    repository: RepositoryId,
    arch: Arch,
    generation: i64,
    keys: Vec<Sha256Digest>,
    format: Format,
}

/// Signed indexes, made when they are asked for.
#[derive(Clone)]
pub struct Indexes {
    metadata: Metadata,
    keys: Keys,
    limits: Limits,
    made: Cache<Version, SignedIndex>,
}

impl Indexes {
    /// Indexes over the packages of `metadata`, signed by `keys`; at most `cache` bytes of them are kept in memory.
    pub fn new(metadata: Metadata, keys: Keys, cache: u64, limits: Limits) -> Self {
        let made = Cache::builder()
            .max_capacity(cache)
            .weigher(|_, index: &SignedIndex| u32::try_from(index.bytes.len() + 512).unwrap_or(u32::MAX))
            .build();
        Self { metadata, keys, limits, made }
    }

    /// The index of the newest generation; none when no package is in it.
    ///
    /// # Errors
    ///
    /// When the database or the keys fail, and when the index fails its verification.
    pub async fn current(
        &self,
        owner: &Owner,
        branch: &Branch,
        repository: &RepositoryName,
        arch: &Arch,
        format: Format,
    ) -> Result<Option<SignedIndex>, IndexError> {
        let Some(head) = self.metadata.index_head(owner.id, branch, repository, arch).await? else {
            return Ok(None);
        };
        if !head.is_served() {
            return Ok(None);
        }
        let keys = self.keys.signing_keys(owner).await?;
        let version = Version {
            repository: head.repository,
            arch: arch.clone(),
            generation: head.generation,
            keys: keys.fingerprints(),
            format,
        };
        let make = self.make(version.clone(), head, keys);
        self.made.try_get_with(version, make).await.map(Some).map_err(|error| (*error).clone())
    }

    /// Derives, signs and verifies one index.
    async fn make(&self, version: Version, head: IndexHead, keys: Arc<OwnerKeys>) -> Result<SignedIndex, IndexError> {
        let rows = self.metadata.index_rows(version.repository, &version.arch, version.generation).await?;
        let limits = self.limits.clone();
        let changed_at = head.changed_at.max(keys.changed_at());
        let making = spawn_blocking(move || {
            let bytes = match version.format {
                Format::V2 => derive::v2(&rows, &version.arch, &keys, &limits)?,
                Format::V3 => derive::v3(&rows, &version.arch, &keys, &limits)?,
            };
            let etag = format!("\"{}\"", Sha256Digest::from_bytes(Sha256::digest(&bytes).into()));
            Ok(SignedIndex { bytes: Bytes::from(bytes), etag: etag.into(), changed_at })
        });
        making.await.map_err(|error| IndexError::Worker(error.to_string()))?
    }
}

impl From<MetadataError> for IndexError {
    fn from(error: MetadataError) -> Self {
        Self::Metadata(Arc::new(error))
    }
}

impl From<KeyError> for IndexError {
    fn from(error: KeyError) -> Self {
        Self::Keys(Arc::new(error))
    }
}
