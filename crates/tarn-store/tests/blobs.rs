//! The blob store, on a real folder.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use apk::digest::Sha256Digest;
use sha2::{Digest as _, Sha256};
use tarn_store::blobs::{Blob, BlobError, Blobs};
use tempfile::TempDir;

fn digest(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest::from_bytes(Sha256::digest(bytes).into())
}

fn place(folder: &TempDir, sha256: &Sha256Digest) -> PathBuf {
    let hex = sha256.to_hex();
    folder.path().join("blobs").join(&hex[..2]).join(&hex[2..])
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

async fn open(folder: &TempDir) -> Blobs {
    Blobs::open(folder.path().to_path_buf()).await.unwrap()
}

async fn put(blobs: &Blobs, bytes: &'static [u8]) -> Result<u64, BlobError> {
    let mut incoming = blobs.begin().await?;
    tokio::task::spawn_blocking(move || {
        incoming.write(bytes)?;
        incoming.commit(&digest(bytes))
    })
    .await
    .unwrap()
}

async fn read(blobs: &Blobs, sha256: &Sha256Digest) -> Option<Vec<u8>> {
    Some(bytes_of(&blobs.open_blob(sha256).await.unwrap()?).await)
}

async fn bytes_of(blob: &Blob) -> Vec<u8> {
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < blob.size() {
        let at = bytes.len() as u64;
        bytes.extend(blob.clone().read(at, blob.size() - at).await.unwrap());
    }
    assert!(blob.read_cached(blob.size(), 1).is_err());
    bytes
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_blob_reads_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = open(&folder).await;
    let sha256 = digest(b"one, two");
    assert!(read(&blobs, &sha256).await.is_none());

    let mut incoming = blobs.begin().await.unwrap();
    incoming.write(b"one, ").unwrap();
    incoming.write(b"").unwrap();
    incoming.write(b"two").unwrap();
    assert_eq!(incoming.size(), 8);
    assert!(read(&blobs, &sha256).await.is_none());
    assert_eq!(incoming.commit(&sha256).unwrap(), 8);

    assert_eq!(read(&blobs, &sha256).await.unwrap(), b"one, two");
    assert_eq!(names_in(&folder.path().join("tmp")), [""; 0]);
}

#[tokio::test]
async fn an_empty_blob_is_a_blob() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = open(&folder).await;
    assert_eq!(put(&blobs, b"").await.unwrap(), 0);
    assert_eq!(read(&blobs, &digest(b"")).await.unwrap(), b"");
}

#[tokio::test]
async fn a_large_blob_reads_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = open(&folder).await;
    let mut hash = Sha256::new();
    let mut incoming = blobs.begin().await.unwrap();
    for number in 0..700_u32 {
        let piece = vec![number.to_le_bytes()[0]; 33_333];
        hash.update(&piece);
        incoming.write(&piece).unwrap();
    }
    let sha256 = Sha256Digest::from_bytes(hash.finalize().into());
    assert_eq!(incoming.commit(&sha256).unwrap(), 700 * 33_333);
    assert_eq!(digest(&read(&blobs, &sha256).await.unwrap()), sha256);
}

#[tokio::test]
async fn what_is_dropped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = open(&folder).await;
    let mut incoming = blobs.begin().await.unwrap();
    incoming.write(b"half of someth").unwrap();
    assert_eq!(names_in(&folder.path().join("tmp")).len(), 1);
    drop(incoming);
    assert_eq!(names_in(&folder.path().join("tmp")), [""; 0]);
}

#[tokio::test]
async fn a_whole_blob_that_is_there_is_never_written_again() {
    use std::os::unix::fs::MetadataExt as _;

    let folder = tempfile::tempdir().unwrap();
    let blobs = open(&folder).await;
    put(&blobs, b"bytes").await.unwrap();
    let path = place(&folder, &digest(b"bytes"));
    let before = std::fs::metadata(&path).unwrap();
    let mut incoming = blobs.begin().await.unwrap();
    incoming.write(b"bytes").unwrap();
    assert_eq!(incoming.commit(&digest(b"bytes")).unwrap(), 5);
    assert!(!incoming.placed());
    drop(incoming);
    let after = std::fs::metadata(&path).unwrap();
    assert_eq!(
        (before.ino(), before.ctime_nsec()),
        (after.ino(), after.ctime_nsec())
    );
    assert_eq!(names_in(&folder.path().join("tmp")), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_that_put_the_same_bytes_at_once_all_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = open(&folder).await;
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let blobs = blobs.clone();
            tokio::spawn(async move { put(&blobs, b"the same").await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), 8);
    }
    assert_eq!(
        read(&blobs, &digest(b"the same")).await.unwrap(),
        b"the same"
    );
    assert_eq!(names_in(&folder.path().join("tmp")), [""; 0]);
}

