//! An open file of a blob, and how its bytes are read so that no event loop waits for the disk.
//!
//! What the kernel has in memory is opened and read at once: `openat2(2)` with `RESOLVE_CACHED` and `preadv2(2)` with
//! `RWF_NOWAIT` fail where they would have to wait. Only then does a thread that may wait take over. So nothing is kept open
//! here, and nothing in memory: the kernel's caches are the cache.

use std::{
    fs::{DirBuilder, File},
    io::{self, IoSliceMut},
    os::unix::fs::{DirBuilderExt as _, FileExt as _},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use rustix::{
    fs::{CWD, Mode, OFlags, ResolveFlags, openat2},
    io::{Errno, ReadWriteFlags, preadv2},
};
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::error::{BlobError, Found, at};

/// The most bytes that are read at once.
const PIECE: usize = 128 << 10;

/// How many reads may wait for the disk at once. Each has a thread, and the database needs threads too.
static WAITING_READS: Semaphore = Semaphore::const_new(64);

/// How many buffers are kept for the next reads: 8 MiB of them.
const KEPT_BUFFERS: usize = 64;

static BUFFERS: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// The file of a blob, open for reading. Cheap to clone. It can be read to the end even when the blob is removed meanwhile.
#[derive(Debug, Clone)]
pub(super) struct OpenFile {
    file: Arc<File>,
    found: Found,
}

impl OpenFile {
    /// A file that is open and has that many bytes.
    pub(super) fn of(file: Arc<File>, size: u64) -> Self {
        Self {
            file,
            found: Found::Bytes(size),
        }
    }

    /// What it is: a file only with [`Found::Bytes`].
    pub(super) const fn found(&self) -> Found {
        self.found
    }

    /// Opens the file at `path` if that needs no wait for the disk; `None` when it does.
    pub(super) fn open_cached(path: &Path) -> Option<Result<Option<Self>, BlobError>> {
        let file = match openat2(CWD, path, FLAGS, Mode::empty(), ResolveFlags::CACHED) {
            Ok(file) => Ok(File::from(file)),
            Err(error @ (Errno::NOENT | Errno::ACCESS)) => Err(error.into()),
            // It would wait, or this kernel does not know the call. What else is wrong is found out by the other way.
            Err(_) => return None,
        };
        Some(Self::opened(file, path))
    }

    /// Opens the file at `path`; `None` when there is none. Waits for the disk.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, BlobError> {
        Self::opened(open(path), path)
    }

    fn opened(file: io::Result<File>, path: &Path) -> Result<Option<Self>, BlobError> {
        let file = match file {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at("open", path)(error)),
        };
        let metadata = file.metadata().map_err(at("look at", path))?;
        Ok(Some(Self {
            file: Arc::new(file),
            found: Found::of(&metadata),
        }))
    }

    /// At most `length` bytes from `first` on, and at least one, if they can be had without a wait for the disk; `None` when
    /// they can't, and where the file system does not tell (`EOPNOTSUPP`).
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] when the file ends before `first`; when the disk fails.
    pub(super) fn read_cached(&self, first: u64, length: u64) -> io::Result<Option<Bytes>> {
        let mut buffer = Buffer::of(length);
        let mut space = [IoSliceMut::new(buffer.space())];
        match preadv2(&*self.file, &mut space, first, ReadWriteFlags::NOWAIT) {
            Ok(read) => buffer.filled(read).map(Some),
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The same, on a thread that waits for the disk.
    ///
    /// # Errors
    ///
    /// As [`OpenFile::read_cached`].
    pub(super) async fn read(self, first: u64, length: u64) -> io::Result<Bytes> {
        let permit = WAITING_READS.acquire().await.map_err(io::Error::other)?;
        let reading = spawn_blocking(move || {
            // With the thread, also when no caller waits for it any more.
            let _permit = permit;
            let mut buffer = Buffer::of(length);
            let read = self.file.read_at(buffer.space(), first)?;
            buffer.filled(read)
        });
        reading.await.map_err(io::Error::other)?
    }
}

/// A pipe in the place of a file must not block the open; for a file the last flag means nothing.
const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

/// Opens whatever is at `path` for reading. Waits for the disk, and for nothing else.
pub(super) fn open(path: &Path) -> io::Result<File> {
    Ok(rustix::fs::open(path, FLAGS, Mode::empty())?.into())
}

/// Makes a folder for this user only, unless it is there.
pub(super) fn make_folder(path: &Path) -> Result<(), BlobError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(at("make the folder", path)(error)),
    }
}

/// Puts what a folder lists on the disk: without it, a new name in it may be gone after a power cut.
pub(super) fn sync_folder(path: &Path) -> Result<(), BlobError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(at("sync the folder", path))
}

/// A buffer of [`PIECE`] bytes, of which the first `length` are used. It serves again once none of its bytes are in use.
struct Buffer {
    bytes: Vec<u8>,
    length: usize,
}

impl Buffer {
    /// One for at most `length` bytes.
    fn of(length: u64) -> Self {
        let kept = BUFFERS.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self {
            bytes: kept.unwrap_or_else(|| vec![0; PIECE]),
            length: usize::try_from(length).unwrap_or(PIECE).min(PIECE),
        }
    }

    fn space(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.length).unwrap_or_default()
    }

    fn filled(mut self, length: usize) -> io::Result<Bytes> {
        if length == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a blob is shorter than it was when it was opened",
            ));
        }
        self.length = length;
        Ok(Bytes::from_owner(self))
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut kept = BUFFERS.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_BUFFERS {
            kept.push(std::mem::take(&mut self.bytes));
        }
    }
}
