//! What holds of blobs in files only: names, modes, the lock, the page cache, and a full disk.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use futures_util::FutureExt as _;
use futures_util::StreamExt as _;
use tarn_store::blobs::{BlobError, Blobs, Expected, Found, Storage};
use tempfile::TempDir;

use crate::{Tested, bytes_of, key, names_in, put};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

async fn open(folder: &TempDir) -> Result<Blobs, BlobError> {
    Blobs::open(folder.path().to_path_buf(), &Storage::DataFolder).await
}

#[tokio::test]
async fn a_whole_blob_that_is_there_is_never_written_again() {
    let tested = Tested::local().await;
    tested.put(b"bytes", 0, Expected::New).await.unwrap();
    let path = tested.path(&key(b"bytes", 0));
    let before = fs::metadata(&path).unwrap();
    for expected in [Expected::New, Expected::There] {
        assert!(!tested.put(b"bytes", 0, expected).await.unwrap());
    }
    let after = fs::metadata(&path).unwrap();
    assert_eq!(
        (before.ino(), before.ctime_nsec()),
        (after.ino(), after.ctime_nsec())
    );
}

#[tokio::test]
async fn what_an_earlier_process_left_unfinished_is_removed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = open(&folder).await.unwrap();
    put(&blobs, b"kept", 0, Expected::New).await.unwrap();
    // As a process that was killed: nothing is dropped, and the lock goes with the process.
    fs::write(folder.path().join("tmp/incoming-77"), "left").unwrap();
    fs::write(folder.path().join("tmp/notes.txt"), "mine").unwrap();
    drop(blobs);

    let blobs = open(&folder).await.unwrap();
    assert_eq!(names_in(&folder.path().join("tmp")), ["notes.txt"]);
    assert!(blobs.store().has_whole(&key(b"kept", 0), 4).await.unwrap());
}

#[tokio::test]
async fn what_is_not_in_memory_is_read_where_a_wait_holds_up_no_request() {
    // A file system whose pages can be dropped; that of temporary files may be memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let blobs = open(&folder).await.unwrap();
    let bytes = vec![7; 300_000];
    put(&blobs, &bytes, 0, Expected::New).await.unwrap();
    let blob = key(&bytes, 0);
    let whole = async || {
        blobs
            .store()
            .open_whole(&blob, 300_000)
            .await
            .unwrap()
            .unwrap()
    };
    let name = blob.to_string();
    let path = folder
        .path()
        .join("blobs")
        .join(&name[..2])
        .join(&name[2..]);
    let file = fs::File::open(path).unwrap();
    let mut waited = false;
    for _ in 0..100 {
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        let mut body = whole().await;
        // What has to wait for the disk is not there at the first look.
        waited = body.next().now_or_never().is_none();
        if waited {
            assert_eq!(bytes_of(body).await.unwrap(), bytes);
            break;
        }
    }
    assert!(waited, "the file stays in memory");
    let first = whole().await.next().now_or_never();
    assert!(first.is_some_and(|first| bytes.starts_with(&first.unwrap().unwrap())));
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = open(&folder).await.unwrap();
    let mut incoming = blobs.begin().await.unwrap();
    incoming.write(b"by").unwrap();

    let error = open(&folder).await.unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, BlobError::InUse { process: Some(process), .. } if process == std::process::id()),
        "{text}"
    );
    assert!(text.contains("another server") && text.contains("stop it first"));
    // It took nothing away from the first.
    incoming.write(b"tes").unwrap();
    let key = key(b"bytes", 0);
    let put = blobs.put(&mut incoming, &key, Expected::New);
    assert!(put.await.unwrap());
    drop(incoming);

    // What is received keeps the store open, so that no second server removes it.
    let last = blobs.begin().await.unwrap();
    drop(blobs);
    assert!(open(&folder).await.is_err());
    drop(last);
    open(&folder).await.unwrap();
}

