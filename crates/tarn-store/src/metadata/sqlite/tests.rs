//! The file, its connections, and who gets them.

use super::*;
use crate::metadata::{Database, Metadata, engine::sql};

async fn open_in(folder: &tempfile::TempDir) -> Metadata {
    Metadata::open(&Database::Sqlite(folder.path().join("tarn.db")))
        .await
        .unwrap()
}

/// A question that has no end.
fn endless() -> Statement {
    sql!(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers) \
         SELECT COUNT(*) AS count FROM numbers"
    )
}

#[tokio::test]
async fn readers_cannot_write_and_read_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let metadata = open_in(&folder).await;
    let journal = metadata.engine.row(sql!("PRAGMA journal_mode")).await;
    assert_eq!(journal.unwrap(), Some("wal".to_owned()));
    for purpose in [
        Purpose::Lookup,
        Purpose::Index,
        Purpose::List,
        Purpose::Other,
    ] {
        let unfit = sql!("DELETE FROM owners RETURNING id");
        let error = metadata.engine.ask::<i64>(purpose, unfit).await;
        let error = error.unwrap_err();
        assert!(matches!(error, MetadataError::Failed(_)), "{error:?}");
    }
}

#[tokio::test]
async fn the_shared_memory_stays_the_one_that_is_watched() {
    use std::os::unix::fs::MetadataExt as _;

    let folder = tempfile::tempdir().unwrap();
    let shared = folder.path().join("tarn.db-shm");
    let inode = || std::fs::metadata(&shared).map(|shared| shared.ino());
    let metadata = open_in(&folder).await;
    let watched = inode().unwrap();
    // All connections that answer questions are gone, and another process comes and goes.
    metadata.engine.close().await;
    open_in(&folder).await.close().await;
    assert_eq!(inode().unwrap(), watched);
    metadata.close().await;
    assert!(inode().is_err(), "a connection is still open");
}

#[tokio::test]
async fn a_commit_is_seen_at_once_and_readers_leave_the_log_alone() {
    let folder = tempfile::tempdir().unwrap();
    let metadata = open_in(&folder).await;
    let count = async || {
        let count = sql!("SELECT COUNT(*) AS count FROM blobs");
        metadata
            .engine
            .look_up::<i64>(count)
            .await
            .unwrap()
            .unwrap()
    };
    for made in 1..=3 {
        let row = sql!(
            "INSERT INTO blobs (sha256, size, created_at, state) VALUES (randomblob(32), 1, 1, 'live')"
        );
        metadata.engine.run(row).await.unwrap();
        assert_eq!(count().await, made);
        // A reader that went on reading would keep the log from being cut back (SQLite answers `busy` = 1).
        let other = Connection::open(folder.path().join("tarn.db")).unwrap();
        let cut = other.query_one("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        });
        assert_eq!(cut.unwrap(), (0, 0, 0));
    }
}

#[tokio::test]
async fn the_search_index_is_merged_a_little_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    open_in(&folder).await.close().await;
    let connection = Connection::open(folder.path().join("tarn.db")).unwrap();
    connection
        .execute_batch("PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 0")
        .unwrap();
    let log = || {
        let log = std::fs::metadata(folder.path().join("tarn.db-wal"));
        log.map_or(0, |log| log.len())
    };
    // What a transaction adds to the log is what it wrote, in pages of 4 KiB.
    let pages = |statement: &str| {
        let before = log();
        connection.execute_batch(statement).unwrap();
        (log() - before) / 4096
    };
    let mut most = 0;
    for version in 0..6_000 {
        let one = format!(
            "INSERT INTO package_versions (owner_id, name, version, description, created_at, files) \
             SELECT 1, 'some-' || hex(randomblob(4)), {version}, hex(randomblob(30)), 0, 1"
        );
        most = most.max(pages(&one));
    }
    for last in (0..6_000).step_by(16) {
        let few = format!("DELETE FROM package_versions WHERE id <= {last}");
        most = most.max(pages(&few));
    }
    assert!(most <= 150, "one transaction wrote {most} pages");
}

#[tokio::test]
async fn a_caller_that_leaves_ends_its_statement_and_gives_its_turn_back() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open_in(&folder).await.engine;
    let lists = || (0..16).map(|_| engine.ask::<i64>(Purpose::List, endless()));
    let mut asked: Vec<_> = lists().map(Box::pin).collect();
    let all = futures_util::future::join_all(asked.iter_mut());
    assert!(timeout(Duration::from_millis(50), all).await.is_err());

    // While all turns of lists are taken, everything else is answered.
    for purpose in [Purpose::Lookup, Purpose::Index, Purpose::Other] {
        let answer = engine.ask::<i64>(purpose, sql!("SELECT 1 AS one")).await;
        assert_eq!(answer.unwrap(), [1], "{purpose:?}");
    }
    // They leave. Statements that went on would keep both turns for ever.
    drop(asked);
    let answer = engine
        .ask::<i64>(Purpose::List, sql!("SELECT 1 AS one"))
        .await;
    assert_eq!(answer.unwrap(), [1]);

    // A change whose caller leaves is undone.
    let mut transaction = engine.write().await.unwrap();
    let change = transaction.any(endless());
    assert!(timeout(Duration::from_millis(20), change).await.is_err());
    drop(transaction);
    engine.write().await.unwrap().commit().await.unwrap();
    engine.close().await;
}

#[test]
fn a_statement_that_takes_too_long_is_stopped_as_busy() {
    let folder = tempfile::tempdir().unwrap();
    let connection = Connection::open(folder.path().join("tarn.db")).unwrap();
    let (stop, _caller) = Stop::within(Duration::from_millis(1));
    let stopped = stop.run(&connection, |connection| rows(connection, &endless()));
    let error = stopped.unwrap_err();
    assert!(matches!(error, MetadataError::Busy(_)), "{error:?}");
    // The next one on that connection has its own time.
    let (stop, _caller) = Stop::within(Duration::from_secs(60));
    let next = stop.run(&connection, |connection| {
        rows(connection, &sql!("SELECT 1 AS one"))
    });
    assert_eq!(next.unwrap().len(), 1);
}

#[test]
fn extended_codes_are_distinguished() {
    for (codes, expected) in [
        (&[5, 261, 517, 6, 262, 9][..], Fault::Busy),
        (&[13, 4874], Fault::Full),
        (&[778, 1034, 1546], Fault::Unwritten),
        (&[1555, 2067], Fault::Duplicate),
        (&[787], Fault::Dangling),
        (&[1, 10, 19, 266, 275, 1299], Fault::Other),
    ] {
        for code in codes {
            assert_eq!(fault(*code), expected, "{code}");
        }
    }
}
