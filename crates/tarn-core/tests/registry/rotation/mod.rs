//! From one signing key to the next: which keys sign an index, and what its date and its ETag say of it.

mod curve;

use std::time::Duration;

use apk::{
    limits::Limits,
    sign::{KeyName, KeySize, PublicKey, SigningKey},
    v2, v3,
};
use tarn_base::{
    clock::{Clock, Timestamp},
    hint::Hint as _,
    secret::Secret,
};
use tarn_core::{
    Administration, Registry,
    index::{Format, SignedIndex},
    keys::{Import, KeyError, Keys, ListedKey},
    settings::Settings,
};
use tarn_store::metadata::{Actor, KeyState, KeyType, Owner};
use tempfile::TempDir;

use crate::{add_user, arch, branch, bytes, main_repository, record, settings};

/// 2026-11-22 21:00:00.25 UTC.
const START: Timestamp = Timestamp::from_micros(1_795_381_200_250_000);

/// Who administers in these tests.
static BY: Actor = Actor::COMMAND_LINE;

struct World {
    folder: TempDir,
    registry: Registry,
    clock: Clock,
    alice: Owner,
}

impl World {
    /// A server whose clock stands still, with a package of alice's.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(START);
        let registry = Registry::open(settings(folder.path()), clock.clone())
            .await
            .unwrap();
        let alice = add_user(&registry, "alice").await;
        let world = Self {
            folder,
            registry,
            clock,
            alice,
        };
        world.publish("hello").await;
        world
    }

    async fn publish(&self, name: &str) {
        let mut hash = [0; 32];
        for (place, byte) in hash.iter_mut().zip(name.bytes()) {
            *place = byte;
        }
        let (repository, now) = (main_repository(), self.clock.now());
        let says = (name, "");
        record(&self.registry, &self.alice, repository, says, hash, now).await;
    }

    async fn index(&self, format: Format) -> SignedIndex {
        self.registry
            .indexes()
            .current(&self.alice, &branch(), &main_repository(), &arch(), format)
            .await
            .unwrap()
            .unwrap()
    }

    /// The command line on the same folder, in a process of its own.
    async fn command_line(&self) -> Administration {
        Administration::open_existing(&settings(self.folder.path()), &self.clock)
            .await
            .unwrap()
    }

    /// The key that signs, made before anything else asks for it.
    async fn first_key(&self) -> ListedKey {
        self.registry.keys().public_key(&self.alice).await.unwrap();
        let mut keys = self.registry.keys().list(&self.alice).await.unwrap();
        assert_eq!(keys.len(), 1);
        keys.remove(0)
    }

    /// The name of a key that signs beside the others from now on.
    async fn rotate(&self, keys: &Keys) -> KeyName {
        let made = keys.rotate(&self.alice, KeyType::Rsa, &BY).await;
        made.unwrap().name
    }

    async fn public(&self, name: &KeyName) -> PublicKey {
        let rows = self.registry.metadata().signing_keys(self.alice.id).await;
        let rows = rows.unwrap();
        let row = rows.iter().find(|row| row.name == name.as_str()).unwrap();
        PublicKey::from_pem(row.public_pem.as_bytes()).unwrap()
    }

    /// Whether a client that has that key and no other takes both indexes.
    async fn is_trusted_by(&self, name: &KeyName) -> bool {
        let key = self.public(name).await;
        let v2 = bytes(&self.index(Format::V2).await);
        let v3 = bytes(&self.index(Format::V3).await);
        let limits = Limits::default();
        let trusted = [(name.clone(), key.clone())];
        let v2 = v2::index::for_each_record(&v2, &limits, Some(&trusted), |_| ()).is_ok();
        let v3 = v3::index::read(&v3, &limits, &[&key]).is_ok();
        assert_eq!(v2, v3);
        v2
    }
}

#[tokio::test]
async fn a_client_with_any_active_key_takes_the_index_all_through_a_rotation() {
    let world = World::new().await;
    let keys = world.registry.keys();
    let old = world.first_key().await;
    assert!(world.is_trusted_by(&old.name).await);

    let new = keys.rotate(&world.alice, KeyType::Rsa, &BY).await.unwrap();
    assert_eq!(new.state, KeyState::Active);
    assert_eq!(keys.public_key(&world.alice).await.unwrap().0, new.name);
    assert!(world.is_trusted_by(&old.name).await);
    assert!(world.is_trusted_by(&new.name).await);
    let text = bytes(&world.index(Format::V2).await);
    let summary = v2::index::read_unverified(&text, &Limits::default()).unwrap();
    assert_eq!(summary.records.len(), 1);

    let change = keys.retire(&world.alice, &old.name, &BY).await.unwrap();
    assert!(change.changed);
    assert_eq!(change.signing, std::slice::from_ref(&new.name));
    assert!(!world.is_trusted_by(&old.name).await);
    assert!(world.is_trusted_by(&new.name).await);

    let change = keys.reactivate(&world.alice, &old.name, &BY).await.unwrap();
    assert!(change.changed);
    assert_eq!(change.signing, [new.name.clone(), old.name.clone()]);
    assert!(world.is_trusted_by(&old.name).await);
    assert!(world.is_trusted_by(&new.name).await);
    // The newest is handed out still.
    assert_eq!(keys.public_key(&world.alice).await.unwrap().0, new.name);
}

