//! When each job is due.
//!
//! All jobs run once when the server starts, one after the other, and then as often as the settings say. A job that fails
//! is told in the log and tried again the next time. The schedule goes by the registry's clock and only looks at it now
//! and then, so that a test may move it.

use std::{future::Future, pin::pin, time::Duration};

use tokio::time::sleep;

use super::{expire, retain, sweep};
use crate::{Registry, clock::Timestamp};

/// How often the clock is looked at.
const LOOK: Duration = Duration::from_secs(10);

/// How often the log is cut to what its retention leaves.
const RETENTION_INTERVAL: Duration = Duration::from_secs(86_400);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    Sweep,
    Expire,
    Retain,
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
        let due = vec![(Job::Sweep, now), (Job::Expire, now), (Job::Retain, now)];
        Self { registry, due }
    }

    /// Does what is due.
    pub async fn run_due(&mut self) {
        let now = self.registry.clock().now();
        let (due, later): (Vec<_>, Vec<_>) = self.due.iter().partition(|(_, at)| *at <= now);
        self.due = later;
        for (job, _) in due {
            self.run(job).await;
            if let Some(interval) = self.interval(job) {
                self.due.push((job, now.after(interval)));
            }
        }
    }

    /// `None`: once, at the start.
    fn interval(&self, job: Job) -> Option<Duration> {
        match job {
            Job::Sweep => None,
            Job::Expire => Some(self.registry.settings().expiry_interval),
            Job::Retain => Some(RETENTION_INTERVAL),
        }
    }

    async fn run(&self, job: Job) {
        let registry = &self.registry;
        match job {
            Job::Sweep => match sweep(registry).await {
                Ok(swept) => {
                    tracing::info!(kept = swept.kept, removed = swept.removed, "blobs swept");
                }
                Err(error) => {
                    tracing::warn!(%error, "blobs that no package needs were not all looked for");
                }
            },
            Job::Expire => match expire(registry).await {
                Ok(0) => {}
                Ok(removed) => tracing::info!(removed, "packages expired"),
                Err(error) => tracing::warn!(%error, "packages that expired were not all removed"),
            },
            Job::Retain => match retain(registry).await {
                Ok(0) => {}
                Ok(removed) => tracing::info!(removed, "old entries of the audit log removed"),
                Err(error) => {
                    tracing::warn!(%error, "old entries of the audit log were not all removed");
                }
            },
        }
    }
}
