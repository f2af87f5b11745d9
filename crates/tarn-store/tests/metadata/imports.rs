//! What comes from another registry: accounts with what they sign in with, tokens whose text is not known, files with a past.

use tarn_base::{clock::Timestamp, names::OwnerName};
use tarn_store::metadata::{
    AddTokenError, Bearer, ForeignHash, Imported, ImportedKind, ImportedUser, NewForeignToken,
    NewPackageFile, NewUser, OwnerId, Past, Visibility,
};

use crate::{ACT, START, World, blob, name, package, user};

fn kept(number: u8) -> ForeignHash {
    ForeignHash {
        hash: format!("{number:02x}").repeat(50),
        salt: "salt".to_owned(),
    }
}

/// A public user who was called `bob/2`.
fn imported(name: &OwnerName) -> ImportedUser<'_> {
    ImportedUser {
        user: user(name),
        known_as: "bob/2",
        disabled: false,
        second_factor: None,
    }
}

fn token<'a>(world: &World, label: &'a str, kept: &'a ForeignHash) -> NewForeignToken<'a> {
    NewForeignToken {
        owner: world.alice,
        label,
        kept,
        last_eight: "01234567",
        scopes: "write:package",
        created_at: Timestamp::from_seconds(5),
        last_used_at: None,
        at_most: 2,
    }
}

#[tokio::test]
async fn a_token_is_found_by_its_end_until_its_text_is_known_and_by_its_hash_from_then_on() {
    let world = World::new().await;
    let metadata = &world.metadata;
    let (one, two, three) = (kept(1), kept(2), kept(3));
    let add = async |label: &str, kept: &ForeignHash| {
        let new = token(&world, label, kept);
        metadata.add_foreign_token(new, &ACT).await
    };
    let ending = async |end: &str| metadata.foreign_tokens_ending(end).await.unwrap();
    assert!(add("one", &one).await.unwrap());
    assert!(add("two", &two).await.unwrap());
    let again = add("again", &one).await;
    assert!(!again.unwrap(), "it is known already");
    let more = add("three", &three).await;
    assert!(matches!(more, Err(AddTokenError::TooMany)));

    let found = ending("01234567").await;
    let hashes: Vec<&ForeignHash> = found.iter().map(|(_, kept)| kept).collect();
    assert_eq!(hashes, [&one, &two]);
    assert!(ending("01234568").await.is_empty());

    let (first, sha256) = (found[0].0, [9; 32]);
    assert!(metadata.token(&sha256).await.unwrap().is_none());
    metadata.know_foreign_token(first, &sha256).await.unwrap();
    // Another request that showed the same text a moment later changes nothing.
    metadata.know_foreign_token(first, &[8; 32]).await.unwrap();
    assert!(metadata.token(&[8; 32]).await.unwrap().is_none());
    let (known, bearer) = metadata.token(&sha256).await.unwrap().unwrap();
    assert_eq!(
        (known.label.as_str(), known.created_at),
        ("one", Timestamp::from_seconds(5))
    );
    assert!(matches!(bearer, Bearer::User(user) if user.id == world.alice));
    assert_eq!(ending("01234567").await.len(), 1);

    for label in ["one", "two"] {
        let removed = metadata.remove_token(world.alice, label, &ACT).await;
        assert!(removed.unwrap());
    }
    assert!(metadata.token(&sha256).await.unwrap().is_none());
    assert!(ending("01234567").await.is_empty());
    for kept in [&one, &two] {
        let back = add("back", kept).await;
        assert!(!back.unwrap(), "a revoked token stays revoked");
    }
}

#[tokio::test]
async fn an_account_comes_with_all_it_signs_in_with_or_not_at_all() {
    let world = World::new().await;
    let metadata = &world.metadata;
    let (bob, carol) = (name("bob"), name("carol"));
    let user = |name| NewUser {
        password_hash: Some("$2a$10$hash"),
        admin: true,
        visibility: Visibility::Limited,
        ..user(name)
    };
    let new = ImportedUser {
        user: user(&bob),
        known_as: "bob/2",
        disabled: true,
        second_factor: Some(&|id| Some(format!("sealed for {id}").into_bytes())),
    };
    let id = metadata.import_user(new, &ACT).await.unwrap();
    let found = metadata.user(&bob).await.unwrap().unwrap();
    assert_eq!(
        (
            found.id,
            found.admin,
            found.disabled,
            found.visibility,
            found.password_hash.as_deref()
        ),
        (id, true, true, Visibility::Limited, Some("$2a$10$hash"))
    );
    let factor = metadata.second_factor(id).await.unwrap().unwrap();
    assert_eq!(factor.sealed, format!("sealed for {id}").into_bytes());
    assert_eq!(factor.confirmed_at, Some(START));

    let unsealed = ImportedUser {
        user: user(&carol),
        known_as: "carol/3",
        disabled: false,
        second_factor: Some(&|_| None),
    };
    assert!(metadata.import_user(unsealed, &ACT).await.is_err());
    assert!(metadata.user(&carol).await.unwrap().is_none());
    let known = metadata.imported_account("carol/3").await.unwrap();
    assert_eq!(known, None);

    let acme = name("acme");
    let new = (&acme, Visibility::Private);
    let nobody = OwnerId::from_row(99);
    let made = metadata
        .import_organisation(new, "acme/4", nobody, &ACT)
        .await;
    assert!(made.is_err() && metadata.owner(&acme).await.unwrap().is_none());
    let made = metadata.import_organisation(new, "acme/4", id, &ACT).await;
    let known = metadata.imported_account("acme/4").await.unwrap();
    assert_eq!(known, Some(made.unwrap().id));
}

