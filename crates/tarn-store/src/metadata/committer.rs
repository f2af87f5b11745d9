//! Publishes that wait at the same time are committed together.
//!
//! Of all that recording a package costs, the wait for the disk at the end of a transaction is by far the most, and one
//! writer's wait is everybody's. So one that finds nobody recording is recorded at once, alone, and those that come
//! meanwhile gather. One task takes all that wait, has them recorded one after the other in the same transaction, and
//! committed once; and meanwhile the next ones gather. A transaction has a thread to itself, from its first statement to the
//! end of its commit ([`Engine::write_here`]).
//!
//! What can be refused is refused before anything of that package is written ([`super::packages::refuse`]), so that a refusal
//! touches nobody else. Any other error undoes the transaction as a whole, and each package of it is tried again in one of
//! its own.
//!
//! Each package still has a generation of its own, and nobody is answered before the commit that holds it has come
//! back: what was answered survives a power cut, and what was not may.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio::{
    runtime::Handle,
    sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinHandle,
};

use super::{
    Act, Actor, Memory, MetadataError, NewPackageFile, RecordError, Recorded,
    change_times::after_the_wait,
    engine::{Engine, Transaction},
    packages::{Origin, record, refuse},
};
use tarn_base::clock::Timestamp;

/// The most packages in one transaction. Others who write, the command line for one, wait for no more than that.
const MOST: usize = 64;

/// The way to the task that records packages.
#[derive(Debug)]
pub(super) struct Committer {
    engine: Engine,
    waiting: mpsc::Sender<Waiting>,
    recording: Arc<Recording>,
}

/// What the task and those who record alone share.
#[derive(Debug)]
struct Recording {
    /// Where packages are recorded: not where they come from, since a server that stops ends the threads of its connections first.
    runtime: Handle,
    /// Held by whoever records.
    turn: Arc<Semaphore>,
    commits: AtomicU64,
    memory: Arc<Memory>,
    /// Whom to wake when there is something to tell webhooks.
    outbox_filled: Arc<Notify>,
}

impl Recording {
    /// Commits a transaction that records packages and nothing else, and wakes whoever waits for what was put into the outbox
    /// in it.
    async fn commit(
        &self,
        transaction: Transaction,
        outbox_filled: bool,
    ) -> Result<(), MetadataError> {
        // Nobody else writes while this transaction is open.
        let before = self.memory.watch.version().await;
        transaction.commit().await?;
        self.memory.published(before).await;
        self.commits.fetch_add(1, Ordering::Relaxed);
        if outbox_filled {
            self.outbox_filled.notify_one();
        }
        Ok(())
    }
}

/// A package that is to be recorded.
#[derive(Debug)]
struct Waiting {
    new: NewPackageFile,
    by: Actor,
    at: Timestamp,
    /// Since when.
    since: Instant,
    answer: oneshot::Sender<Result<Recorded, RecordError>>,
}

impl Waiting {
    /// What is written down of it, once its transaction has begun.
    fn act(&self) -> Act<'_> {
        Act {
            by: &self.by,
            at: after_the_wait(self.at, self.since),
        }
    }
}

impl Committer {
    /// Starts the task. It ends with the last handle.
    pub(super) fn start(engine: Engine, memory: Arc<Memory>, outbox_filled: Arc<Notify>) -> Self {
        let (waiting, queue) = mpsc::channel(MOST);
        let recording = Arc::new(Recording {
            runtime: Handle::current(),
            turn: Arc::new(Semaphore::new(1)),
            commits: AtomicU64::new(0),
            memory,
            outbox_filled,
        });
        tokio::spawn(run(engine.clone(), queue, Arc::clone(&recording)));
        Self {
            engine,
            waiting,
            recording,
        }
    }

