//! When each job is due.
//!
//! All jobs run once when the server starts, one after the other, and then every day, or as often as the settings say. A
//! job that fails is reported in the log and retried within the hour. Where servers may share the database, all of them together do a
//! job that often: the one that does it holds the job's lease, which remembers when it was done last, and so a start is no reason to do it
//! again. The schedule goes by the registry's clock and only looks at it now and then, so that a test may move it.

use std::{
    error::Error,
    future::Future,
    pin::pin,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{
    Freed, Swept, expire, forget_expired_sessions, forget_expired_tokens, free, retain, sweep,
};
use crate::{
    Registry,
    leased::{LEASE, Leased, under_lease},
};
use tarn_base::{clock::Timestamp, counter::Counter, hint::with_causes, named};
use tarn_store::metadata::{JobRun, in_batches};

/// How often the clock is looked at.
const LOOK: Duration = Duration::from_secs(10);

/// How often the rows of removed owners are looked for: often, since they may be many, and a look costs next to nothing.
const CLEAR_INTERVAL: Duration = LOOK;

/// How often bytes are freed that are not kept any longer.
const FREE_INTERVAL: Duration = Duration::from_secs(3_600);

/// How often the store is compared with the database.
const SWEEP_INTERVAL: Duration = Duration::from_secs(86_400);

/// How often the log and the tokens are cut to what their retention leaves.
const RETENTION_INTERVAL: Duration = Duration::from_secs(86_400);

/// How soon a job that failed is tried again, where it is not due before.
const RETRY: Duration = Duration::from_secs(3_600);

/// The jobs: the name of each, which its lease and the row of its last run have, and what it does, for people.
macro_rules! jobs {
    ($($(#[$doc:meta])* $job:ident = $name:literal, $does:literal;)+) => {
        named! {
            /// A piece of housekeeping, in the order in which they run at the start.
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub enum Job {
                $($(#[$doc])* $job = $name,)+
            }
        }

        impl Job {
            /// What it does, for people.
            pub const fn does(self) -> &'static str {
                match self {
                    $(Self::$job => $does,)+
                }
            }
        }
    };
}

jobs! {
    /// Deletes the rows of what was removed with its owner.
    Clear = "clear", "Delete what removed owners leave";
    /// Applies the rules of expiry.
    Expire = "expire", "Apply the expiry rules";
    /// Frees the bytes that are not kept any longer.
    Free = "free", "Free the space of deleted packages";
    /// Compares the store with the database.
    Sweep = "sweep", "Compare storage with database";
    /// Cuts the audit log to its retention.
    Retain = "retain", "Cut the audit log to its retention";
    /// Forgets tokens that expired long ago, and sessions that have ended.
    Forget = "forget", "Forget expired tokens and ended sessions";
}

/// How often this server has run each job. What found nothing to clear is not counted.
#[derive(Debug, Default)]
pub struct JobCounts([RunCounts; Job::ALL.len()]);

#[derive(Debug, Default)]
struct RunCounts {
    done: Counter,
    failed: Counter,
}

impl JobCounts {
    /// Each job, how often it was done and how often it failed.
    pub fn each(&self) -> impl Iterator<Item = (Job, u64, u64)> {
        let counts = Job::ALL.into_iter().zip(&self.0);
        counts.map(|(job, runs)| (job, runs.done.value(), runs.failed.value()))
    }

    fn note(&self, job: Job, worked: bool) {
        let mut counts = Job::ALL.into_iter().zip(&self.0);
        if let Some((_, runs)) = counts.find(|(of, _)| *of == job) {
            if worked { &runs.done } else { &runs.failed }.one();
        }
    }
}

/// The jobs of one server.
#[derive(Debug)]
pub struct Schedule {
    registry: Registry,
    due: Vec<(Job, Timestamp)>,
}

/// Does the jobs of a server as they come due, until `shutdown` is ready. A job under way is left where it is then;
/// each of its steps is whole.
pub async fn run(registry: Registry, shutdown: impl Future<Output = ()>) {
    let mut schedule = Schedule::new(registry);
    let jobs = async {
        loop {
            schedule.run_due().await;
            schedule.registry.keys().forget_unused().await;
            sleep(LOOK).await;
        }
    };
    tokio::select! {
        () = pin!(shutdown) => {}
        () = jobs => {}
    }
}

impl Schedule {
    /// A schedule on which every job is due now.
    pub fn new(registry: Registry) -> Self {
        let now = registry.clock().now();
        let due = Job::ALL.map(|job| (job, now)).to_vec();
        Self { registry, due }
    }

    /// Does what is due.
    pub async fn run_due(&mut self) {
        let now = self.registry.clock().now();
        // A lease's time comes from another server's clock. Anything more than two intervals ahead means that a clock was wrong, so the
        // job runs now.
        let is_due = |(job, at): &&(Job, Timestamp)| {
            *at <= now || *at > now.after(self.interval(*job).max(LEASE) * 2)
        };
        let (due, later): (Vec<_>, Vec<_>) = self.due.iter().partition(is_due);
        self.due = later;
        for (job, _) in due {
            let again = self.run_alone(job, self.registry.clock().now()).await;
            self.due.push((job, again));
        }
    }

    fn interval(&self, job: Job) -> Duration {
        match job {
            Job::Clear => CLEAR_INTERVAL,
            Job::Free => FREE_INTERVAL,
            Job::Sweep => SWEEP_INTERVAL,
            Job::Expire => self.registry.settings().expiry_interval,
            Job::Retain | Job::Forget => RETENTION_INTERVAL,
        }
    }

    /// Does a job, unless another server does it now, has done it a while ago, or has taken its lease meanwhile. Gives when to ask for it again.
    async fn run_alone(&self, job: Job, now: Timestamp) -> Timestamp {
        let interval = self.interval(job);
        let work = async {
            let worked = self.run(job).await;
            // A failed job is retried within the hour.
            let again = now.after(if worked {
                interval
            } else {
                interval.min(RETRY)
            });
            (again, again.before(interval))
        };
        // Each step of clearing is a transaction, and a look that finds nothing must not cost one.
        if job == Job::Clear {
            return work.await.0;
        }
        let metadata = self.registry.metadata();
        match under_lease(metadata, job.as_str(), (now, interval), work).await {
            Ok(Leased::Done(again)) => again,
            Ok(Leased::NotDue(at)) => at,
            Ok(Leased::Elsewhere) => now.after(LEASE),
            Err(error) => {
                tracing::warn!(%error, job = job.as_str(), "a job was not begun");
                now.after(LEASE)
            }
        }
    }

    /// Does a job, and notes how that went. `false`: it failed.
    async fn run(&self, job: Job) -> bool {
        let began_at = self.registry.clock().now();
        let began = Instant::now();
        let result = match self.work(job).await {
            Ok(None) => return true,
            Ok(Some(done)) => Ok(done),
            Err(error) => {
                let problem = with_causes(&*error);
                tracing::warn!(
                    error = problem,
                    job = job.as_str(),
                    "a job was not all done"
                );
                Err(problem)
            }
        };
        let worked = result.is_ok();
        self.registry.job_counts().note(job, worked);
        let run = JobRun {
            job: job.as_str().to_owned(),
            began_at,
            took: began.elapsed(),
            result,
        };
        if let Err(error) = self.registry.metadata().note_job_run(&run).await {
            tracing::warn!(%error, job = job.as_str(), "the run of a job was not noted");
        }
        worked
    }

    /// Does a job. Gives what it did, in words, where that is to be noted.
    async fn work(&self, job: Job) -> Result<Option<String>, Box<dyn Error + Send + Sync>> {
        let registry = &self.registry;
        let done = match job {
            Job::Clear => {
                let metadata = registry.metadata();
                let rows = in_batches(|| metadata.clear_removed()).await?;
                // It is looked for every few seconds.
                if rows == 0 {
                    return Ok(None);
                }
                tracing::info!(
                    rows,
                    "database rows of removed owners and repositories deleted"
                );
                format!("{} deleted", counted(rows, "database row"))
            }
            Job::Free => {
                let freed = free(registry).await?;
                let Freed {
                    forgotten, blobs, ..
                } = freed;
                if freed != Freed::default() {
                    tracing::info!(forgotten, blobs, "space of deleted packages freed");
                }
                format!(
                    "{} forgotten, {} freed",
                    counted(forgotten, "deleted package"),
                    counted(blobs, "file")
                )
            }
            Job::Sweep => {
                let swept = sweep(registry).await?;
                tell(swept);
                format!(
                    "files: {} correct, {} removed, {} missing or damaged, {} unknown",
                    swept.kept,
                    swept.removed,
                    swept.damaged,
                    swept.strays + swept.older
                )
            }
            Job::Expire => {
                let removed = expire(registry).await?;
                if removed > 0 {
                    tracing::info!(removed, "packages expired");
                }
                format!("{} expired", counted(removed, "package"))
            }
            Job::Retain => {
                let removed = retain(registry).await?;
                if removed > 0 {
                    tracing::info!(removed, "old entries of the audit log removed");
                }
                format!(
                    "{removed} old {} of the audit log removed",
                    if removed == 1 { "entry" } else { "entries" }
                )
            }
            Job::Forget => {
                let tokens = forget_expired_tokens(registry).await;
                let sessions = forget_expired_sessions(registry).await;
                let (tokens, sessions) = (tokens?, sessions?);
                if tokens + sessions > 0 {
                    tracing::info!(tokens, sessions, "what expired long ago removed");
                }
                format!(
                    "{} and {} removed",
                    counted(tokens, "expired token"),
                    counted(sessions, "ended session")
                )
            }
        };
        Ok(Some(done))
    }
}

/// What a sweep did, and what it could not account for.
fn tell(swept: Swept) {
    tracing::info!(kept = swept.kept, removed = swept.removed, "blobs swept");
    if swept.damaged > 0 {
        tracing::error!(
            blobs = swept.damaged,
            "the bytes of packages are missing or have the wrong size: check the disk, then upload the same packages again, \
             which replaces their files, or restore them from a backup"
        );
    }
    if swept.older > 0 {
        tracing::error!(
            blobs = swept.older,
            "the store has files that are older than the database and that it does not know; they stay. \
             Is this the right database? Restore tarn.db from the backup, or move them away"
        );
    }
    if swept.strays > 0 {
        tracing::warn!(
            blobs = swept.strays,
            "the store has files that the database does not know: uploads that a crash cut off, or packages that \
             an older copy of the database lacks; each is removed 30 days after it was noticed"
        );
    }
}

/// `1 package`, `2 packages`.
fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use tarn_base::clock::Clock;

    #[tokio::test]
    async fn a_time_too_far_ahead_was_that_of_a_wrong_clock() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::in_folder(folder.path().to_path_buf());
        let now = Timestamp::from_seconds(1_795_381_200);
        let registry = Registry::open(settings, Clock::manual(now)).await.unwrap();
        let moment = Duration::from_micros(1);
        for (at, is_run) in [
            (now, true),
            (now.after(moment), false),
            (now.after(2 * SWEEP_INTERVAL), false),
            (now.after(2 * SWEEP_INTERVAL + moment), true),
        ] {
            let mut schedule = Schedule {
                registry: registry.clone(),
                due: vec![(Job::Sweep, at)],
            };
            schedule.run_due().await;
            let next = if is_run {
                now.after(SWEEP_INTERVAL)
            } else {
                at
            };
            assert_eq!(schedule.due, [(Job::Sweep, next)], "{at:?}");
        }
    }
}
