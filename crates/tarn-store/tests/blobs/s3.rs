//! What holds of an S3 store only: the network, the credentials, the checksum, and what errors say.

use std::{error::Error, sync::Arc, time::Duration};

use tarn_base::secret::Secret;
use tarn_store::blobs::{BlobError, Blobs, Expected, S3Limits, S3Settings, Storage, Store};
use tarn_testkit::{ACCESS_KEY, S3Server, SECRET_KEY};

use crate::{
    Tested, bytes_of, digest, key, new_place, noise,
    proxy::{Fault, Proxy},
    settings,
};

/// A bucket behind a proxy, with two blobs in it, and a store that has no connection yet.
struct BehindProxy {
    proxy: Proxy,
    settings: S3Settings,
    bytes: Vec<u8>,
    folder: tempfile::TempDir,
}

impl BehindProxy {
    async fn new(server: &S3Server) -> Self {
        let proxy = Proxy::start(&server.endpoint).await;
        let settings = new_place(server);
        let bytes = noise(600_000);
        let folder = tempfile::tempdir().unwrap();
        let behind = Self {
            settings: S3Settings {
                endpoint: Some(proxy.endpoint.parse().unwrap()),
                limits: S3Limits {
                    stall: Duration::from_millis(500),
                    answer: Duration::from_millis(800),
                    retries: 1,
                    ..settings.limits
                },
                ..settings
            },
            proxy,
            bytes,
            folder,
        };
        let blobs = behind.open().await.unwrap();
        assert!(
            crate::put(&blobs, &behind.bytes, 0, Expected::New)
                .await
                .unwrap()
        );
        behind
    }

    fn storage(&self) -> Storage {
        Storage::S3(Box::new(self.settings.clone()))
    }

    async fn open(&self) -> Result<Blobs, BlobError> {
        let folder = self.folder.path().to_path_buf();
        Blobs::open(folder, &self.storage()).await
    }

    /// Reads the blob over new connections.
    async fn read(&self) -> Result<Vec<u8>, String> {
        let store = Store::of(&self.storage(), self.folder.path()).unwrap();
        let (key, size) = (key(&self.bytes, 0), self.bytes.len() as u64);
        let body = store
            .open_whole(&key, size)
            .await
            .map_err(|error| said(&error))?;
        bytes_of(body.unwrap())
            .await
            .map_err(|error| error.to_string())
    }
}

/// An error with all that lies behind it.
fn said(error: &(dyn Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        said.push_str(&format!(": {source}"));
        next = source.source();
    }
    said
}

#[tokio::test]
async fn a_download_that_is_cut_or_stalls_goes_on_at_the_right_byte_or_fails() {
    let Some(server) = S3Server::versitygw() else {
        return;
    };
    let behind = BehindProxy::new(server).await;
    for fault in [
        Fault::CutAfter(200_000),
        Fault::StallAfter(200_000),
        Fault::Broken,
    ] {
        behind.proxy.set(&[fault], None);
        assert_eq!(behind.read().await.as_ref(), Ok(&behind.bytes), "{fault:?}");
        behind.proxy.set(&[], Some(fault));
        let failed = behind.read().await.unwrap_err();
        let expected = match fault {
            Fault::Broken => "the store answered 500",
            Fault::StallAfter(_) => "the store sent or took nothing for",
            _ => "the connection to the store ended early",
        };
        assert!(failed.contains(expected), "{fault:?}: {failed}");
    }
    behind.proxy.set(&[], Some(Fault::Deaf));
    let failed = behind.read().await.unwrap_err();
    assert!(failed.contains("sent or took nothing"), "{failed}");
}

#[tokio::test]
async fn no_fault_of_the_store_is_taken_for_an_absent_blob_or_an_empty_store() {
    let Some(server) = S3Server::versitygw() else {
        return;
    };
    let behind = BehindProxy::new(server).await;
    let (key, size) = (key(&behind.bytes, 0), behind.bytes.len() as u64);
    for (fault, expected) in [
        (
            Fault::CutAfter(40),
            "the connection to the store ended early",
        ),
        (Fault::StallAfter(40), "the store sent or took nothing"),
        (Fault::Deaf, "the store sent or took nothing"),
        (Fault::Broken, "the store answered 500"),
    ] {
        behind.proxy.set(&[], Some(fault));
        let store = &Store::of(&behind.storage(), behind.folder.path()).unwrap();
        let (has, whole, part, any, listed, removed) = tokio::join!(
            store.has(&key, size),
            store.has_whole(&key, size),
            store.open(&key, size, 0..10),
            store.any(),
            store.list(key.sha256.as_bytes()[0]),
            store.remove(std::slice::from_ref(&key)),
        );
        let errors = [
            ("has", has.err()),
            ("has_whole", whole.err()),
            ("open", part.err()),
            ("any", any.err()),
            ("list", listed.err()),
            ("remove", removed.err()),
        ];
        for (what, error) in errors {
            let error = error.unwrap_or_else(|| panic!("{what} with {fault:?}"));
            let said = said(&error);
            assert!(said.contains(expected), "{what} with {fault:?}: {said}");
        }
    }
    behind.proxy.set(&[], None);
    // A request to delete may have been carried out all the same, and what was not answered is asked again.
    let blobs = behind.open().await.unwrap();
    crate::put(&blobs, &behind.bytes, 0, Expected::There)
        .await
        .unwrap();
    assert_eq!(behind.read().await.as_ref(), Ok(&behind.bytes));
}

