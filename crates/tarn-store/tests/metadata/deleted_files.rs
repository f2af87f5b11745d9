//! Deleted files: until when they are kept, how they come back, and how they are forgotten.

use std::time::Duration;

use apk::arch::Arch;
use tarn_base::clock::Timestamp;
use tarn_store::{
    blobs::BlobKey,
    metadata::{
        BlobStanding, Deleted, DeletedFile, NewPackageFile, OverQuota, PackageFormat, Past, Quota,
        ReadScope, RecordError, Recorded, Waiting, Window,
    },
};

use crate::{
    ACT, START, World, about, act, add_user, blob, branch, digest, main_repository, name, package,
    record, webhook,
};

const ALL: Window = Window {
    offset: 0,
    limit: 1_000,
};

fn after(seconds: u64) -> Timestamp {
    START.after(Duration::from_secs(seconds))
}

impl World {
    async fn deleted(&self) -> Vec<DeletedFile> {
        let page = self.metadata.deleted_files(self.alice, ALL).await.unwrap();
        assert_eq!(page.total, page.entries.len() as u64);
        page.entries
    }

    /// Records a package that has the bytes of that name.
    async fn record_bytes(&self, name: &str, bytes: &str, now: Timestamp) {
        let new = package(self.alice, name, "x86_64", blob(bytes));
        let recorded = self.metadata.record_package(&new, &act(now)).await;
        recorded.unwrap();
    }

    async fn restore(&self, file: &DeletedFile, now: Timestamp) -> Result<bool, RecordError> {
        self.metadata
            .restore_package(self.alice, file.id, Quota::default(), u64::MAX, &act(now))
            .await
    }

    /// Forgets what was deleted up to then. Gives how many files those were.
    async fn forget(&self, end: Timestamp) -> u64 {
        let mut forgotten = 0;
        loop {
            match self.metadata.forget_deleted(end).await.unwrap() {
                0 => return forgotten,
                batch => forgotten += batch,
            }
        }
    }

    async fn changes(&self, recorded: Recorded, since: i64, to: i64) -> Option<(usize, usize)> {
        let arch = Arch::parse("x86_64").unwrap();
        let changes = self
            .metadata
            .index_changes(recorded.repository, (&arch, PackageFormat::V2), since, to)
            .await;
        let changes = changes.unwrap()?;
        Some((changes.added.len(), changes.removed.len()))
    }
}

#[tokio::test]
async fn a_deleted_file_comes_back_in_the_next_generation_as_a_new_file() {
    let world = World::new().await;
    let new = NewPackageFile {
        past: Some(Past {
            created_at: START,
            creator: Some(world.alice),
            downloads: 7,
        }),
        ..package(world.alice, "zlib", "x86_64", blob("zlib"))
    };
    let recorded = world.metadata.record_package(&new, &ACT).await.unwrap();
    let first = world.file("x86_64", "zlib-1.0-r0.apk").await.unwrap();
    assert_eq!(world.deleted().await, []);
    assert!(world.remove("zlib", "x86_64", after(10)).await);
    let deleted = world.deleted().await;
    assert_eq!(deleted.len(), 1);
    assert_eq!(deleted[0].id, first.id);
    assert_eq!(deleted[0].deleted_at, after(10));
    let waiting = world.metadata.waiting_to_be_freed(world.alice).await;
    assert_eq!(waiting.unwrap(), Waiting { blobs: 1, bytes: 7 });
    let (branch, repository, x86_64) = (branch(), main_repository(), first.arch.clone());
    let at = Deleted::At {
        branch: &branch,
        repository: &repository,
        arch: &x86_64,
        file_name: "zlib-1.0-r0.apk",
    };
    let found = world.metadata.deleted_file(world.alice, at).await.unwrap();
    assert_eq!(found.as_ref(), Some(&deleted[0]));

    // It is alice's, and her quota holds one package.
    let bob = add_user(&world.metadata, "bob").await;
    let (metadata, id, now) = (&world.metadata, first.id, after(20));
    let one = Quota {
        packages: Some(1),
        ..Quota::default()
    };
    let of_bob = metadata
        .restore_package(bob, id, one, u64::MAX, &act(now))
        .await;
    assert!(!of_bob.unwrap());
    world.record("other", "x86_64").await.unwrap();
    let refused = metadata
        .restore_package(world.alice, id, one, u64::MAX, &act(now))
        .await
        .unwrap_err();
    assert!(
        matches!(refused, RecordError::OverQuota(OverQuota::Packages { .. })),
        "{refused}"
    );

    assert!(world.restore(&deleted[0], now).await.unwrap());
    let restored = world.file("x86_64", "zlib-1.0-r0.apk").await.unwrap();
    assert_ne!(restored.id, first.id);
    assert_eq!(restored.sha256, first.sha256);
    assert_eq!(restored.created_at, now);
    let downloads =
        "SELECT downloads FROM package_files WHERE name = 'zlib' AND removed_at IS NULL";
    assert_eq!(world.sql(downloads), [["7"]]);
    // Nothing of the past changed.
    for (generation, expected) in [(1, 1), (2, 0), (3, 1), (4, 2)] {
        let rows = world.index_at(recorded, "x86_64", generation).await;
        assert_eq!(rows.len(), expected, "generation {generation}");
    }
    assert_eq!(world.deleted().await, []);
    let waiting = metadata.waiting_to_be_freed(world.alice).await;
    assert_eq!(waiting.unwrap(), Waiting::default());
    let again = world.restore(&deleted[0], now).await.unwrap_err();
    assert!(matches!(again, RecordError::AlreadyExists), "{again}");
    let noted = world.log(&about("package.restore")).await;
    assert_eq!(noted.len(), 1);
    assert_eq!(noted[0].target, "edge/main/x86_64/zlib-1.0-r0.apk");
}