#[tokio::test]
async fn a_hash_is_replaced_only_while_it_is_the_one_that_was_verified() {
    let world = World::new().await;
    let metadata = &world.metadata;
    let name = name("bob");
    let new = ImportedUser {
        user: NewUser {
            password_hash: Some("old"),
            ..user(&name)
        },
        ..imported(&name)
    };
    let id = metadata.import_user(new, &ACT).await.unwrap();
    metadata
        .replace_password_hash(id, "older", "new")
        .await
        .unwrap();
    let before = metadata.user(&name).await.unwrap().unwrap();
    assert_eq!(before.password_hash.as_deref(), Some("old"));
    metadata
        .replace_password_hash(id, "old", "new")
        .await
        .unwrap();
    let after = metadata.user(&name).await.unwrap().unwrap();
    assert_eq!(after.password_hash.as_deref(), Some("new"));
    assert_eq!(
        after.credential_version, before.credential_version,
        "the password is the same"
    );
}

#[tokio::test]
async fn a_file_comes_with_the_past_that_it_had_and_dates_its_version() {
    let world = World::new().await;
    let metadata = &world.metadata;
    let bob = OwnerId::from_row(77);
    let publish = async |arch: &str, past: Option<(i64, OwnerId)>| {
        let past = past.map(|(seconds, creator)| Past {
            created_at: Timestamp::from_seconds(seconds),
            creator: Some(creator),
            downloads: 3,
        });
        let new = NewPackageFile {
            past,
            ..package(world.alice, "hello", arch, blob(arch))
        };
        metadata.record_package(&new, &ACT).await.unwrap();
        let version = "SELECT created_at, creator_id FROM package_versions";
        world.sql(version).remove(0)
    };
    let seconds = |seconds: i64| Timestamp::from_seconds(seconds).micros().to_string();
    let alice = world.alice.number().to_string();
    let new = publish("x86_64", None).await;
    assert_eq!(new[0], START.micros().to_string());
    // The version is as old as the first of its files, whichever came first.
    for (arch, past, version) in [
        ("aarch64", (2_000, bob), [seconds(2_000), "77".to_owned()]),
        (
            "armv7",
            (3_000, world.alice),
            [seconds(2_000), "77".to_owned()],
        ),
        (
            "riscv64",
            (1_000, world.alice),
            [seconds(1_000), alice.clone()],
        ),
    ] {
        assert_eq!(publish(arch, Some(past)).await, version, "{arch}");
    }
    let files = "SELECT arch, created_at, uploader_id, downloads FROM package_files WHERE arch IN ('aarch64', 'riscv64') ORDER BY arch";
    assert_eq!(
        world.sql(files),
        [
            ["aarch64", &seconds(2_000), "77", "3"],
            ["riscv64", &seconds(1_000), &alice, "3"],
        ]
    );
    let file = world.file("aarch64", "hello-1.0-r0.apk").await.unwrap();
    assert_eq!(file.created_at, Timestamp::from_seconds(2_000));
}

#[tokio::test]
async fn what_was_imported_is_remembered_once_and_when_it_is_gone() {
    let world = World::new().await;
    let metadata = &world.metadata;
    let name = name("bob");
    let bob = metadata.import_user(imported(&name), &ACT).await.unwrap();
    let thing = |kind, name: &str, owner: OwnerId| Imported {
        kind,
        name: name.to_owned(),
        owner,
    };
    let hello = thing(ImportedKind::Package, "v3.23/main/x86_64/hello#00", bob);
    assert_eq!(metadata.imported_account("bob").await.unwrap(), None);
    assert_eq!(metadata.imported_account("bob/2").await.unwrap(), Some(bob));
    let things = [hello.clone()];
    for _ in 0..2 {
        metadata.remember_imported(&things).await.unwrap();
    }
    assert!(metadata.was_imported(&hello).await.unwrap());
    let of_alice = thing(ImportedKind::Package, &hello.name, world.alice);
    let rule = thing(ImportedKind::Rule, &hello.name, bob);
    for other in [of_alice, rule] {
        assert!(!metadata.was_imported(&other).await.unwrap(), "{other:?}");
    }

    metadata.remove_owner(bob, true, &ACT).await.unwrap();
    assert_eq!(metadata.imported_account("bob/2").await.unwrap(), Some(bob));
    assert!(metadata.was_imported(&hello).await.unwrap());
    // One that was made again counts from then on.
    let again = thing(ImportedKind::Account, "bob/2", world.alice);
    let newer = world.alice.max(bob);
    metadata.remember_imported(&[again]).await.unwrap();
    assert_eq!(
        metadata.imported_account("bob/2").await.unwrap(),
        Some(newer)
    );
}