#[tokio::test]
async fn a_key_signs_the_same_content_once() {
    let world = World::new().await;
    let keys = world.registry.keys();
    let signatures = || world.registry.indexes().counts().signatures.value();
    let old = world.first_key().await;
    world.index(Format::V2).await;
    assert_eq!(signatures(), 1);
    let new = keys.rotate(&world.alice, KeyType::Rsa, &BY).await.unwrap();
    world.index(Format::V2).await;
    assert_eq!(signatures(), 2);
    keys.retire(&world.alice, &old.name, &BY).await.unwrap();
    world.index(Format::V2).await;
    keys.reactivate(&world.alice, &old.name, &BY).await.unwrap();
    world.index(Format::V2).await;
    assert_eq!(signatures(), 2);
    assert!(world.is_trusted_by(&old.name).await);
    assert!(world.is_trusted_by(&new.name).await);
    // So the index of the other format was, and so is other content.
    assert_eq!(signatures(), 4);
    world.publish("second").await;
    world.index(Format::V2).await;
    assert_eq!(signatures(), 6);
    assert!(world.is_trusted_by(&old.name).await);
    assert!(world.is_trusted_by(&new.name).await);
}

#[tokio::test]
async fn only_a_key_that_signs_is_handed_out_by_its_name() {
    let world = World::new().await;
    let keys = world.registry.keys();
    let old = world.first_key().await;
    let new = keys.rotate(&world.alice, KeyType::Rsa, &BY).await.unwrap();
    for name in [&old.name, &new.name] {
        let pem = keys.public_key_called(&world.alice, name).await.unwrap();
        let key = PublicKey::from_pem(pem.unwrap().as_bytes()).unwrap();
        assert_eq!(key, world.public(name).await);
    }
    keys.retire(&world.alice, &old.name, &BY).await.unwrap();
    let gone = keys.public_key_called(&world.alice, &old.name).await;
    assert_eq!(gone.unwrap(), None);
    let none = KeyName::parse("none.rsa.pub").unwrap();
    let gone = keys.public_key_called(&world.alice, &none).await;
    assert_eq!(gone.unwrap(), None);
}

#[tokio::test]
async fn every_state_of_keys_and_packages_has_a_second_and_an_etag_of_its_own() {
    for format in [Format::V2, Format::V3] {
        let world = World::new().await;
        // The command line changes the keys, so that the server has nothing but the database to notice it by.
        let command_line = world.command_line().await;
        let keys = command_line.keys();
        let old = world.first_key().await.name;
        let mut seen = vec![world.index(format).await];
        let new = world.rotate(keys).await;
        seen.push(world.index(format).await);
        world.publish("second").await;
        seen.push(world.index(format).await);
        keys.retire(&world.alice, &old, &BY).await.unwrap();
        seen.push(world.index(format).await);
        // A key comes back that signed the very same packages before.
        keys.reactivate(&world.alice, &old, &BY).await.unwrap();
        let back = world.index(format).await;
        assert_eq!(back.etag(), seen[2].etag());
        assert!(back.changed_at().seconds() > seen[3].changed_at().seconds());
        seen[2] = back;
        world.publish("third").await;
        seen.push(world.index(format).await);
        keys.retire(&world.alice, &new, &BY).await.unwrap();
        seen.push(world.index(format).await);

        seen.sort_by_key(SignedIndex::changed_at);
        for pair in seen.windows(2) {
            let [one, two] = pair else { unreachable!() };
            assert!(two.changed_at().seconds() > one.changed_at().seconds());
        }
        let mut etags: Vec<_> = seen.iter().map(SignedIndex::etag).collect();
        etags.sort_unstable();
        etags.dedup();
        assert_eq!(etags.len(), seen.len());
        // Nothing happened, nothing changes.
        let again = world.index(format).await;
        let last = seen.last().unwrap();
        assert_eq!(again.etag(), last.etag());
        assert_eq!(again.changed_at(), last.changed_at());
    }
}

#[tokio::test]
async fn keys_that_went_and_came_back_unseen_still_move_the_date() {
    let world = World::new().await;
    let old = world.first_key().await.name;
    world.rotate(world.registry.keys()).await;
    let before = world.index(Format::V2).await;
    // Another node may have served the index without this key meanwhile, with a date between the two.
    let other = world.command_line().await;
    other.keys().retire(&world.alice, &old, &BY).await.unwrap();
    other
        .keys()
        .reactivate(&world.alice, &old, &BY)
        .await
        .unwrap();
    let after = world.index(Format::V2).await;
    assert_eq!(after.etag(), before.etag());
    assert!(after.changed_at().seconds() > before.changed_at().seconds() + 1);
}