#[tokio::test]
async fn a_noarch_file_does_not_come_back_beside_one_of_an_architecture() {
    let world = World::new().await;
    world.record("tzdata", "noarch").await.unwrap();
    assert!(world.remove("tzdata", "noarch", after(1)).await);
    let deleted = world.deleted().await;
    world.record("tzdata", "x86_64").await.unwrap();
    assert_eq!(world.deleted().await, []);
    let clash = world.restore(&deleted[0], after(2)).await.unwrap_err();
    assert!(
        matches!(&clash, RecordError::NoarchClash { existing } if existing.as_str() == "x86_64"),
        "{clash}"
    );
}

#[tokio::test]
async fn a_blob_is_needed_until_the_last_file_that_has_it_is_forgotten() {
    let world = World::new().await;
    for name in ["one", "two"] {
        world.record_bytes(name, "shared", START).await;
    }
    let standing = async || world.blob("shared").await.unwrap().1;
    assert!(world.remove("one", "x86_64", after(10)).await);
    assert_eq!(world.forget(after(9)).await, 0);
    assert_eq!(world.forget(after(10)).await, 1);
    assert_eq!(standing().await, BlobStanding::Live);
    assert!(world.remove("two", "x86_64", after(20)).await);
    assert_eq!(standing().await, BlobStanding::Live);
    let kept = world.deleted().await;
    assert_eq!(world.forget(after(20)).await, 1);
    assert_eq!(standing().await, BlobStanding::Unneeded);
    assert!(!world.restore(&kept[0], after(30)).await.unwrap());
    let unneeded = world.metadata.unneeded_blobs(None, 10).await.unwrap();
    assert_eq!(unneeded, [BlobKey::first(digest("shared"))]);

    // An upload of the same bytes before they are freed.
    world.record_bytes("three", "shared", after(40)).await;
    assert_eq!(standing().await, BlobStanding::Live);
    assert!(!world.mark_dead("shared", 0).await);
}

#[tokio::test]
async fn what_an_index_had_before_a_forgotten_file_went_is_not_made_up() {
    let world = World::new().await;
    let recorded = world.record("one", "x86_64").await.unwrap();
    world.record("two", "x86_64").await.unwrap();
    world.record("elsewhere", "aarch64").await.unwrap();
    assert!(world.remove("one", "x86_64", after(10)).await);
    assert_eq!(world.changes(recorded, 3, 4).await, Some((0, 1)));
    assert_eq!(world.forget(after(10)).await, 1);
    // An index of generation 3 has the package, and nothing says any more that it went.
    assert_eq!(world.changes(recorded, 3, 4).await, None);
    assert_eq!(world.changes(recorded, 4, 4).await, Some((0, 0)));
    assert_eq!(world.index_at(recorded, "x86_64", 4).await.len(), 1);
    let last = world.record("three", "x86_64").await.unwrap();
    assert_eq!(
        world.changes(recorded, 4, last.generation).await,
        Some((1, 0))
    );
    // The history of other architectures is whole.
    let aarch64 = Arch::parse("aarch64").unwrap();
    let changes =
        world
            .metadata
            .index_changes(recorded.repository, (&aarch64, PackageFormat::V2), 1, 4);
    assert_eq!(changes.await.unwrap().unwrap().added.len(), 1);
}

