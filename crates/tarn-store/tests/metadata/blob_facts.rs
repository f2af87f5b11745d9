//! Which blobs may go.

use std::time::{Duration, SystemTime};

use apk::arch::Arch;
use tarn_base::clock::Timestamp;
use tarn_store::{
    blobs::BlobKey,
    metadata::{BlobStanding, FileAddress, NewBlob, RecordError},
};

use crate::{ACT, START, World, blob, branch, digest, main_repository, package};

impl World {
    /// What the database says of the bytes with that name, and in which place they are.
    pub(crate) async fn blob(&self, name: &str) -> Option<(u32, BlobStanding)> {
        let facts = self.metadata.blob(&digest(name)).await.unwrap()?;
        assert_eq!(facts.key.sha256, digest(name));
        Some((facts.key.place, facts.standing))
    }

    async fn clear_removed(&self) {
        while self.metadata.clear_removed().await.unwrap() > 0 {}
    }

    async fn note_stray(&self, name: &str, place: u32, now: Timestamp) -> bool {
        let noted = self
            .metadata
            .note_stray_blob(&key(name, place), 7, now)
            .await;
        noted.unwrap()
    }

    /// Whether it was marked.
    pub(crate) async fn mark_dead(&self, name: &str, place: u32) -> bool {
        let keys = [key(name, place)];
        let marked = self.metadata.mark_blobs_dead(&keys, START).await.unwrap();
        assert!(marked.is_empty() || marked == keys);
        !marked.is_empty()
    }

    /// Records a package with the bytes of that name in that place.
    async fn record_in(
        &self,
        package_name: &str,
        name: &str,
        place: u32,
    ) -> Result<(), RecordError> {
        let blob = NewBlob {
            place,
            ..blob(name)
        };
        let new = package(self.alice, package_name, "x86_64", blob);
        self.metadata.record_package(&new, &ACT).await.map(drop)
    }
}

fn key(name: &str, place: u32) -> BlobKey {
    BlobKey {
        sha256: digest(name),
        place,
    }
}

#[tokio::test]
async fn a_blob_is_live_by_a_removed_file_too() {
    let world = World::new().await;
    assert_eq!(world.blob("zlib").await, None);
    world.record("zlib", "x86_64").await.unwrap();
    world.remove("zlib", "x86_64", START).await;
    assert_eq!(world.blob("zlib").await, Some((0, BlobStanding::Live)));
    assert!(!world.mark_dead("zlib", 0).await);
}

#[tokio::test]
async fn a_blob_without_its_owner_is_unneeded_and_dead_once_it_is_freed() {
    let world = World::new().await;
    world.record("zlib", "x86_64").await.unwrap();
    let removed = world
        .metadata
        .remove_owner(world.alice, true, &crate::ACT)
        .await;
    assert_eq!(removed.unwrap(), 1);
    world.clear_removed().await;
    let unneeded = Some((0, BlobStanding::Unneeded));
    assert_eq!(world.blob("zlib").await, unneeded);
    // It is no stray, also when the sweep that found it did not come to its end.
    assert!(!world.note_stray("zlib", 0, START).await);
    assert!(!world.note_stray("zlib", 1, START).await);
    assert_eq!(world.blob("zlib").await, unneeded);
    for marked in [true, false] {
        assert_eq!(world.mark_dead("zlib", 0).await, marked);
        assert_eq!(world.blob("zlib").await, Some((0, BlobStanding::Dead)));
    }
}

#[tokio::test]
async fn a_stray_keeps_the_time_it_was_noticed_at_until_it_is_recorded() {
    let world = World::new().await;
    for (later, is_new) in [(0, true), (60, false)] {
        let now = START.after(Duration::from_secs(later));
        assert_eq!(world.note_stray("zlib", 0, now).await, is_new);
        let stray = Some((0, BlobStanding::Stray(START)));
        assert_eq!(world.blob("zlib").await, stray);
    }
    world.record("zlib", "x86_64").await.unwrap();
    assert_eq!(world.blob("zlib").await, Some((0, BlobStanding::Live)));
}

#[tokio::test]
async fn a_place_that_was_given_up_is_never_taken_again() {
    let world = World::new().await;
    let facts = async || world.metadata.blob(&digest("zlib")).await.unwrap().unwrap();
    // By an upload that was refused: its bytes were never recorded.
    assert!(world.mark_dead("zlib", 0).await);
    assert_eq!(facts().await.place_for_upload(), 1);
    let late = world.record_in("zlib", "zlib", 0).await;
    assert!(matches!(late, Err(RecordError::PlaceGone)), "{late:?}");
    assert_eq!(world.blob("zlib").await, Some((0, BlobStanding::Dead)));

    world.record_in("zlib", "zlib", 1).await.unwrap();
    assert_eq!(world.blob("zlib").await, Some((1, BlobStanding::Live)));
    assert_eq!(
        (facts().await.place_for_upload(), facts().await.size),
        (1, 7)
    );
    for place in [0, 1, 2] {
        assert!(!world.mark_dead("zlib", place).await, "{place}");
        assert!(!world.note_stray("zlib", place, START).await, "{place}");
    }
    for other in [0, 2] {
        let refused = world.record_in("other", "zlib", other).await;
        assert!(matches!(refused, Err(RecordError::PlaceGone)), "{other}");
    }
    world.record_in("other", "zlib", 1).await.unwrap();

    // What was cut off in the next place is a stray there.
    assert!(world.mark_dead("xz", 3).await);
    assert!(!world.note_stray("xz", 3, START).await);
    assert!(world.note_stray("xz", 4, START).await);
    let stray = Some((4, BlobStanding::Stray(START)));
    assert_eq!(world.blob("xz").await, stray);
    assert!(world.mark_dead("xz", 4).await);
    assert_eq!(world.blob("xz").await, Some((4, BlobStanding::Dead)));
    let facts = world.metadata.blob(&digest("xz")).await.unwrap().unwrap();
    assert_eq!(facts.place_for_upload(), 5);
}

#[tokio::test]
async fn a_package_is_served_from_the_place_of_its_blob() {
    let world = World::new().await;
    assert!(world.mark_dead("zlib", 0).await);
    world.record_in("zlib", "zlib", 1).await.unwrap();
    let address = FileAddress {
        owner: world.alice,
        branch: &branch(),
        repository: &main_repository(),
        arch: &Arch::parse("x86_64").unwrap(),
        file_name: "zlib-1.0-r0.apk",
    };
    let found = world
        .metadata
        .package_file(&address)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.blob(), key("zlib", 1));
}

#[tokio::test]
async fn a_database_keeps_the_first_identifier_it_was_given() {
    let world = World::new().await;
    for new in ["first", "second"] {
        assert_eq!(world.metadata.identifier(new).await.unwrap(), "first");
    }
}

#[tokio::test]
async fn the_database_knows_when_it_was_made_by_the_clock_of_the_machine() {
    // Whole seconds are kept.
    let before = SystemTime::now() - Duration::from_secs(1);
    let world = World::new().await;
    let made = world.metadata.made_at().await.unwrap();
    assert!(made <= SystemTime::now());
    // On PostgreSQL it is a copy of one that was made before.
    assert!(before < made || tarn_testkit::on_postgres());
}
