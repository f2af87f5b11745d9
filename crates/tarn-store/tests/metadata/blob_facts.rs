//! Which blobs may go.

use std::time::{Duration, SystemTime};

use tarn_base::clock::Timestamp;
use tarn_store::metadata::BlobStanding;

use crate::{START, World, digest};

impl World {
    async fn standing(&self, name: &str) -> BlobStanding {
        self.metadata.blob_standing(&digest(name)).await.unwrap()
    }

    async fn clear_removed(&self) {
        while self.metadata.clear_removed().await.unwrap() > 0 {}
    }

    async fn note_stray(&self, name: &str, now: Timestamp) {
        let noted = self.metadata.note_stray_blob(&digest(name), 7, now).await;
        noted.unwrap();
    }
}

#[tokio::test]
async fn a_blob_is_referenced_by_a_removed_file_too() {
    let world = World::new().await;
    assert!(!world.metadata.is_referenced(&digest("zlib")).await.unwrap());
    assert_eq!(world.standing("zlib").await, BlobStanding::Unknown);
    world.record("zlib", "x86_64").await.unwrap();
    world.remove("zlib", "x86_64", START).await;
    assert!(world.metadata.is_referenced(&digest("zlib")).await.unwrap());
    assert_eq!(world.standing("zlib").await, BlobStanding::Referenced);
    let forgotten = world.metadata.forget_blobs(&[digest("zlib")]).await;
    assert_eq!(forgotten.unwrap(), 0);
}

#[tokio::test]
async fn a_blob_without_its_owner_is_unneeded() {
    let world = World::new().await;
    world.record("zlib", "x86_64").await.unwrap();
    let removed = world
        .metadata
        .remove_owner(world.alice, true, &crate::ACT)
        .await;
    assert_eq!(removed.unwrap(), 1);
    world.clear_removed().await;
    assert_eq!(world.standing("zlib").await, BlobStanding::Unneeded);
    // It is no stray, also when the sweep that found it did not come to its end.
    world.note_stray("zlib", START).await;
    assert_eq!(world.standing("zlib").await, BlobStanding::Unneeded);
    for forgotten in [1, 0] {
        let forget = world.metadata.forget_blobs(&[digest("zlib")]).await;
        assert_eq!(forget.unwrap(), forgotten);
        assert_eq!(world.standing("zlib").await, BlobStanding::Unknown);
    }
}

#[tokio::test]
async fn a_stray_keeps_the_time_it_was_noticed_at_until_it_is_recorded() {
    let world = World::new().await;
    for later in [0, 60] {
        let now = START.after(Duration::from_secs(later));
        world.note_stray("zlib", now).await;
        assert_eq!(world.standing("zlib").await, BlobStanding::Stray(START));
    }
    assert!(!world.metadata.is_referenced(&digest("zlib")).await.unwrap());
    world.record("zlib", "x86_64").await.unwrap();
    assert_eq!(world.standing("zlib").await, BlobStanding::Referenced);
}

#[tokio::test]
async fn the_database_knows_when_it_was_made_by_the_clock_of_the_machine() {
    // Whole seconds are kept.
    let before = SystemTime::now() - Duration::from_secs(1);
    let world = World::new().await;
    let made = world.metadata.made_at().await.unwrap();
    assert!(before < made && made <= SystemTime::now());
}
