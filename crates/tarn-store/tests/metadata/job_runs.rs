//! The last runs of housekeeping.

use std::time::Duration;

use tarn_store::metadata::JobRun;

use crate::{START, World};

#[tokio::test]
async fn a_run_takes_the_place_of_the_one_before_it() {
    let world = World::new().await;
    let metadata = &world.metadata;
    assert_eq!(metadata.job_runs().await.unwrap(), []);
    let run = |job: &str, result: Result<&str, &str>| JobRun {
        job: job.to_owned(),
        began_at: START,
        took: Duration::from_micros(1_234),
        result: result.map(str::to_owned).map_err(str::to_owned),
    };
    let failed = run("sweep", Err("the store is away"));
    metadata.note_job_run(&failed).await.unwrap();
    let expiry = run("expire", Ok("3 packages expired"));
    metadata.note_job_run(&expiry).await.unwrap();
    assert_eq!(metadata.job_runs().await.unwrap(), [expiry.clone(), failed]);
    let swept = run("sweep", Ok(""));
    metadata.note_job_run(&swept).await.unwrap();
    assert_eq!(metadata.job_runs().await.unwrap(), [expiry, swept]);
}
