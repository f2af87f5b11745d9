//! Bytes by their SHA-256: on the local disk ([`local`]) or in an S3 store ([`s3`]).
//!
//! Both keep one contract, which `tests/blobs/main.rs` asks of both:
//!
//! - an upload is received into a temporary file of the data folder and put once it is complete ([`Blobs::put`]). When that has
//!   returned, the blob is whole and durable. Putting the same bytes again is a success, and replaces damaged ones;
//! - a blob never changes. It is given out as a [`Body`], of the size that the caller expects or not at all;
//! - a key that was deleted is never used again ([`BlobKey`], `metadata/blob_facts.rs`).
//!
//! The caller computes the digest, while it writes. What a blob is needed for is for `metadata/` to know; a blob that
//! nothing needs is found by [`Store::list`].
//!
//! ```text
//! tmp/             what is being received; nothing here is needed after a restart
//! blobs.lock       held while a server runs, with its process id
//! tmp-import/      the same two of an import, which may run beside a server
//! import.lock
//! ```

mod body;
mod error;
mod file;
mod incoming;
mod key;
mod local;
mod s3;

use std::{
    fmt,
    fs::File,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tarn_base::{hint::Hint, secret::Secret};
use url::Url;

pub use self::{
    body::{Body, FilePart},
    error::{BlobError, Found},
    incoming::Incoming,
    key::BlobKey,
    s3::{Objects, S3Credentials, S3Limits, S3Settings, S3UrlError},
};
use self::{
    error::in_background,
    incoming::{Receiver, Receiving},
    local::Local,
    s3::S3,
};

/// Where blobs are kept.
#[derive(Debug, Clone)]
pub enum Storage {
    /// In files of the data folder.
    DataFolder,
    /// In an S3 store.
    S3(Box<S3Settings>),
}

/// Why a setting does not name a store. It does not repeat what may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// It begins like none of them.
    #[error("this is not a store that Tarn knows")]
    Unknown,
    /// It begins like the URL of an S3 store, but is not a valid one.
    #[error(transparent)]
    S3(#[from] S3UrlError),
}

impl Hint for StorageError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unknown => {
                "leave `storage` out to keep the packages in the data folder, and put that where there is room with `data-dir`"
            }
            Self::S3(_) => {
                "write s3://bucket/prefix?endpoint=https://s3.example.org&region=eu-1; for Amazon's leave `endpoint` out"
            }
        };
        Some(hint.to_owned())
    }
}

impl Storage {
    /// What a setting begins with that names one.
    pub const WORDS: [&str; 2] = ["data-dir", "s3://"];

    /// The store that a setting names. Credentials are not in it.
    ///
    /// # Errors
    ///
    /// When it names none.
    pub fn parse(text: &str) -> Result<Self, StorageError> {
        let [data_folder, s3] = Self::WORDS;
        match text {
            text if text == data_folder => Ok(Self::DataFolder),
            text if text.starts_with(s3) => Ok(Self::S3(Box::new(S3Settings::parse(text)?))),
            _ => Err(StorageError::Unknown),
        }
    }

    /// The same with the credentials that it needs, of those that `variable` gives by its name.
    #[must_use]
    pub fn with_credentials(mut self, variable: impl Fn(&str) -> Option<String>) -> Self {
        match &mut self {
            Self::DataFolder => {}
            Self::S3(settings) => {
                if let (Some(access_key_id), Some(secret)) = (
                    variable("AWS_ACCESS_KEY_ID"),
                    variable("AWS_SECRET_ACCESS_KEY"),
                ) {
                    settings.credentials = Some(S3Credentials {
                        access_key_id,
                        secret_access_key: Secret::new(secret),
                        session_token: variable("AWS_SESSION_TOKEN").map(Secret::new),
                    });
                }
            }
        }
        self
    }

    /// Whether it is in the network.
    pub const fn is_remote(&self) -> bool {
        match self {
            Self::DataFolder => false,
            Self::S3(_) => true,
        }
    }

    /// What messages call it.
    pub fn shown(&self, data_dir: &Path) -> String {
        match self {
            Self::DataFolder => format!("the folder {}", data_dir.join("blobs").display()),
            Self::S3(settings) => format!("the store {settings}"),
        }
    }

    /// Where clients are sent for downloads, if the store serves them itself.
    pub fn public_endpoint(&self) -> Option<&Url> {
        match self {
            Self::DataFolder => None,
            Self::S3(settings) => settings.public_endpoint.as_ref(),
        }
    }
}

/// Blobs that were removed and are still open: the file system takes their bytes back with the last handle.
#[derive(Debug)]
pub struct Freed(Vec<Option<File>>);

