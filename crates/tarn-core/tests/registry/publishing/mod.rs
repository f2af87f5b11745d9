//! Uploads that are cut off at any point, and packages that go by themselves, asked of the publisher itself.

mod expiry;
mod jobs;

use std::{future::Future, path::PathBuf, pin::pin, task::Poll, time::Duration};

use apk::digest::Sha256Digest;
use apk_testkit::v2::PackageBuilder;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use sha2::{Digest, Sha256};
use tarn_base::clock::Clock;
use tarn_core::{
    OpenError, Registry,
    jobs::{Schedule, Swept, sweep},
    publish::{PublishError, Published},
};
use tarn_store::{
    blobs::{BlobKey, Expected},
    metadata::{Actor, BlobStanding, FileAddress, OwnerId, RecordError, STRAY_GRACE},
};

use crate::{START, add_user, arch, branch, destination, main_repository, settings};

async fn reopen(folder: &tempfile::TempDir) -> Result<Registry, OpenError> {
    Registry::open(settings(folder.path()), Clock::manual(START)).await
}

async fn open(folder: &tempfile::TempDir) -> (Registry, OwnerId) {
    let registry = reopen(folder).await.unwrap();
    let alice = add_user(&registry, "alice").await;
    (registry, alice.id)
}

async fn publish(
    registry: &Registry,
    owner: OwnerId,
    package: Vec<u8>,
) -> Result<Published, PublishError> {
    publish_by(Actor::COMMAND_LINE, registry, owner, package).await
}

async fn publish_by(
    by: Actor,
    registry: &Registry,
    owner: OwnerId,
    package: Vec<u8>,
) -> Result<Published, PublishError> {
    let destination = destination(owner, by);
    // In pieces, between which others have their turn.
    let body = Bytes::from(package);
    let half = body.len() / 2;
    let pieces = [body.slice(..half), body.slice(half..)];
    let body = Box::pin(stream::iter(pieces).then(async |piece| {
        tokio::task::yield_now().await;
        Ok(piece)
    }));
    registry.publisher().publish(destination, body).await
}

/// Lets a future go on so many times, then drops it. What it gave, when it came to an end before.
async fn cut_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// The blobs that no package has.
async fn unneeded(registry: &Registry) -> Vec<Sha256Digest> {
    let mut unneeded = Vec::new();
    for first_byte in 0..=u8::MAX {
        for listed in registry.blobs().store().list(first_byte).await.unwrap() {
            let facts = registry.metadata().blob(&listed.key.sha256).await.unwrap();
            if !facts.is_some_and(|facts| {
                facts.key == listed.key && facts.standing == BlobStanding::Live
            }) {
                unneeded.push(listed.key.sha256);
            }
        }
    }
    unneeded
}

#[tokio::test]
async fn a_client_that_goes_away_at_any_point_leaves_no_blob_without_a_package() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, alice) = open(&folder).await;
    let mut cut_off = 0;
    // More steps than a publish has, whatever finishes in between.
    for polls in 1..=20 {
        let package = PackageBuilder::new(&format!("p{polls}"), "1.0-r0")
            .file("usr/share/p", format!("{polls}").as_bytes())
            .build();
        let ended = cut_after(polls, publish(&registry, alice, package)).await;
        let mut left = unneeded(&registry).await;
        for _ in 0..200 {
            if left.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            left = unneeded(&registry).await;
        }
        assert_eq!(left, [], "cut off after {polls} steps");
        match ended {
            Some(published) => drop(published.unwrap()),
            None => cut_off += 1,
        }
    }
    assert!(cut_off > 0, "no upload was cut off");
}

/// Puts a blob into the store that has no record, as a crash between the two leaves it.
async fn put_stray(registry: &Registry) -> Sha256Digest {
    let stray = stray_package();
    let (mut incoming, sha256) = (registry.blobs().begin().await.unwrap(), digest(&stray));
    incoming.write(&stray).unwrap();
    let key = BlobKey::first(sha256);
    let put = registry.blobs().put(&mut incoming, &key, Expected::New);
    assert!(put.await.unwrap());
    sha256
}

fn stray_package() -> Vec<u8> {
    PackageBuilder::new("stray", "1.0-r0").build()
}

fn digest(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest::from_bytes(Sha256::digest(bytes).into())
}

async fn is_there(registry: &Registry, blob: &Sha256Digest) -> bool {
    path_of(registry, blob).await.is_file()
}

/// The file of these bytes, if the database knows them; else the one that they have first.
async fn path_of(registry: &Registry, blob: &Sha256Digest) -> PathBuf {
    let facts = registry.metadata().blob(blob).await.unwrap();
    let key = facts
        .map_or(BlobKey::first(*blob), |facts| facts.key)
        .to_string();
    let (folder, name) = key.split_at(2);
    let blobs = registry.settings().data_dir.join("blobs");
    blobs.join(folder).join(name)
}

