//! Owners, members and tokens.

use std::time::Duration;

use tarn_base::names::TeamName;
use tarn_store::metadata::{
    AddOwnerError, AddTokenError, Bearer, ChangeUserError, Metadata, MetadataError, NewToken,
    NewUser, OwnerId, OwnerKind, RemoveOwnerError, Role, TeamError, Token, UserChange, Visibility,
    Window,
};

use crate::{
    ACT, START, World, about, act, add_administrator, add_user, disabled, name, open, token, user,
};

/// The roles of the teams in which that user is.
async fn roles(metadata: &Metadata, organisation: OwnerId, user: OwnerId) -> Vec<Role> {
    let grants = metadata.team_grants(organisation, user).await.unwrap();
    grants.iter().map(|grant| grant.role).collect()
}

/// An identifier that no account of this world has.
async fn nobody() -> OwnerId {
    let other = World::new().await;
    for name in ["b", "c", "d", "e"] {
        add_user(&other.metadata, name).await;
    }
    add_user(&other.metadata, "f").await
}

#[tokio::test]
async fn a_new_database_has_no_users() {
    let folder = tempfile::tempdir().unwrap();
    let metadata = open(&folder).await;
    assert_eq!(metadata.user_count().await.unwrap(), 0);
    add_user(&metadata, "admin").await;
    assert_eq!(metadata.user_count().await.unwrap(), 1);
}

#[tokio::test]
async fn owners_are_one_name_space_without_regard_to_case() {
    let world = World::new().await;
    let metadata = &world.metadata;
    let refused = metadata.add_user(user(&name("ALICE")), &ACT).await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, AddOwnerError::NameTaken), "{refused}");
    let refused = metadata
        .add_organisation(&name("Alice"), Visibility::Public, world.alice, &ACT)
        .await
        .unwrap_err();
    assert!(matches!(refused, AddOwnerError::NameTaken), "{refused}");
    let found = metadata.owner(&name("aLiCe")).await.unwrap().unwrap();
    assert_eq!((found.id, found.name.as_str()), (world.alice, "alice"));
    assert_eq!(metadata.owners().await.unwrap(), [found]);
    assert_eq!(metadata.owner(&name("alic")).await.unwrap(), None);
}

#[tokio::test]
async fn a_user_reads_back_as_it_was_made() {
    let world = World::new().await;
    let new = NewUser {
        name: &name("Bob"),
        password_hash: Some("hash"),
        admin: true,
        visibility: Visibility::Private,
    };
    let made = world.metadata.add_user(new, &ACT).await.unwrap();
    assert!(made.admin && !made.disabled);
    assert_eq!(made.password_hash.as_deref(), Some("hash"));
    assert_eq!(
        world.metadata.user(&name("bob")).await.unwrap(),
        Some(made.clone())
    );
    assert_eq!(
        world.metadata.user_by_id(made.id).await.unwrap(),
        Some(made.clone())
    );
    let names: Vec<_> = world.metadata.users().await.unwrap();
    assert_eq!(names.last(), Some(&made));
    assert_eq!(names.len(), 2);
}

#[tokio::test]
async fn what_one_signs_in_with_moves_the_credential_version_on() {
    let world = World::new().await;
    let (metadata, alice) = (&world.metadata, world.alice);
    let version = async || {
        let user = metadata.user_by_id(alice).await.unwrap().unwrap();
        user.credential_version
    };
    let change = async |order: UserChange<'_>| {
        metadata.change_user(alice, order, &ACT).await.unwrap();
    };
    let password = |password_hash| UserChange {
        password_hash: Some(password_hash),
        ..UserChange::default()
    };
    assert_eq!(version().await, 1);
    change(password(Some("new"))).await;
    assert_eq!(version().await, 2);
    change(disabled(true)).await;
    assert_eq!(version().await, 3);
    change(password(None)).await;
    assert_eq!(version().await, 4);
    let promote = UserChange {
        admin: Some(true),
        ..UserChange::default()
    };
    change(promote).await;
    metadata
        .set_visibility(alice, Visibility::Limited, &ACT)
        .await
        .unwrap();
    let user = metadata.user_by_id(alice).await.unwrap().unwrap();
    assert_eq!(user.credential_version, 4);
    assert!(user.admin && user.disabled && user.password_hash.is_none());
    assert_eq!(user.visibility, Visibility::Limited);
}