impl Freed {
    /// Frees the bytes, on a thread that may wait.
    pub async fn free(self) {
        // Nothing is to be done about a thread that died.
        let _ = tokio::task::spawn_blocking(move || drop(self.0)).await;
    }
}

/// A blob that [`Store::list`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Which one.
    pub key: BlobKey,
    /// How many bytes.
    pub size: u64,
    /// When it was written.
    pub written_at: SystemTime,
}

/// Whether a blob is expected to be in its place before it is put there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It is new: a store in the network is sent it without being asked first.
    New,
    /// It was there already: a store in the network is sent it only if it is missing or damaged.
    There,
}

/// A store, for reading and for removing blobs. Cheap to clone; all clones are one. Any number of processes may have it.
#[derive(Debug, Clone)]
pub struct Store {
    kind: Kind,
    pauses: Option<Pauses>,
}

#[derive(Debug, Clone)]
enum Kind {
    Local(Local),
    S3(Arc<S3>),
}

/// How long each step waits. Given by tests of what happens in between.
#[derive(Clone)]
struct Pauses(Arc<dyn Fn() -> Duration + Send + Sync>);

impl fmt::Debug for Pauses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pauses")
    }
}

impl Store {
    /// The store of these settings. Nothing is touched or asked.
    ///
    /// # Errors
    ///
    /// When the credentials of an S3 store are missing.
    pub fn of(storage: &Storage, data_dir: &Path) -> Result<Self, BlobError> {
        Ok(Self {
            kind: match storage {
                Storage::DataFolder => Kind::Local(Local::of(data_dir)),
                Storage::S3(settings) => Kind::S3(Arc::new(S3::of(settings)?)),
            },
            pauses: None,
        })
    }

    /// Opens a part of a blob that should have that many bytes; all of it for `0..size`. `None` when there is no such blob.
    ///
    /// # Errors
    ///
    /// [`BlobError::Damaged`] when it has another size; when the store fails.
    pub async fn open(
        &self,
        key: &BlobKey,
        size: u64,
        part: Range<u64>,
    ) -> Result<Option<Body>, BlobError> {
        match &self.kind {
            Kind::Local(local) => local.open(key, size, &part).await,
            Kind::S3(s3) => s3.open(key, size, part).await,
        }
    }

    /// Opens all of a blob that should have that many bytes. `None` when there is no such blob.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub async fn open_whole(&self, key: &BlobKey, size: u64) -> Result<Option<Body>, BlobError> {
        self.open(key, size, 0..size).await
    }

    /// Whether there is such a blob, of that many bytes. Its content is not looked at.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn has(&self, key: &BlobKey, size: u64) -> Result<bool, BlobError> {
        match &self.kind {
            Kind::Local(local) => local.has(key, size).await,
            Kind::S3(s3) => s3.has(key, size).await,
        }
    }

    /// Whether a blob is whole: there, with that size and its digest. It is read to its end.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn has_whole(&self, key: &BlobKey, size: u64) -> Result<bool, BlobError> {
        match &self.kind {
            Kind::Local(local) => local.has_whole(*key, size).await,
            Kind::S3(s3) => s3.has_whole(key, size).await,
        }
    }

    /// Removes blobs. Gives how many were there, as far as the store says so, and what frees their bytes once it is dropped,
    /// which may take a while. Those who read one can go on.
    ///
    /// Only after their keys were marked dead ([`Metadata::mark_blobs_dead`](crate::metadata::Metadata::mark_blobs_dead)).
    ///
    /// # Errors
    ///
    /// When one cannot be removed. Others may be by then.
    pub async fn remove(&self, keys: &[BlobKey]) -> Result<(u64, Freed), BlobError> {
        self.pause().await;
        let removed = match &self.kind {
            Kind::Local(local) => local.remove(keys).await,
            Kind::S3(s3) => s3
                .remove(keys)
                .await
                .map(|count| (count, Freed(Vec::new()))),
        };
        self.pause().await;
        removed
    }

    /// Whether there are any blobs.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn any(&self) -> Result<bool, BlobError> {
        match &self.kind {
            Kind::Local(local) => local.any().await,
            Kind::S3(s3) => s3.any().await,
        }
    }

    /// The blobs whose digest begins with that byte, in no order. All 256 together are the whole store; one at a time
    /// they take little memory. What is no blob is passed over.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list(&self, first_byte: u8) -> Result<Vec<Listed>, BlobError> {
        match &self.kind {
            Kind::Local(local) => local.list(first_byte).await,
            Kind::S3(s3) => s3.list(first_byte).await,
        }
    }

    /// Makes sure that a store which others can reach belongs to the registry of that identifier. One that belongs to none is
    /// taken, unless it has blobs.
    ///
    /// # Errors
    ///
    /// [`BlobError::Foreign`] when it belongs to another one; when the store fails.
    pub async fn claim(&self, identifier: &str) -> Result<(), BlobError> {
        match &self.kind {
            Kind::Local(_) => Ok(()),
            Kind::S3(s3) => s3.claim(identifier).await,
        }
    }

    /// A URL at which a client without credentials can get a blob for a short time, as a file of that name. `None` where
    /// downloads are not redirected.
    ///
    /// # Errors
    ///
    /// When it cannot be signed.
    pub async fn redirect(
        &self,
        key: &BlobKey,
        file_name: &str,
    ) -> Result<Option<String>, BlobError> {
        match &self.kind {
            Kind::Local(_) => Ok(None),
            Kind::S3(s3) => s3.redirect(key, file_name).await,
        }
    }

    async fn pause(&self) {
        if let Some(Pauses(next)) = &self.pauses {
            tokio::time::sleep(next()).await;
        }
    }
}