/// What the database says of these bytes.
async fn standing(registry: &Registry, blob: &Sha256Digest) -> Option<BlobStanding> {
    let facts = registry.metadata().blob(blob).await.unwrap();
    facts.map(|facts| facts.standing)
}

#[tokio::test]
async fn a_sweep_removes_what_a_crash_left_after_its_grace_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, alice) = open(&folder).await;
    let package = PackageBuilder::new("hello", "1.0-r0").build();
    publish(&registry, alice, package.clone()).await.unwrap();
    let stray = put_stray(&registry).await;
    assert_eq!(unneeded(&registry).await, [stray]);

    let kept = Swept {
        kept: 1,
        strays: 1,
        ..Swept::default()
    };
    assert_eq!(sweep(&registry).await.unwrap(), kept);
    registry
        .clock()
        .advance(STRAY_GRACE - Duration::from_secs(1));
    assert_eq!(sweep(&registry).await.unwrap(), kept);
    assert_eq!(unneeded(&registry).await, [stray]);

    registry.clock().advance(Duration::from_secs(1));
    let swept = Swept {
        kept: 1,
        removed: 1,
        ..Swept::default()
    };
    assert_eq!(sweep(&registry).await.unwrap(), swept);
    assert_eq!(unneeded(&registry).await, []);
    assert_eq!(standing(&registry, &stray).await, Some(BlobStanding::Dead));
    assert!(is_there(&registry, &digest(&package)).await);
    assert_eq!(
        sweep(&registry).await.unwrap(),
        Swept {
            removed: 0,
            ..swept
        }
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_takes_no_upload_under_way_for_what_a_crash_left() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, alice) = open(&folder).await;
    let uploads = futures_util::future::join_all((0..90).map(|number| {
        let registry = registry.clone();
        let package = PackageBuilder::new(&format!("p{number}"), "1.0-r0").build();
        async move { publish(&registry, alice, package).await.unwrap() }
    }));
    let uploads = tokio::spawn(uploads);
    while !uploads.is_finished() {
        let swept = sweep(&registry).await.unwrap();
        assert_eq!((swept.strays, swept.removed), (0, 0));
    }
    uploads.await.unwrap();
    assert_eq!(sweep(&registry).await.unwrap().kept, 90);
}

#[tokio::test]
async fn a_blob_that_is_older_than_the_database_is_never_swept() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, _) = open(&folder).await;
    let stray = put_stray(&registry).await;
    let hex = stray.to_hex();
    let path = folder.path().join("blobs").join(&hex[..2]).join(&hex[2..]);
    let made_at = registry.metadata().made_at().await.unwrap();
    let before = made_at - Duration::from_secs(60);
    let set_time = |at| {
        let file = std::fs::File::open(&path).unwrap();
        file.set_modified(at).unwrap();
    };
    set_time(before);

    let older = Swept {
        older: 1,
        ..Swept::default()
    };
    for _ in 0..3 {
        assert_eq!(sweep(&registry).await.unwrap(), older);
        registry.clock().advance(2 * STRAY_GRACE);
    }
    // One of the same moment may be of this database: it is noted, and noted already.
    let strays = Swept {
        strays: 1,
        ..Swept::default()
    };
    set_time(made_at);
    for _ in 0..2 {
        assert_eq!(sweep(&registry).await.unwrap(), strays);
    }
    // What was noted stays for ever too once it is known to be older.
    set_time(before);
    registry.clock().advance(2 * STRAY_GRACE);
    assert_eq!(sweep(&registry).await.unwrap(), older);
    assert!(is_there(&registry, &stray).await);
}

#[tokio::test]
async fn an_upload_that_cannot_be_recorded_takes_back_what_it_brought_and_nothing_that_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, alice) = open(&folder).await;
    let bob = add_user(&registry, "bob").await.id;
    let server = Actor::SERVER;
    let act = server.at(START);
    let removed = registry.metadata().remove_owner(bob, false, &act).await;
    removed.unwrap();
    let gone = Actor {
        account: Some((bob, "bob".to_owned())),
        ..Actor::COMMAND_LINE
    };

    let stray = put_stray(&registry).await;
    let other = PackageBuilder::new("other", "1.0-r0").build();
    // Before a sweep has noted the stray, and after.
    for expected in [None, Some(BlobStanding::Stray(START))] {
        for package in [stray_package(), other.clone()] {
            let refused = publish_by(gone.clone(), &registry, alice, package).await;
            assert!(
                matches!(
                    refused,
                    Err(PublishError::Record(RecordError::UploaderGone))
                ),
                "{refused:?}"
            );
        }
        assert_eq!(standing(&registry, &stray).await, expected);
        assert_eq!(unneeded(&registry).await, [stray]);
        sweep(&registry).await.unwrap();
    }

    publish(&registry, alice, stray_package()).await.unwrap();
    assert_eq!(unneeded(&registry).await, []);
    assert!(is_there(&registry, &stray).await);
}

