//! Answers that are still true.
//!
//! A question to the database goes to another thread, and to another machine perhaps; serving one file asks four of them. So
//! answers are kept, each with the [`DbVersion`] that the database had before it was asked; and an answer is given again
//! only while the database still has that version. It moves with every commit of every process, and before the
//! commit is acknowledged: a caller that asks after a change was acknowledged sees the change.
//!
//! Publishing is what happens most, and changes nothing of owners, users, teams, tokens and keys, nor of package files that are
//! there already. So a transaction that only publishes carries the answers about those over to the version that it leaves
//! ([`Watch::carried`]). That a package file is not there is not kept: publishing may change it.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, PoisonError, RwLock},
};

use super::{
    MetadataError,
    db_version::{Carried, DbVersion, Watch},
};

/// Answers to one kind of question, at most so many, about the database that is watched.
#[derive(Debug)]
pub(super) struct Answers<K, V> {
    watch: Arc<Watch>,
    most: usize,
    kept: RwLock<Kept<K, V>>,
}

#[derive(Debug)]
struct Kept<K, V> {
    version: Option<DbVersion>,
    answers: HashMap<K, V>,
}

impl<K: Eq + Hash, V: Clone> Answers<K, V> {
    pub(super) fn new(watch: &Arc<Watch>, most: usize) -> Self {
        Self {
            watch: Arc::clone(watch),
            most,
            kept: RwLock::new(Kept {
                version: None,
                answers: HashMap::new(),
            }),
        }
    }

    /// The answer to `question`, from memory where it is still true, else asked for with `ask`.
    pub(super) async fn get(
        &self,
        question: K,
        ask: impl AsyncFnOnce(&K) -> Result<V, MetadataError>,
    ) -> Result<V, MetadataError> {
        self.get_if(|_| true, question, ask).await
    }

    /// The same, but an answer is kept only if it is worth it.
    pub(super) async fn get_if(
        &self,
        is_worth_it: impl FnOnce(&V) -> bool,
        question: K,
        ask: impl AsyncFnOnce(&K) -> Result<V, MetadataError>,
    ) -> Result<V, MetadataError> {
        // Read before the database is asked: an answer may be newer than its version says, and is then not given again,
        // but never older.
        // In boxes of their own: what is seldom done is not to be carried about with every request.
        let Some(version) = self.watch.version().await else {
            return Box::pin(ask(&question)).await;
        };
        if let Some(answer) = self.known(&version, &question) {
            return Ok(answer);
        }
        let answer = Box::pin(ask(&question)).await?;
        if is_worth_it(&answer) {
            let is_current = self.watch.version().await == Some(version);
            self.keep(is_current, version, question, answer.clone());
        }
        Ok(answer)
    }

    /// What was true stays true over a transaction that changed nothing that these answers tell of.
    pub(super) fn carry(&self, over: Carried) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.version == Some(over.from) {
            kept.version = Some(over.to);
        }
    }

    fn known(&self, version: &DbVersion, question: &K) -> Option<V> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        (kept.version.as_ref() == Some(version)).then(|| kept.answers.get(question).cloned())?
    }

    /// Keeps an answer of that version, which is or was the newest a moment ago.
    fn keep(&self, is_current: bool, version: DbVersion, question: K, answer: V) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.version != Some(version) && !is_current {
            // It was asked for before a change, and what is kept may be newer.
            return;
        }
        if kept.version != Some(version) || kept.answers.len() >= self.most {
            kept.answers.clear();
            kept.version = Some(version);
        }
        kept.answers.insert(question, answer);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::metadata::{
        engine::{Engine, sql},
        sqlite,
    };

    async fn open() -> (Engine, Arc<Watch>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let (engine, watch) = sqlite::open(&folder.path().join("tarn.db")).await.unwrap();
        (engine, Arc::new(watch), folder)
    }

    /// A transaction, with the version that was read inside of it.
    async fn published(engine: &Engine, watch: &Watch) -> Option<DbVersion> {
        let mut transaction = engine.write().await.unwrap();
        let row = sql!(
            "INSERT INTO blobs (sha256, size, created_at, state) VALUES (randomblob(32), 1, 1, 'live')"
        );
        transaction.run(row).await.unwrap();
        let before = watch.version().await;
        transaction.commit().await.unwrap();
        before
    }

    #[tokio::test]
    async fn answers_outlast_what_cannot_change_them_and_nothing_else() {
        let (engine, watch, _folder) = open().await;
        let (answers, asked) = (Answers::new(&watch, 10), AtomicUsize::new(0));
        let ask = async |question| {
            let count = async |_: &i32| Ok(asked.fetch_add(1, Ordering::Relaxed));
            answers.get(question, count).await.unwrap()
        };
        assert_eq!((ask(1).await, ask(1).await), (0, 0));

        let before = published(&engine, &watch).await;
        answers.carry(watch.carried(before, watch.version().await).unwrap());
        assert_eq!(ask(1).await, 0, "it was forgotten");

        // It is not known that this one changes nothing.
        let before = published(&engine, &watch).await;
        assert_eq!(ask(1).await, 1, "it was kept");

        // Another came in between.
        published(&engine, &watch).await;
        assert!(watch.carried(before, watch.version().await).is_none());
        assert!(watch.carried(None, watch.version().await).is_none());
        assert_eq!(ask(1).await, 2);
    }

    #[tokio::test]
    async fn no_more_answers_are_kept_than_may_be() {
        let (_engine, watch, _folder) = open().await;
        let (answers, asked) = (Answers::new(&watch, 2), AtomicUsize::new(0));
        let mut given = Vec::new();
        for question in [1, 2, 1, 2, 3, 3, 1] {
            let count = async |_: &i32| Ok(asked.fetch_add(1, Ordering::Relaxed));
            given.push(answers.get(question, count).await.unwrap());
        }
        assert_eq!(given, [0, 1, 0, 1, 2, 2, 3]);
    }

    #[tokio::test]
    async fn an_old_answer_that_comes_late_does_not_push_out_newer_ones() {
        let (engine, watch, _folder) = open().await;
        let answers = Answers::new(&watch, 10);
        let known = async |question| {
            let unknown = async |_: &i32| Ok("asked again");
            answers.get(question, unknown).await.unwrap()
        };
        let first = answers.get(1, async |_| Ok("first"));
        assert_eq!(first.await.unwrap(), "first");
        let late = answers.get(2, async |_| {
            let before = published(&engine, &watch).await;
            answers.carry(watch.carried(before, watch.version().await).unwrap());
            Ok("late")
        });
        assert_eq!(late.await.unwrap(), "late");
        assert_eq!(known(1).await, "first");
        assert_eq!(known(2).await, "asked again");
    }
}
