//! Answers that are still true.
//!
//! A question to SQLite costs some 50 µs, most of it the way to another thread, and serving one file asks four of
//! them. So answers are kept, each with the [`Mark`] that the database carried before it was asked; and an answer is
//! given again only while the database still carries that mark. The mark moves with every commit of every process, and
//! before the commit is acknowledged: whoever asks after a change was acknowledged sees the change.

use std::{
    collections::HashMap,
    fs::File,
    hash::Hash,
    io,
    mem::ManuallyDrop,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use sqlx::{Connection as _, SqliteConnection};

use super::MetadataError;

/// The state of the database, as a value that no other state has. Equal marks, equal answers.
pub(super) type Mark = [u8; WAL_INDEX_HEADER];

/// The first copy of the WAL-index header. Every commit counts up `iChange` in it, and moves `mxFrame` or the salts
/// ("WAL-mode File Format", section 2.1, in SQLite's documentation; `walIndexWriteHdr` in `src/wal.c` writes this copy last).
const WAL_INDEX_HEADER: usize = 48;

/// Tells the mark of a SQLite database without asking SQLite: one read of the shared memory file that all processes
/// which have the database open share.
#[derive(Debug)]
pub(super) struct Watch {
    /// Never closed. Closing any handle of the file would drop the locks that SQLite holds on it for this process
    /// ("How To Corrupt An SQLite Database File", section 2.2). It is one handle for each database that is opened.
    shared: ManuallyDrop<File>,
    /// Keeps the file the one that is shared: whoever closes the last connection removes it, and the next one makes
    /// another. Asking whether it was removed cost as much as reading it, with every answer.
    keeper: Mutex<Option<SqliteConnection>>,
    closed: AtomicBool,
}

impl Watch {
    /// Watches the database at `path`, to which `keeper` is a connection that has read from it in WAL mode.
    pub(super) fn open(path: &Path, keeper: SqliteConnection) -> io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push("-shm");
        Ok(Self {
            shared: ManuallyDrop::new(File::open(PathBuf::from(name))?),
            keeper: Mutex::new(Some(keeper)),
            closed: AtomicBool::new(false),
        })
    }

    /// Watches no longer: from here on nothing is known to be still true.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let keeper = self
            .keeper
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(keeper) = keeper
            && let Err(error) = keeper.close().await
        {
            tracing::warn!(%error, "a connection of the database was not closed in order");
        }
    }

    /// The mark now. None when it cannot be read: then nothing is known to be still true.
    fn mark(&self) -> Option<Mark> {
        if self.closed.load(Ordering::Acquire) {
            return None;
        }
        let mut mark = [0; WAL_INDEX_HEADER];
        self.shared.read_exact_at(&mut mark, 0).ok()?;
        Some(mark)
    }
}

/// Answers to one kind of question, at most so many.
#[derive(Debug)]
pub(super) struct Answers<K, V> {
    most: usize,
    kept: RwLock<Kept<K, V>>,
}

#[derive(Debug)]
struct Kept<K, V> {
    mark: Option<Mark>,
    answers: HashMap<K, V>,
}

impl<K: Eq + Hash, V: Clone> Answers<K, V> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            kept: RwLock::new(Kept {
                mark: None,
                answers: HashMap::new(),
            }),
        }
    }

    /// The answer to `question`, from memory where it is still true, else asked for with `ask`.
    pub(super) async fn get(
        &self,
        watch: &Watch,
        question: K,
        ask: impl AsyncFnOnce(&K) -> Result<V, MetadataError>,
    ) -> Result<V, MetadataError> {
        // Read before the database is asked: an answer may be newer than its mark says, and is then not given again,
        // but never older.
        // In boxes of their own: what is seldom done is not to be carried about with every request.
        let Some(mark) = watch.mark() else {
            return Box::pin(ask(&question)).await;
        };
        if let Some(answer) = self.known(&mark, &question) {
            return Ok(answer);
        }
        let answer = Box::pin(ask(&question)).await?;
        self.keep(mark, question, answer.clone());
        Ok(answer)
    }

    fn known(&self, mark: &Mark, question: &K) -> Option<V> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        (kept.mark.as_ref() == Some(mark)).then(|| kept.answers.get(question).cloned())?
    }

    fn keep(&self, mark: Mark, question: K, answer: V) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.mark != Some(mark) || kept.answers.len() >= self.most {
            kept.answers.clear();
            kept.mark = Some(mark);
        }
        kept.answers.insert(question, answer);
    }
}
