//! The rules about accounts, asked of the service that the command line and every other entry point use.

use std::{net::IpAddr, time::Duration};

use tarn_base::{
    clock::Clock,
    names::{OwnerName, TeamName},
    random::Random,
    secret::Secret,
};
use tarn_core::{
    Registry,
    access::{
        AccessLimits, AccountError, Accounts, Caller, Credentials, PasswordCost, TokenRequest,
        UsedToken,
    },
    settings::Settings,
};
use tarn_store::metadata::{Actor, OwnerKind, OwnersWanted, Role, Visibility, Window};

use crate::{START, settings};

static BY: Actor = Actor::COMMAND_LINE;
const USER: OwnerKind = OwnerKind::User;

pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) accounts: Accounts,
    _folder: tempfile::TempDir,
}

pub(crate) fn name(name: &str) -> OwnerName {
    OwnerName::parse(name).unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

impl World {
    /// A registry with the public user alice, whose password is `correct horse`.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(START);
        let settings = Settings {
            access: AccessLimits::tiny(),
            ..settings(folder.path())
        };
        let registry = Registry::open(settings, clock.clone()).await.unwrap();
        let metadata = registry.metadata().clone();
        let accounts = Accounts::with(metadata, clock, Random::system(), PasswordCost::TINY);
        let world = Self {
            registry,
            accounts,
            _folder: folder,
        };
        world.add_user("alice", Visibility::Public).await;
        world
    }

    async fn add_user(&self, user: &str, visibility: Visibility) {
        let password = secret("correct horse");
        self.accounts
            .add_user(&name(user), Some(&password), false, visibility, &BY)
            .await
            .unwrap();
    }

    /// A private organisation of alice's.
    async fn add_acme(&self) -> OwnerName {
        let (acme, alice) = (name("acme"), name("alice"));
        let added = self
            .accounts
            .add_organisation(&acme, Visibility::Private, &alice, &BY);
        added.await.unwrap();
        acme
    }

    async fn caller(&self, credentials: Credentials) -> Caller {
        let here = IpAddr::from([192, 0, 2, 7]);
        let access = self.registry.access();
        access.authenticate(&credentials, here).await.unwrap()
    }

    async fn signed_in(&self, user: &str) -> Caller {
        let credentials = Credentials::Basic {
            user: user.to_owned(),
            password: secret("correct horse"),
            code: None,
        };
        self.caller(credentials).await
    }

    /// Makes a token of alice's and uses it.
    async fn used(&self, request: &TokenRequest<'_>) -> UsedToken {
        let made = self
            .accounts
            .add_token(USER, &name("alice"), request, None, &BY)
            .await;
        let (_, token) = made.unwrap();
        let caller = self.caller(Credentials::Token(token)).await;
        caller.token().unwrap().clone()
    }

    async fn visible(&self, caller: &Caller) -> Vec<String> {
        let Ok(read_scope) = self.registry.access().read_scope(caller).await else {
            return Vec::new();
        };
        let all = Window {
            offset: 0,
            limit: 100,
        };
        let metadata = self.registry.metadata();
        let owners = metadata
            .visible_owners(&read_scope, OwnersWanted::default(), all)
            .await
            .unwrap();
        assert_eq!(owners.total, owners.entries.len() as u64);
        let owners = owners.entries.into_iter();
        owners.map(|entry| entry.owner.name).collect()
    }
}

