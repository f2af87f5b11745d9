//! The stores of blobs: what holds of both, here, and what holds of one of them.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

mod local;
mod proxy;
mod s3;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use apk::digest::Sha256Digest;
use futures_util::StreamExt as _;
use object_store::{
    ObjectStoreExt as _,
    aws::{AmazonS3, AmazonS3Builder},
};
use sha2::{Digest as _, Sha256};
use tarn_base::secret::Secret;
use tarn_store::blobs::{
    BlobError, BlobKey, Blobs, Body, Expected, Found, S3Credentials, S3Limits, S3Settings, Storage,
};
use tarn_testkit::{ACCESS_KEY, S3Server, SECRET_KEY};
use tempfile::TempDir;

/// An open store.
struct Tested {
    /// The data folder.
    folder: TempDir,
    storage: Storage,
    blobs: Blobs,
    below: Below,
}

/// What a store puts blobs into, for a test that damages them.
enum Below {
    /// The folder of the files and folders.
    Files(PathBuf),
    /// The server, and what the names of objects begin with.
    Objects(Box<AmazonS3>, String),
}

impl Tested {
    async fn local() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            blobs: Blobs::open(folder.path().to_path_buf(), &Storage::DataFolder)
                .await
                .unwrap(),
            below: Below::Files(folder.path().join("blobs")),
            storage: Storage::DataFolder,
            folder,
        }
    }

    async fn s3(server: &S3Server) -> Self {
        let settings = new_place(server);
        let objects = AmazonS3Builder::new()
            .with_bucket_name(&settings.bucket)
            .with_region(&settings.region)
            .with_endpoint(&server.endpoint)
            .with_allow_http(true)
            .with_access_key_id(ACCESS_KEY)
            .with_secret_access_key(SECRET_KEY)
            .build();
        let prefix = format!("{}/blobs", settings.prefix);
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::S3(Box::new(settings));
        Self {
            blobs: Blobs::open(folder.path().to_path_buf(), &storage)
                .await
                .unwrap(),
            below: Below::Objects(Box::new(objects.unwrap()), prefix),
            storage,
            folder,
        }
    }

    /// One on files, and one on each S3 server that is installed.
    async fn all() -> Vec<Self> {
        let mut all = vec![Self::local().await];
        for server in S3Server::all() {
            all.push(Self::s3(server).await);
        }
        all
    }

    fn is_s3(&self) -> bool {
        // Without `_`: a store that is new here is to be made by `all`, too, or it is not tested.
        match self.storage {
            Storage::DataFolder => false,
            Storage::S3(_) => true,
        }
    }

    async fn put(&self, bytes: &[u8], place: u32, expected: Expected) -> Result<bool, BlobError> {
        put(&self.blobs, bytes, place, expected).await
    }

    async fn open(&self, key: &BlobKey, size: usize) -> Result<Option<Body>, BlobError> {
        self.blobs.store().open_whole(key, size as u64).await
    }

    /// The bytes of a blob that is there and whole.
    async fn read(&self, key: &BlobKey, size: usize) -> Vec<u8> {
        let body = self.open(key, size).await.unwrap().unwrap();
        bytes_of(body).await.unwrap()
    }

    /// The file of a blob.
    fn path(&self, key: &BlobKey) -> PathBuf {
        match &self.below {
            Below::Files(root) => root.join(path_of(key)),
            Below::Objects(..) => unreachable!("not in files"),
        }
    }

    /// Has what is below the store forget or change a blob.
    async fn damage(&self, key: &BlobKey, bytes: Option<&[u8]>) {
        match &self.below {
            // Root writes to what is read-only, others do not.
            Below::Files(_) => fs::remove_file(self.path(key)).unwrap(),
            Below::Objects(server, prefix) => {
                let path = format!("{prefix}/{}", path_of(key));
                server.delete(&path.into()).await.unwrap();
            }
        }
        if let Some(bytes) = bytes {
            self.write(&path_of(key), bytes).await;
        }
    }

    /// Writes a file or an object beside the blobs, as something else would.
    async fn write(&self, path: &str, bytes: &[u8]) {
        match &self.below {
            Below::Files(root) => {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, bytes).unwrap();
            }
            Below::Objects(server, prefix) => {
                let path = format!("{prefix}/{path}").into();
                server.put(&path, bytes.to_vec().into()).await.unwrap();
            }
        }
    }

    fn nothing_is_half_received(&self) {
        assert_eq!(names_in(&self.folder.path().join("tmp")), [""; 0]);
    }
}

/// Where a blob is, below the folder or the prefix.
fn path_of(key: &BlobKey) -> String {
    let name = key.to_string();
    let (folder, name) = name.split_at(2);
    format!("{folder}/{name}")
}

/// Settings of a new place on a server.
fn new_place(server: &S3Server) -> S3Settings {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    settings(&server.make_place(&format!("place-{number}")))
}