#[tokio::test]
async fn an_import_receives_beside_the_server_and_only_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = || folder.path().to_path_buf();
    let beside = || Blobs::open_beside(path(), &Storage::DataFolder);
    let import = beside().await.unwrap();
    let mut incoming = import.begin().await.unwrap();
    incoming.write(b"by").unwrap();
    // A server that is started meanwhile takes nothing away from it.
    let server = open(&folder).await.unwrap();
    incoming.write(b"tes").unwrap();
    let key = key(b"bytes", 0);
    let put = import.put(&mut incoming, &key, Expected::New);
    assert!(put.await.unwrap());
    assert!(server.store().has(&key, 5).await.unwrap());
    let text = beside().await.unwrap_err().to_string();
    assert!(text.contains("another import"), "{text}");
    drop((import, incoming));
    beside().await.unwrap();
}

#[tokio::test]
async fn only_the_user_of_the_server_reads_a_blob_and_no_one_writes_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let blobs = Blobs::open(data.clone(), &Storage::DataFolder)
        .await
        .unwrap();
    put(&blobs, b"bytes", 1, Expected::New).await.unwrap();
    for (path, expected) in [
        (".", 0o700),
        ("blobs", 0o700),
        ("tmp", 0o700),
        ("blobs/00", 0o700),
        ("blobs/ff", 0o700),
        ("blobs.lock", 0o600),
    ] {
        assert_eq!(mode(&data.join(path)), expected, "{path}");
    }
    let name = key(b"bytes", 1).to_string();
    let path = data.join("blobs").join(&name[..2]).join(&name[2..]);
    assert_eq!(mode(&path), 0o400);
}

#[tokio::test]
async fn a_folder_that_went_missing_is_made_again() {
    let tested = Tested::local().await;
    let path = tested.path(&key(b"bytes", 0));
    fs::remove_dir(path.parent().unwrap()).unwrap();
    tested.put(b"bytes", 0, Expected::New).await.unwrap();
    assert!(path.is_file());
}

#[tokio::test]
async fn a_blob_that_is_no_file_is_damaged_and_replaced_by_the_same_bytes() {
    let tested = Tested::local().await;
    // A folder of that size has the size of the blob on some file systems.
    let bytes = vec![7; 4096];
    let (store, key) = (tested.blobs.store(), key(&bytes, 0));
    let path = tested.path(&key);
    let cases: [(&dyn Fn(), Found); 3] = [
        (&|| fs::create_dir(&path).unwrap(), Found::Folder),
        (
            &|| fs::create_dir_all(path.join("of/mine")).unwrap(),
            Found::Folder,
        ),
        (
            &|| {
                let mode = rustix::fs::Mode::from_raw_mode(0o600);
                let kind = rustix::fs::FileType::Fifo;
                rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
            },
            Found::Other,
        ),
    ];
    for (damage, expected) in cases {
        damage();
        assert!(!store.has(&key, 4096).await.unwrap());
        assert!(!store.has_whole(&key, 4096).await.unwrap());
        assert!(
            store
                .list(key.sha256.as_bytes()[0])
                .await
                .unwrap()
                .is_empty()
        );
        let refused = tested.open(&key, 4096).await.err().unwrap();
        assert!(
            matches!(refused, BlobError::Damaged { found, .. } if found == expected),
            "{refused}"
        );
        assert!(tested.put(&bytes, 0, Expected::There).await.unwrap());
        assert_eq!(tested.read(&key, 4096).await, bytes);
        // And it does not stand in the way when the blob is to go.
        fs::remove_file(&path).unwrap();
        damage();
        assert_eq!(store.remove(&[key]).await.unwrap().0, 1);
        assert!(!path.exists());
    }
    // A symbolic link to itself can't even be opened.
    symlink(&path, &path).unwrap();
    assert_eq!(store.remove(&[key]).await.unwrap().0, 1);
    assert!(path.symlink_metadata().is_err());
    // What was in a folder is still there.
    let names = names_in(path.parent().unwrap());
    assert_eq!(names.len(), 2, "{names:?}");
    for (name, number) in names.iter().zip(1..) {
        assert!(name.ends_with(&format!(".moved-away-{number}")), "{name}");
        assert!(path.with_file_name(name).join("of/mine").is_dir());
    }
}

