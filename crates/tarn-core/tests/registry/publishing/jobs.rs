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

#[tokio::test]
async fn a_sweep_decides_about_a_blob_by_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, alice) = open(&folder).await;
    let package = PackageBuilder::new("hello", "1.0-r0").build();
    let sha256 = digest(&package);
    let file_in = |place| {
        let key = BlobKey { sha256, place }.to_string();
        let (first, rest) = key.split_at(2);
        folder.path().join("blobs").join(first).join(rest)
    };
    let delete_and_free = async || {
        delete(&registry, alice, "hello-1.0-r0.apk").await;
        registry
            .clock()
            .advance(2 * registry.settings().keep_deleted);
        sweep(&registry).await.unwrap()
    };
    publish(&registry, alice, package.clone()).await.unwrap();
    assert_eq!(delete_and_free().await.removed, 1);
    publish(&registry, alice, package.clone()).await.unwrap();
    // One of a server that was killed before it removed it, and one of a newer copy of the database.
    for place in [0, 2] {
        std::fs::write(file_in(place), &package).unwrap();
    }
    let swept = Swept {
        kept: 1,
        removed: 1,
        strays: 1,
        ..Swept::default()
    };
    assert_eq!(sweep(&registry).await.unwrap(), swept);
    let there = [0, 1, 2].map(|place| file_in(place).exists());
    assert_eq!(there, [false, true, true]);

    let swept = Swept { kept: 0, ..swept };
    assert_eq!(delete_and_free().await, swept);
    let stray = Some(BlobStanding::Stray(registry.clock().now()));
    assert_eq!(standing(&registry, &sha256).await, stray);
    // The stray is taken away by hand, and two come late into places that were given up.
    std::fs::remove_file(file_in(2)).unwrap();
    for late in [1, 2] {
        std::fs::write(file_in(late), &package).unwrap();
        if late == 2 {
            let dead = Some(BlobStanding::Dead);
            assert_eq!(standing(&registry, &sha256).await, dead);
        }
        let swept = Swept { strays: 0, ..swept };
        assert_eq!(sweep(&registry).await.unwrap(), swept);
        assert!(!file_in(late).exists(), "{late}");
    }
}