#[tokio::test]
async fn a_token_made_by_a_token_is_never_wider() {
    let world = World::new().await;
    let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
    let request = |label, scopes: &str, limits: &str, networks: &str, lifetime| TokenRequest {
        limits: limits.parse().unwrap(),
        networks: networks.parse().unwrap(),
        lifetime,
        ..TokenRequest::new(label, scopes.parse().unwrap())
    };
    let all = "admin,write:package";
    let maker = request("maker", all, "acme/*/* b*/*/*", "192.0.2.0/24", hours(2));
    let maker = world.used(&maker).await;
    let (read, here) = ("read:package", "192.0.2.7");
    for (scopes, limits, networks, lifetime, wider) in [
        (all, "acme/*/*", "192.0.2.0/24", hours(2), None),
        (read, "acme/edge/*", "192.0.2.7", hours(1), None),
        ("no-delete,write:package", "bob/*/*", here, hours(1), None),
        (all, "", here, hours(1), Some("limits")),
        (read, "acme2/*/*", here, hours(1), Some("limits")),
        (read, "acme/*/*", "", hours(1), Some("networks")),
        (read, "acme/*/*", "192.0.0.0/16", hours(1), Some("networks")),
        (read, "acme/*/*", here, None, Some("bounds of time")),
        (read, "acme/*/*", here, hours(3), Some("bounds of time")),
    ] {
        let request = request("new", scopes, limits, networks, lifetime);
        let alice = name("alice");
        let made = world
            .accounts
            .add_token(USER, &alice, &request, Some(&maker), &BY);
        match (made.await, wider) {
            (Ok(_), None) => {
                let removed = world.accounts.remove_token(USER, &alice, "new", &BY);
                assert!(removed.await.unwrap());
            }
            (Err(AccountError::WiderThanMaker(found)), Some(wider)) => assert_eq!(found, wider),
            (made, _) => panic!("{scopes} {limits} {networks} {lifetime:?}: {made:?}"),
        }
    }
    let reader = TokenRequest::new("reader", "admin,read:package".parse().unwrap());
    let reader = world.used(&reader).await;
    let writer = TokenRequest::new("writer", "write:package".parse().unwrap());
    let made = world
        .accounts
        .add_token(USER, &name("alice"), &writer, Some(&reader), &BY)
        .await;
    assert!(matches!(made, Err(AccountError::WiderThanMaker("scopes"))));
    let alice = name("alice");
    let tokens = world.accounts.tokens(USER, &alice, Window::ALL).await;
    assert_eq!(tokens.unwrap().total, 2);
}

#[tokio::test]
async fn a_token_whose_name_does_not_show_as_it_is_is_refused() {
    let world = World::new().await;
    let alice = name("alice");
    let add = async |label: &str| {
        let request = TokenRequest::new(label, "read:package".parse().unwrap());
        let made = world.accounts.add_token(USER, &alice, &request, None, &BY);
        made.await.map(drop)
    };
    for label in [
        "",
        "c\ni",
        "\u{1b}[2Jci",
        "ci\u{202e}nimda",
        "c\u{200b}i",
        "c\u{2028}i",
    ] {
        assert!(
            matches!(add(label).await, Err(AccountError::BadLabel)),
            "{label:?}"
        );
    }
    add("CI für Ünïcödé 中").await.unwrap();
    add(&"x".repeat(64)).await.unwrap();
    let too_long = add(&"x".repeat(65)).await;
    assert!(matches!(too_long, Err(AccountError::BadLabel)));
}

#[tokio::test]
async fn a_token_lives_for_a_second_at_least() {
    let world = World::new().await;
    let alice = name("alice");
    let add = async |millis| {
        let request = TokenRequest {
            lifetime: Some(Duration::from_millis(millis)),
            ..TokenRequest::new("ci", "read:package".parse().unwrap())
        };
        let made = world.accounts.add_token(USER, &alice, &request, None, &BY);
        made.await.map(|(token, _)| token.expires_at)
    };
    for millis in [0, 500, 999] {
        let refused = add(millis).await;
        assert!(matches!(refused, Err(AccountError::NoLifetime)), "{millis}");
    }
    let end = START.after(Duration::from_secs(1));
    assert_eq!(add(1000).await.unwrap(), Some(end));
}