/// The settings of that URL, with the right credentials and little patience.
fn settings(url: &str) -> S3Settings {
    S3Settings {
        credentials: Some(S3Credentials {
            access_key_id: ACCESS_KEY.to_owned(),
            secret_access_key: Secret::new(SECRET_KEY.to_owned()),
            session_token: None,
        }),
        limits: S3Limits {
            stall: Duration::from_secs(2),
            answer: Duration::from_secs(4),
            ..S3Limits::default()
        },
        ..S3Settings::parse(url).unwrap()
    }
}

async fn put(
    blobs: &Blobs,
    bytes: &[u8],
    place: u32,
    expected: Expected,
) -> Result<bool, BlobError> {
    let mut incoming = blobs.begin().await?;
    incoming.write(bytes)?;
    blobs.put(&mut incoming, &key(bytes, place), expected).await
}

async fn bytes_of(mut body: Body) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = piece?;
        assert!(!piece.is_empty());
        bytes.extend(piece);
    }
    Ok(bytes)
}

fn digest(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest::from_bytes(Sha256::digest(bytes).into())
}

fn key(bytes: &[u8], place: u32) -> BlobKey {
    BlobKey {
        sha256: digest(bytes),
        place,
    }
}

/// Bytes that are not the same everywhere.
fn noise(length: u32) -> Vec<u8> {
    (0..length)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect()
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_blob_reads_back_as_it_was_put_whole_and_in_parts() {
    for tested in Tested::all().await {
        for bytes in [&b""[..], b"one, two", &noise(3_000_001)] {
            let (key, size) = (key(bytes, 0), bytes.len());
            let store = tested.blobs.store();
            assert!(tested.open(&key, size).await.unwrap().is_none());
            assert!(tested.put(bytes, 0, Expected::New).await.unwrap());
            assert_eq!(tested.read(&key, size).await, bytes);
            assert!(store.has(&key, size as u64).await.unwrap());
            assert!(store.has_whole(&key, size as u64).await.unwrap());
            for part in [0..1, 3..6, size.saturating_sub(1)..size, 1..size] {
                if part.is_empty() || part.end > size {
                    continue;
                }
                let range = part.start as u64..part.end as u64;
                let body = store.open(&key, size as u64, range).await.unwrap().unwrap();
                assert_eq!(bytes_of(body).await.unwrap(), bytes[part]);
            }
            // It is there, and is put once more.
            for expected in [Expected::There, Expected::New] {
                let put = tested.put(bytes, 0, expected).await.unwrap();
                assert_eq!(put, tested.is_s3() && expected == Expected::New);
                assert_eq!(tested.read(&key, size).await, bytes);
            }
        }
        tested.nothing_is_half_received();
    }
}

#[tokio::test]
async fn what_is_absent_is_absent_and_no_error() {
    for tested in Tested::all().await {
        let (store, absent) = (tested.blobs.store(), key(b"absent", 0));
        assert!(!store.any().await.unwrap());
        assert!(tested.open(&absent, 6).await.unwrap().is_none());
        assert!(store.open(&absent, 6, 1..2).await.unwrap().is_none());
        assert!(!store.has(&absent, 6).await.unwrap());
        assert!(!store.has_whole(&absent, 6).await.unwrap());
        store.remove(&[absent]).await.unwrap();
        tested.put(b"absent", 1, Expected::New).await.unwrap();
        assert!(tested.open(&absent, 6).await.unwrap().is_none());
        assert!(store.any().await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_that_put_the_same_bytes_at_once_all_succeed() {
    for tested in Tested::all().await {
        let puts = (0..16).map(|number| {
            let blobs = tested.blobs.clone();
            let expected = [Expected::New, Expected::There][number % 2];
            tokio::spawn(async move { put(&blobs, b"the same", 0, expected).await })
        });
        for done in futures_util::future::join_all(puts).await {
            done.unwrap().unwrap();
        }
        assert_eq!(tested.read(&key(b"the same", 0), 8).await, b"the same");
        tested.nothing_is_half_received();
    }
}

#[tokio::test]
async fn a_damaged_or_missing_blob_is_noticed_and_replaced_by_the_same_bytes() {
    for tested in Tested::all().await {
        let store = tested.blobs.store();
        for bytes in [&b"whole"[..], &noise(400_000)] {
            let (key, size) = (key(bytes, 0), bytes.len());
            tested.put(bytes, 0, Expected::New).await.unwrap();
            let mut flipped = bytes.to_vec();
            flipped[1] ^= 1;
            for damaged in [Some(&bytes[..3]), Some(&[]), Some(&flipped[..]), None] {
                tested.damage(&key, damaged).await;
                let has_size = damaged.is_some_and(|damaged| damaged.len() == size);
                assert_eq!(store.has(&key, size as u64).await.unwrap(), has_size);
                assert!(!store.has_whole(&key, size as u64).await.unwrap());
                match (tested.open(&key, size).await, has_size) {
                    (Ok(None), false) => assert!(damaged.is_none()),
                    (
                        Err(BlobError::Damaged {
                            expected, found, ..
                        }),
                        false,
                    ) => {
                        let length = damaged.unwrap().len() as u64;
                        assert_eq!((expected, found), (size as u64, Found::Bytes(length)));
                    }
                    (Ok(Some(body)), true) => {
                        let read = bytes_of(body).await;
                        // From a file it comes as it is, which apk notices.
                        assert_eq!(read.is_err(), tested.is_s3());
                    }
                    other => panic!("{:?}", other.0.map(|body| body.is_some())),
                }
                assert!(tested.put(bytes, 0, Expected::There).await.unwrap());
                assert_eq!(tested.read(&key, size).await, bytes);
                assert!(!tested.put(bytes, 0, Expected::There).await.unwrap());
            }
        }
        tested.nothing_is_half_received();
    }
}

#[tokio::test]
async fn every_blob_is_listed_in_each_place_and_nothing_else() {
    for tested in Tested::all().await {
        let mut expected = Vec::new();
        for (bytes, place) in [(&b"a"[..], 0), (b"a", 1), (b"bb", 12), (b"ccc", 0)] {
            tested.put(bytes, place, Expected::New).await.unwrap();
            expected.push((key(bytes, place), bytes.len() as u64));
        }
        let first = path_of(&expected[0].0);
        let folder = first.split('/').next().unwrap();
        let zeros = "0".repeat(62);
        for name in [
            "lost+found",
            "00",
            &format!("{zeros}.0"),
            &format!("{zeros}/in"),
        ] {
            tested.write(&format!("{folder}/{name}"), b"").await;
        }
        let mut listed = Vec::new();
        for first_byte in 0..=u8::MAX {
            for blob in tested.blobs.store().list(first_byte).await.unwrap() {
                assert_eq!(blob.key.sha256.as_bytes()[0], first_byte);
                assert!(
                    blob.written_at
                        .elapsed()
                        .is_ok_and(|age| age.as_secs() < 600)
                );
                listed.push((blob.key, blob.size));
            }
        }
        listed.sort();
        expected.sort();
        assert_eq!(listed, expected);
    }
}

#[tokio::test]
async fn a_removed_blob_is_gone_and_a_reader_reads_on() {
    for tested in Tested::all().await {
        let (store, bytes) = (tested.blobs.store(), noise(100_000));
        let (key, size) = (key(&bytes, 0), bytes.len());
        tested.put(&bytes, 0, Expected::New).await.unwrap();
        let reading = tested.open(&key, size).await.unwrap().unwrap();
        let (count, freed) = store.remove(&[key]).await.unwrap();
        assert_eq!(count, 1);
        freed.free().await;
        assert!(tested.open(&key, size).await.unwrap().is_none());
        assert_eq!(bytes_of(reading).await.unwrap(), bytes);
        assert!(
            store
                .list(key.sha256.as_bytes()[0])
                .await
                .unwrap()
                .is_empty()
        );
    }
}

#[tokio::test]
async fn an_upload_can_be_put_again_after_its_place_was_given_up() {
    for tested in Tested::all().await {
        let bytes = noise(300_000);
        let mut incoming = tested.blobs.begin().await.unwrap();
        incoming.write(&bytes).unwrap();
        for place in 0..3 {
            let key = key(&bytes, place);
            let put = tested.blobs.put(&mut incoming, &key, Expected::New);
            assert!(put.await.unwrap());
            assert!(incoming.is_brought());
            tested.blobs.store().remove(&[key]).await.unwrap();
        }
        let last = key(&bytes, 3);
        let put = tested.blobs.put(&mut incoming, &last, Expected::New);
        put.await.unwrap();
        assert_eq!(tested.read(&last, bytes.len()).await, bytes);
        let put = tested.blobs.put(&mut incoming, &last, Expected::There);
        assert!(!put.await.unwrap());
        assert!(!incoming.is_brought(), "it was there");
        drop(incoming);
        tested.nothing_is_half_received();
    }
}

#[tokio::test]
async fn a_store_that_others_reach_belongs_to_one_registry() {
    // Each is made twice: one that is empty, and one that has blobs before it belongs to anybody.
    for (empty, filled) in Tested::all().await.into_iter().zip(Tested::all().await) {
        let is_remote = empty.storage.is_remote();
        let store = empty.blobs.store();
        for _ in 0..2 {
            store.claim("first").await.unwrap();
        }
        filled.put(b"bytes", 0, Expected::New).await.unwrap();
        for claimed in [store.claim("second"), filled.blobs.store().claim("first")] {
            // One on this machine has a lock instead.
            if !is_remote {
                claimed.await.unwrap();
                continue;
            }
            let refused = claimed.await.unwrap_err();
            assert!(matches!(refused, BlobError::Foreign { .. }), "{refused}");
            let (text, place) = (refused.to_string(), "/some/prefix has the packages");
            assert!(text.contains(place), "{text}");
        }
    }
}

#[tokio::test]
async fn what_is_dropped_leaves_nothing() {
    for tested in Tested::all().await {
        let mut incoming = tested.blobs.begin().await.unwrap();
        incoming.write(b"half of someth").unwrap();
        assert_eq!(incoming.size(), 14);
        assert_eq!(names_in(&tested.folder.path().join("tmp")).len(), 1);
        drop(incoming);
        tested.nothing_is_half_received();
        assert!(!tested.blobs.store().any().await.unwrap());
    }
}
