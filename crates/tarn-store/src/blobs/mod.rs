//! Bytes by their SHA-256, on the local disk.
//!
//! ```text
//! blobs/ab/cdef…   one file a blob: the digest in hex, cut after the first byte; written once, never changed, mode 0400
//! tmp/             what is being received; nothing here is needed after a restart
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
//! A blob that is there already is read back and not written again: its bytes have the same SHA-256. Its folder is synced all
//! the same, for the one who put it there may not have come to (3). One that the disk has damaged is replaced, by an atomic
//! rename after (1): so an upload of the same package heals it.
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
use self::incoming::is_whole;
pub use self::{error::BlobError, incoming::Incoming, open::Blob};

/// What the names of temporary files begin with. Only such files are removed from `tmp/`.
const INCOMING_PREFIX: &str = "incoming-";

/// The folder of the blobs in the data folder.
const PLACES: &str = "blobs";

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
    /// Locked for as long as it is open.
    _lock: File,
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

    /// Opens a blob of that many bytes for reading. `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`BlobError::Damaged`] when it has another size; when it is there and cannot be opened.
    pub async fn open_whole(
        &self,
        sha256: &Sha256Digest,
        size: u64,
    ) -> Result<Option<Blob>, BlobError> {
        match self.open_blob(sha256).await? {
            Some(blob) if blob.size() != size => Err(BlobError::Damaged {
                path: self.store.place(sha256),
                expected: size,
                found: blob.size(),
            }),
            blob => Ok(blob),
        }
    }

    /// Opens a blob for reading. `None` when there is none.
    ///
    /// # Errors
    ///
    /// When it is there and cannot be opened.
    pub async fn open_blob(&self, sha256: &Sha256Digest) -> Result<Option<Blob>, BlobError> {
        let path = self.store.place(sha256);
        match Blob::open_cached(&path) {
            Some(opened) => opened,
            None => in_background(move || Blob::open(&path)).await,
        }
    }

    /// Whether the store in that data folder, which may be open elsewhere, has a blob of that many bytes. Its content is not
    /// looked at.
    ///
    /// # Errors
    ///
    /// When it cannot be looked at.
    pub async fn has(
        directory: PathBuf,
        sha256: Sha256Digest,
        size: u64,
    ) -> Result<bool, BlobError> {
        in_background(move || {
            let path = place(&directory.join(PLACES), &sha256);
            match std::fs::metadata(&path) {
                Ok(found) => Ok(found.is_file() && found.len() == size),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(at("look at", &path)(error)),
            }
        })
        .await
    }

    /// Whether the store in that data folder, which may be open elsewhere, has a blob whole: with that size and digest. It is read
    /// to its end.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub async fn has_whole(
        directory: PathBuf,
        sha256: Sha256Digest,
        size: u64,
    ) -> Result<bool, BlobError> {
        in_background(move || {
            let path = place(&directory.join(PLACES), &sha256);
            match is_whole(&path, &sha256, size) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                whole => whole.map_err(at("read", &path)),
            }
        })
        .await
    }

    /// Removes blobs whose digests begin with the same byte. Gives how many were there, and what frees their bytes once it is
    /// dropped, which may take a while. Whoever is reading one can go on.
    ///
    /// Only who holds the blobs alone may do this, and knows that no package has them: `metadata/blob_facts.rs` says how.
    ///
    /// # Errors
    ///
    /// When one cannot be removed. Others may be by then.
    pub async fn remove(&self, blobs: &[Sha256Digest]) -> Result<(u64, Freed), BlobError> {
        let (store, blobs) = (Arc::clone(&self.store), blobs.to_vec());
        in_background(move || {
            let mut freed = Vec::new();
            for sha256 in &blobs {
                let path = store.place(sha256);
                let file = match File::open(&path) {
                    Ok(file) => Some(file),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    // What cannot be opened can be removed all the same.
                    Err(_) => None,
                };
                std::fs::remove_file(&path).map_err(at("remove", &path))?;
                freed.push(file);
            }
            // The next blob with these bytes has its place in the same folder: what comes after must not be undone by this.
            if !freed.is_empty()
                && let Some(folder) = blobs.first().map(|sha256| store.place(sha256))
                && let Some(folder) = folder.parent()
            {
                sync_folder(folder)?;
            }
            Ok((freed.len() as u64, Freed(freed)))
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
        let places = directory.join(PLACES);
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
            _lock: lock,
        })
    }

    /// Where a blob is, or would be.
    fn place(&self, sha256: &Sha256Digest) -> PathBuf {
        place(&self.places, sha256)
    }

    /// A path for a temporary file that no other has in this process; and no other process is here.
    fn temporary_path(&self) -> PathBuf {
        let number = self.incoming.fetch_add(1, Ordering::Relaxed);
        self.temporary.join(format!("{INCOMING_PREFIX}{number}"))
    }
}

/// Where a blob is, or would be, in the folder of the blobs.
fn place(places: &Path, sha256: &Sha256Digest) -> PathBuf {
    let hex = sha256.to_hex();
    let (first_byte, rest) = hex.split_at(2);
    places.join(first_byte).join(rest)
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
