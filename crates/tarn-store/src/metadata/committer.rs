//! Publishes that wait at the same time are committed together.
//!
//! The wait for the disk at the end of a transaction costs far more than all else of recording a package. A package that comes while
//! none is being recorded is recorded at once if the last batch was a single package. Those that come meanwhile gather: one task takes
//! all that wait and records them in one transaction ([`super::publishing`]), while the next ones gather. After a larger batch, the task
//! waits up to a millisecond for as many packages again. On SQLite a transaction has a thread to itself, from its first statement to the
//! end of its commit ([`Engine::write_here`]). On PostgreSQL a batch takes two round trips; more where an owner has webhooks or a
//! repository is new.
//!
//! A refusal touches no other package. Any other error undoes the whole transaction, and each package of it is tried again in one of
//! its own, unless the database can't be reached.
//!
//! Each package has a generation of its own, and none is acknowledged before its commit has returned: what was acknowledged survives
//! a power cut.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinHandle,
    time::timeout,
};

use super::{
    Act, Actor, Memory, MetadataError, NewPackageFile, RecordError, Recorded,
    admission::{Publish, questions},
    change_times::after_the_wait,
    engine::{Engine, Failure},
    packages::Origin,
    publishing::{Committed, record_all},
};
use tarn_base::clock::Timestamp;

/// The most packages in one transaction. Others who write, the command line for one, wait for no more than that.
const MOST: usize = 64;

/// How long a batch waits at most for those who were answered a moment ago.
const GATHER: Duration = Duration::from_millis(1);

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
    /// Held while packages are recorded.
    turn: Arc<Semaphore>,
    /// How many were recorded together last.
    last: AtomicUsize,
    commits: AtomicU64,
    memory: Arc<Memory>,
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
    /// What is recorded of it, once its transaction has begun.
    fn publish(&self) -> Publish<'_> {
        let act = Act {
            by: &self.by,
            at: after_the_wait(self.at, self.since),
        };
        Publish {
            new: &self.new,
            origin: Origin::upload(&act),
            act,
        }
    }
}