#[tokio::test]
async fn every_caller_sees_the_owners_they_may_read() {
    let world = World::new().await;
    let accounts = &world.accounts;
    world.add_user("Bob", Visibility::Limited).await;
    world.add_user("carol", Visibility::Private).await;
    world.add_user("root", Visibility::Private).await;
    accounts.set_admin(&name("root"), true, &BY).await.unwrap();
    for (organisation, visibility) in [
        ("Open", Visibility::Public),
        ("inner", Visibility::Limited),
        ("secret", Visibility::Private),
    ] {
        accounts
            .add_organisation(&name(organisation), visibility, &name("alice"), &BY)
            .await
            .unwrap();
    }
    let secret = name("secret");
    accounts
        .set_member(&secret, &name("bob"), Some(Role::Read), &BY)
        .await
        .unwrap();

    let all = ["alice", "Bob", "carol", "inner", "Open", "root", "secret"];
    let seen = async |user: &str| world.visible(&world.signed_in(user).await).await;
    assert_eq!(world.visible(&Caller::Anonymous).await, ["alice", "Open"]);
    assert_eq!(
        seen("bob").await,
        ["alice", "Bob", "inner", "Open", "secret"]
    );
    assert_eq!(
        seen("carol").await,
        ["alice", "Bob", "carol", "inner", "Open"]
    );
    assert_eq!(seen("root").await, all);
    let by_token = async |kind, owner: &str, scopes: &str, limits: &str| {
        let label = format!("{scopes} {limits}");
        let request = TokenRequest {
            limits: limits.parse().unwrap(),
            ..TokenRequest::new(&label, scopes.parse().unwrap())
        };
        let made = accounts
            .add_token(kind, &name(owner), &request, None, &BY)
            .await;
        let caller = world.caller(Credentials::Token(made.unwrap().1)).await;
        world.visible(&caller).await
    };
    let organisation = OwnerKind::Organisation;
    assert_eq!(by_token(USER, "root", "read:package", "").await, all);
    assert_eq!(
        by_token(USER, "root", "read:package", "secret/x/y inn*/*/*").await,
        ["inner", "secret"]
    );
    assert_eq!(
        by_token(USER, "root", "read:package,public-only", "").await,
        ["alice", "Open"]
    );
    assert_eq!(by_token(USER, "root", "admin", "").await, [""; 0]);
    assert_eq!(
        by_token(organisation, "secret", "read:package", "").await,
        ["alice", "Open", "secret"]
    );
}

#[tokio::test]
async fn reserved_names_are_refused_and_taken_back_by_their_former_owner() {
    let world = World::new().await;
    let accounts = &world.accounts;
    let reserved = |result: Result<(), AccountError>| {
        assert!(
            matches!(result, Err(AccountError::Reserved(_))),
            "{result:?}"
        );
    };
    let (api, alice) = (name("API"), name("alice"));
    let (password, public) = (secret("correct horse"), Visibility::Public);
    let user = accounts.add_user(&api, Some(&password), false, public, &BY);
    reserved(user.await.map(drop));
    let organisation = accounts.add_organisation(&api, public, &alice, &BY);
    reserved(organisation.await.map(drop));
    reserved(accounts.rename(USER, &alice, &api, &BY).await.map(drop));

    let other = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let registry = Registry::open(Settings::in_folder(other.path().to_path_buf()), clock).await;
    let registry = registry.unwrap();
    let accounts = registry.administration().accounts();
    let first = accounts
        .first_run(Some(secret("correct horse")))
        .await
        .unwrap();
    assert_eq!(first.unwrap().user, "admin");
    let (admin, boss) = (name("admin"), name("boss"));
    assert!(accounts.rename(USER, &admin, &boss, &BY).await.unwrap());
    assert!(accounts.rename(USER, &boss, &admin, &BY).await.unwrap());
}

#[tokio::test]
async fn former_names_are_few() {
    let world = World::new().await;
    let rename = async |called: &OwnerName, new: &str| {
        let new = name(new);
        world.accounts.rename(USER, called, &new, &BY).await
    };
    let mut called = name("alice");
    for number in 0..8 {
        let new = format!("alice{number}");
        assert!(rename(&called, &new).await.unwrap());
        called = name(&new);
    }
    let refused = rename(&called, "ninth").await;
    assert!(matches!(refused, Err(AccountError::TooManyFormerNames(_))));
    let owner = world.accounts.find_owner(&called).await.unwrap();
    assert_eq!(world.accounts.former_names(&owner).await.unwrap().len(), 8);
    // One that is taken back makes room, another case of the same name needs none.
    assert!(rename(&called, "ALICE7").await.unwrap());
    assert!(rename(&called, "alice").await.unwrap());
    assert_eq!(world.accounts.former_names(&owner).await.unwrap().len(), 8);
}

