//! Answers that are still true.
//!
//! A question to SQLite costs some 10 µs where it is a lookup, and more elsewhere; serving one file asks four of them. So
//! answers are kept, each with the [`Mark`] that the database carried before it was asked; and an answer is given again
//! only while the database still carries that mark. The mark moves with every commit of every process, and before the
//! commit is acknowledged: whoever asks after a change was acknowledged sees the change.
//!
//! Publishing is what happens most, and changes nothing of owners, users, teams, tokens and keys. So a transaction that only
//! publishes carries the answers about those over to the mark that it leaves ([`Watch::carried`]).

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark([u8; WAL_INDEX_HEADER]);

impl Mark {
    /// `iChange`, which every commit counts up by one (`sqlite3WalFrames` in `src/wal.c`).
    fn commits(&self) -> u32 {
        let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = self.0;
        u32::from_ne_bytes([a, b, c, d])
    }
}

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
    pub(super) fn mark(&self) -> Option<Mark> {
        if self.closed.load(Ordering::Acquire) {
            return None;
        }
        let mut mark = [0; WAL_INDEX_HEADER];
        self.shared.read_exact_at(&mut mark, 0).ok()?;
        Some(Mark(mark))
    }

    /// The marks before and after one transaction that was just committed, where no other came in between. `before` was read
    /// inside of it, when nobody else could write.
    pub(super) fn carried(&self, before: Option<Mark>) -> Option<Carried> {
        let (from, to) = (before?, self.mark()?);
        (to.commits() == from.commits().wrapping_add(1)).then_some(Carried { from, to })
    }
}

/// From one state of the database to the next, by one transaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carried {
    from: Mark,
    to: Mark,
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
        self.keep(watch, mark, question, answer.clone());
        Ok(answer)
    }

    /// What was true stays true over a transaction that changed nothing that these answers tell of.
    pub(super) fn carry(&self, over: Carried) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.mark == Some(over.from) {
            kept.mark = Some(over.to);
        }
    }

    fn known(&self, mark: &Mark, question: &K) -> Option<V> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        (kept.mark.as_ref() == Some(mark)).then(|| kept.answers.get(question).cloned())?
    }

    fn keep(&self, watch: &Watch, mark: Mark, question: K, answer: V) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.mark != Some(mark) && watch.mark() != Some(mark) {
            // It was asked for before a change, and what is kept may be newer.
            return;
        }
        if kept.mark != Some(mark) || kept.answers.len() >= self.most {
            kept.answers.clear();
            kept.mark = Some(mark);
        }
        kept.answers.insert(question, answer);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::metadata::{
        engine::{Engine, sql},
        sqlite,
    };

    /// A transaction, with the mark that was read inside of it.
    async fn published(engine: &Engine, watch: &Watch) -> Option<Mark> {
        let mut transaction = engine.write().await.unwrap();
        let row =
            sql!("INSERT INTO blobs (sha256, size, created_at) VALUES (randomblob(32), 1, 1)");
        transaction.run(row).await.unwrap();
        let before = watch.mark();
        transaction.commit().await.unwrap();
        before
    }

    #[tokio::test]
    async fn answers_outlast_what_cannot_change_them_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (engine, watch) = sqlite::open(&folder.path().join("tarn.db")).await.unwrap();
        let (answers, asked) = (Answers::new(10), AtomicUsize::new(0));
        let ask = async |question| {
            let count = async |_: &i32| Ok(asked.fetch_add(1, Ordering::Relaxed));
            answers.get(&watch, question, count).await.unwrap()
        };
        assert_eq!((ask(1).await, ask(1).await), (0, 0));

        let before = published(&engine, &watch).await;
        answers.carry(watch.carried(before).unwrap());
        assert_eq!(ask(1).await, 0, "it was forgotten");

        // Nobody says that this one changes nothing.
        let before = published(&engine, &watch).await;
        assert_eq!(ask(1).await, 1, "it was kept");

        // Another came in between.
        published(&engine, &watch).await;
        assert!(watch.carried(before).is_none());
        assert!(watch.carried(None).is_none());
        assert_eq!(ask(1).await, 2);
    }

    #[tokio::test]
    async fn an_old_answer_that_comes_late_does_not_push_out_newer_ones() {
        let folder = tempfile::tempdir().unwrap();
        let (engine, watch) = sqlite::open(&folder.path().join("tarn.db")).await.unwrap();
        let answers = Answers::new(10);
        let known = async |question| {
            let unknown = async |_: &i32| Ok("asked again");
            answers.get(&watch, question, unknown).await.unwrap()
        };
        let first = answers.get(&watch, 1, async |_| Ok("first"));
        assert_eq!(first.await.unwrap(), "first");
        let late = answers.get(&watch, 2, async |_| {
            let before = published(&engine, &watch).await;
            answers.carry(watch.carried(before).unwrap());
            Ok("late")
        });
        assert_eq!(late.await.unwrap(), "late");
        assert_eq!(known(1).await, "first");
        assert_eq!(known(2).await, "asked again");
    }
}
