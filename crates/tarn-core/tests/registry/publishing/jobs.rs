//! When jobs run, and run again, and what they note of it.

use tarn_base::names::OwnerName;
use tarn_core::access::TokenRequest;
use tarn_store::metadata::{AuditFilter, NewSession, OwnerKind};

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
    std::fs::write(&place, "this is not a folder").unwrap();
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

#[tokio::test]
async fn each_run_of_a_job_is_noted_with_what_it_did_and_the_next_is_an_interval_later() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, alice) = open(&folder).await;
    let clock = registry.clock();
    let hour = Duration::from_secs(3_600);
    let server = Actor::SERVER;
    let package = PackageBuilder::new("hello", "1.0-r0").build();
    publish(&registry, alice, package).await.unwrap();
    let request = TokenRequest {
        lifetime: Some(hour),
        ..TokenRequest::new("ci", "read:package".parse().unwrap())
    };
    let accounts = registry.administration().accounts();
    let name = OwnerName::parse("alice").unwrap();
    let token = accounts.add_token(OwnerKind::User, &name, &request, None, &server);
    token.await.unwrap();
    let user = registry.metadata().user(&name).await.unwrap().unwrap();
    let session = NewSession {
        user: alice,
        credential_version: user.credential_version,
        hash: &[1; 32],
        expires_at: START.after(hour),
        address: "192.0.2.7",
        agent: "",
        at_most: 1,
    };
    let act = server.at(START);
    let session = registry.metadata().add_session(session, &act);
    session.await.unwrap();
    let runs = async || {
        let runs = registry.metadata().job_runs().await.unwrap();
        let runs = runs.into_iter();
        runs.map(|run| (run.job, run.began_at, run.result.unwrap()))
            .collect::<Vec<_>>()
    };
    let noted = |at, all: [(&str, &str); 5]| {
        all.map(|(job, done)| (job.to_owned(), at, done.to_owned()))
            .to_vec()
    };

    let mut schedule = Schedule::new(registry.clone());
    schedule.run_due().await;
    let first = noted(
        START,
        [
            ("expire", "0 packages expired"),
            ("forget", "0 expired tokens and 0 ended sessions removed"),
            ("free", "0 deleted packages forgotten, 0 files freed"),
            ("retain", "0 old entries of the audit log removed"),
            (
                "sweep",
                "files: 1 correct, 0 removed, 0 missing or damaged, 0 unknown",
            ),
        ],
    );
    assert_eq!(runs().await, first);
    clock.advance(hour / 2);
    schedule.run_due().await;
    assert_eq!(runs().await, first, "nothing was due");

    delete(&registry, alice, "hello-1.0-r0.apk").await;
    let all = AuditFilter::default();
    let entries = async || registry.metadata().audit_entries(&all, None, 100).await;
    let old = entries().await.unwrap().len();
    assert!(old > 1);
    clock.advance(Duration::from_secs(400 * 86_400));
    schedule.run_due().await;
    let retained = format!("{old} old entries of the audit log removed");
    let second = noted(
        clock.now(),
        [
            ("expire", "0 packages expired"),
            ("forget", "1 expired token and 1 ended session removed"),
            ("free", "1 deleted package forgotten, 1 file freed"),
            ("retain", &retained),
            (
                "sweep",
                "files: 0 correct, 0 removed, 0 missing or damaged, 0 unknown",
            ),
        ],
    );
    assert_eq!(runs().await, second);
    assert!(entries().await.unwrap().len() < old);
}
