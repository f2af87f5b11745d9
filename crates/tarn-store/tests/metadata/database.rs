//! The database itself: its migrations, several processes, what happens when it is not as it should be.

use std::time::Duration;

use tarn_store::metadata::{Metadata, MetadataError, Visibility};

use crate::{START, World, Writer, database, facts, name, open};

#[tokio::test]
async fn what_was_recorded_is_there_after_a_reopening() {
    let mut world = World::new().await;
    let recorded = world.record("zlib", "x86_64").await.unwrap();
    world.metadata.close().await;
    world.metadata = open(&world.folder).await;
    let rows = world.rows_at(recorded, "x86_64", recorded.generation).await;
    assert_eq!(rows[0].facts.read(), Ok(facts("zlib", "x86_64")));
    assert_eq!(world.metadata.is_shared(), tarn_testkit::on_postgres());
}

#[tokio::test]
async fn a_closed_database_answers_with_an_error() {
    let world = World::new().await;
    world.metadata.close().await;
    assert!(world.metadata.owners().await.is_err());
    assert!(world.record("zlib", "x86_64").await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_start_at_once_make_one_database() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder);
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let database = database.clone();
            tokio::spawn(async move { Metadata::open(&database).await })
        })
        .collect();
    for task in tasks {
        let metadata = task.await.unwrap().unwrap();
        assert_eq!(metadata.user_count().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_changed_migration_is_refused() {
    let world = World::new().await;
    world.metadata.close().await;
    for unknown in ["checksum = '1'", "checksum = 'none', applied_on = 'never'"] {
        world.sql(&format!("UPDATE refinery_schema_history SET {unknown}"));
        let error = Metadata::open(&database(&world.folder)).await.unwrap_err();
        assert!(
            matches!(error, MetadataError::Unreleased { migration: 1, .. }),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_writer_waits_for_another_process_that_writes() {
    let world = World::new().await;
    let other = Writer::of(&world.folder);
    let write = world.record("zlib", "x86_64");
    let release = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(other);
    };
    let started = std::time::Instant::now();
    let (recorded, ()) = tokio::join!(write, release);
    recorded.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn an_answer_is_forgotten_when_another_process_changes_what_it_says() {
    let world = World::new().await;
    let name = name("Alice");
    let visibility = async || {
        let alice = world.metadata.owner(&name).await.unwrap();
        alice.unwrap().visibility
    };
    for round in 0..20 {
        // Asked twice, so that the second answer comes from memory.
        assert_eq!(
            (visibility().await, visibility().await),
            (Visibility::Public, Visibility::Public)
        );
        world.sql("UPDATE owners SET visibility = 'private'");
        // Publishing keeps what is known of owners, and not what was known before the change.
        if round % 2 == 1 {
            world
                .record(&format!("package{round}"), "x86_64")
                .await
                .unwrap();
        }
        assert_eq!(visibility().await, Visibility::Private, "round {round}");
        world.sql("UPDATE owners SET visibility = 'public'");
    }
}

#[tokio::test]
async fn what_is_not_there_is_found_once_it_is() {
    let world = World::new().await;
    assert!(world.file("x86_64", "zlib-1.0-r0.apk").await.is_none());
    world.record("musl", "x86_64").await.unwrap();
    let musl = world.file("x86_64", "musl-1.0-r0.apk").await.unwrap();
    world.record("zlib", "x86_64").await.unwrap();
    assert!(world.file("x86_64", "zlib-1.0-r0.apk").await.is_some());
    let still = world.file("x86_64", "musl-1.0-r0.apk").await.unwrap();
    assert_eq!(still.id, musl.id);
    assert!(world.remove("musl", "x86_64", START).await);
    assert!(world.file("x86_64", "musl-1.0-r0.apk").await.is_none());
    assert!(world.remove("zlib", "x86_64", START).await);
    assert!(world.file("x86_64", "zlib-1.0-r0.apk").await.is_none());
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_alone() {
    let world = World::new().await;
    world.metadata.close().await;
    world.sql(
        "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
         VALUES (9999, 'from_the_future', '2030-01-01T00:00:00Z', '0')",
    );
    let database = database(&world.folder);
    let error = Metadata::survey(&database).await.unwrap_err();
    assert!(matches!(error, MetadataError::Newer { found: 9999, .. }));
    let error = Metadata::open(&database).await.unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, MetadataError::Newer { found: 9999, .. }),
        "{text}"
    );
    assert!(text.contains("newer version of Tarn"), "{text}");
    assert!(text.contains("restore the backup"), "{text}");
    assert!(text.contains(&database.to_string()), "{text}");
}