    /// Records a package, alone or together with whatever else waits. Dropped before its turn, it is not recorded.
    pub(super) async fn record(
        &self,
        new: &NewPackageFile,
        act: &Act<'_>,
    ) -> Result<Recorded, RecordError> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            new: new.clone(),
            by: act.by.clone(),
            at: act.at,
            since: Instant::now(),
            answer,
        };
        match Arc::clone(&self.recording.turn).try_acquire_owned() {
            Ok(turn) => drop(start(&self.engine, vec![waiting], &self.recording, turn)),
            Err(_) => self.waiting.send(waiting).await.map_err(|_| stopped())?,
        }
        answered.await.map_err(|_| stopped())?
    }

    /// How many transactions were committed so far.
    pub(super) fn commits(&self) -> u64 {
        self.recording.commits.load(Ordering::Relaxed)
    }
}

fn stopped() -> MetadataError {
    MetadataError::Busy("the task that records packages stopped".into())
}

async fn run(engine: Engine, mut queue: mpsc::Receiver<Waiting>, recording: Arc<Recording>) {
    while let Some(first) = queue.recv().await {
        // It is never closed. More gather while this waits.
        let Ok(turn) = Arc::clone(&recording.turn).acquire_owned().await else {
            return;
        };
        let mut batch = vec![first];
        while batch.len() < MOST
            && let Ok(next) = queue.try_recv()
        {
            batch.push(next);
        }
        // Those in a batch that ends by a fault of the program are told so, as their answers are dropped; those after
        // them are recorded all the same.
        if let Err(error) = start(&engine, batch, &recording, turn).await {
            tracing::error!(%error, "recording packages stopped");
        }
    }
}

/// Records a batch on a thread that may wait, for locks and for the disk.
fn start(
    engine: &Engine,
    batch: Vec<Waiting>,
    recording: &Arc<Recording>,
    turn: OwnedSemaphorePermit,
) -> JoinHandle<()> {
    let (engine, recording) = (engine.clone(), Arc::clone(recording));
    let runtime = recording.runtime.clone();
    runtime.clone().spawn_blocking(move || {
        let _turn = turn;
        runtime.block_on(record_batch(&engine, batch, &recording));
    })
}

/// Why a batch was not recorded. Nothing of it was.
enum Failure {
    /// The transaction did not begin or did not commit.
    Transaction(MetadataError),
    /// A package could not be recorded, and may be in it in part.
    Package,
}

async fn record_batch(engine: &Engine, mut batch: Vec<Waiting>, recording: &Recording) {
    batch.retain(|waiting| !waiting.answer.is_closed());
    if batch.len() > 1 {
        match together(engine, &batch, recording).await {
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
        if waiting.answer.is_closed() {
            continue;
        }
        let act = Act {
            by: &waiting.by,
            at: waiting.at,
        };
        let result = alone(engine, &waiting.new, &act, waiting.since, recording).await;
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
    new: &NewPackageFile,
    act: &Act<'_>,
    since: Instant,
    recording: &Recording,
) -> Result<Recorded, RecordError> {
    let mut transaction = engine.write_here().await?;
    let act = Act {
        by: act.by,
        at: after_the_wait(act.at, since),
    };
    refuse(&mut transaction, new).await?;
    let (recorded, outbox_filled) =
        record(&mut transaction, new, &Origin::upload(&act), &act).await?;
    recording.commit(transaction, outbox_filled).await?;
    Ok(recorded)
}

/// What became of each, in one transaction.
async fn together(
    engine: &Engine,
    batch: &[Waiting],
    recording: &Recording,
) -> Result<Vec<Result<Recorded, RecordError>>, Failure> {
    let mut transaction = engine.write_here().await.map_err(Failure::Transaction)?;
    let mut results = Vec::with_capacity(batch.len());
    let mut outbox_filled = false;
    for waiting in batch {
        let result = match refuse(&mut transaction, &waiting.new).await {
            Ok(()) => {
                let written = {
                    let act = waiting.act();
                    record(&mut transaction, &waiting.new, &Origin::upload(&act), &act).await
                };
                let (recorded, filled) = written.map_err(|_| Failure::Package)?;
                outbox_filled |= filled;
                Ok(recorded)
            }
            Err(RecordError::Metadata(_)) => return Err(Failure::Package),
            Err(refused) => Err(refused),
        };
        results.push(result);
    }
    recording
        .commit(transaction, outbox_filled)
        .await
        .map_err(Failure::Transaction)?;
    Ok(results)
}