#[tokio::test]
async fn an_older_copy_of_the_database_costs_no_package() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, alice) = open(&folder).await;
    let database = folder.path().join("tarn.db");
    let first = PackageBuilder::new("first", "1.0-r0").build();
    publish(&registry, alice, first.clone()).await.unwrap();
    registry.metadata().close().await;
    drop(registry);
    let backup = std::fs::read(&database).unwrap();

    let registry = reopen(&folder).await.unwrap();
    let second = PackageBuilder::new("second", "1.0-r0").build();
    publish(&registry, alice, second.clone()).await.unwrap();
    registry.metadata().close().await;
    drop(registry);
    let newest = std::fs::read(&database).unwrap();

    // The backup is put back, and then the newest after all.
    for (content, strays) in [(backup, 1), (newest, 0)] {
        std::fs::write(&database, content).unwrap();
        let registry = reopen(&folder).await.unwrap();
        let swept = sweep(&registry).await.unwrap();
        assert_eq!((swept.strays, swept.removed), (strays, 0));
        for package in [&first, &second] {
            assert!(is_there(&registry, &digest(package)).await);
        }
        registry.metadata().close().await;
    }
}

#[tokio::test]
async fn packages_beside_a_new_database_keep_the_server_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, alice) = open(&folder).await;
    let package = PackageBuilder::new("hello", "1.0-r0").build();
    publish(&registry, alice, package.clone()).await.unwrap();
    registry.metadata().close().await;
    drop(registry);
    let database = folder.path().join("tarn.db");
    let elsewhere = folder.path().join("elsewhere.db");
    std::fs::rename(&database, &elsewhere).unwrap();

    let refused = reopen(&folder).await.unwrap_err();
    assert!(
        matches!(refused, OpenError::StrangeBlobs { .. }),
        "{refused}"
    );
    assert!(!database.exists(), "one was made");
    // Nor is one taken that was made and never used.
    std::fs::write(&database, "").unwrap();
    let refused = reopen(&folder).await.unwrap_err();
    assert!(
        matches!(refused, OpenError::StrangeBlobs { .. }),
        "{refused}"
    );
    for beside in ["tarn.db-wal", "tarn.db-shm"] {
        assert!(!folder.path().join(beside).exists(), "{beside}");
    }

    std::fs::rename(&elsewhere, &database).unwrap();
    let registry = reopen(&folder).await.unwrap();
    assert_eq!(sweep(&registry).await.unwrap().kept, 1);
    assert!(is_there(&registry, &digest(&package)).await);
}

async fn delete(registry: &Registry, owner: OwnerId, file_name: &str) {
    let (branch, repository) = (branch(), main_repository());
    let address = FileAddress {
        owner,
        branch: &branch,
        repository: &repository,
        arch: &arch(),
        file_name,
    };
    let remover = registry.administration().remover();
    let removed = remover.remove(&address, &Actor::SERVER).await.unwrap();
    assert!(removed.is_some());
}

#[tokio::test]
async fn after_a_crash_between_any_two_steps_of_freeing_the_next_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (mut registry, alice) = open(&folder).await;
    let package = PackageBuilder::new("hello", "1.0-r0").build();
    let blob = digest(&package);
    // The row is forgotten; the bytes are removed too; and both again with an upload of the same bytes before the next run.
    for (bytes_removed, uploaded) in [(false, false), (true, false), (false, true), (true, true)] {
        publish(&registry, alice, package.clone()).await.unwrap();
        delete(&registry, alice, "hello-1.0-r0.apk").await;
        let later = registry.clock().now().after(Duration::from_secs(60));
        assert!(registry.metadata().forget_deleted(later).await.unwrap() > 0);
        if bytes_removed {
            std::fs::remove_file(path_of(&registry, &blob).await).unwrap();
        }
        registry.metadata().close().await;
        drop(registry);

        registry = reopen(&folder).await.unwrap();
        let unneeded = Some(BlobStanding::Unneeded);
        assert_eq!(standing(&registry, &blob).await, unneeded);
        if uploaded {
            publish(&registry, alice, package.clone()).await.unwrap();
        }
        let swept = sweep(&registry).await.unwrap();
        assert_eq!((swept.strays, swept.damaged), (0, 0));
        assert_eq!(is_there(&registry, &blob).await, uploaded);
        let expected = match uploaded {
            true => BlobStanding::Live,
            false => BlobStanding::Dead,
        };
        assert_eq!(standing(&registry, &blob).await, Some(expected));
        if uploaded {
            delete(&registry, alice, "hello-1.0-r0.apk").await;
        }
    }
}
