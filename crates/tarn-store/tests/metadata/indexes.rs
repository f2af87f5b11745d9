//! What an index is made from, now and at past generations.

use std::time::Duration;

use apk::{
    arch::Arch,
    digest::{PackageHash, Sha256Digest},
    facts::{Format, PackageFacts},
};
use tarn_base::{
    clock::Timestamp,
    names::{Branch, RepositoryName},
};
use tarn_store::metadata::{Act, IndexHead, NewPackageFile, PackageFormat};

use crate::{ACT, START, World, blob, branch, facts, main_repository};

impl World {
    /// That of the v3 index, which has all packages.
    pub(crate) async fn head(&self, arch: &str) -> IndexHead {
        self.head_of(arch, PackageFormat::V3).await
    }

    async fn head_of(&self, arch: &str, format: PackageFormat) -> IndexHead {
        self.metadata
            .index_head(
                self.alice,
                &branch(),
                &main_repository(),
                &Arch::parse(arch).unwrap(),
                format,
            )
            .await
            .unwrap()
            .unwrap()
    }
}

#[tokio::test]
async fn a_past_generation_still_has_what_it_had() {
    let world = World::new().await;
    let recorded = world.record("one", "x86_64").await.unwrap();
    world.record("two", "noarch").await.unwrap();
    world.record("three", "x86_64").await.unwrap();
    world.remove("two", "noarch", START).await;
    world.record("two", "noarch").await.unwrap();
    world.remove("one", "x86_64", START).await;

    let one = "one x86_64";
    let two = "two noarch";
    let three = "three x86_64";
    let history: [&[&str]; 7] = [
        &[],
        &[one],
        &[one, two],
        &[one, two, three],
        &[one, three],
        &[one, three, two],
        &[three, two],
    ];
    for (generation, records) in (0..).zip(history) {
        assert_eq!(
            world.index_at(recorded, "x86_64", generation).await,
            records,
            "generation {generation}"
        );
    }
    // An architecture without a file of its own has the noarch ones, from the generation that brought them.
    assert!(world.index_at(recorded, "riscv64", 1).await.is_empty());
    assert_eq!(world.index_at(recorded, "riscv64", 2).await, [two]);
    assert_eq!(world.index_at(recorded, "noarch", 3).await, [two]);
}

#[tokio::test]
async fn a_head_joins_its_architecture_and_noarch() {
    let world = World::new().await;
    let second = |seconds| START.after(Duration::from_secs(seconds));
    let recorded = world.record_at("one", "x86_64", second(1)).await.unwrap();
    world.record_at("two", "noarch", second(2)).await.unwrap();
    world
        .record_at("three", "aarch64", second(3))
        .await
        .unwrap();

    let expect = |generation, changed_at, live, has_architecture| IndexHead {
        repository: recorded.repository,
        generation,
        changed_at,
        live,
        // Of that says `metadata/quotas.rs`.
        bytes: 0,
        has_architecture,
        keys_changed_at: Timestamp::from_micros(0),
        rendering: 0,
        rendered_since: Timestamp::from_micros(0),
    };
    let head = async |arch: &str| IndexHead {
        bytes: 0,
        ..world.head(arch).await
    };
    assert_eq!(head("x86_64").await, expect(2, second(2), 2, true));
    assert_eq!(head("aarch64").await, expect(3, second(3), 2, true));
    assert_eq!(head("noarch").await, expect(2, second(2), 1, true));
    assert_eq!(head("s390x").await, expect(2, second(2), 1, false));

    world.remove("two", "noarch", second(4)).await;
    world.remove("one", "x86_64", second(5)).await;
    assert_eq!(head("x86_64").await, expect(5, second(5), 0, true));
    assert_eq!(head("s390x").await, expect(4, second(4), 0, false));
}

#[tokio::test]
async fn an_unknown_repository_has_no_head_and_an_unused_architecture_an_empty_one() {
    let world = World::new().await;
    let head = async |branch: &str, repository: &str| {
        world
            .metadata
            .index_head(
                world.alice,
                &Branch::parse(branch).unwrap(),
                &RepositoryName::parse(repository).unwrap(),
                &Arch::parse("x86_64").unwrap(),
                PackageFormat::V2,
            )
            .await
            .unwrap()
    };
    assert_eq!(head("edge", "main").await, None);
    let recorded = world.record("one", "aarch64").await.unwrap();
    assert_eq!(
        head("edge", "main").await,
        Some(IndexHead {
            repository: recorded.repository,
            generation: 0,
            changed_at: Timestamp::from_micros(0),
            live: 0,
            bytes: 0,
            has_architecture: false,
            keys_changed_at: Timestamp::from_micros(0),
            rendering: 0,
            rendered_since: Timestamp::from_micros(0),
        })
    );
    assert_eq!(head("edge", "community").await, None);
    assert_eq!(head("Edge", "main").await, None);
}