#[tokio::test]
async fn a_damaged_blob_is_replaced_by_the_same_bytes_and_a_whole_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder).await);
    // One that is kept in memory while it is open, and one that is not.
    for bytes in [&b"whole"[..], &[7; 100_000]] {
        let sha256 = digest(bytes);
        let path = place(&folder, &sha256);
        let mut flipped = bytes.to_vec();
        flipped[1] ^= 1;
        let heal = async |blobs: &Blobs| {
            let mut incoming = blobs.begin().await.unwrap();
            incoming.write(bytes).unwrap();
            incoming.heal(&sha256).unwrap()
        };
        for damaged in [Some(&bytes[..3]), Some(&[]), Some(&flipped[..]), None] {
            for by_commit in [true, false] {
                // In which nobody has the blob open.
                let blobs = open(&folder).await;
                // Root writes to what is read-only, others do not.
                let _ = std::fs::remove_file(&path);
                if let Some(damaged) = damaged {
                    std::fs::write(&path, damaged).unwrap();
                    // Somebody has it open as it is.
                    assert_eq!(read(&blobs, &sha256).await.unwrap(), damaged);
                }
                if by_commit {
                    put(&blobs, bytes).await.unwrap();
                } else {
                    assert!(heal(&blobs).await);
                }
                assert_eq!(read(&blobs, &sha256).await.unwrap(), bytes);
                assert_eq!(mode(&path), 0o400);
                assert!(!heal(&blobs).await, "it is whole now");
            }
        }
    }
    assert_eq!(names_in(&folder.path().join("tmp")), [""; 0]);
}

#[tokio::test]
async fn a_blob_of_the_wrong_size_is_not_given_out_and_given_out_once_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = open(&folder).await;
    let sha256 = digest(b"whole");
    let path = place(&folder, &sha256);
    std::fs::write(&path, "who").unwrap();
    assert_eq!(read(&blobs, &sha256).await.unwrap(), b"who");
    let error = blobs.open_whole(&sha256, 5).await.unwrap_err();
    assert!(matches!(error, BlobError::Damaged { .. }), "{error}");
    // Put back by hand.
    std::fs::write(&path, "whole").unwrap();
    let blob = blobs.open_whole(&sha256, 5).await.unwrap().unwrap();
    assert_eq!(bytes_of(&blob).await, b"whole");

    // Or moved away, and brought by an upload while others have it open.
    let other = digest(b"other");
    std::fs::write(place(&folder, &other), "oth").unwrap();
    assert_eq!(read(&blobs, &other).await.unwrap(), b"oth");
    std::fs::remove_file(place(&folder, &other)).unwrap();
    put(&blobs, b"other").await.unwrap();
    assert_eq!(read(&blobs, &other).await.unwrap(), b"other");
}

#[tokio::test]
async fn what_an_earlier_process_left_unfinished_is_removed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = open(&folder).await;
    put(&blobs, b"kept").await.unwrap();
    let mut unfinished = blobs.begin().await.unwrap();
    unfinished.write(b"unfinished").unwrap();
    // As a process that was killed: nothing is dropped, and the lock goes with the process.
    let left = folder.path().join("tmp/incoming-77");
    std::fs::write(&left, "left").unwrap();
    let of_the_operator = folder.path().join("tmp/notes.txt");
    std::fs::write(&of_the_operator, "mine").unwrap();
    drop(unfinished);
    drop(blobs);

    let blobs = open(&folder).await;
    assert_eq!(names_in(&folder.path().join("tmp")), ["notes.txt"]);
    assert_eq!(read(&blobs, &digest(b"kept")).await.unwrap(), b"kept");
}

