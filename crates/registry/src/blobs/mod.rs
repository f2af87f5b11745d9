//! Bytes by their SHA-256, on the local disk.
//!
//! ```text
//! blobs/ab/cdef…   one file a blob: the digest in hex, cut after the first byte; written once, never changed, mode 0400
//! tmp/             what is being received, and files of indexes, without names; nothing here is needed after a restart
//! blobs.lock       held while a server runs, with its process id
//! ```
//!
//! # Why a blob that is there is whole
//!
//! [`Incoming::commit`] does, in this order: (1) sync the temporary file's data; (2) give it its place by one atomic
//! rename that fails when the place is taken; (3) sync the folder. A power cut before (2) leaves a temporary file,
//! which the next [`Blobs::open`] removes. One between (2) and (3) leaves the blob or not, and nobody was told that
//! it is there. After (3) it stays. The rename never comes before the data on the disk, because of (1). The folders
//! of the first byte are all made, and synced, when the store is opened, so that (3) is one sync of one folder.
//!
//! A blob that is there already is not written again: its bytes have the same SHA-256. Its folder is synced all the
//! same, for the one who put it there may not have come to (3).
//!
//! The caller computes the digest, while it writes. What a blob is needed for is for `metadata/` to know; a blob that
//! nothing needs is found by [`Blobs::list`].

mod error;
mod incoming;
mod open;

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use apk::digest::Sha256Digest;

use self::error::{at, in_background};
use self::open::OpenBlobs;
pub use self::{
    error::BlobError,
    incoming::Incoming,
    open::{Blob, BlobContent, KEPT_OPEN},
};

/// What the names of temporary files begin with. Only such files are removed from `tmp/`.
const INCOMING_PREFIX: &str = "incoming-";

/// The blob store. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Blobs {
    store: Arc<Store>,
}

#[derive(Debug)]
struct Store {
    /// `blobs/`
    places: PathBuf,
    /// `tmp/`
    temporary: PathBuf,
    incoming: AtomicU64,
    /// Those that were asked for lately. What a digest names never changes.
    open: OpenBlobs,
    /// Locked for as long as it is open.
    _lock: File,
}

/// A blob that [`Blobs::list`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Which one.
    pub sha256: Sha256Digest,
    /// How many bytes.
    pub size: u64,
    /// When it was written.
    pub written_at: SystemTime,
}

impl Blobs {
    /// Opens the store in a folder, making what is not there, for this process alone. What an earlier one did not
    /// finish receiving is removed.
    ///
    /// # Errors
    ///
    /// [`BlobError::InUse`] when another process has it open; when a folder cannot be made or read.
    pub async fn open(directory: PathBuf) -> Result<Self, BlobError> {
        in_background(move || {
            let store = Store::open(&directory)?;
            Ok(Self {
                store: Arc::new(store),
            })
        })
        .await
    }

    /// Begins to receive a blob.
    ///
    /// # Errors
    ///
    /// When the temporary file cannot be made.
    pub async fn begin(&self) -> Result<Incoming, BlobError> {
        let store = Arc::clone(&self.store);
        in_background(move || Incoming::begin(store)).await
    }

    /// Begins to receive a blob, on a thread that may wait for the disk.
    ///
    /// # Errors
    ///
    /// When the temporary file cannot be made.
    pub fn begin_here(&self) -> Result<Incoming, BlobError> {
        Incoming::begin(Arc::clone(&self.store))
    }

    /// A file in `tmp/` that has no name, and is gone when the last handle of it is closed. Waits for the disk.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub fn unnamed_file(&self) -> Result<File, BlobError> {
        let path = self.store.temporary_path();
        // A crash between the two leaves it to the next start, as what was being received.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(at("make", &path))?;
        std::fs::remove_file(&path).map_err(at("remove", &path))?;
        Ok(file)
    }

    /// Opens a blob of that many bytes for reading, or finds it open. `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`BlobError::Damaged`] when it has another size; when it is there and cannot be opened.
    pub async fn open_whole(
        &self,
        sha256: &Sha256Digest,
        size: u64,
    ) -> Result<Option<Blob>, BlobError> {
        let blob = self.open_blob(sha256).await?;
        match blob {
            Some(blob) if blob.size() != size => {
                // Whoever repairs it need not wait until nobody asks for it.
                self.store.open.forget(sha256);
                Err(BlobError::Damaged {
                    path: self.store.place(sha256),
                    expected: size,
                    found: blob.size(),
                })
            }
            blob => Ok(blob),
        }
    }

    /// Opens a blob for reading, or finds it open. `None` when there is none.
    ///
    /// # Errors
    ///
    /// When it is there and cannot be opened.
    pub async fn open_blob(&self, sha256: &Sha256Digest) -> Result<Option<Blob>, BlobError> {
        if let Some(blob) = self.store.open.get(sha256) {
            return Ok(Some(blob));
        }
        let path = self.store.place(sha256);
        let blob = in_background(move || Blob::open(&path)).await?;
        if let Some(blob) = &blob {
            self.store.open.keep(*sha256, blob.clone());
        }
        Ok(blob)
    }

    /// Removes a blob. `false` when there was none. Whoever is reading it can go on.
    ///
    /// Only who holds the blob alone may do this, and knows that no package has it: `metadata/blob_facts.rs` says how.
    ///
    /// # Errors
    ///
    /// When it cannot be removed.
    pub async fn remove(&self, sha256: &Sha256Digest) -> Result<bool, BlobError> {
        let path = self.store.place(sha256);
        self.store.open.forget(sha256);
        in_background(move || {
            match std::fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(at("remove", &path)(error)),
            }
            // The next blob with these bytes has its place in the same folder: what comes after must not be undone by
            // this.
            if let Some(folder) = path.parent() {
                sync_folder(folder)?;
            }
            Ok(true)
        })
        .await
    }

    /// Whether there are any.
    ///
    /// # Errors
    ///
    /// When a folder cannot be read.
    pub async fn any(&self) -> Result<bool, BlobError> {
        let store = Arc::clone(&self.store);
        in_background(move || {
            for first_byte in 0..=u8::MAX {
                if !list(&store.places.join(format!("{first_byte:02x}")), first_byte)?.is_empty() {
                    return Ok(true);
                }
            }
            Ok(false)
        })
        .await
    }

    /// The blobs whose digest begins with that byte, in no order. All 256 together are the whole store; one at a time
    /// they take little memory. Files that are no blobs are passed over.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub async fn list(&self, first_byte: u8) -> Result<Vec<Listed>, BlobError> {
        let folder = self.store.places.join(format!("{first_byte:02x}"));
        in_background(move || list(&folder, first_byte)).await
    }
}