#[tokio::test]
async fn a_clock_that_was_set_neither_shortens_nor_prolongs_for_ever_what_is_kept() {
    let world = World::new().await;
    world
        .record_at("back", "x86_64", after(1_000))
        .await
        .unwrap();
    // Set back: the deletion is not an old one.
    assert!(world.remove("back", "x86_64", START).await);
    assert!(world.deleted().await[0].deleted_at > after(1_000));

    // Ahead for a while, when this was deleted.
    let year = 365 * 86_400;
    world
        .record_at("ahead", "x86_64", after(year))
        .await
        .unwrap();
    assert!(world.remove("ahead", "x86_64", after(year)).await);
    let now = after(5_000);
    while world.metadata.correct_deletion_times(now).await.unwrap() > 0 {}
    assert_eq!(world.deleted().await[0].deleted_at, now);
    assert_eq!(world.forget(after(4_999)).await, 1);
    assert_eq!(world.forget(now).await, 1);
}

#[tokio::test]
async fn what_an_owner_left_is_unreachable_at_once_and_deleted_in_batches_across_restarts() {
    let mut world = World::new().await;
    let bob = add_user(&world.metadata, "bob").await;
    // More than a step of a batch, deleted ones too, and one blob that bob needs as well.
    for number in 0..80 {
        world.record(&format!("p{number}"), "x86_64").await.unwrap();
    }
    assert!(world.remove("p0", "x86_64", after(1)).await);
    record(&world.metadata, bob, "p7", "x86_64", START)
        .await
        .unwrap();
    let by = &act(START);
    let removed = world.metadata.remove_owner(world.alice, true, by).await;
    assert_eq!(removed.unwrap(), 79);

    let owner = world.metadata.owner(&name("alice")).await;
    assert_eq!(owner.unwrap(), None);
    let found = world
        .metadata
        .search(&ReadScope::EVERYTHING, "p", 100, ALL)
        .await;
    let owners = found
        .unwrap()
        .page
        .entries
        .into_iter()
        .map(|entry| entry.owner.id);
    assert_eq!(owners.collect::<Vec<_>>(), [bob]);
    // The name is free, and its next owner has nothing of the old one.
    let alice = add_user(&world.metadata, "alice").await;
    assert_ne!(alice, world.alice);
    let (used, _) = world.metadata.usage(alice).await.unwrap();
    assert_eq!(used.packages, 0);
    let late = world.record("late", "x86_64").await.unwrap_err();
    assert!(matches!(late, RecordError::OwnerGone), "{late}");

    assert!(world.metadata.clear_removed().await.unwrap() > 0);
    world.metadata.close().await;
    world.metadata = crate::open(&world.folder).await;
    while world.metadata.clear_removed().await.unwrap() > 0 {}
    for number in 0..80 {
        let expected = match number {
            7 => BlobStanding::Live,
            _ => BlobStanding::Unneeded,
        };
        let blob = world.blob(&format!("p{number}")).await;
        assert_eq!(blob, Some((0, expected)), "p{number}");
    }
    world.metadata.close().await;
    for (table, expected) in [
        ("removals", 0),
        ("repositories", 1),
        ("package_files", 1),
        ("index_heads", 1),
        ("package_versions", 1),
    ] {
        let count = world.sql(&format!("SELECT COUNT(*) FROM {table}"));
        assert_eq!(count, [[expected.to_string()]], "{table}");
    }
}

#[tokio::test]
async fn blobs_are_known_by_the_first_byte_of_their_digest() {
    let world = World::new().await;
    world.record("zlib", "x86_64").await.unwrap();
    let known = world.metadata.known_blobs(b'z').await.unwrap();
    assert_eq!((known.len(), known[0].size), (1, 7));
    assert_eq!(known[0].standing, BlobStanding::Live);
    for other in [0, b'y', b'{', 255] {
        assert_eq!(world.metadata.known_blobs(other).await.unwrap(), []);
    }
}

#[tokio::test]
async fn the_messages_of_a_removed_webhook_are_deleted_and_those_of_others_stay() {
    let world = World::new().await;
    let mut webhooks = Vec::new();
    for seed in [[1; 16], [2; 16]] {
        let new = webhook(world.alice, &seed);
        let added = world.metadata.add_webhook(new, "", &ACT).await;
        webhooks.push(added.unwrap().id);
    }
    for name in ["a", "b", "c"] {
        world.record(name, "x86_64").await.unwrap();
    }
    let messages = || {
        let rows = world.sql("SELECT count(*) FROM webhook_deliveries");
        rows[0][0].clone()
    };
    assert_eq!(messages(), "6");
    let removed = (world.alice, webhooks[0]);
    let removed = world.metadata.remove_webhook(removed, "", &ACT).await;
    removed.unwrap();
    while world.metadata.clear_removed().await.unwrap() > 0 {}
    assert_eq!(messages(), "3");
    let left = world
        .metadata
        .deliveries((world.alice, webhooks[1]), None, ALL);
    assert_eq!(left.await.unwrap().total, 3);
}
