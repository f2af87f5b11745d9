//! What the indexes in memory are made from and whom they wait for, seen from inside.

use std::time::Duration;

use apk::{
    digest::{Identity, PackageHash, Sha256Digest},
    facts::{self, PackageFacts},
    name::PackageName,
    sign::KeySize,
    version::Version,
};
use tempfile::TempDir;

use super::*;
use crate::{Registry, settings::Settings};
use tarn_base::{
    clock::{Clock, Timestamp},
    names::OwnerName,
};
use tarn_store::metadata::{Actor, NewBlob, NewPackageFile, NewUser, Visibility};

/// 2026-11-22 21:00:00 UTC.
const START: Timestamp = Timestamp::from_seconds(1_795_381_200);

struct World {
    registry: Registry,
    alice: Owner,
    _folder: TempDir,
}

fn arch(name: &str) -> Arch {
    Arch::parse(name).unwrap()
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            key_size: KeySize::Rsa2048,
            ..Settings::in_folder(folder.path().to_path_buf())
        };
        let registry = Registry::open(settings, Clock::manual(START))
            .await
            .unwrap();
        let name = OwnerName::parse("alice").unwrap();
        let new = NewUser {
            name: &name,
            password_hash: None,
            admin: false,
            visibility: Visibility::Public,
        };
        let metadata = registry.metadata();
        metadata
            .add_user(new, &Actor::SERVER.at(START))
            .await
            .unwrap();
        let alice = metadata.owner(&name).await.unwrap().unwrap();
        Self {
            registry,
            alice,
            _folder: folder,
        }
    }

    async fn publish(&self, repository: &str, name: &str, architecture: &str) {
        let mut bytes = [0; 32];
        for (place, byte) in bytes.iter_mut().zip(name.bytes()) {
            *place = byte;
        }
        let facts = PackageFacts::new(
            facts::Format::V2 {
                data_hash: Sha256Digest::from_bytes([0; 32]),
            },
            PackageName::parse(name).unwrap(),
            Version::parse("1.0-r0").unwrap(),
            arch(architecture),
        );
        let new = NewPackageFile::new(
            self.alice.id,
            Branch::parse("edge").unwrap(),
            RepositoryName::parse(repository).unwrap(),
            &facts,
            PackageHash::Identity(Identity::from_bytes([7; 20])),
            NewBlob {
                place: 0,
                sha256: Sha256Digest::from_bytes(bytes),
                size: 7,
            },
        );
        self.registry
            .metadata()
            .record_package(&new, &Actor::SERVER.at(START))
            .await
            .unwrap();
    }

    async fn index(
        &self,
        repository: &str,
        architecture: &str,
        format: Format,
    ) -> Result<Option<SignedIndex>, IndexError> {
        let (branch, repository) = (
            Branch::parse("edge").unwrap(),
            RepositoryName::parse(repository).unwrap(),
        );
        let (indexes, arch) = (self.registry.indexes(), arch(architecture));
        indexes
            .current(&self.alice, &branch, &repository, &arch, format)
            .await
    }

    async fn place(&self, repository: &str, architecture: &str, format: Format) -> Place {
        let (branch, repository) = (
            Branch::parse("edge").unwrap(),
            RepositoryName::parse(repository).unwrap(),
        );
        let arch = arch(architecture);
        let metadata = self.registry.metadata();
        let head = metadata
            .index_head(
                self.alice.id,
                &branch,
                &repository,
                &arch,
                format.of_packages(),
            )
            .await
            .unwrap()
            .unwrap();
        Place::new(&head, &arch, format)
    }

    async fn in_memory(&self, place: &Place) -> Option<Arc<Made>> {
        self.registry.indexes().cache(place).get(place).await
    }
}