#[tokio::test]
async fn a_disabled_admin_does_not_count_where_one_has_to_remain() {
    let world = World::new().await;
    world.add_user("bob", Visibility::Public).await;
    let (alice, bob) = (name("alice"), name("bob"));
    let (accounts, acme) = (&world.accounts, world.add_acme().await);
    let admin = accounts.set_member(&acme, &bob, Some(Role::Admin), &BY);
    admin.await.unwrap();
    accounts.set_disabled(&alice, true, &BY).await.unwrap();

    let left = accounts.set_member(&acme, &bob, None, &BY).await;
    assert!(
        matches!(left, Err(AccountError::LastAdmin { .. })),
        "{left:?}"
    );
    let removed = accounts.remove(USER, &bob, false, &BY).await;
    assert!(
        matches!(removed, Err(AccountError::LastAdmin { .. })),
        "{removed:?}"
    );

    accounts.set_disabled(&alice, false, &BY).await.unwrap();
    assert!(accounts.set_member(&acme, &bob, None, &BY).await.unwrap());
}

#[tokio::test]
async fn with_its_only_admin_disabled_the_rest_of_an_organisation_can_be_changed() {
    let world = World::new().await;
    world.add_user("bob", Visibility::Public).await;
    let (alice, bob) = (name("alice"), name("bob"));
    let (accounts, acme) = (&world.accounts, world.add_acme().await);
    let (admins, ci) = (TeamName::parse("admins"), TeamName::parse("ci"));
    let (admins, ci) = (admins.unwrap(), ci.unwrap());
    let no_limits = "".parse().unwrap();
    let role = Role::Write;
    let made = accounts.add_team(&acme, &ci, role, &no_limits, &BY).await;
    made.unwrap();
    accounts.set_disabled(&alice, true, &BY).await.unwrap();

    for role in [Some(Role::Read), Some(Role::Write), None] {
        let set = accounts.set_member(&acme, &bob, role, &BY).await;
        assert!(set.unwrap(), "{role:?}");
    }
    let joined = accounts.add_team_member(&acme, &ci, &bob, &BY).await;
    assert!(joined.unwrap());
    let left = accounts.remove_team_member(&acme, &ci, &bob, &BY).await;
    assert!(left.unwrap());
    accounts.remove_team(&acme, &ci, &BY).await.unwrap();

    // She is still its last admin, who can't be taken away; enabled, she would be one again.
    let left = accounts.set_member(&acme, &alice, None, &BY).await;
    let last = matches!(left, Err(AccountError::LastAdmin { .. }));
    assert!(last, "{left:?}");
    let left = accounts.remove_team_member(&acme, &admins, &alice, &BY);
    let left = left.await;
    let last = matches!(left, Err(AccountError::NoAdminLeft(_)));
    assert!(last, "{left:?}");
    let removed = accounts.remove(USER, &alice, false, &BY).await;
    let last = matches!(removed, Err(AccountError::LastAdmin { .. }));
    assert!(last, "{removed:?}");
}

#[tokio::test]
async fn of_two_disabled_admins_one_can_be_taken_away() {
    let world = World::new().await;
    let (accounts, acme) = (&world.accounts, world.add_acme().await);
    for user in ["bob", "carol"] {
        world.add_user(user, Visibility::Public).await;
        accounts
            .set_member(&acme, &name(user), Some(Role::Admin), &BY)
            .await
            .unwrap();
    }
    for user in ["alice", "bob", "carol"] {
        accounts.set_disabled(&name(user), true, &BY).await.unwrap();
    }
    let (bob, carol) = (name("bob"), name("carol"));
    let left = accounts.set_member(&acme, &bob, Some(Role::Read), &BY);
    assert!(left.await.unwrap());
    accounts.remove(USER, &carol, false, &BY).await.unwrap();
    assert_eq!(accounts.members(&acme, Window::ALL).await.unwrap().total, 2);
}
