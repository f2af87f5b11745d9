//! The last run of each piece of housekeeping: rows, so that every server knows of what another one did.

use std::time::Duration;

use super::{Metadata, MetadataError, engine::sql};
use tarn_base::clock::Timestamp;

/// A run of a job that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRun {
    /// The name of the job.
    pub job: String,
    /// When it began, by the clock of the server that did it.
    pub began_at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// What it did, or why it failed.
    pub result: Result<String, String>,
}

impl Metadata {
    /// Notes a run in the place of the one before it.
    pub async fn note_job_run(&self, run: &JobRun) -> Result<(), MetadataError> {
        let took = i64::try_from(run.took.as_micros()).unwrap_or(i64::MAX);
        let statement = sql!(
            "INSERT INTO job_runs (job, began_at, took, done, problem) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (job) DO UPDATE SET began_at = excluded.began_at, took = excluded.took, done = excluded.done, \
             problem = excluded.problem",
            run.job.as_str(),
            run.began_at,
            took,
            run.result.as_deref().ok(),
            run.result.as_ref().err().map(String::as_str)
        );
        self.engine.run(statement).await.map(drop)
    }

    /// The last run of each job that ever ran, by name.
    pub async fn job_runs(&self) -> Result<Vec<JobRun>, MetadataError> {
        let statement =
            sql!("SELECT job, began_at, took, done, problem FROM job_runs ORDER BY job");
        type Found = (String, Timestamp, u64, (Option<String>, Option<String>));
        let runs: Vec<Found> = self.engine.rows(statement).await?;
        let run = |(job, began_at, took, (done, problem)): Found| JobRun {
            job,
            began_at,
            took: Duration::from_micros(took),
            result: match problem {
                Some(problem) => Err(problem),
                None => Ok(done.unwrap_or_default()),
            },
        };
        Ok(runs.into_iter().map(run).collect())
    }
}