#[tokio::test]
async fn a_change_of_an_unknown_account_is_refused() {
    let world = World::new().await;
    let (metadata, nobody) = (&world.metadata, nobody().await);
    let missing = |error: MetadataError, expected| {
        assert!(
            matches!(error, MetadataError::Missing(found) if found == expected),
            "{error}"
        );
    };
    for change in [
        UserChange {
            password_hash: Some(None),
            ..UserChange::default()
        },
        disabled(true),
        UserChange {
            admin: Some(true),
            ..UserChange::default()
        },
    ] {
        let error = metadata.change_user(nobody, change, &ACT).await;
        let ChangeUserError::Metadata(error) = error.unwrap_err() else {
            panic!("another refusal");
        };
        missing(error, "user");
    }
    let visibility = Visibility::Public;
    let error = metadata.set_visibility(nobody, visibility, &ACT).await;
    missing(error.unwrap_err(), "owner");
    let error = metadata
        .add_organisation(&name("club"), Visibility::Public, nobody, &ACT)
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        AddOwnerError::Metadata(MetadataError::Missing("user"))
    ));
    // The organisation was not made either.
    assert_eq!(metadata.owner(&name("club")).await.unwrap(), None);
}

#[tokio::test]
async fn the_last_site_administrator_who_is_not_disabled_stays_one() {
    let world = World::new().await;
    let metadata = &world.metadata;
    let change = async |user, admin, disabled| {
        let change = UserChange {
            admin,
            disabled,
            ..UserChange::default()
        };
        metadata.change_user(user, change, &ACT).await
    };
    let root = add_administrator(metadata, "root").await;
    let other = add_administrator(metadata, "other").await;
    assert!(change(other, None, Some(true)).await.unwrap());
    for (admin, disabled) in [(Some(false), None), (None, Some(true))] {
        let refused = change(root, admin, disabled).await;
        let is_last = matches!(refused, Err(ChangeUserError::LastSiteAdmin));
        assert!(is_last, "{refused:?}");
    }
    let refused = metadata.remove_owner(root, false, &ACT).await;
    let is_last = matches!(refused, Err(RemoveOwnerError::LastSiteAdmin));
    assert!(is_last, "{refused:?}");
    // What changes nothing is not refused, nor what is done with those who do not count.
    assert!(!change(root, Some(true), Some(false)).await.unwrap());
    assert!(change(other, Some(false), None).await.unwrap());
    assert!(change(world.alice, None, Some(true)).await.unwrap());

    assert!(change(other, Some(true), Some(false)).await.unwrap());
    assert!(change(root, Some(false), None).await.unwrap());
    metadata.remove_owner(root, false, &ACT).await.unwrap();
}

#[tokio::test]
async fn members_come_change_and_go() {
    let world = World::new().await;
    let (metadata, alice) = (&world.metadata, world.alice);
    let club = metadata
        .add_organisation(&name("Club"), Visibility::Private, alice, &ACT)
        .await
        .unwrap();
    assert_eq!(club.kind, OwnerKind::Organisation);
    assert_eq!(
        metadata.owner(&name("club")).await.unwrap(),
        Some(club.clone())
    );
    assert_eq!(metadata.user(&name("club")).await.unwrap(), None);
    let club = club.id;
    assert_eq!(roles(metadata, club, alice).await, [Role::Admin]);

    let bob = add_user(metadata, "bob").await;
    assert_eq!(roles(metadata, club, bob).await, []);
    assert!(
        metadata
            .set_member(club, bob, Some(Role::Read), &ACT)
            .await
            .unwrap()
    );
    assert!(
        metadata
            .set_member(club, bob, Some(Role::Write), &ACT)
            .await
            .unwrap()
    );
    let members: Vec<_> = metadata
        .members(club, Window::ALL)
        .await
        .unwrap()
        .entries
        .into_iter()
        .map(|member| (member.user.name, member.role))
        .collect();
    assert_eq!(
        members,
        [
            ("alice".to_owned(), Role::Admin),
            ("bob".to_owned(), Role::Write)
        ]
    );
    let writers = TeamName::parse("writers").unwrap();
    let writers = metadata.team(club, &writers).await.unwrap().unwrap();
    for (user, found) in [("BOB", Some(bob)), ("alice", None), ("nobody", None)] {
        let member = metadata.team_member(&writers, &name(user)).await.unwrap();
        assert_eq!(member.map(|user| user.id), found, "{user}");
    }
    assert!(metadata.set_member(club, bob, None, &ACT).await.unwrap());
    assert!(!metadata.set_member(club, bob, None, &ACT).await.unwrap());
    assert_eq!(roles(metadata, club, bob).await, []);
}