impl Store {
    fn open(directory: &Path) -> Result<Self, BlobError> {
        let places = directory.join("blobs");
        let temporary = directory.join("tmp");
        make_folder(directory)?;
        // First of all: nothing here may be touched while another process has it.
        let lock = lock(&directory.join("blobs.lock"))?;
        make_folder(&places)?;
        make_folder(&temporary)?;
        for first_byte in 0..=u8::MAX {
            make_folder(&places.join(format!("{first_byte:02x}")))?;
        }
        sync_folder(&places)?;
        sync_folder(directory)?;
        remove_unfinished(&temporary)?;
        Ok(Self {
            places,
            temporary,
            incoming: AtomicU64::new(0),
            open: OpenBlobs::default(),
            _lock: lock,
        })
    }

    /// Where a blob is, or would be.
    fn place(&self, sha256: &Sha256Digest) -> PathBuf {
        let hex = sha256.to_hex();
        let (first_byte, rest) = hex.split_at(2);
        self.places.join(first_byte).join(rest)
    }

    /// A path for a temporary file that no other has in this process; and no other process is here.
    fn temporary_path(&self) -> PathBuf {
        let number = self.incoming.fetch_add(1, Ordering::Relaxed);
        self.temporary.join(format!("{INCOMING_PREFIX}{number}"))
    }
}

/// Takes the lock for this process. The operating system gives it back when the process ends, however it ends.
fn lock(path: &Path) -> Result<File, BlobError> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(at("open", path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Only for the text of the error; without it the text says less.
            let _ = Read::by_ref(&mut file).take(20).read_to_string(&mut holder);
            return Err(BlobError::InUse {
                path: path.to_path_buf(),
                process: holder.trim().parse().ok(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(at("lock", path)(error)),
    }
    file.set_len(0).map_err(at("write", path))?;
    writeln!(file, "{}", std::process::id()).map_err(at("write", path))?;
    Ok(file)
}

fn make_folder(path: &Path) -> Result<(), BlobError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(at("make the folder", path)(error)),
    }
}

/// Puts what a folder lists on the disk: without it, a new name in it may be gone after a power cut.
fn sync_folder(path: &Path) -> Result<(), BlobError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(at("sync the folder", path))
}

fn remove_unfinished(temporary: &Path) -> Result<(), BlobError> {
    let entries = std::fs::read_dir(temporary).map_err(at("read", temporary))?;
    for entry in entries {
        let entry = entry.map_err(at("read", temporary))?;
        let ours = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(INCOMING_PREFIX));
        if ours {
            let path = entry.path();
            std::fs::remove_file(&path).map_err(at("remove", &path))?;
        }
    }
    Ok(())
}

fn list(folder: &Path, first_byte: u8) -> Result<Vec<Listed>, BlobError> {
    let mut listed = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(at("read", folder))? {
        let entry = entry.map_err(at("read", folder))?;
        let Some(sha256) = entry
            .file_name()
            .to_str()
            .and_then(|rest| Sha256Digest::parse_hex(&format!("{first_byte:02x}{rest}")).ok())
        else {
            continue;
        };
        let path = entry.path();
        let metadata = match entry.metadata() {
            Ok(metadata) if metadata.is_file() => metadata,
            Ok(_) => continue,
            // Removed since the folder was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(at("look at", &path)(error)),
        };
        listed.push(Listed {
            sha256,
            size: metadata.len(),
            written_at: metadata.modified().map_err(at("look at", &path))?,
        });
    }
    Ok(listed)
}
