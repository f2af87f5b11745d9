//! The database itself: its file, its migrations, what happens when it is not as it should be.

use std::{os::unix::fs::PermissionsExt, path::Path, time::Duration};

use rusqlite::Connection;
use tarn_base::names::OwnerName;
use tarn_store::metadata::{
    Database, Metadata, MetadataError, PackageFormat, Surveyed, Visibility,
};

use crate::{START, World, add_user, facts, open};

fn by_hand(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn nobody_else_can_read_the_files() {
    let world = World::new().await;
    let path = world.folder.path().join("tarn.db");
    for suffix in ["", "-wal", "-shm"] {
        let file = path.with_file_name(format!("tarn.db{suffix}"));
        assert_eq!(mode(&file), 0o600, "{suffix}");
    }
    world.metadata.close().await;
    // A file that was opened up, by a careless restore say, is closed again.
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    let again = open(&world.folder).await;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(again.user_count().await.unwrap(), 1);
}

#[tokio::test]
async fn what_was_recorded_is_there_after_a_reopening() {
    let world = World::new().await;
    let recorded = world.record("zlib", "x86_64").await.unwrap();
    world.metadata.close().await;
    let again = open(&world.folder).await;
    let rows = again
        .index_rows(
            recorded.repository,
            (
                &apk::arch::Arch::parse("x86_64").unwrap(),
                PackageFormat::V2,
            ),
            recorded.generation,
            0,
            100,
        )
        .await
        .unwrap();
    assert_eq!(rows[0].facts.read(), Ok(facts("zlib", "x86_64")));
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
    let database = Database::Sqlite(folder.path().join("tarn.db"));
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
async fn a_database_from_the_future_is_refused_and_left_alone() {
    let world = World::new().await;
    world.metadata.close().await;
    let path = world.folder.path().join("tarn.db");
    let made = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
                VALUES (9999, 'from_the_future', '2030-01-01T00:00:00Z', '0')";
    by_hand(&path).execute(made, []).unwrap();

    let database = Database::Sqlite(path.clone());
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
    assert!(text.contains("tarn.db"), "{text}");
}

#[tokio::test]
async fn a_survey_sees_what_is_there_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.db");
    let database = Database::Sqlite(path.clone());
    let nothing = Surveyed::default();
    assert_eq!(Metadata::survey(&database).await.unwrap(), nothing);
    assert!(!path.exists());
    // Made, and the power went before its tables came.
    std::fs::write(&path, "").unwrap();
    assert_eq!(Metadata::survey(&database).await.unwrap(), nothing);
    assert_eq!(path.metadata().unwrap().len(), 0);

    let world = World::new().await;
    let path = world.folder.path().join("tarn.db");
    let database = Database::Sqlite(path.clone());
    // Beside whoever has it open: what was committed is in the log still.
    let open = Metadata::survey(&database).await.unwrap();
    assert!(open.has_users && open.sealing_check.is_none(), "{open:?}");
    world.metadata.close().await;
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
    let before = std::fs::read(&path).unwrap();
    assert_eq!(Metadata::survey(&database).await.unwrap(), open);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    for beside in ["tarn.db-wal", "tarn.db-shm"] {
        assert!(!path.with_file_name(beside).exists(), "{beside}");
    }
}

#[tokio::test]
async fn a_changed_migration_is_refused() {
    let world = World::new().await;
    world.metadata.close().await;
    let path = world.folder.path().join("tarn.db");
    for unknown in ["checksum = '1'", "checksum = 'none', applied_on = 'never'"] {
        let change = format!("UPDATE refinery_schema_history SET {unknown}");
        by_hand(&path).execute(&change, []).unwrap();
        let database = Database::Sqlite(path.clone());
        let error = Metadata::open(&database).await.unwrap_err();
        assert!(
            matches!(error, MetadataError::Unreleased { migration: 1, .. }),
            "{error}"
        );
    }
}

#[tokio::test]
async fn what_is_no_database_is_told_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tarn.db");
    std::fs::write(
        &path,
        "a text, and long enough to be taken for a header ".repeat(40),
    )
    .unwrap();
    let error = Metadata::open(&Database::Sqlite(path.clone()))
        .await
        .unwrap_err();
    assert!(matches!(error, MetadataError::Open { .. }), "{error:?}");
    assert!(error.to_string().contains("is it a SQLite database"));
    // What is there stays there.
    assert!(std::fs::read(&path).unwrap().starts_with(b"a text"));

    let nowhere = folder.path().join("none/tarn.db");
    let error = Metadata::open(&Database::Sqlite(nowhere))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("none/tarn.db: make its folder first"),
        "{error}"
    );
}

#[tokio::test]
async fn a_path_that_looks_like_a_url_is_a_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file:a b%20c?mode=ro#x");
    let metadata = Metadata::open(&Database::Sqlite(path.clone()))
        .await
        .unwrap();
    add_user(&metadata, "alice").await;
    metadata.close().await;
    assert!(path.is_file());
}

#[tokio::test]
async fn a_writer_waits_for_another_process_that_writes() {
    let world = World::new().await;
    let other = by_hand(&world.folder.path().join("tarn.db"));
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let write = world.record("zlib", "x86_64");
    let release = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        other.execute_batch("ROLLBACK").unwrap();
    };
    let started = std::time::Instant::now();
    let (recorded, ()) = tokio::join!(write, release);
    recorded.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn an_answer_is_forgotten_when_another_process_changes_what_it_says() {
    let world = World::new().await;
    let name = OwnerName::parse("Alice").unwrap();
    let visibility = async || {
        world
            .metadata
            .owner(&name)
            .await
            .unwrap()
            .unwrap()
            .visibility
    };
    for round in 0..20 {
        // Asked twice, so that the second answer comes from memory.
        assert_eq!(
            (visibility().await, visibility().await),
            (Visibility::Public, Visibility::Public)
        );
        let other = by_hand(&world.folder.path().join("tarn.db"));
        let hide = "UPDATE owners SET visibility = 'private'";
        other.execute_batch(hide).unwrap();
        // Publishing keeps what is known of owners, and not what was known before the change.
        if round % 2 == 1 {
            world
                .record(&format!("package{round}"), "x86_64")
                .await
                .unwrap();
        }
        assert_eq!(visibility().await, Visibility::Private, "round {round}");
        let show = "UPDATE owners SET visibility = 'public'";
        other.execute_batch(show).unwrap();
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
