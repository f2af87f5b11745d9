//! Which blobs may go, and that none goes that somebody is about to need.

use std::time::Duration;

use registry::{
    clock::Timestamp,
    metadata::{BLOB_CLAIM_LIFETIME, BLOB_GRACE, MetadataError, RecordError},
};

use crate::{START, World, act, digest, package};

fn after(duration: Duration) -> Timestamp {
    START.after(duration)
}

#[tokio::test]
async fn a_blob_is_referenced_by_a_removed_file_too() {
    let world = World::new().await;
    assert!(!world.metadata.is_referenced(&digest("zlib")).await.unwrap());
    world.record("zlib", "x86_64").await.unwrap();
    world.remove("zlib", "x86_64", START).await;
    assert!(world.metadata.is_referenced(&digest("zlib")).await.unwrap());
    assert!(
        !world
            .metadata
            .condemn_blob(&digest("zlib"), 7, START)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_stray_blob_goes_after_the_grace_and_not_before() {
    let world = World::new().await;
    let (metadata, stray) = (&world.metadata, digest("stray"));
    assert!(metadata.condemn_blob(&stray, 5, START).await.unwrap());
    // A second sweep does not begin the grace anew.
    let soon = after(Duration::from_secs(60));
    assert!(!metadata.condemn_blob(&stray, 5, soon).await.unwrap());

    let early = after(BLOB_GRACE - Duration::from_secs(1));
    assert_eq!(metadata.take_condemned_blobs(early, 9).await.unwrap(), []);
    assert!(!metadata.forget_blob(&stray).await.unwrap());
    let due = after(BLOB_GRACE);
    assert_eq!(
        metadata.take_condemned_blobs(due, 9).await.unwrap(),
        [stray]
    );
    // A sweep that died here is taken up by the next.
    assert_eq!(
        metadata.take_condemned_blobs(due, 9).await.unwrap(),
        [stray]
    );
    assert!(metadata.forget_blob(&stray).await.unwrap());
    assert_eq!(metadata.take_condemned_blobs(due, 9).await.unwrap(), []);
}

#[tokio::test]
async fn a_claim_saves_a_condemned_blob() {
    let world = World::new().await;
    let (metadata, blob) = (&world.metadata, digest("zlib"));
    metadata.condemn_blob(&blob, 7, START).await.unwrap();
    let late = after(BLOB_GRACE);
    metadata.claim_blob(&blob, 7, late).await.unwrap();
    assert_eq!(metadata.take_condemned_blobs(late, 9).await.unwrap(), []);
    // When the upload then comes to nothing, the blob is found again.
    assert_eq!(
        metadata
            .unreferenced_blobs(after(2 * BLOB_GRACE), 9)
            .await
            .unwrap(),
        [(blob, 7)]
    );
}

#[tokio::test]
async fn a_record_saves_a_blob_condemned_after_the_claim() {
    let world = World::new().await;
    let (metadata, blob) = (&world.metadata, digest("zlib"));
    let claim = metadata.claim_blob(&blob, 7, START).await.unwrap();
    metadata.condemn_blob(&blob, 7, START).await.unwrap();
    let last_moment = after(BLOB_CLAIM_LIFETIME);
    metadata
        .record_package(
            &package(world.alice, "zlib", "x86_64", claim),
            &act(last_moment),
        )
        .await
        .unwrap();
    let taken = metadata
        .take_condemned_blobs(after(2 * BLOB_GRACE), 9)
        .await
        .unwrap();
    assert_eq!(taken, []);
}

#[tokio::test]
async fn a_claim_that_is_too_old_records_nothing() {
    let world = World::new().await;
    let claim = world
        .metadata
        .claim_blob(&digest("zlib"), 7, START)
        .await
        .unwrap();
    let refused = world
        .metadata
        .record_package(
            &package(world.alice, "zlib", "x86_64", claim),
            &act(after(BLOB_CLAIM_LIFETIME + Duration::from_micros(1))),
        )
        .await
        .unwrap_err();
    assert!(matches!(refused, RecordError::ClaimLapsed), "{refused}");
    assert!(world.file("x86_64", "zlib-1.0-r0.apk").await.is_none());
    assert!(BLOB_GRACE > 2 * BLOB_CLAIM_LIFETIME);
}

#[tokio::test]
async fn a_blob_on_its_way_out_can_be_neither_claimed_nor_recorded() {
    let world = World::new().await;
    let (metadata, blob) = (&world.metadata, digest("zlib"));
    let due = after(BLOB_GRACE);
    metadata.condemn_blob(&blob, 7, START).await.unwrap();
    // A clock that is far behind claims before the sweep takes the blob.
    let claim = {
        metadata.claim_blob(&blob, 7, due).await.unwrap();
        let claim = metadata.claim_blob(&blob, 7, due).await.unwrap();
        metadata.condemn_blob(&blob, 7, START).await.unwrap();
        claim
    };
    assert_eq!(metadata.take_condemned_blobs(due, 9).await.unwrap(), [blob]);

    let refused = metadata.claim_blob(&blob, 7, due).await.unwrap_err();
    assert!(matches!(refused, MetadataError::Busy(_)), "{refused}");
    let refused = metadata
        .record_package(&package(world.alice, "zlib", "x86_64", claim), &act(due))
        .await
        .unwrap_err();
    assert!(
        matches!(refused, RecordError::Metadata(MetadataError::Busy(_))),
        "{refused}"
    );

    // Once it is gone, all is as for bytes never seen.
    assert!(metadata.forget_blob(&blob).await.unwrap());
    world.record("zlib", "x86_64").await.unwrap();
}