impl Committer {
    /// Starts the task. It ends with the last handle.
    pub(super) fn start(engine: Engine, memory: Arc<Memory>) -> Self {
        let (waiting, queue) = mpsc::channel(MOST);
        let recording = Arc::new(Recording {
            runtime: Handle::current(),
            turn: Arc::new(Semaphore::new(1)),
            last: AtomicUsize::new(0),
            commits: AtomicU64::new(0),
            memory,
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
        // After a batch of one, no other package is expected: record this one now.
        let is_alone = self.recording.last.load(Ordering::Relaxed) <= 1;
        let turn = is_alone.then(|| Arc::clone(&self.recording.turn).try_acquire_owned());
        match turn {
            Some(Ok(turn)) => drop(start(&self.engine, vec![waiting], &self.recording, turn)),
            _ => self.waiting.send(waiting).await.map_err(|_| stopped())?,
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
        let expected = recording.last.load(Ordering::Relaxed);
        gather(&mut queue, &mut batch, expected).await;
        // A batch that ends by a fault of the program drops its answers, which its callers notice; those after it are
        // recorded all the same.
        if let Err(error) = start(&engine, batch, &recording, turn).await {
            tracing::error!(%error, "recording packages stopped");
        }
    }
}

/// Takes all who wait. Those who were answered together come again together, so it waits a moment for `expected` of them: without that
/// the first of them would be recorded alone, and every second wait for the disk would be for a few.
async fn gather(queue: &mut mpsc::Receiver<Waiting>, batch: &mut Vec<Waiting>, expected: usize) {
    let began = Instant::now();
    while batch.len() < MOST {
        let next = match queue.try_recv() {
            Ok(next) => Some(next),
            Err(_) if batch.len() >= expected => None,
            Err(_) => {
                let rest = GATHER.saturating_sub(began.elapsed());
                timeout(rest, queue.recv()).await.ok().flatten()
            }
        };
        match next {
            Some(next) => batch.push(next),
            None => return,
        }
    }
}

/// Records a batch. Its task holds the turn until it is done.
fn start(
    engine: &Engine,
    batch: Vec<Waiting>,
    recording: &Arc<Recording>,
    turn: OwnedSemaphorePermit,
) -> JoinHandle<()> {
    let (with, recording) = (engine.clone(), Arc::clone(recording));
    recording.last.store(batch.len(), Ordering::Relaxed);
    let runtime = recording.runtime.clone();
    engine.start_writing(&runtime, async move {
        let _turn = turn;
        record_batch(&with, batch, &recording).await;
    })
}

async fn record_batch(engine: &Engine, mut batch: Vec<Waiting>, recording: &Recording) {
    batch.retain(|waiting| !waiting.answer.is_closed());
    if batch.is_empty() {
        return;
    }
    let error = match together(engine, &batch, recording).await {
        Ok(results) => {
            for (waiting, result) in batch.into_iter().zip(results) {
                answer(waiting.answer, result);
            }
            return;
        }
        Err(Failure::Transaction(error)) => error,
        // No package's fault: each would wait for another connection, while no other may write.
        Err(Failure::Statement(error @ MetadataError::Unreachable(_))) => error,
        Err(Failure::Statement(error)) if batch.len() == 1 && !error.is_of_changed_tables() => {
            error
        }
        // Whose fault it was is found out one by one.
        Err(Failure::Statement(_)) => return one_by_one(engine, batch, recording).await,
    };
    answer_all(batch, error);
}

async fn one_by_one(engine: &Engine, batch: Vec<Waiting>, recording: &Recording) {
    let mut batch = batch.into_iter();
    while let Some(waiting) = batch.next() {
        if waiting.answer.is_closed() {
            continue;
        }
        let alone = std::slice::from_ref(&waiting);
        let result = match together(engine, alone, recording).await {
            Ok(results) => results
                .into_iter()
                .next()
                .unwrap_or_else(|| Err(stopped().into())),
            Err(Failure::Transaction(error) | Failure::Statement(error)) => {
                if matches!(error, MetadataError::Unreachable(_)) {
                    let rest = std::iter::once(waiting).chain(batch);
                    return answer_all(rest, error);
                }
                Err(error.into())
            }
        };
        answer(waiting.answer, result);
    }
}

/// Answers the first with the error, and the others with copies of it.
fn answer_all(batch: impl IntoIterator<Item = Waiting>, error: MetadataError) {
    let mut batch = batch.into_iter();
    let first = batch.next();
    for waiting in batch {
        answer(waiting.answer, Err(error.for_another().into()));
    }
    if let Some(first) = first {
        answer(first.answer, Err(error.into()));
    }
}

/// A caller that left meanwhile gets no answer.
fn answer(
    to: oneshot::Sender<Result<Recorded, RecordError>>,
    result: Result<Recorded, RecordError>,
) {
    let _ = to.send(result);
}

/// What became of each, in one transaction.
async fn together(
    engine: &Engine,
    batch: &[Waiting],
    recording: &Recording,
) -> Result<Vec<Result<Recorded, RecordError>>, Failure> {
    let asking: Vec<_> = batch.iter().map(Waiting::publish).collect();
    // Who waits for longest decides how long all of them do: a package that came during a long wait would have another one before it.
    let since = batch.iter().map(|waiting| waiting.since).min();
    let since = since.unwrap_or_else(Instant::now);
    let (transaction, answers) = engine.write_asking(questions(&asking), since).await?;
    // No other transaction writes while this one is open, so the version is that before its commit.
    let watch = &recording.memory.watch;
    let before = watch.version_at(transaction.snapshot());
    // By the clock of now: the wait for other processes is over.
    let publishes: Vec<_> = batch.iter().map(Waiting::publish).collect();
    let outcome = record_all(transaction, &publishes, answers).await?;
    if let Some(Committed { snapshot }) = outcome.committed {
        let after = watch.version_at(snapshot.as_deref());
        recording.memory.published(before, after);
        recording.commits.fetch_add(1, Ordering::Relaxed);
    }
    Ok(outcome.results)
}
