//! Which version of the database this is: moved on by every commit of every process, before the commit is acknowledged.
//!
//! On SQLite it is the header of the shared memory file, read as a file. `PRAGMA data_version` says the same, but as a
//! statement: 1.45 µs behind a mutex against 0.31 µs, and a request for a file or an index asks three to five times, out of
//! the 4 µs that all of its lookups may take. Above all, after a commit of another process SQLite reads the first page of
//! the database anew for it, perhaps from the disk, on an event loop that never may wait for one. The shared memory file is mapped by
//! every process that has the database open, so its pages are in memory, and reading them waits for nothing.
//!
//! On PostgreSQL the server is asked: `postgres/watch.rs`.

use std::{
    fs::File,
    io,
    mem::ManuallyDrop,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use rusqlite::Connection;

use super::postgres::{SnapshotVersion, SnapshotWatch};

/// A version of the database, as a value that no other version has. Equal versions, equal answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DbVersion {
    /// The first copy of the WAL-index header.
    Sqlite([u8; WAL_INDEX_HEADER]),
    /// Which transactions have ended.
    Postgres(SnapshotVersion),
}

impl DbVersion {
    /// Whether one commit, and no other, is between that version and this.
    fn follows(&self, before: &Self) -> bool {
        match (self, before) {
            (Self::Sqlite(now), Self::Sqlite(before)) => {
                commits(now) == commits(before).wrapping_add(1)
            }
            (Self::Postgres(now), Self::Postgres(before)) => now.follows(before),
            (Self::Sqlite(_), Self::Postgres(_)) | (Self::Postgres(_), Self::Sqlite(_)) => false,
        }
    }
}

/// `iChange`, which every commit counts up by one (`sqlite3WalFrames` in `src/wal.c`).
fn commits(header: &[u8; WAL_INDEX_HEADER]) -> u32 {
    let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = *header;
    u32::from_ne_bytes([a, b, c, d])
}

/// The first copy of the WAL-index header. Every commit counts up `iChange` in it, and moves `mxFrame` or the salts
/// ("WAL-mode File Format", section 2.1, in SQLite's documentation; `walIndexWriteHdr` in `src/wal.c` writes this copy last).
const WAL_INDEX_HEADER: usize = 48;

/// Tells the version of a database.
#[derive(Debug)]
pub(super) enum Watch {
    Sqlite(HeaderWatch),
    Postgres(SnapshotWatch),
}

impl Watch {
    /// The version now. None when it cannot be read: then nothing is known to be still true.
    pub(super) async fn version(&self) -> Option<DbVersion> {
        match self {
            Self::Sqlite(watch) => watch.version(),
            Self::Postgres(watch) => watch.version().await,
        }
    }

    /// The version now; on PostgreSQL, that of a snapshot just read.
    pub(super) fn version_at(&self, snapshot: Option<&str>) -> Option<DbVersion> {
        match self {
            Self::Sqlite(watch) => watch.version(),
            Self::Postgres(watch) => Some(DbVersion::Postgres(watch.version_of(snapshot?))),
        }
    }

    /// The versions before and after one transaction that was just committed, where no other came in between. `before` was
    /// read inside of it, when no other could write.
    pub(super) fn carried(
        &self,
        before: Option<DbVersion>,
        after: Option<DbVersion>,
    ) -> Option<Carried> {
        let (from, to) = (before?, after?);
        to.follows(&from).then_some(Carried { from, to })
    }

    /// Watches no longer: from here on nothing is known to be still true. Closing the last connection may write to the disk,
    /// which this waits for.
    pub(super) fn close(&self) {
        match self {
            Self::Sqlite(watch) => watch.close(),
            Self::Postgres(watch) => watch.close(),
        }
    }
}

/// Tells the version of a SQLite database without asking SQLite: one read of the shared memory file that all processes
/// which have the database open share.
#[derive(Debug)]
pub(super) struct HeaderWatch {
    /// Never closed. Closing any handle of the file would drop the locks that SQLite holds on it for this process
    /// ("How To Corrupt An SQLite Database File", section 2.2). It is one handle for each database that is opened.
    shared: ManuallyDrop<File>,
    /// Keeps the file the one that is shared: the process that closes the last connection removes it, and the next one makes
    /// another. Asking whether it was removed cost as much as reading it, with every answer.
    keeper: Mutex<Option<Connection>>,
    closed: AtomicBool,
}

impl HeaderWatch {
    /// Watches the database at `path`, to which `keeper` is a connection that has read from it in WAL mode.
    pub(super) fn open(path: &Path, keeper: Connection) -> io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push("-shm");
        Ok(Self {
            shared: ManuallyDrop::new(File::open(PathBuf::from(name))?),
            keeper: Mutex::new(Some(keeper)),
            closed: AtomicBool::new(false),
        })
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let keeper = self
            .keeper
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(keeper) = keeper
            && let Err((_, error)) = keeper.close()
        {
            tracing::warn!(%error, "a connection of the database was not closed in order");
        }
    }

    fn version(&self) -> Option<DbVersion> {
        if self.closed.load(Ordering::Acquire) {
            return None;
        }
        let mut header = [0; WAL_INDEX_HEADER];
        self.shared.read_exact_at(&mut header, 0).ok()?;
        Some(DbVersion::Sqlite(header))
    }
}

/// From one version of the database to the next, by one transaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carried {
    pub(super) from: DbVersion,
    pub(super) to: DbVersion,
}