#[tokio::test]
async fn only_users_are_members_and_only_of_organisations() {
    let world = World::new().await;
    let (metadata, alice) = (&world.metadata, world.alice);
    let bob = add_user(metadata, "bob").await;
    let club = metadata
        .add_organisation(&name("club"), Visibility::Public, alice, &ACT)
        .await
        .unwrap()
        .id;
    let error = metadata
        .set_member(bob, alice, Some(Role::Read), &ACT)
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        TeamError::Metadata(MetadataError::Missing("organisation"))
    ));
    for no_user in [club, nobody().await] {
        let error = metadata
            .set_member(club, no_user, Some(Role::Read), &ACT)
            .await
            .unwrap_err();
        assert!(
            matches!(error, TeamError::Metadata(MetadataError::Missing("user"))),
            "{error}"
        );
    }
}

#[tokio::test]
async fn tokens_are_found_by_hash_listed_touched_and_removed() {
    let world = World::new().await;
    let (metadata, alice) = (&world.metadata, world.alice);
    let later = START.after(Duration::from_secs(60));
    let new = NewToken {
        limits: "alice/edge/main",
        networks: "192.0.2.0/24",
        expires_at: Some(later),
        ..token(alice, "laptop", &[7; 32])
    };
    let made = metadata.add_token(new, &ACT).await.unwrap();
    // Each field as it was given, without `..`: one that is new must be kept, too.
    let whole = Token {
        id: made.id,
        owner: alice,
        label: "laptop".to_owned(),
        scopes: "read:package".to_owned(),
        limits: "alice/edge/main".to_owned(),
        networks: "192.0.2.0/24".to_owned(),
        created_at: START,
        expires_at: Some(later),
        last_used_at: None,
    };
    assert_eq!(made, whole);
    let (found, bearer) = metadata.token(&[7; 32]).await.unwrap().unwrap();
    assert_eq!(found, made);
    assert!(matches!(bearer, Bearer::User(user) if user.id == alice));
    assert!(metadata.token(&[8; 32]).await.unwrap().is_none());

    metadata.touch_tokens(&[(made.id, later)]).await.unwrap();
    // An earlier use that is noted late changes nothing.
    metadata.touch_tokens(&[(made.id, START)]).await.unwrap();
    let tokens = metadata.tokens(alice, Window::ALL).await.unwrap().entries;
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0].last_used_at, Some(later));
    // A number goes before a label that looks like it.
    let number = made.id.number();
    let numeric = NewToken {
        label: &number.to_string(),
        hash: &[9; 32],
        ..new
    };
    let numeric = metadata.add_token(numeric, &ACT).await.unwrap();
    for (owner, number, label, found) in [
        (alice, Some(number), numeric.label.as_str(), Some(made.id)),
        (alice, None, "laptop", Some(made.id)),
        (alice, Some(i64::MAX), &*numeric.label, Some(numeric.id)),
        (alice, None, "LAPTOP", None),
        (nobody().await, Some(number), "laptop", None),
    ] {
        let of_owner = metadata.token_of(owner, number, label).await.unwrap();
        assert_eq!(of_owner.map(|token| token.id), found, "{number:?} {label}");
    }

    assert!(metadata.remove_token(alice, "laptop", &ACT).await.unwrap());
    assert!(!metadata.remove_token(alice, "laptop", &ACT).await.unwrap());
    assert!(metadata.token(&[7; 32]).await.unwrap().is_none());
    metadata.touch_tokens(&[(made.id, later)]).await.unwrap();
}

