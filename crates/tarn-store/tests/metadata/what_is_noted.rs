//! Every change is written down once, by whom and of what; one that changes nothing, or is refused, is not.

use std::time::Duration;

use tarn_base::names::TeamName;
use tarn_store::metadata::{
    Actor, AuditFilter, AuditResult, KeyOrigin, KeyState, KeyType, NewSigningKey, NewToken,
    OtherKeys, Role, Through, TokenId, UserChange, Visibility,
};

use crate::{ACT, START, World, add_administrator, add_user, name, token};

impl World {
    /// What was written down since the last time, a line an entry: action, owner, target, detail.
    async fn written(&self, since: &mut i64) -> Vec<String> {
        let mut log = self.log(&AuditFilter::default()).await;
        log.retain(|entry| entry.id > *since);
        *since = log.first().map_or(*since, |entry| entry.id);
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let lines = log.into_iter().rev().map(|entry| {
            let (owner, detail) = (or_none(entry.owner), or_none(entry.detail));
            [entry.action, owner, entry.target, detail].join("|")
        });
        lines.collect()
    }
}

#[tokio::test]
async fn accounts_and_their_tokens() {
    let world = World::new().await;
    let (metadata, alice, mut since) = (&world.metadata, world.alice, 0);
    let root = add_administrator(metadata, "root").await;
    let change = async |who, order: UserChange<'_>| metadata.change_user(who, order, &ACT).await;
    let password = async |password_hash| {
        let order = UserChange {
            password_hash: Some(password_hash),
            ..UserChange::default()
        };
        change(alice, order).await.unwrap();
    };
    let disabled = |disabled| UserChange {
        disabled: Some(disabled),
        ..UserChange::default()
    };
    let admin = |admin| UserChange {
        admin: Some(admin),
        ..UserChange::default()
    };
    let disable = async |yes| change(alice, disabled(yes)).await.unwrap();
    let make_admin = async |yes| change(alice, admin(yes)).await.unwrap();
    password(Some("x")).await;
    password(None).await;
    for _ in 0..2 {
        disable(true).await;
        make_admin(true).await;
    }
    disable(false).await;
    make_admin(false).await;
    assert!(change(root, admin(false)).await.is_err());
    assert!(change(root, disabled(true)).await.is_err());
    assert!(metadata.remove_owner(root, true, &ACT).await.is_err());
    for _ in 0..2 {
        let private = Visibility::Private;
        metadata.set_visibility(alice, private, &ACT).await.unwrap();
        metadata
            .rename_owner(alice, &name("alicia"), &|_, _| None, &ACT)
            .await
            .unwrap();
    }
    assert!(
        metadata
            .rename_owner(root, &name("ALICE"), &|_, _| None, &ACT)
            .await
            .is_err()
    );
    let token = NewToken {
        limits: "acme/*/*",
        networks: "192.0.2.0/24",
        ..token(alice, "ci", &[7; 32])
    };
    metadata.add_token(token, &ACT).await.unwrap();
    assert!(metadata.add_token(token, &ACT).await.is_err());
    for _ in 0..2 {
        metadata.remove_token(alice, "ci", &ACT).await.unwrap();
        metadata.release_name(&name("alice"), &ACT).await.unwrap();
    }
    metadata.remove_owner(alice, false, &ACT).await.unwrap();
    assert_eq!(
        world.written(&mut since).await,
        [
            "user.add|alice|alice|public",
            "user.add|root|root|public, a site administrator",
            "user.password|alice||-",
            "user.password|alice||taken away",
            "user.disable|alice||-",
            "user.admin.add|alice||-",
            "user.enable|alice||-",
            "user.admin.remove|alice||-",
            "user.visibility|alice||from public to private",
            "user.rename|alicia|alice|from alice to alicia",
            "token.add|alicia|ci|read:package on acme/*/* from 192.0.2.0/24",
            "token.revoke|alicia|ci|-",
            "name.release|alicia|alice|-",
            "user.delete|alicia|alicia|-",
        ]
    );
}

