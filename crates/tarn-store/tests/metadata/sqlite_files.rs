//! The file of a SQLite database: who may read it, what happens when it is not as it should be.

use std::{os::unix::fs::PermissionsExt, path::Path, process::Command};

use tarn_store::metadata::{Database, Metadata, MetadataError, RecordError, Surveyed};

use crate::{World, add_user, open};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn only_the_user_of_the_server_can_read_the_files() {
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
    // Beside a process that has it open: what was committed is in the log still.
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
async fn what_is_no_database_is_reported_with_its_path() {
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

/// Where the test below runs itself in, under a limit on the size of files.
const LIMITED: &str = "TARN_TEST_LIMITED";

#[tokio::test]
async fn a_file_that_may_not_grow_any_more_is_a_full_disk() {
    // The limit would bind the other tests too.
    if std::env::var_os(LIMITED).is_none() {
        let test = "sqlite_files::a_file_that_may_not_grow_any_more_is_a_full_disk";
        // 2 MiB, less than the log may have. The signal that comes with it is ignored, so that the write fails (EFBIG).
        let output = Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 4096; exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(LIMITED, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("1 passed"), "{said}");
        return;
    }
    let world = World::new().await;
    let mut recorded = 0;
    let refused = loop {
        match world.record(&format!("p{recorded}"), "x86_64").await {
            Ok(_) => recorded += 1,
            Err(refused) => break refused,
        }
        assert!(recorded < 2_000, "the limit does not hold");
    };
    assert!(
        matches!(refused, RecordError::Metadata(MetadataError::Full(_))),
        "{refused:?}"
    );
    let (usage, _) = world.metadata.usage(world.alice).await.unwrap();
    assert_eq!(usage.packages, recorded);
}
