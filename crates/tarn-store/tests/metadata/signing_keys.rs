//! Signing keys.

use std::time::Duration;

use tarn_base::clock::Timestamp;
use tarn_store::metadata::{
    Actor, AddKeyError, AuditFilter, ChangeKeyError, KeyOrigin, KeyState, KeyType, MAX_ACTIVE_KEYS,
    Metadata, NewSigningKey, OtherKeys, OwnerId, SigningKeyRow, UserChange,
};

use crate::{ACT, START, World, add_user, open};

const BESIDE_ANY: OtherKeys = OtherKeys::SignOn {
    at_most: MAX_ACTIVE_KEYS - 1,
};

fn key(owner: OwnerId, name: &str) -> NewSigningKey<'_> {
    NewSigningKey {
        owner,
        name,
        key_type: KeyType::Rsa,
        public_pem: "-----BEGIN PUBLIC KEY-----",
        sealed: &[1, 2, 3],
        origin: KeyOrigin::Made,
    }
}

async fn states(metadata: &Metadata, owner: OwnerId) -> Vec<(String, KeyState)> {
    let keys = metadata.signing_keys(owner).await.unwrap();
    keys.iter()
        .map(|key| (key.name.clone(), key.state))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_make_a_first_key_at_once_agree() {
    let world = World::new().await;
    let other = open(&world.folder).await;
    for number in 0..30 {
        let owner = add_user(&world.metadata, &format!("owner{number}")).await;
        let names = ["one", "two"].map(|who| format!("{who}-{number}.rsa.pub"));
        let [one, two] = names.each_ref().map(|name| key(owner, name));
        let (one, two) = tokio::join!(
            world.metadata.add_first_signing_key(one, &ACT),
            other.add_first_signing_key(two, &ACT)
        );
        let (one, two): (SigningKeyRow, SigningKeyRow) = (one.unwrap(), two.unwrap());
        assert_eq!(one, two);
        assert_eq!(other.signing_keys(owner).await.unwrap(), [one].into());
    }
}

#[tokio::test]
async fn an_import_retires_the_others_or_signs_beside_them() {
    let world = World::new().await;
    let metadata = &world.metadata;
    metadata
        .add_first_signing_key(key(world.alice, "one"), &ACT)
        .await
        .unwrap();
    metadata
        .add_signing_key(key(world.alice, "two"), BESIDE_ANY, &ACT)
        .await
        .unwrap();
    let named = |name: &str, state| (name.to_owned(), state);
    assert_eq!(
        states(metadata, world.alice).await,
        [
            named("two", KeyState::Active),
            named("one", KeyState::Active)
        ]
    );
    metadata
        .add_signing_key(key(world.alice, "three"), OtherKeys::Retire, &ACT)
        .await
        .unwrap();
    assert_eq!(
        states(metadata, world.alice).await,
        [
            named("three", KeyState::Active),
            named("two", KeyState::Retired),
            named("one", KeyState::Retired)
        ]
    );
    // What retired with it is in the audit log as what is retired by name.
    let log = metadata
        .audit_entries(&AuditFilter::default(), None, 3)
        .await;
    let newest = log.unwrap().into_iter();
    assert_eq!(
        newest
            .map(|entry| (entry.action, entry.target))
            .collect::<Vec<_>>(),
        [
            ("key.rotate".to_owned(), "three".to_owned()),
            ("key.retire".to_owned(), "one".to_owned()),
            ("key.retire".to_owned(), "two".to_owned()),
        ]
    );
}

#[tokio::test]
async fn a_taken_name_is_refused_and_retires_nothing() {
    let world = World::new().await;
    let metadata = &world.metadata;
    metadata
        .add_first_signing_key(key(world.alice, "one"), &ACT)
        .await
        .unwrap();
    let refused = metadata
        .add_signing_key(key(world.alice, "one"), OtherKeys::Retire, &ACT)
        .await
        .unwrap_err();
    assert!(matches!(refused, AddKeyError::NameTaken), "{refused}");
    assert_eq!(
        states(metadata, world.alice).await,
        [("one".to_owned(), KeyState::Active)]
    );
    // Another owner's names are another matter.
    let bob = add_user(metadata, "bob").await;
    let kept = metadata
        .add_signing_key(key(bob, "one"), OtherKeys::Retire, &ACT)
        .await
        .unwrap();
    assert_eq!(kept.sealed, [1, 2, 3]);
    assert_eq!(
        states(metadata, world.alice).await,
        [("one".to_owned(), KeyState::Active)]
    );
}

#[tokio::test]
async fn what_is_printed_of_a_key_or_an_account_holds_no_secret() {
    let world = World::new().await;
    let row = world
        .metadata
        .add_first_signing_key(key(world.alice, "one"), &ACT)
        .await
        .unwrap();
    assert!(!format!("{row:?}").contains("sealed"));
    let change = UserChange {
        password_hash: Some(Some("$argon2id$secret")),
        ..UserChange::default()
    };
    let changed = world.metadata.change_user(world.alice, change, &ACT);
    assert!(changed.await.unwrap());
    let user = world.metadata.user_by_id(world.alice).await.unwrap();
    assert!(!format!("{user:?}").contains("argon2id"));
}

impl World {
    async fn key_at(&self, name: &str, others: OtherKeys, now: Timestamp) -> SigningKeyRow {
        let by = Actor::COMMAND_LINE;
        self.metadata
            .add_signing_key(key(self.alice, name), others, &by.at(now))
            .await
            .unwrap()
    }

    async fn change_key(
        &self,
        name: &str,
        state: KeyState,
        now: Timestamp,
    ) -> Result<bool, ChangeKeyError> {
        self.metadata
            .change_signing_key(self.alice, name, state, &Actor::COMMAND_LINE.at(now))
            .await
    }

    /// When the keys last changed, by the rows; and by what an index is given, which has to be the same.
    async fn keys_changed_at(&self) -> Timestamp {
        let rows = self.metadata.signing_keys(self.alice).await.unwrap();
        let last = rows.iter().map(|row| row.changed_at).max().unwrap();
        assert_eq!(self.head("x86_64").await.keys_changed_at, last);
        last
    }
}

#[tokio::test]
async fn a_key_retires_and_comes_back_as_the_one_it_was() {
    let world = World::new().await;
    let metadata = &world.metadata;
    let one = world.key_at("one", BESIDE_ANY, START).await;
    let two = world.key_at("two", BESIDE_ANY, START).await;
    let later = START.after(Duration::from_secs(60));
    let (retired, active) = (KeyState::Retired, KeyState::Active);
    let change = async |state, now| world.change_key("one", state, now).await.unwrap();
    assert!(change(retired, later).await);
    let rows = metadata.signing_keys(world.alice).await.unwrap();
    let one = SigningKeyRow {
        state: retired,
        changed_at: later,
        ..one
    };
    assert_eq!(*rows, [two, one]);
    // Said twice, done once.
    let again = later.after(Duration::from_secs(60));
    assert!(!change(retired, again).await);
    assert_eq!(metadata.signing_keys(world.alice).await.unwrap(), rows);

    assert!(change(active, again).await);
    let named = |name: &str| (name.to_owned(), active);
    assert_eq!(
        states(metadata, world.alice).await,
        [named("two"), named("one")]
    );
}

#[tokio::test]
async fn keys_of_the_two_types_come_and_go_beside_each_other() {
    let world = World::new().await;
    let metadata = &world.metadata;
    let curve = |name| NewSigningKey {
        key_type: KeyType::EcP256,
        ..key(world.alice, name)
    };
    let add = async |new, others| metadata.add_signing_key(new, others, &ACT).await;
    let beside_one = OtherKeys::SignOn { at_most: 1 };
    // A place is kept for the RSA key that there is none of yet.
    for name in ["ec1", "ec2", "ec3"] {
        add(curve(name), BESIDE_ANY).await.unwrap();
    }
    let refused = add(curve("ec4"), BESIDE_ANY).await;
    assert!(matches!(refused, Err(AddKeyError::TooManyActive)));
    let rsa = metadata.add_first_signing_key(key(world.alice, "rsa1"), &ACT);
    assert_eq!(rsa.await.unwrap().name, "rsa1");
    for name in ["ec1", "ec2"] {
        assert!(
            world
                .change_key(name, KeyState::Retired, START)
                .await
                .unwrap()
        );
    }
    let again = metadata.add_first_signing_key(key(world.alice, "rsa2"), &ACT);
    assert_eq!(again.await.unwrap().key_type, KeyType::Rsa);

    // One rotation of each type may be under way.
    add(key(world.alice, "rsa2"), beside_one).await.unwrap();
    add(curve("ec4"), beside_one).await.unwrap();
    for (new, names) in [
        (key(world.alice, "rsa3"), ["rsa2", "rsa1"]),
        (curve("ec5"), ["ec4", "ec3"]),
    ] {
        let refused = add(new, beside_one).await;
        assert!(
            matches!(&refused, Err(AddKeyError::TooManyOfItsType(signing)) if *signing == names),
            "{refused:?}"
        );
    }
    // An import takes over from those of its type, and the last RSA key never retires.
    add(curve("ec5"), OtherKeys::Retire).await.unwrap();
    add(key(world.alice, "rsa3"), OtherKeys::Retire)
        .await
        .unwrap();
    let mut active = states(metadata, world.alice).await;
    active.retain(|(_, state)| *state == KeyState::Active);
    let names: Vec<_> = active.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["rsa3", "ec5"]);
    let refused = world.change_key("rsa3", KeyState::Retired, START).await;
    assert!(matches!(refused, Err(ChangeKeyError::OnlyRsa)));
    assert!(
        world
            .change_key("ec5", KeyState::Retired, START)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn an_import_finds_the_places_of_those_that_it_takes_over_from_and_no_others() {
    let world = World::new().await;
    let add = async |new| {
        let added = world.metadata.add_signing_key(new, OtherKeys::Retire, &ACT);
        added.await
    };
    for name in ["rsa1", "rsa2", "rsa3", "rsa4"] {
        world.key_at(name, BESIDE_ANY, START).await;
    }
    let curve = NewSigningKey {
        key_type: KeyType::EcP256,
        ..key(world.alice, "ec")
    };
    let refused = add(curve).await;
    assert!(matches!(refused, Err(AddKeyError::TooManyActive)));
    add(key(world.alice, "rsa5")).await.unwrap();
}

#[tokio::test]
async fn one_key_always_signs_and_never_too_many() {
    let world = World::new().await;
    world.key_at("one", BESIDE_ANY, START).await;
    let refused = world.change_key("one", KeyState::Retired, START).await;
    assert!(matches!(refused, Err(ChangeKeyError::OnlyRsa)));
    let refused = world.change_key("none", KeyState::Retired, START).await;
    assert!(matches!(refused, Err(ChangeKeyError::NoSuchKey)));
    let bob = add_user(&world.metadata, "bob").await;
    let refused = world
        .metadata
        .change_signing_key(bob, "one", KeyState::Retired, &ACT)
        .await;
    assert!(matches!(refused, Err(ChangeKeyError::NoSuchKey)));

    world
        .key_at("two", OtherKeys::SignOn { at_most: 1 }, START)
        .await;
    let new = key(world.alice, "three");
    let refused = world
        .metadata
        .add_signing_key(new, OtherKeys::SignOn { at_most: 1 }, &ACT)
        .await;
    assert!(
        matches!(&refused, Err(AddKeyError::TooManyOfItsType(names)) if *names == ["two", "one"]),
        "{refused:?}"
    );

    world
        .change_key("one", KeyState::Retired, START)
        .await
        .unwrap();
    for name in ["three", "four", "five"] {
        world.key_at(name, BESIDE_ANY, START).await;
    }
    assert!(
        world
            .metadata
            .add_signing_key(key(world.alice, "six"), BESIDE_ANY, &ACT)
            .await
            .is_err()
    );
    let refused = world.change_key("one", KeyState::Active, START).await;
    assert!(matches!(refused, Err(ChangeKeyError::TooManyActive)));
    assert_eq!(
        world
            .metadata
            .signing_keys(world.alice)
            .await
            .unwrap()
            .len(),
        5
    );
}

#[tokio::test]
async fn changes_of_keys_and_of_packages_never_share_a_second() {
    let world = World::new().await;
    let micros = |offset: i64| Timestamp::from_micros(START.micros() + offset);
    world.record_at("zero", "x86_64", micros(0)).await.unwrap();
    // The clock is read too early, stands still for all three changes, is set back a little.
    let clock = [0, 0, 400_000, 300_000, 1_200_000, 900_000, -2_000_000, 0];
    let mut last = world.head("x86_64").await.changed_at;
    for (number, offset) in (0_i64..).zip(clock) {
        let offset = number * 4_000_000 + offset;
        let name = format!("number{number}");
        world.key_at(&name, OtherKeys::Retire, micros(offset)).await;
        let keys = world.keys_changed_at().await;
        assert!(
            keys.seconds() > last.seconds(),
            "{number}: {keys:?} after {last:?}"
        );
        let arch = if number % 2 == 0 { "x86_64" } else { "noarch" };
        world.record_at(&name, arch, micros(offset)).await.unwrap();
        let head = world.head("x86_64").await.changed_at;
        assert!(
            head.seconds() > keys.seconds(),
            "{number}: {head:?} after {keys:?}"
        );
        world.remove(&name, arch, micros(offset)).await;
        last = world.head("x86_64").await.changed_at;
        assert!(last.seconds() > head.seconds());
    }
    // A retirement too.
    let offset = last.micros() - START.micros();
    world.key_at("beside", BESIDE_ANY, micros(offset)).await;
    let added = world.keys_changed_at().await;
    world
        .change_key("number7", KeyState::Retired, micros(offset))
        .await
        .unwrap();
    let retired = world.keys_changed_at().await;
    assert!(retired.seconds() > added.seconds());
}

#[tokio::test]
async fn a_repository_that_is_newer_than_the_keys_has_a_later_date() {
    let world = World::new().await;
    let keys = world
        .key_at(
            "one",
            OtherKeys::Retire,
            START.after(Duration::from_millis(300)),
        )
        .await
        .changed_at;
    world.record_at("one", "x86_64", START).await.unwrap();
    let first = world.head("x86_64").await.changed_at;
    assert!(first.seconds() > keys.seconds());
}