#[tokio::test]
async fn a_newer_rendering_counts_from_a_second_after_every_change() {
    let world = World::new().await;
    let second = |seconds| START.after(Duration::from_secs(seconds));
    world.record_at("one", "x86_64", second(9)).await.unwrap();
    let never = Timestamp::from_micros(0);
    for (version, now, expected) in [
        (1, START, (1, never)),
        (1, second(20), (1, never)),
        // The clock of the newer server is behind.
        (3, second(5), (3, second(10))),
        // A server of the version before is started again.
        (2, second(60), (3, second(10))),
        (4, second(70), (4, second(70))),
    ] {
        world.metadata.note_rendering(version, now).await.unwrap();
        let head = world.head("x86_64").await;
        assert_eq!((head.rendering, head.rendered_since), expected);
    }
}

#[tokio::test]
async fn two_states_of_an_index_never_share_a_second_whatever_the_clock_does() {
    let world = World::new().await;
    let micros = |offset: i64| Timestamp::from_micros(START.micros() + offset);
    let mut last = Timestamp::from_micros(0);
    // Standing still, going on, set back within the second, set back an hour; noarch and not in turns, because one
    // index has both.
    let clock = [0, 0, 0, 500_000, 400_000, 400_000, -3_600_000_000, 700_000];
    for (number, offset) in clock.into_iter().enumerate() {
        let arch = if number % 2 == 0 { "x86_64" } else { "noarch" };
        let name = format!("package{number}");
        world.record_at(&name, arch, micros(offset)).await.unwrap();
        let head = world.head("x86_64").await;
        assert!(
            head.changed_at.seconds() > last.seconds(),
            "change {number}: {:?} after {last:?}",
            head.changed_at
        );
        last = head.changed_at;
    }
    world.remove("package0", "x86_64", micros(-5)).await;
    assert!(world.head("x86_64").await.changed_at.seconds() > last.seconds());
}

#[tokio::test]
async fn an_index_of_v2_leaves_v3_packages_out_and_does_not_change_with_them() {
    let world = World::new().await;
    let second = |seconds| START.after(Duration::from_secs(seconds));
    let recorded = world.record_at("one", "x86_64", second(1)).await.unwrap();
    let new = NewPackageFile::new(
        world.alice,
        branch(),
        main_repository(),
        &PackageFacts {
            format: Format::V3,
            ..facts("two", "x86_64")
        },
        PackageHash::Sha256(Sha256Digest::from_bytes([9; 32])),
        blob("two"),
    );
    let act = Act {
        at: second(2),
        ..ACT
    };
    world.metadata.record_package(&new, &act).await.unwrap();
    // One namespace of file names.
    assert!(world.record("two", "x86_64").await.is_err());

    let x86_64 = Arch::parse("x86_64").unwrap();
    let v2 = world.head_of("x86_64", PackageFormat::V2).await;
    let v3 = world.head_of("x86_64", PackageFormat::V3).await;
    assert_eq!((v2.generation, v2.live, v2.changed_at), (1, 1, second(1)));
    assert_eq!((v3.generation, v3.live, v3.changed_at), (2, 2, second(2)));
    assert!(v3.bytes > v2.bytes);
    let names = async |format, generation| {
        let rows = world
            .metadata
            .index_rows(recorded.repository, (&x86_64, format), generation, 0, 10)
            .await
            .unwrap();
        let names = rows
            .iter()
            .map(|row| row.facts.read().unwrap().name.to_string());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(PackageFormat::V2, 2).await, ["one"]);
    assert_eq!(names(PackageFormat::V3, 2).await, ["one", "two"]);
    assert_eq!(names(PackageFormat::V3, 1).await, ["one"]);
    assert!(world.remove("two", "x86_64", second(3)).await);
    let changes = async |format, since| {
        let changes =
            world
                .metadata
                .index_changes(recorded.repository, (&x86_64, format), since, 3);
        let changes = changes.await.unwrap().unwrap();
        (changes.added.len(), changes.removed.len())
    };
    assert_eq!(changes(PackageFormat::V2, 0).await, (1, 0));
    assert_eq!(changes(PackageFormat::V2, 1).await, (0, 0));
    assert_eq!(changes(PackageFormat::V3, 2).await, (0, 1));
    assert_eq!(
        world.head_of("x86_64", PackageFormat::V2).await,
        v2,
        "what v3 packages do is nothing to it"
    );
    assert_eq!(world.head_of("x86_64", PackageFormat::V3).await.live, 1);
}
