//! Uploads that are cut off at any point, asked of the publisher itself.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use apk::{digest::Sha256Digest, sign::KeySize, v2::builder::PackageBuilder};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use registry::{
    Registry,
    clock::{Clock, Timestamp},
    jobs::{Swept, sweep},
    metadata::{Actor, NewUser, OwnerId, Visibility},
    names::{Branch, OwnerName, RepositoryName},
    publish::{Destination, PublishError, Published},
    settings::Settings,
};
use sha2::{Digest, Sha256};

/// 2026-11-22 21:00:00 UTC.
const START: Timestamp = Timestamp::from_seconds(1_795_381_200);

async fn open(folder: &tempfile::TempDir) -> (Registry, OwnerId) {
    let settings = Settings {
        key_size: KeySize::Rsa2048,
        ..Settings::in_folder(folder.path().to_path_buf())
    };
    let registry = Registry::open(settings, Clock::manual(START))
        .await
        .unwrap();
    let new = NewUser {
        name: &OwnerName::parse("alice").unwrap(),
        password_hash: None,
        admin: false,
        visibility: Visibility::Public,
    };
    let alice = registry
        .metadata()
        .add_user(new, &Actor::SERVER.at(START))
        .await
        .unwrap();
    (registry, alice.id)
}

async fn publish(
    registry: &Registry,
    owner: OwnerId,
    package: Vec<u8>,
) -> Result<Published, PublishError> {
    let destination = Destination {
        owner,
        branch: Branch::parse("edge").unwrap(),
        repository: RepositoryName::parse("main").unwrap(),
        by: Actor::COMMAND_LINE,
        announced: None,
    };
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
        for listed in registry.blobs().list(first_byte).await.unwrap() {
            if !registry
                .metadata()
                .is_referenced(&listed.sha256)
                .await
                .unwrap()
            {
                unneeded.push(listed.sha256);
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
    // More steps than a publish has, whatever finishes in between while nobody looks.
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

#[tokio::test]
async fn a_sweep_removes_what_no_package_needs_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, alice) = open(&folder).await;
    let package = PackageBuilder::new("hello", "1.0-r0").build();
    publish(&registry, alice, package.clone()).await.unwrap();
    // As after a crash between the blob and its record.
    let stray = PackageBuilder::new("stray", "1.0-r0").build();
    let digest = |bytes: &[u8]| Sha256Digest::from_bytes(Sha256::digest(bytes).into());
    let (mut incoming, sha256) = (registry.blobs().begin().await.unwrap(), digest(&stray));
    tokio::task::spawn_blocking(move || {
        incoming.write(&stray)?;
        incoming.commit(&sha256)
    })
    .await
    .unwrap()
    .unwrap();
    assert_eq!(unneeded(&registry).await, [sha256]);

    let swept = Swept {
        kept: 1,
        removed: 1,
    };
    assert_eq!(sweep(&registry).await.unwrap(), swept);
    assert_eq!(unneeded(&registry).await, []);
    assert!(
        registry
            .blobs()
            .open_blob(&digest(&package))
            .await
            .unwrap()
            .is_some()
    );
    assert_eq!(
        sweep(&registry).await.unwrap(),
        Swept {
            removed: 0,
            ..swept
        }
    );
}
