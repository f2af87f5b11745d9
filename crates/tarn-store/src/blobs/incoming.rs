//! A blob that is being received.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read as _, Write as _},
    num::NonZeroU64,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::fs::{Advice, fadvise};

use super::{
    BlobError,
    error::at,
    file::{make_folder, sync_folder},
};

/// What the names of temporary files begin with. Only such files are removed from `tmp/`.
const INCOMING_PREFIX: &str = "incoming-";

/// After how many bytes the operating system is asked to begin writing them to the disk.
const WRITE_BACK: u64 = 4 * 1024 * 1024;

/// How many bytes are copied at once.
const COPY: usize = 128 * 1024;

/// Which process receives uploads in a data folder. There is one of each at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Receiver {
    /// The server.
    Server,
    /// An import, which may run beside it.
    Import,
}

impl Receiver {
    /// The folder of its temporary files, and the file that it holds locked.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Server => ("tmp", "blobs.lock"),
            Self::Import => ("tmp-import", "import.lock"),
        }
    }
}

/// Where uploads are received: a folder in a data folder, for this process only.
#[derive(Debug)]
pub(super) struct Receiving {
    temporary: PathBuf,
    incoming: AtomicU64,
    /// Locked for as long as it is open.
    _lock: File,
}

impl Receiving {
    /// Takes the folder for this process and removes what an earlier one left unfinished.
    pub(super) fn open(data_dir: &Path, receiver: Receiver) -> Result<Self, BlobError> {
        let (folder, lock_file) = receiver.names();
        let temporary = data_dir.join(folder);
        if let Some(above) = data_dir.parent() {
            // Made with the usual mode, unlike the data folder: other programs may use them.
            fs::create_dir_all(above).map_err(at("make the folder", above))?;
        }
        make_folder(data_dir)?;
        // First of all: nothing here may be touched while another process has it.
        let lock = lock(&data_dir.join(lock_file))?;
        make_folder(&temporary)?;
        sync_folder(data_dir)?;
        remove_unfinished(&temporary)?;
        Ok(Self {
            temporary,
            incoming: AtomicU64::new(0),
            _lock: lock,
        })
    }

    /// Makes a temporary file that no other has in this process; and no other process is here.
    fn make_file(&self) -> Result<(File, PathBuf), BlobError> {
        let number = self.incoming.fetch_add(1, Ordering::Relaxed);
        let path = self.temporary.join(format!("{INCOMING_PREFIX}{number}"));
        // Read-only from the start: this handle may write all the same, and no other process needs it.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o400)
            .open(&path)
            .map_err(at("make the temporary file", &path))?;
        Ok((file, path))
    }
}

/// A blob that is being received, in a temporary file. Dropped without being put into the store
/// ([`Blobs::put`](super::Blobs::put)), it leaves nothing.
///
/// The methods wait for the disk: call them on a blocking thread.
#[derive(Debug)]
pub struct Incoming {
    receiving: Arc<Receiving>,
    pub(super) file: Arc<File>,
    pub(super) path: PathBuf,
    size: u64,
    /// Up to where writing to the disk was asked for.
    written_back: u64,
    /// The temporary file has become the blob, and has its own name no more.
    pub(super) is_moved: bool,
    pub(super) is_brought: bool,
}

impl Incoming {
    pub(super) fn begin(receiving: Arc<Receiving>) -> Result<Self, BlobError> {
        let (file, path) = receiving.make_file()?;
        Ok(Self {
            receiving,
            file: Arc::new(file),
            path,
            size: 0,
            written_back: 0,
            is_moved: false,
            is_brought: false,
        })
    }

    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// [`BlobError::Full`] when there is no space; when the disk fails. After an error nothing can be done with it
    /// but drop it.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        (&*self.file)
            .write_all(bytes)
            .map_err(at("write", &self.path))?;
        self.size = self
            .size
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.write_back();
        Ok(())
    }

    /// How many bytes were written so far.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Whether the blob is there because of this upload, in the place where it was put last. So it may be when that gave an
    /// error, too: then it is there and perhaps not durable.
    pub const fn is_brought(&self) -> bool {
        self.is_brought
    }

    /// Has a temporary file again, where the one before has become a blob that was taken away since.
    pub(super) fn recover_file(&mut self) -> Result<(), BlobError> {
        if !self.is_moved {
            return Ok(());
        }
        let (file, path) = self.receiving.make_file()?;
        let earlier = std::mem::replace(&mut self.file, Arc::new(file));
        self.path = path;
        self.is_moved = false;
        let (mut buffer, mut copied) = (vec![0; COPY], 0);
        loop {
            let read = earlier
                .read_at(&mut buffer, copied)
                .map_err(at("read", &self.path))?;
            if read == 0 {
                return Ok(());
            }
            (&*self.file)
                .write_all(buffer.get(..read).unwrap_or_default())
                .map_err(at("write", &self.path))?;
            copied += read as u64;
        }
    }

    /// Asks the operating system, every few megabytes, to begin writing to the disk, so that the sync at the end is
    /// short.
    ///
    /// On Linux POSIX_FADV_DONTNEED begins to write the dirty pages of the range and returns (`generic_fadvise` in
    /// `mm/fadvise.c`); only clean ones are dropped, of which a range just written has few. The call that says just
    /// that, sync_file_range(2), is not to be had without unsafe code.
    fn write_back(&mut self) {
        let pending = self.size - self.written_back;
        if let Some(length) = NonZeroU64::new(pending)
            && pending >= WRITE_BACK
        {
            // Advice: when it is not taken, the sync at the end is longer.
            let _ = fadvise(
                &*self.file,
                self.written_back,
                Some(length),
                Advice::DontNeed,
            );
            self.written_back = self.size;
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.is_moved {
            // When this fails, the file stays until the store is opened again.
            let _ = std::fs::remove_file(&self.path);
        }
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
            let _ = (&mut file).take(20).read_to_string(&mut holder);
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