/// A store that takes uploads: that of a server. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Blobs {
    store: Store,
    receiving: Arc<Receiving>,
}

impl Blobs {
    /// Opens the store, making what is not there. The data folder is for this process only; what an earlier one did not finish
    /// receiving is removed. A store in the network is asked whether it does all that it has to.
    ///
    /// # Errors
    ///
    /// [`BlobError::InUse`] when another process has the data folder; when a folder cannot be made or read; when the store
    /// cannot be used.
    pub async fn open(data_dir: PathBuf, storage: &Storage) -> Result<Self, BlobError> {
        Self::open_for(Receiver::Server, data_dir, storage).await
    }

    /// Opens the store for an import, which receives in a folder of its own: a server may run beside it, or be started meanwhile.
    ///
    /// # Errors
    ///
    /// [`BlobError::InUse`] when another import has the data folder; else as [`Blobs::open`].
    pub async fn open_beside(data_dir: PathBuf, storage: &Storage) -> Result<Self, BlobError> {
        Self::open_for(Receiver::Import, data_dir, storage).await
    }

    async fn open_for(
        receiver: Receiver,
        data_dir: PathBuf,
        storage: &Storage,
    ) -> Result<Self, BlobError> {
        let store = Store::of(storage, &data_dir)?;
        let open = move || Receiving::open(&data_dir, receiver).map(Arc::new);
        let receiving = in_background(open).await?;
        match store.kind.clone() {
            Kind::Local(local) => in_background(move || local.make()).await?,
            Kind::S3(s3) => {
                let receiving = Arc::clone(&receiving);
                let probe = in_background(move || {
                    let mut probe = Incoming::begin(receiving)?;
                    probe.write(s3::PROBE)?;
                    Ok(probe)
                });
                s3.probe(&probe.await?.file).await?;
            }
        }
        Ok(Self { store, receiving })
    }

    /// The same store, in which each step waits as long as `next` says: a test's way to have things happen in between.
    #[must_use]
    pub fn with_pauses(mut self, next: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.store.pauses = Some(Pauses(Arc::new(next)));
        self
    }

    /// The store, for reading and for removing.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Begins to receive a blob.
    ///
    /// # Errors
    ///
    /// When the temporary file cannot be made.
    pub async fn begin(&self) -> Result<Incoming, BlobError> {
        let receiving = Arc::clone(&self.receiving);
        in_background(move || Incoming::begin(receiving)).await
    }

    /// Begins to receive a blob, on a thread that may wait for the disk.
    ///
    /// # Errors
    ///
    /// When the temporary file cannot be made.
    pub fn begin_here(&self) -> Result<Incoming, BlobError> {
        Incoming::begin(Arc::clone(&self.receiving))
    }

    /// Puts what was received into its place, durably. The hash of the key must be that of the bytes. `false` when the blob was
    /// there, whole; a damaged one is replaced. An upload may be put again, into another place.
    ///
    /// To be called on a thread that may wait for the disk.
    ///
    /// # Errors
    ///
    /// [`BlobError::Full`] when there is no space; when the store fails.
    pub async fn put(
        &self,
        incoming: &mut Incoming,
        key: &BlobKey,
        expected: Expected,
    ) -> Result<bool, BlobError> {
        incoming.is_brought = false;
        self.store.pause().await;
        let put = match &self.store.kind {
            Kind::Local(local) => local.put(incoming, key),
            Kind::S3(s3) => s3.put(incoming, key, expected).await,
        };
        self.store.pause().await;
        put
    }
}