#[tokio::test]
async fn architectures_without_number_take_turns_and_no_room_from_the_others() {
    let world = World::new().await;
    let indexes = world.registry.indexes();
    world.publish("docs", "manual", "noarch").await;
    // Packages of an architecture beside them change nothing for the others.
    world.publish("docs", "tool", "aarch64").await;
    world.publish("main", "hello", "ours").await;
    let turn = indexes.guests.acquire().await.unwrap();
    let names: Vec<String> = (0..20).map(|number| format!("invented{number}")).collect();
    {
        let guests = futures_util::future::join_all(
            names
                .iter()
                .map(|name| world.index("docs", name, Format::V2)),
        );
        // Those whom everybody expects to be served, while all the others wait.
        let others = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            for (repository, architecture) in [
                ("main", "ours"),
                ("docs", "x86_64"),
                ("docs", "mipsel_24kc"),
                ("docs", "noarch"),
            ] {
                let index = world.index(repository, architecture, Format::V2).await;
                assert!(index.unwrap().is_some(), "{repository}/{architecture}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(indexes.counts.made_v2.value(), 4, "a guest took no turn");
            drop(turn);
        };
        let (guests, ()) = tokio::join!(guests, others);
        assert!(guests.into_iter().all(|guest| guest.unwrap().is_some()));
    }
    let guest = world.place("docs", "invented3", Format::V2).await;
    assert!(guest.is_of_a_guest && world.in_memory(&guest).await.is_some());
    indexes.cached().await;
    assert_eq!(indexes.made.entry_count(), 4);
    assert_eq!(indexes.made_for_guests.entry_count(), 20);
}

#[tokio::test]
async fn an_index_in_memory_that_is_wrong_is_wrong_once() {
    let world = World::new().await;
    let indexes = world.registry.indexes();
    for name in ["one", "two"] {
        world.publish("other", name, "x86_64").await;
    }
    world.publish("main", "hello", "x86_64").await;
    for repository in ["other", "main"] {
        world
            .index(repository, "x86_64", Format::V2)
            .await
            .unwrap()
            .unwrap();
    }
    // What only a fault of the program could do.
    let place = world.place("main", "x86_64", Format::V2).await;
    let other = world.place("other", "x86_64", Format::V2).await;
    let other = world.in_memory(&other).await.unwrap();
    let wrong = Made {
        generation: 1,
        keys_changed_at: other.keys_changed_at,
        base: other.base.clone(),
        signed: other.signed.clone(),
        standing: other.standing.clone(),
        rests_until: None,
    };
    indexes.made.insert(place.clone(), Arc::new(wrong)).await;
    world.publish("main", "world", "x86_64").await;
    let refused = world.index("main", "x86_64", Format::V2).await.unwrap_err();
    assert!(matches!(refused, IndexError::Refused { .. }), "{refused}");
    assert!(world.index("main", "x86_64", Format::V2).await.is_ok());
    assert_eq!(world.in_memory(&place).await.unwrap().generation, 2);
}

#[tokio::test]
async fn an_index_has_the_date_of_its_rendering_and_knows_of_a_newer_one() {
    let world = World::new().await;
    world.publish("main", "hello", "x86_64").await;
    let index = async |format| {
        let index = world.index("main", "x86_64", format).await;
        let index = index.unwrap().unwrap();
        (index.changed_at(), index.is_of_the_newest())
    };
    for format in [Format::V2, Format::V3] {
        let (changed_at, is_of_the_newest) = index(format).await;
        assert!(changed_at < START.after(Duration::from_secs(9)) && is_of_the_newest);
    }
    let later = START.after(Duration::from_secs(3_600));
    let newer = i64::from(facts::RENDERING) + 1;
    let metadata = world.registry.metadata();
    metadata.note_rendering(newer, later).await.unwrap();
    for format in [Format::V2, Format::V3] {
        // In memory is the index from before.
        assert!(!index(format).await.1);
        world.registry.indexes().made.invalidate_all();
        assert_eq!(index(format).await, (later, false));
    }
}

#[tokio::test]
async fn both_formats_rest_in_a_burst_and_not_between_single_publishes() {
    let world = World::new().await;
    for (names, rests) in [(&["a"][..], false), (&["b"], false), (&["c", "d"], true)] {
        for name in names {
            world.publish("main", name, "x86_64").await;
        }
        for format in [Format::V2, Format::V3] {
            world
                .index("main", "x86_64", format)
                .await
                .unwrap()
                .unwrap();
            let place = world.place("main", "x86_64", format).await;
            let made = world.in_memory(&place).await.unwrap();
            assert_eq!(
                made.rests_until.is_some(),
                rests,
                "{format:?} after {names:?}"
            );
        }
    }
}

#[tokio::test]
async fn who_waits_for_which_index_is_known_of_so_many_and_no_more() {
    let world = World::new().await;
    world.publish("docs", "manual", "noarch").await;
    let making = &world.registry.indexes().making;
    let known = world.place("docs", "x86_64", Format::V2).await;
    for number in 0..PLACES_IN_MAKING + 1_000 {
        let place = Place {
            arch: arch(&format!("invented{number}")),
            is_of_a_guest: true,
            ..known.clone()
        };
        making.get_with(place, async { Arc::default() }).await;
    }
    making.run_pending_tasks().await;
    assert!(making.entry_count() <= PLACES_IN_MAKING);
}