#[tokio::test]
async fn a_file_that_is_cut_off_while_it_is_read_is_never_complete() {
    let tested = Tested::local().await;
    let bytes = crate::noise(400_000);
    let key = key(&bytes, 0);
    tested.put(&bytes, 0, Expected::New).await.unwrap();
    let mut body = tested.open(&key, bytes.len()).await.unwrap().unwrap();
    let first = body.next().await.unwrap().unwrap();
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(tested.path(&key), mode).unwrap();
    let file = fs::OpenOptions::new().write(true).open(tested.path(&key));
    file.unwrap().set_len(first.len() as u64 + 1).unwrap();
    let rest = bytes_of(body).await;
    assert_eq!(rest.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn what_is_in_the_way_is_reported_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tmp"), "a file").unwrap();
    let text = open(&folder).await.unwrap_err().to_string();
    assert!(text.contains("tmp"), "{text}");
    assert!(text.contains("cannot make the folder"), "{text}");

    // Folders above that are not there are made.
    let nowhere = folder.path().join("not/there");
    let blobs = Blobs::open(nowhere.clone(), &Storage::DataFolder).await;
    let blobs = blobs.unwrap();
    assert!(nowhere.join("tmp").is_dir());

    // One that went missing under an open store is not made again.
    fs::remove_dir_all(&nowhere).unwrap();
    let text = blobs.begin().await.unwrap_err().to_string();
    let hint = "was the data folder changed while the server ran?";
    assert!(text.contains("tmp") && text.contains(hint), "{text}");

    // A blob that can't be looked for is not one that is absent.
    let tested = Tested::local().await;
    let blob = key(b"bytes", 0);
    let in_the_way = tested.path(&blob).parent().unwrap().to_path_buf();
    fs::remove_dir(&in_the_way).unwrap();
    fs::write(&in_the_way, "a file").unwrap();
    let store = tested.blobs.store();
    for error in [
        tested.open(&blob, 5).await.err().unwrap(),
        store.has(&blob, 5).await.unwrap_err(),
        store.has_whole(&blob, 5).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("move it away"), "{error}");
    }
}

/// Where the test below runs itself in, under a limit on the size of files.
const LIMITED_FOLDER: &str = "REGISTRY_TEST_LIMITED_FOLDER";

#[tokio::test]
async fn no_space_is_its_own_error_and_leaves_nothing() {
    // The test starts itself again under a limit, which would bind the other tests too.
    let Some(folder) = std::env::var_os(LIMITED_FOLDER) else {
        return run_again_under_a_limit("local::no_space_is_its_own_error_and_leaves_nothing");
    };
    let folder = PathBuf::from(folder);
    let blobs = Blobs::open(folder.clone(), &Storage::DataFolder)
        .await
        .unwrap();
    let mut incoming = blobs.begin().await.unwrap();
    let error = loop {
        assert!(incoming.size() < 1_000_000, "the limit does not hold");
        if let Err(error) = incoming.write(&[0; 4096]) {
            break error;
        }
    };
    assert!(matches!(error, BlobError::Full { .. }), "{error:?}");
    assert!(error.to_string().contains("no space left for"), "{error}");
    assert!(
        error
            .to_string()
            .contains(folder.join("tmp").to_str().unwrap()),
        "{error}"
    );
    drop(incoming);
    // What fits is taken as before.
    put(&blobs, b"small", 0, Expected::New).await.unwrap();
}

fn run_again_under_a_limit(test: &str) {
    let folder = tempfile::tempdir().unwrap();
    // A limit of 64 blocks of 512 bytes. The signal that comes with it is ignored, so that the write fails (EFBIG).
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(LIMITED_FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
    assert_eq!(names_in(&folder.path().join("tmp")), [""; 0]);
}
