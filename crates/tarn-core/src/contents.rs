//! What is in packages: their files and scripts, read from the blob when a page asks, and kept in memory for a while.
//!
//! The database has none of it: of a package with 100,000 files the list is rarely looked at. Reading costs what inflating
//! the package costs, so a list is cut, few are read at once, and those read last are kept.

use std::{io, sync::Arc};

use apk::{
    acl::Acl,
    digest::Sha256Digest,
    limits::Limits,
    v2::{
        package::{ListedEntry, Listing, ListingError, ListingLimits, ListingReader},
        tar::EntryKind,
    },
    v3::package::{self as v3, FileKind},
};
use futures_util::StreamExt as _;
use moka::future::Cache;
use tokio::{
    sync::Semaphore,
    task::{JoinError, spawn_blocking},
};

use tarn_store::blobs::{BlobError, BlobKey, Blobs, Body};

/// Where a list is cut: 20,000 entries, and what inflates in about a quarter of a second.
const CUT: ListingLimits = ListingLimits {
    entries: 20_000,
    bytes: 128 << 20,
};

/// What a v3 package begins with (apk-tools `src/adb.h`).
const V3_MAGIC: &[u8] = b"ADB";

/// The memory for lists, in KiB.
const KEPT: u64 = 32 << 10;

/// How many are read at once.
const AT_ONCE: usize = 2;

/// Bytes of a package that are inflated in one go.
const PIECE: usize = 1 << 20;

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    /// The blob can't be opened.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The blob is not there.
    #[error(
        "the blob {0} is not there: check the disk, then upload the same package again, which brings it back"
    )]
    Missing(BlobKey),
    /// It can't be read.
    #[error("the blob of a package can't be read")]
    Read(#[from] io::Error),
    /// It is damaged.
    #[error("the contents of a package can't be read")]
    Damaged(#[from] ListingError),
    /// It is damaged, and of v3.
    #[error("the contents of a package can't be read")]
    DamagedV3(#[from] v3::PackageError),
    /// A worker thread of the server died.
    #[error("a worker that reads a package stopped")]
    Worker(#[from] JoinError),
}

/// The lists. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Contents {
    blobs: Blobs,
    limits: Limits,
    kept: Cache<Sha256Digest, Arc<Listing>>,
    turns: Arc<Semaphore>,
}

impl Contents {
    /// Of the packages in `blobs`, which were accepted within `limits`.
    pub fn new(blobs: Blobs, limits: Limits) -> Self {
        let kept = Cache::builder()
            .max_capacity(KEPT)
            .weigher(|_, listing: &Arc<Listing>| weight(listing))
            .build();
        Self {
            blobs,
            limits,
            kept,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// What is in the package of `size` bytes whose bytes are there.
    ///
    /// # Errors
    ///
    /// When the blob is not there or damaged, or can't be read.
    pub async fn of(&self, key: &BlobKey, size: u64) -> Result<Arc<Listing>, Arc<ContentsError>> {
        let reading = async {
            let _turn = self.turns.acquire().await;
            let body = self.blobs.store().open_whole(key, size).await?;
            let body = body.ok_or(ContentsError::Missing(*key))?;
            self.read(body).await.map(Arc::new)
        };
        self.kept.try_get_with(key.sha256, reading).await
    }

    async fn read(&self, mut body: Body) -> Result<Listing, ContentsError> {
        let mut reader = None;
        let mut is_whole = false;
        while !is_whole {
            let mut piece = Vec::with_capacity(PIECE);
            while piece.len() < PIECE && !is_whole {
                match body.next().await.transpose()? {
                    Some(bytes) => piece.extend_from_slice(&bytes),
                    None => is_whole = true,
                }
            }
            let mut next = match reader.take() {
                Some(reader) => reader,
                None => Reader::for_file(&piece, &self.limits),
            };
            let pushed = spawn_blocking(move || next.push(&piece).map(|()| next));
            let next = pushed.await??;
            if next.is_done() || is_whole {
                return spawn_blocking(|| next.finish()).await?;
            }
            reader = Some(next);
        }
        Ok(Listing::default())
    }
}

/// A reader of either format.
enum Reader {
    V2(Box<ListingReader>),
    V3(Box<v3::ContentsReader>, Option<v3::PackageContents>),
}

impl Reader {
    /// The one for a file that begins so.
    fn for_file(beginning: &[u8], limits: &Limits) -> Self {
        if beginning.starts_with(V3_MAGIC) {
            Self::V3(Box::new(v3::ContentsReader::new(limits.clone())), None)
        } else {
            Self::V2(Box::new(ListingReader::new(limits, CUT)))
        }
    }

    fn push(&mut self, piece: &[u8]) -> Result<(), ContentsError> {
        match self {
            Self::V2(reader) => reader.push(piece)?,
            Self::V3(reader, contents) => *contents = reader.push(piece)?,
        }
        Ok(())
    }

    /// Whether no more bytes are needed.
    fn is_done(&self) -> bool {
        match self {
            Self::V2(reader) => reader.is_done(),
            Self::V3(_, contents) => contents.is_some(),
        }
    }

    fn finish(self) -> Result<Listing, ContentsError> {
        match self {
            Self::V2(reader) => Ok(reader.finish()),
            Self::V3(_, Some(contents)) => Ok(listed(contents)),
            Self::V3(_, None) => Err(v3::PackageError::NoDatabase.into()),
        }
    }
}

/// The list of a v3 package.
fn listed(contents: v3::PackageContents) -> Listing {
    let mut listing = Listing {
        scripts: contents.scripts,
        ..Listing::default()
    };
    for directory in contents.directories {
        if !directory.path.is_empty() {
            listing.entries.push(ListedEntry {
                path: directory.path.clone(),
                kind: EntryKind::Directory,
                acl: Arc::clone(&directory.acl),
                size: 0,
                link_to: Vec::new(),
            });
        }
        for file in directory.files {
            let slash: &[u8] = if directory.path.is_empty() { b"" } else { b"/" };
            let (kind, link_to) = match file.kind {
                FileKind::Regular => (EntryKind::File, Vec::new()),
                FileKind::HardLink(target) => (EntryKind::HardLink, target),
                FileKind::SymbolicLink(target) => (EntryKind::SymbolicLink, target),
                FileKind::BlockDevice(_) => (EntryKind::BlockDevice, Vec::new()),
                FileKind::CharacterDevice(_) => (EntryKind::CharacterDevice, Vec::new()),
                FileKind::Pipe => (EntryKind::Fifo, Vec::new()),
            };
            listing.entries.push(ListedEntry {
                path: [&directory.path, slash, &file.name].concat(),
                kind,
                acl: file.acl,
                size: if kind == EntryKind::File {
                    file.size
                } else {
                    0
                },
                link_to,
            });
        }
    }
    listing.is_cut = listing.entries.len() > CUT.entries;
    listing.entries.truncate(CUT.entries);
    listing
}

/// The memory of a list, in KiB. What entries share counts once where they follow each other, and so at least once.
fn weight(listing: &Listing) -> u32 {
    let mut before = None;
    let mut of_acl = |acl: &Arc<Acl>| match before.replace(Arc::as_ptr(acl)) {
        Some(before) if before == Arc::as_ptr(acl) => 0,
        _ => 100 + acl.size(),
    };
    let entries: usize = listing
        .entries
        .iter()
        .map(|entry| 100 + entry.path.len() + entry.link_to.len() + of_acl(&entry.acl))
        .sum();
    let scripts: usize = listing.scripts.iter().map(|(_, text)| text.len()).sum();
    u32::try_from((entries + scripts) / 1024 + 1).unwrap_or(u32::MAX)
}