#[tokio::test]
async fn a_label_is_free_again_once_removed_and_the_identifier_never() {
    let world = World::new().await;
    let (metadata, alice) = (&world.metadata, world.alice);
    let new = |hash| token(alice, "ci", hash);
    let first = metadata.add_token(new(&[1; 32]), &ACT).await.unwrap();
    let refused = metadata.add_token(new(&[2; 32]), &ACT).await.unwrap_err();
    assert!(matches!(refused, AddTokenError::LabelTaken), "{refused}");
    assert!(metadata.token(&[2; 32]).await.unwrap().is_none());
    metadata.remove_token(alice, "ci", &ACT).await.unwrap();
    let second = metadata.add_token(new(&[2; 32]), &ACT).await.unwrap();
    assert!(second.id > first.id, "caches are keyed by identifiers");

    let mut dangling = new(&[3; 32]);
    dangling.owner = nobody().await;
    let error = metadata.add_token(dangling, &ACT).await.unwrap_err();
    assert!(matches!(
        error,
        AddTokenError::Metadata(MetadataError::Missing("owner"))
    ));
}

#[tokio::test]
async fn an_owner_has_so_many_tokens_and_what_expired_makes_room() {
    let world = World::new().await;
    let (metadata, alice) = (&world.metadata, world.alice);
    let second = |number| START.after(Duration::from_secs(number));
    let add = async |label: u8, expires_at, at| {
        let (label, hash) = (label.to_string(), [label; 32]);
        let new = NewToken {
            expires_at,
            at_most: 2,
            ..token(alice, &label, &hash)
        };
        metadata.add_token(new, &act(at)).await
    };
    let labels = async || {
        let tokens = metadata.tokens(alice, Window::ALL).await.unwrap();
        tokens
            .entries
            .into_iter()
            .map(|token| token.label)
            .collect::<Vec<_>>()
    };
    add(1, None, START).await.unwrap();
    add(2, Some(second(10)), START).await.unwrap();
    let refused = add(3, None, second(9)).await.unwrap_err();
    assert!(matches!(refused, AddTokenError::TooMany), "{refused}");
    assert_eq!(labels().await, ["1", "2"]);
    add(3, Some(second(20)), second(10)).await.unwrap();
    assert_eq!(labels().await, ["1", "3"]);
}

#[tokio::test]
async fn an_organisation_has_so_many_teams() {
    let world = World::new().await;
    let metadata = &world.metadata;
    let acme = metadata
        .add_organisation(&name("acme"), Visibility::Public, world.alice, &ACT)
        .await
        .unwrap()
        .id;
    let add = async |team: &str| {
        let team = TeamName::parse(team).unwrap();
        metadata
            .add_team(acme, &team, Role::Read, "", 4, &ACT)
            .await
    };
    let first = add("one").await.unwrap();
    let refused = add("two").await.unwrap_err();
    assert!(matches!(refused, TeamError::TooMany), "{refused}");
    metadata.remove_team(&first, &ACT).await.unwrap();
    add("two").await.unwrap();
}

#[tokio::test]
async fn an_owner_with_packages_goes_only_with_them_and_the_log_says_how_many() {
    let world = World::new().await;
    let bob = add_user(&world.metadata, "bob").await;
    for name in ["busybox", "zlib"] {
        world.record(name, "x86_64").await.unwrap();
    }
    let remove = async |owner, with| world.metadata.remove_owner(owner, with, &ACT).await;
    let refused = remove(world.alice, false).await.unwrap_err();
    assert_eq!(refused.to_string(), "the owner has 2 packages");
    assert_eq!(remove(world.alice, true).await.unwrap(), 2);
    assert_eq!(remove(bob, false).await.unwrap(), 0);
    let log = world.log(&about("user.delete")).await;
    let details: Vec<_> = log.iter().map(|entry| entry.detail.as_deref()).collect();
    assert_eq!(details, [None, Some("with 2 packages")]);
}
