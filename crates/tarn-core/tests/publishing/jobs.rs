//! When jobs run, and run again.

use super::*;

#[tokio::test]
async fn the_blobs_of_an_owner_who_was_removed_go_within_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, alice) = open(&folder).await;
    let package = PackageBuilder::new("hello", "1.0-r0").build();
    publish(&registry, alice, package.clone()).await.unwrap();
    let mut schedule = Schedule::new(registry.clone());
    schedule.run_due().await;
    registry
        .metadata()
        .remove_owner(alice, true, &Actor::SERVER.at(START))
        .await
        .unwrap();
    let blob = digest(&package);
    if tarn_testkit::on_postgres() {
        Schedule::new(registry.clone()).run_due().await; // Another server sees the day's jobs as done.
    }
    assert!(is_there(&registry, &blob).await);
    registry.clock().advance(Duration::from_secs(86_400));
    schedule.run_due().await;
    assert!(!is_there(&registry, &blob).await);
    assert_eq!(standing(&registry, &blob).await, Some(BlobStanding::Dead));
}

#[tokio::test]
async fn a_job_that_failed_is_tried_again_within_the_hour() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, _) = open(&folder).await;
    let mut schedule = Schedule::new(registry.clone());
    let worked = async || {
        let runs = registry.metadata().job_runs().await.unwrap();
        let sweep = runs.into_iter().find(|run| run.job == "sweep").unwrap();
        sweep.result.is_ok()
    };
    let place = folder.path().join("blobs/ff");
    std::fs::remove_dir(&place).unwrap();
    std::fs::write(&place, "this is no folder").unwrap();
    schedule.run_due().await;
    assert!(!worked().await);
    std::fs::remove_file(&place).unwrap();
    std::fs::create_dir(&place).unwrap();
    registry.clock().advance(Duration::from_secs(3_600));
    schedule.run_due().await;
    assert!(worked().await);
}
