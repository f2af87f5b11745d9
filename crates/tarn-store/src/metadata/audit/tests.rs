//! Every change is written down once, by whom and of what; one that changes nothing, or is refused, is not.

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::metadata::{
    Database, KeyOrigin, KeyState, KeyType, Metadata, NewSigningKey, NewToken, NewUser, OtherKeys,
    Role, UserChange, Visibility,
};
use tarn_base::{
    clock::Timestamp,
    names::{OwnerName, TeamName},
};

const START: Timestamp = Timestamp::from_seconds(1_795_381_200);
const ACT: Act<'_> = Act {
    by: &Actor::COMMAND_LINE,
    at: START,
};

struct World {
    metadata: Metadata,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(folder.path().join("tarn.db"));
        Self {
            metadata: Metadata::open(&database).await.unwrap(),
            _folder: folder,
        }
    }

    async fn add_user(&self, called: &str, act: &Act<'_>) -> OwnerId {
        let new = NewUser {
            name: &name(called),
            password_hash: None,
            admin: called == "root",
            visibility: Visibility::Public,
        };
        self.metadata.add_user(new, act).await.unwrap().id
    }

    /// What was written down since the last time, a line an entry: action, owner, target, detail.
    async fn written(&self, since: &mut i64) -> Vec<String> {
        let rows = self
            .metadata
            .engine
            .rows(sql!(
                "SELECT id, action, COALESCE(owner, '-') AS owner, target, COALESCE(detail, '-') AS detail \
                 FROM audit_log WHERE id > $1 ORDER BY id",
                *since
            ))
            .await
            .unwrap();
        rows.iter()
            .map(|row| {
                *since = row.value("id").unwrap();
                let text = |column| row.value::<String>(column).unwrap();
                [
                    text("action"),
                    text("owner"),
                    text("target"),
                    text("detail"),
                ]
                .join("|")
            })
            .collect()
    }
}

fn name(name: &str) -> OwnerName {
    OwnerName::parse(name).unwrap()
}

#[tokio::test]
async fn accounts_and_their_tokens() {
    let world = World::new().await;
    let (metadata, mut since) = (&world.metadata, 0);
    let root = world.add_user("root", &ACT).await;
    let alice = world.add_user("alice", &ACT).await;
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
        owner: alice,
        label: "ci",
        hash: &[7; 32],
        scopes: "read:package",
        limits: "acme/*/*",
        networks: "192.0.2.0/24",
        expires_at: None,
        at_most: 10,
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
            "user.add|root|root|public, a site administrator",
            "user.add|alice|alice|public",
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
    let (metadata, mut since) = (&world.metadata, 0);
    let alice = world.add_user("alice", &ACT).await;
    let bob = world.add_user("bob", &ACT).await;
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
    let root = world.add_user("root", &ACT).await;
    let alice = world.add_user("alice", &ACT).await;
    let by = Actor {
        account: Some((alice, "alice".to_owned())),
        token: Some((TokenId::from_row(9), "ci".to_owned())),
        address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
        through: Through::Http,
    };
    let later = Timestamp::from_seconds(1_795_381_260);
    let changed = world
        .metadata
        .change_user(
            root,
            UserChange {
                disabled: Some(true),
                ..UserChange::default()
            },
            &by.at(later),
        )
        .await;
    assert!(changed.is_err(), "the last administrator");
    world.add_user("bob", &by.at(later)).await;
    world
        .metadata
        .remove_owner(alice, false, &ACT)
        .await
        .unwrap();
    let row = world
        .metadata
        .engine
        .row(sql!(
            "SELECT at, account_id, account, token_id, token, address, through, result FROM audit_log WHERE target = 'bob'"
        ))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row.value::<Timestamp>("at").unwrap(), later);
    assert_eq!(row.value::<i64>("account_id").unwrap(), alice.number());
    assert_eq!(row.value::<i64>("token_id").unwrap(), 9);
    let text = |column| row.value::<String>(column).unwrap();
    assert_eq!(
        ["account", "token", "address", "through", "result"].map(text),
        ["alice", "ci", "192.0.2.7", "http", "done"]
    );
}