#[tokio::test]
async fn a_rotation_said_twice_makes_one_key() {
    let world = World::new().await;
    let keys = world.registry.keys();
    let old = world.first_key().await.name;
    let new = world.rotate(keys).await;
    let refused = keys
        .rotate(&world.alice, KeyType::Rsa, &BY)
        .await
        .unwrap_err();
    assert_eq!(
        refused.line(),
        format!(
            "no key was made: {new} and {old} sign the indexes of alice already; end that rotation with \
             `tarn key retire alice {old}` once every client has the newest, then begin the next one"
        )
    );
    assert_eq!(keys.list(&world.alice).await.unwrap().len(), 2);
    // Begun by two at once: the second sees it in the transaction.
    keys.retire(&world.alice, &old, &BY).await.unwrap();
    let other = world.command_line().await;
    let (one, two) = tokio::join!(
        keys.rotate(&world.alice, KeyType::Rsa, &BY),
        other.keys().rotate(&world.alice, KeyType::Rsa, &BY)
    );
    let refused = match (one, two) {
        (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
        both => unreachable!("{both:?}"),
    };
    assert!(matches!(refused, KeyError::Rotating { signing, .. } if signing.len() == 2));
}

#[tokio::test]
async fn an_owner_without_a_key_gets_the_first_by_rotating() {
    let world = World::new().await;
    let keys = world.registry.keys();
    let first = keys.rotate(&world.alice, KeyType::Rsa, &BY).await.unwrap();
    assert_eq!(keys.list(&world.alice).await.unwrap().len(), 1);
    assert!(world.is_trusted_by(&first.name).await);
}

#[tokio::test]
async fn the_only_key_does_not_retire_and_an_unknown_one_is_refused() {
    let world = World::new().await;
    let keys = world.registry.keys();
    let only = world.first_key().await.name;
    let refused = keys.retire(&world.alice, &only, &BY).await.unwrap_err();
    assert!(matches!(refused, KeyError::OnlyRsa { .. }), "{refused}");
    let none = KeyName::parse("none.rsa.pub").unwrap();
    let refused = keys.retire(&world.alice, &none, &BY).await.unwrap_err();
    assert!(matches!(refused, KeyError::NoSuchKey { .. }), "{refused}");
    assert!(world.is_trusted_by(&only).await);
}

#[tokio::test]
async fn an_import_takes_over_or_signs_beside() {
    let world = World::new().await;
    let keys = world.registry.keys();
    let old = world.first_key().await.name;
    let import = async |name: &str, others| {
        let key = SigningKey::generate(KeySize::Rsa2048).unwrap();
        let pem = Secret::new(key.to_pkcs8_pem().unwrap().to_string());
        let name = Some(KeyName::parse(name).unwrap());
        let imported = keys.import(&world.alice, &pem, name, others, &BY).await;
        imported.unwrap()
    };
    let one = import("one.rsa.pub", Import::Beside).await;
    assert!(world.is_trusted_by(&old).await);
    assert!(world.is_trusted_by(&one.name).await);
    let two = import("two.rsa.pub", Import::Instead).await;
    assert!(!world.is_trusted_by(&old).await);
    assert!(!world.is_trusted_by(&one.name).await);
    assert!(world.is_trusted_by(&two.name).await);
}

#[tokio::test]
async fn with_a_new_sealing_key_a_rotation_replaces_what_cannot_be_opened() {
    let world = World::new().await;
    let old = world.first_key().await.name;
    let other = Settings {
        sealing_key: Some(Secret::new(
            "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned(),
        )),
        ..settings(world.folder.path())
    };
    Administration::replace_sealing_key(&other, &world.clock, &BY)
        .await
        .unwrap();
    let registry = Administration::open(&other, &world.clock).await.unwrap();
    let keys = registry.keys();
    assert!(keys.signing_keys(&world.alice).await.is_err());
    let new = world.rotate(keys).await;
    world.clock.advance(Duration::from_secs(60));
    keys.retire(&world.alice, &old, &BY).await.unwrap();
    let signing = keys.signing_keys(&world.alice).await.unwrap();
    let names: Vec<_> = signing.active.iter().map(|key| &key.name).collect();
    assert_eq!(names, [&new]);
    // What does not open stays retired: the indexes would not be served with it.
    let refused = keys.reactivate(&world.alice, &old, &BY).await.unwrap_err();
    assert!(matches!(refused, KeyError::Sealed { .. }), "{refused}");
    assert!(keys.signing_keys(&world.alice).await.is_ok());
}