#[tokio::test]
async fn an_upload_that_meets_a_fault_is_tried_again_or_fails_and_says_why() {
    let Some(server) = S3Server::versitygw() else {
        return;
    };
    let behind = BehindProxy::new(server).await;
    let bytes = noise(30_000_000);
    // Cut, not answered, not taken, broken: the first time, and then for ever.
    for (fault, expected) in [
        (
            Fault::CutAfter(0),
            "the connection to the store ended early",
        ),
        (Fault::StallAfter(0), "the store sent or took nothing"),
        (Fault::Deaf, "the store sent or took nothing"),
        (Fault::Broken, "the store"),
    ] {
        behind.proxy.set(&[], None);
        let blobs = behind.open().await.unwrap();
        // The client for uploads has one connection from the probe.
        behind.proxy.set(&[], Some(fault));
        let puts = (0..2).map(|place| crate::put(&blobs, &bytes, place, Expected::New));
        let done = futures_util::future::join_all(puts).await;
        let failed: Vec<_> = done.iter().filter_map(|put| put.as_ref().err()).collect();
        assert!(!failed.is_empty(), "{fault:?}");
        for failed in failed {
            let failed = said(failed);
            assert!(failed.contains("cannot write s3://"), "{failed}");
            assert!(failed.contains(expected), "{fault:?}: {failed}");
        }
        behind.proxy.set(&[fault], None);
        let puts = (0..2).map(|place| crate::put(&blobs, &bytes, place, Expected::New));
        for put in futures_util::future::join_all(puts).await {
            assert!(put.unwrap(), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_store_keeps_nothing_of_other_bytes_than_the_hash_is_of() {
    let Some(server) = S3Server::versitygw() else {
        return;
    };
    let tested = Tested::s3(server).await;
    let mut incoming = tested.blobs.begin().await.unwrap();
    incoming.write(b"these bytes").unwrap();
    let key = key(b"other bytes", 0);
    let refused = tested.blobs.put(&mut incoming, &key, Expected::New).await;
    let said = said(&refused.unwrap_err());
    assert!(
        said.contains("other bytes than were sent, and kept nothing"),
        "{said}"
    );
    assert!(!tested.blobs.store().any().await.unwrap());
    assert!(tested.open(&key, 11).await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_wrong_with_a_store_is_said_at_the_start() {
    let Some(server) = S3Server::versitygw() else {
        return;
    };
    let right = new_place(server);
    let with = |change: &dyn Fn(&mut S3Settings)| {
        let mut settings = right.clone();
        change(&mut settings);
        settings
    };
    let credentials = |settings: &mut S3Settings, key: &str, secret: &str| {
        let credentials = settings.credentials.as_mut().unwrap();
        credentials.access_key_id = key.to_owned();
        credentials.secret_access_key = Secret::new(secret.to_owned());
    };
    for (settings, expected) in [
        (
            with(&|s| s.bucket = "not-there".to_owned()),
            "there is no such bucket",
        ),
        (
            with(&|s| credentials(s, "GKffffffffffffffffffffffff", SECRET_KEY)),
            "does not know the access key",
        ),
        (
            with(&|s| credentials(s, ACCESS_KEY, "wrong")),
            "check AWS_SECRET_ACCESS_KEY",
        ),
        (with(&|s| s.region = "other-2".to_owned()), "region"),
        (
            with(&|s| s.endpoint = Some("http://127.0.0.1:1".parse().unwrap())),
            "the store cannot be reached (Connection refused",
        ),
        (
            with(&|s| s.credentials = None),
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::S3(Box::new(settings));
        let refused = Blobs::open(folder.path().to_path_buf(), &storage).await;
        let said = said(&refused.unwrap_err());
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(!said.contains(SECRET_KEY), "{said}");
    }
}

#[tokio::test]
async fn a_bucket_that_is_gone_is_an_error_and_not_an_absent_blob() {
    let Some(server) = S3Server::versitygw() else {
        return;
    };
    let settings = settings(&server.url("never-made"));
    let storage = Storage::S3(Box::new(settings));
    let store = Store::of(&storage, std::path::Path::new("/nowhere")).unwrap();
    let error = store.has(&key(b"bytes", 0), 5).await.unwrap_err();
    assert!(
        said(&error).contains("there is no such bucket"),
        "{}",
        said(&error)
    );
}

#[tokio::test]
async fn a_redirect_leads_to_the_bytes_without_credentials() {
    let Some(server) = S3Server::versitygw() else {
        return;
    };
    let settings = new_place(server);
    let settings = S3Settings {
        public_endpoint: Some(server.endpoint.parse().unwrap()),
        ..settings
    };
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::S3(Box::new(settings));
    let blobs = Blobs::open(folder.path().to_path_buf(), &storage)
        .await
        .unwrap();
    crate::put(&blobs, b"bytes", 0, Expected::New)
        .await
        .unwrap();
    let url = blobs
        .store()
        .redirect(&key(b"bytes", 0), "a-1.0~_p1-r0.apk")
        .await;
    let url = url.unwrap().unwrap();
    assert!(!url.contains(SECRET_KEY));
    let answer = reqwest::get(&url).await.unwrap();
    assert_eq!(answer.status(), 200);
    let named = answer.headers()["content-disposition"].to_str().unwrap();
    assert_eq!(named, "attachment; filename=\"a-1.0~_p1-r0.apk\"");
    assert_eq!(answer.bytes().await.unwrap(), &b"bytes"[..]);
    // Without a public endpoint there is none.
    let tested = Arc::new(Tested::s3(server).await);
    let none = tested
        .blobs
        .store()
        .redirect(&key(b"bytes", 0), "a.apk")
        .await;
    assert_eq!(none.unwrap(), None);
    assert_eq!(digest(b"bytes"), key(b"bytes", 0).sha256);
}