#[tokio::test]
async fn organisations_teams_and_keys() {
    let world = World::new().await;
    let (metadata, alice, mut since) = (&world.metadata, world.alice, 0);
    let bob = add_user(metadata, "bob").await;
    world.written(&mut since).await;
    let acme = metadata
        .add_organisation(&name("acme"), Visibility::Limited, alice, &ACT)
        .await
        .unwrap()
        .id;
    for role in [Some(Role::Read), Some(Role::Write), None] {
        for _ in 0..2 {
            metadata.set_member(acme, bob, role, &ACT).await.unwrap();
        }
        assert!(metadata.set_member(acme, alice, role, &ACT).await.is_err());
    }
    let ci = TeamName::parse("ci").unwrap();
    let team = metadata
        .add_team(acme, &ci, Role::Write, "edge/main", 10, &ACT)
        .await
        .unwrap();
    assert!(
        metadata
            .add_team(acme, &ci, Role::Read, "", 10, &ACT)
            .await
            .is_err()
    );
    for _ in 0..2 {
        metadata.set_team_limits(&team, "", &ACT).await.unwrap();
        metadata.add_team_member(&team, bob, &ACT).await.unwrap();
    }
    for _ in 0..2 {
        metadata.remove_team_member(&team, bob, &ACT).await.unwrap();
    }
    metadata.remove_team(&team, &ACT).await.unwrap();
    assert!(metadata.remove_team(&team, &ACT).await.is_err());
    assert_eq!(
        world.written(&mut since).await,
        [
            "org.add|acme|acme|limited",
            "org.member.change|acme|bob|read",
            "org.member.change|acme|bob|write",
            "org.member.remove|acme|bob|-",
            "team.add|acme|ci|write on edge/main",
            "team.change|acme|ci|write",
            "team.member.add|acme|ci|bob",
            "team.member.remove|acme|ci|bob",
            "team.delete|acme|ci|-",
        ]
    );

    let key = |name, origin| NewSigningKey {
        owner: acme,
        name,
        key_type: KeyType::Rsa,
        public_pem: "",
        sealed: &[1],
        origin,
    };
    for _ in 0..2 {
        let first = key("one", KeyOrigin::Made);
        metadata.add_first_signing_key(first, &ACT).await.unwrap();
    }
    for (name, origin) in [("two", KeyOrigin::Made), ("three", KeyOrigin::Imported)] {
        let beside = OtherKeys::SignOn { at_most: 3 };
        let new = key(name, origin);
        metadata.add_signing_key(new, beside, &ACT).await.unwrap();
        assert!(metadata.add_signing_key(new, beside, &ACT).await.is_err());
    }
    for state in [KeyState::Retired, KeyState::Active] {
        for _ in 0..2 {
            let changed = metadata.change_signing_key(acme, "one", state, &ACT);
            changed.await.unwrap();
        }
    }
    metadata.remove_owner(acme, false, &ACT).await.unwrap();
    assert_eq!(
        world.written(&mut since).await,
        [
            "key.add|acme|one|-",
            "key.rotate|acme|two|-",
            "key.import|acme|three|-",
            "key.retire|acme|one|-",
            "key.reactivate|acme|one|-",
            "org.delete|acme|acme|-",
        ]
    );
}

#[tokio::test]
async fn who_did_it_stands_beside_it_and_outlives_them() {
    let world = World::new().await;
    let (metadata, alice) = (&world.metadata, world.alice);
    let root = add_administrator(metadata, "root").await;
    let by = Actor {
        account: Some((alice, "alice".to_owned())),
        token: Some((TokenId::from_row(9), "ci".to_owned())),
        address: Some([192, 0, 2, 7].into()),
        through: Through::Http,
    };
    let act = by.at(START.after(Duration::from_secs(60)));
    let disable = UserChange {
        disabled: Some(true),
        ..UserChange::default()
    };
    let changed = metadata.change_user(root, disable, &act).await;
    assert!(changed.is_err(), "the last administrator");
    let change = metadata.set_visibility(root, Visibility::Private, &act);
    assert!(change.await.unwrap());
    metadata.remove_owner(alice, false, &ACT).await.unwrap();
    let log = world.log(&AuditFilter::default()).await;
    let [_, entry, ..] = log.as_slice() else {
        unreachable!("{log:?}");
    };
    assert_eq!(
        (entry.action.as_str(), entry.at),
        ("user.visibility", act.at)
    );
    assert_eq!(entry.account_id, Some(alice.number()));
    assert_eq!(entry.account.as_deref(), Some("alice"));
    assert_eq!(entry.token_id, Some(9));
    assert_eq!(entry.token.as_deref(), Some("ci"));
    assert_eq!(entry.address.as_deref(), Some("192.0.2.7"));
    assert_eq!(entry.through, Through::Http);
    assert_eq!(entry.result, AuditResult::Done);
}
