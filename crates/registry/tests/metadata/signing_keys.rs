//! Signing keys.

use registry::metadata::{AddKeyError, KeyState, Metadata, NewSigningKey, OwnerId, SigningKeyRow};

use crate::{START, World, add_user, open};

fn key(owner: OwnerId, name: &str) -> NewSigningKey<'_> {
    NewSigningKey {
        owner,
        name,
        public_pem: "-----BEGIN PUBLIC KEY-----",
        sealed: &[1, 2, 3],
        created_at: START,
    }
}

async fn states(metadata: &Metadata, owner: OwnerId) -> Vec<(String, KeyState)> {
    let keys = metadata.signing_keys(owner).await.unwrap();
    keys.iter()
        .map(|key| (key.name.clone(), key.state))
        .collect()
}

#[tokio::test]
async fn two_that_make_a_first_key_at_once_agree() {
    let world = World::new().await;
    let other = open(&world.folder).await;
    let (one, two) = tokio::join!(
        world
            .metadata
            .add_first_signing_key(key(world.alice, "one.rsa.pub")),
        other.add_first_signing_key(key(world.alice, "two.rsa.pub"))
    );
    let (one, two): (SigningKeyRow, SigningKeyRow) = (one.unwrap(), two.unwrap());
    assert_eq!(one, two);
    assert_eq!(other.signing_keys(world.alice).await.unwrap(), [one].into());
}

#[tokio::test]
async fn an_import_retires_the_others_or_signs_beside_them() {
    let world = World::new().await;
    let metadata = &world.metadata;
    metadata
        .add_first_signing_key(key(world.alice, "one"))
        .await
        .unwrap();
    metadata
        .add_signing_key(key(world.alice, "two"), false)
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
        .add_signing_key(key(world.alice, "three"), true)
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
}

#[tokio::test]
async fn a_taken_name_is_told_and_retires_nothing() {
    let world = World::new().await;
    let metadata = &world.metadata;
    metadata
        .add_first_signing_key(key(world.alice, "one"))
        .await
        .unwrap();
    let refused = metadata
        .add_signing_key(key(world.alice, "one"), true)
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
        .add_signing_key(key(bob, "one"), true)
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
        .add_first_signing_key(key(world.alice, "one"))
        .await
        .unwrap();
    assert!(!format!("{row:?}").contains("sealed"));
    world
        .metadata
        .change_password(world.alice, Some("$argon2id$secret"))
        .await
        .unwrap();
    let user = world.metadata.user_by_id(world.alice).await.unwrap();
    assert!(!format!("{user:?}").contains("argon2id"));
}
