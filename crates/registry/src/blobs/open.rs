//! Blobs that are open, because they were asked for lately.

use std::{
    fs::File,
    io::{self, Read as _},
    num::NonZeroU64,
    path::Path,
    sync::Arc,
    time::Duration,
};

use apk::digest::Sha256Digest;
use bytes::Bytes;
use moka::sync::Cache;
use rustix::fs::{Advice, fadvise};

use super::error::{BlobError, at};

/// A blob, open for reading. Cheap to clone. It can be read to the end even when the blob is removed meanwhile.
#[derive(Debug, Clone)]
pub struct Blob {
    content: BlobContent,
    size: u64,
}

/// Where the bytes of an open blob are.
#[derive(Debug, Clone)]
pub enum BlobContent {
    /// Here: a small one, read whole.
    Memory(Bytes),
    /// In this file, from its beginning to its end.
    File(Arc<File>),
}

impl Blob {
    /// Where its bytes are.
    pub fn content(&self) -> &BlobContent {
        &self.content
    }

    /// How many bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Opens the file at `path`; none when there is none. Waits for the disk.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, BlobError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at("open", path)(error)),
        };
        let size = file.metadata().map_err(at("look at", path))?.len();
        if size > IN_MEMORY {
            // Whoever sends the file must not wait for the disk, so its beginning is asked for here.
            let _ = fadvise(&file, 0, NonZeroU64::new(READ_AHEAD), Advice::WillNeed);
            return Ok(Some(Self {
                content: BlobContent::File(Arc::new(file)),
                size,
            }));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(at("read", path))?;
        Ok(Some(Self {
            content: BlobContent::Memory(bytes.into()),
            size,
        }))
    }

    /// What an open blob weighs, in KiB: the bytes that are kept, and for an open file a fixed amount.
    fn weight(&self) -> u32 {
        let bytes = match &self.content {
            BlobContent::Memory(_) => self.size,
            BlobContent::File(_) => OPEN_FILE,
        };
        u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX)
    }
}

/// Up to so many bytes a blob is kept in memory while it is open. Head and body are then one write: 10 KB cost less
/// processor time than with `sendfile(2)`, 60 KB as much, 100 KB some 10 % more.
const IN_MEMORY: u64 = 64 << 10;

/// What an open file counts for beside the bytes in memory.
const OPEN_FILE: u64 = 256 << 10;

/// So many bytes at the beginning of a larger one are asked for when it is opened.
const READ_AHEAD: u64 = 2 << 20;

/// How much open blobs may weigh together, in KiB: at most 64 MiB of memory, or [`KEPT_OPEN`] files.
const OPEN_BLOBS: u64 = 64 << 10;

/// The most files of blobs that are kept open while nobody reads them.
pub const KEPT_OPEN: u64 = OPEN_BLOBS * 1024 / OPEN_FILE;

/// For how long a blob that nobody asks for stays open.
const STAYS_OPEN: Duration = Duration::from_secs(60);

/// The blobs that are open, the ones that were not asked for lately left out first. What a digest names never changes.
#[derive(Debug)]
pub(super) struct OpenBlobs(Cache<Sha256Digest, Blob>);

impl Default for OpenBlobs {
    fn default() -> Self {
        let weigh = |_: &Sha256Digest, blob: &Blob| blob.weight();
        Self(
            Cache::builder()
                .max_capacity(OPEN_BLOBS)
                .weigher(weigh)
                .time_to_idle(STAYS_OPEN)
                .build(),
        )
    }
}

impl OpenBlobs {
    pub(super) fn get(&self, sha256: &Sha256Digest) -> Option<Blob> {
        self.0.get(sha256)
    }

    pub(super) fn keep(&self, sha256: Sha256Digest, blob: Blob) {
        self.0.insert(sha256, blob);
    }

    pub(super) fn forget(&self, sha256: &Sha256Digest) {
        self.0.invalidate(sha256);
    }
}
