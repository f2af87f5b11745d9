//! Publishes that wait at the same time are committed together.
//!
//! Of all that recording a package costs, the wait for the disk at the end of a transaction is by far the most, and one
//! writer's wait is everybody's. So packages are recorded by one task: it takes all that wait, records each behind a
//! savepoint of the same transaction, so that one that is refused undoes nothing but itself, and commits once. While it
//! commits, the next ones gather. One that comes alone is recorded alone, and waits for nobody.
//!
//! Each package still has a generation of its own, and nobody is answered before the commit that holds it has come
//! back: what was answered survives a power cut, and what was not may.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot};

use super::{
    MetadataError, NewPackageFile, RecordError, Recorded,
    engine::{Engine, Transaction},
    packages::record,
};
use crate::clock::Timestamp;

/// The most packages in one transaction. Others who write, the command line for one, wait for no more than that.
const MOST: usize = 64;

/// The way to the task that records packages.
#[derive(Debug)]
pub(super) struct Committer {
    waiting: mpsc::Sender<Waiting>,
    commits: Arc<AtomicU64>,
}

/// A package that is to be recorded.
#[derive(Debug)]
struct Waiting {
    new: NewPackageFile,
    now: Timestamp,
    answer: oneshot::Sender<Result<Recorded, RecordError>>,
}

impl Committer {
    /// Starts the task. It ends with the last handle.
    pub(super) fn start(engine: Engine) -> Self {
        let (waiting, queue) = mpsc::channel(MOST);
        let commits = Arc::default();
        tokio::spawn(run(engine, queue, Arc::clone(&commits)));
        Self { waiting, commits }
    }

    /// Records a package, together with whatever else waits. Dropped before its turn, it is not recorded.
    pub(super) async fn record(
        &self,
        new: NewPackageFile,
        now: Timestamp,
    ) -> Result<Recorded, RecordError> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { new, now, answer };
        self.waiting.send(waiting).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    /// How many transactions were committed so far.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

fn stopped() -> MetadataError {
    MetadataError::Busy("the task that records packages stopped".into())
}

async fn run(engine: Engine, mut queue: mpsc::Receiver<Waiting>, commits: Arc<AtomicU64>) {
    let mut batch = Vec::with_capacity(MOST);
    while queue.recv_many(&mut batch, MOST).await > 0 {
        let batch = batch.drain(..).collect();
        // Those in a batch that fails by a fault of the program are told so, as their answers are dropped; those after
        // them are recorded all the same.
        let recording = AssertUnwindSafe(record_batch(&engine, batch, &commits)).catch_unwind();
        if recording.await.is_err() {
            tracing::error!("recording packages panicked");
        }
    }
}

/// Why a batch was not recorded. Nothing of it was.
enum Failure {
    /// The transaction did not begin or did not commit.
    Transaction(MetadataError),
    /// A package could not be recorded for a reason that may lie with all of them.
    Package,
}

async fn record_batch(engine: &Engine, mut batch: Vec<Waiting>, commits: &AtomicU64) {
    batch.retain(|waiting| !waiting.answer.is_closed());
    if batch.len() > 1 {
        match together(engine, &batch, commits).await {
            Ok(results) => {
                for (waiting, result) in batch.into_iter().zip(results) {
                    answer(waiting.answer, result);
                }
                return;
            }
            Err(Failure::Transaction(error)) => {
                for waiting in batch {
                    answer(waiting.answer, Err(error.for_another().into()));
                }
                return;
            }
            // Whose fault it was is found out one by one.
            Err(Failure::Package) => {}
        }
    }
    for waiting in batch {
        let result = alone(engine, &waiting, commits).await;
        answer(waiting.answer, result);
    }
}

/// Whoever went away meanwhile cannot be told.
fn answer(
    to: oneshot::Sender<Result<Recorded, RecordError>>,
    result: Result<Recorded, RecordError>,
) {
    let _ = to.send(result);
}

async fn alone(
    engine: &Engine,
    waiting: &Waiting,
    commits: &AtomicU64,
) -> Result<Recorded, RecordError> {
    let mut transaction = engine.write().await?;
    let recorded = record(&mut transaction, &waiting.new, waiting.now).await?;
    transaction.commit().await?;
    commits.fetch_add(1, Ordering::Relaxed);
    Ok(recorded)
}

/// What became of each, in one transaction.
async fn together(
    engine: &Engine,
    batch: &[Waiting],
    commits: &AtomicU64,
) -> Result<Vec<Result<Recorded, RecordError>>, Failure> {
    let mut transaction = engine.write().await.map_err(Failure::Transaction)?;
    let mut results = Vec::with_capacity(batch.len());
    for waiting in batch {
        let result = behind_savepoint(&mut transaction, waiting).await;
        results.push(result.map_err(|_| Failure::Package)?);
    }
    transaction.commit().await.map_err(Failure::Transaction)?;
    commits.fetch_add(1, Ordering::Relaxed);
    Ok(results)
}

/// Records one package, or undoes it and gives the reason.
///
/// # Errors
///
/// When the transaction as a whole is of no more use.
async fn behind_savepoint(
    transaction: &mut Transaction,
    waiting: &Waiting,
) -> Result<Result<Recorded, RecordError>, MetadataError> {
    transaction.set_savepoint().await?;
    match record(transaction, &waiting.new, waiting.now).await {
        Ok(recorded) => {
            transaction.release_savepoint().await?;
            Ok(Ok(recorded))
        }
        // A full disk, a damaged file: on some of these SQLite rolls back by itself.
        Err(RecordError::Metadata(error)) if !error.is_of_one_row() => Err(error),
        Err(refused) => {
            transaction.undo_to_savepoint().await?;
            Ok(Err(refused))
        }
    }
}