#[tokio::test]
async fn what_is_not_in_memory_is_read_where_a_wait_holds_up_nobody() {
    // A file system whose pages can be dropped; that of temporary files may be memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let blobs = open(&folder).await;
    let bytes: &'static [u8] = vec![7; 300_000].leak();
    put(&blobs, bytes).await.unwrap();
    let sha256 = digest(bytes);
    let blob = blobs.open_blob(&sha256).await.unwrap().unwrap();
    let file = std::fs::File::open(place(&folder, &sha256)).unwrap();
    let is_dropped = (0..100).any(|_| {
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
        blob.read_cached(0, 300_000).unwrap().is_none()
    });
    assert!(is_dropped, "the file stays in memory");
    assert_eq!(bytes_of(&blob).await, bytes);
    let cached = blob.read_cached(1000, 300_000).unwrap();
    assert!(cached.is_some_and(|cached| bytes.starts_with(&cached)));
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = open(&folder).await;
    let mut incoming = blobs.begin().await.unwrap();
    incoming.write(b"by").unwrap();

    let error = Blobs::open(folder.path().to_path_buf()).await.unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, BlobError::InUse { process: Some(process), .. } if process == std::process::id()),
        "{text}"
    );
    assert!(text.contains("another server") && text.contains("stop it first"));
    // It took nothing away from the first.
    incoming.write(b"tes").unwrap();
    incoming.commit(&digest(b"bytes")).unwrap();
    assert!(incoming.placed());
    drop(incoming);

    // What is received keeps the store open, so that no second server removes it.
    let last = blobs.begin().await.unwrap();
    drop(blobs);
    assert!(Blobs::open(folder.path().to_path_buf()).await.is_err());
    drop(last);
    open(&folder).await;
}

#[tokio::test]
async fn nobody_else_can_read_and_nobody_writes_a_blob() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let blobs = Blobs::open(data.clone()).await.unwrap();
    put(&blobs, b"bytes").await.unwrap();
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
    let hex = digest(b"bytes").to_hex();
    let path = data.join("blobs").join(&hex[..2]).join(&hex[2..]);
    assert_eq!(mode(&path), 0o400);
}

#[tokio::test]
async fn a_folder_that_went_missing_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = open(&folder).await;
    let path = place(&folder, &digest(b"bytes"));
    std::fs::remove_dir(path.parent().unwrap()).unwrap();
    put(&blobs, b"bytes").await.unwrap();
    assert!(path.is_file());
}

#[tokio::test]
async fn a_removed_blob_is_gone_and_whoever_reads_it_reads_on() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = open(&folder).await;
    for bytes in [&b"bytes"[..], &[7; 100_000]] {
        let sha256 = digest(bytes);
        put(&blobs, bytes).await.unwrap();
        let reading = blobs.open_blob(&sha256).await.unwrap().unwrap();
        for removed in [1, 0] {
            let (count, freed) = blobs.remove(&[sha256]).await.unwrap();
            assert_eq!(count, removed);
            freed.free().await;
        }
        assert!(read(&blobs, &sha256).await.is_none());
        assert_eq!(bytes_of(&reading).await, bytes);
        put(&blobs, bytes).await.unwrap();
        assert_eq!(read(&blobs, &sha256).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn every_blob_is_listed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = open(&folder).await;
    let mut expected = Vec::new();
    for bytes in [&b"a"[..], b"bb", b"ccc", b"dddd"] {
        put(&blobs, bytes).await.unwrap();
        expected.push((digest(bytes), u64::try_from(bytes.len()).unwrap()));
    }
    let first = place(&folder, &expected[0].0);
    let beside = first.parent().unwrap();
    std::fs::write(beside.join("lost+found"), "").unwrap();
    std::fs::write(beside.join("00"), "").unwrap();
    std::fs::create_dir(beside.join("0".repeat(62))).unwrap();
    let mut listed = Vec::new();
    for first_byte in 0..=u8::MAX {
        for blob in blobs.list(first_byte).await.unwrap() {
            assert_eq!(blob.sha256.as_bytes()[0], first_byte);
            listed.push((blob.sha256, blob.size));
        }
    }
    listed.sort_by_key(|blob| blob.1);
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn what_is_in_the_way_is_told_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tmp"), "a file").unwrap();
    let error = Blobs::open(folder.path().to_path_buf()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("tmp"), "{text}");
    assert!(text.contains("cannot make the folder"), "{text}");

    let nowhere = folder.path().join("not/there");
    let error = Blobs::open(nowhere).await.unwrap_err();
    assert!(error.to_string().contains("not/there"), "{error}");
}

/// Where the test below runs itself in, under a limit on the size of files.
const LIMITED_FOLDER: &str = "REGISTRY_TEST_LIMITED_FOLDER";

#[tokio::test]
async fn no_space_is_told_apart_and_leaves_nothing() {
    // The test starts itself again under a limit, which would bind the other tests too.
    let Some(folder) = std::env::var_os(LIMITED_FOLDER) else {
        return run_again_under_a_limit("no_space_is_told_apart_and_leaves_nothing");
    };
    let folder = PathBuf::from(folder);
    let blobs = Blobs::open(folder.clone()).await.unwrap();
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
    assert_eq!(put(&blobs, b"small").await.unwrap(), 5);
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
