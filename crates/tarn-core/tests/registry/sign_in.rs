//! Names and passwords that come from elsewhere: of another program, of before a rename, of before the first run.

use std::net::IpAddr;

use tarn_base::{names::OwnerName, secret::Secret};
use tarn_core::{
    Registry,
    access::{AccountError, AuthError, Credentials},
};
use tarn_store::metadata::{Actor, OwnerKind, Visibility};

use crate::accounts::{World, name};

const BY: &Actor = &Actor::COMMAND_LINE;

/// A password, and how another program keeps it.
const FORGE_PASSWORD: &str = "correct horse 42";
const PBKDF2: &str = "$pbkdf2-sha256$i=10000$AAECAwQFBgcICQoLDA0ODw$77Rx8Jk89VLkmp3R8JlyFOGYdStZ4fkgtjxpAgDKyFBAopwLJCvzUuP7fijxhUHGdBE";
/// The least that this server makes in tests.
const TINY: &str = "$argon2id$v=19$m=8,t=1,p=1$";

async fn sign_in(registry: &Registry, password: &str) -> Result<(), AuthError> {
    let credentials = Credentials::Basic {
        user: "alice".to_owned(),
        password: Secret::new(password.to_owned()),
        code: None,
    };
    let here = IpAddr::from([192, 0, 2, 7]);
    let caller = registry.access().authenticate(&credentials, here).await;
    caller.map(drop)
}

#[tokio::test]
async fn the_hash_of_another_program_is_replaced_once_the_password_was_right() {
    let world = World::new().await;
    let registry = &world.registry;
    let metadata = registry.metadata();
    let alice = async || metadata.user(&name("alice")).await.unwrap().unwrap();
    let hash = async || alice().await.password_hash.unwrap();
    let own = hash().await;
    assert!(own.starts_with(TINY), "{own}");
    sign_in(registry, "correct horse").await.unwrap();
    assert_eq!(hash().await, own, "it is this server's own");

    let (id, version) = (alice().await.id, alice().await.credential_version);
    let replaced = metadata.replace_password_hash(id, &own, PBKDF2).await;
    replaced.unwrap();
    registry.access().write_down().await.unwrap();
    let refused = sign_in(registry, "another").await;
    assert!(
        matches!(refused, Err(AuthError::WrongCredentials)),
        "{refused:?}"
    );
    assert_eq!(hash().await, PBKDF2);
    sign_in(registry, FORGE_PASSWORD).await.unwrap();
    let new = hash().await;
    assert!(new.starts_with(TINY) && new != own, "{new}");
    // It is the same password, so that sessions and tokens go on.
    assert_eq!(alice().await.credential_version, version);
    sign_in(registry, FORGE_PASSWORD).await.unwrap();
}

#[tokio::test]
async fn a_former_name_is_answered_with_the_new_one_where_it_was_of_that_kind() {
    let world = World::new().await;
    let accounts = &world.accounts;
    let (alice, acme, bob) = (name("alice"), name("acme"), name("bob"));
    let added = accounts.add_organisation(&acme, Visibility::Public, &alice, BY);
    added.await.unwrap();
    for (kind, old, new) in [
        (OwnerKind::User, &alice, "alicia"),
        (OwnerKind::Organisation, &acme, "acme-inc"),
    ] {
        let renamed = accounts.rename(kind, old, &name(new), BY).await;
        assert!(renamed.unwrap());
    }
    let user = async |name: &OwnerName| accounts.find_user(name).await.unwrap_err();
    let organisation = async |name| accounts.find_organisation(name).await.unwrap_err();
    for (refused, old, new) in [
        (user(&alice).await, &alice, "alicia"),
        (organisation(&acme).await, &acme, "acme-inc"),
    ] {
        assert!(
            matches!(&refused, AccountError::Renamed(was, is) if was == old && is == new),
            "{refused:?}"
        );
    }
    // Of the other kind, and of none.
    for (refused, name) in [(user(&acme).await, &acme), (user(&bob).await, &bob)] {
        assert!(
            matches!(&refused, AccountError::NoUser(missing) if missing == name),
            "{refused:?}"
        );
    }
    for (refused, name) in [
        (organisation(&alice).await, &alice),
        (organisation(&bob).await, &bob),
    ] {
        assert!(
            matches!(&refused, AccountError::NoOrganisation(missing) if missing == name),
            "{refused:?}"
        );
    }
    let owners = async || {
        let users = accounts
            .users()
            .await
            .unwrap()
            .into_iter()
            .map(|user| user.name);
        let organisations = accounts.organisations().await.unwrap().into_iter();
        (
            users.collect::<Vec<_>>(),
            organisations.map(|owner| owner.name).collect::<Vec<_>>(),
        )
    };
    assert_eq!(
        owners().await,
        (vec!["alicia".to_owned()], vec!["acme-inc".to_owned()])
    );
}

#[tokio::test]
async fn a_first_run_makes_an_administrator_only_where_there_is_no_user() {
    let world = World::new().await;
    let (registry, accounts) = (&world.registry, &world.accounts);
    assert!(accounts.first_run(None).await.unwrap().is_none());
    let users = registry.metadata().user_count().await.unwrap();
    assert_eq!(users, 1);
}
