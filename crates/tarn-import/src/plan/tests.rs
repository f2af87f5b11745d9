//! What becomes of rows that are not as simple as they could be.

use super::*;
use crate::{
    ForgeSettings, Program, Storage,
    app_ini::ForgeDatabase,
    forge::{CleanupRule, Hook, TwoFactor},
};

const HASH: &str = "c0183b329096ce2d3df9a77e1892d697252893123a19a7ae54f11d34d1683bd86a9ec9b23590a147bfbe9c0012f276695de5";

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

/// A row with something changed.
fn with<T>(mut row: T, change: impl FnOnce(&mut T)) -> T {
    change(&mut row);
    row
}

fn account(id: i64, name: &str) -> Account {
    Account {
        id,
        name: name.to_owned(),
        kind: forge::PERSON,
        password: (secret(HASH), "pbkdf2$320000$50".to_owned(), "00".repeat(16)),
        login_type: 0,
        active: true,
        prohibited: false,
        admin: false,
        restricted: false,
        visibility: 0,
        created: 1_600_000_000,
    }
}

fn organisation(id: i64, name: &str) -> Account {
    with(account(id, name), |it| it.kind = forge::ORGANISATION)
}

fn a_forge() -> Forge {
    Forge {
        program: Program::Gitea,
        settings: ForgeSettings {
            database: ForgeDatabase::Sqlite("gitea.db".into()),
            packages: Storage::Local("packages".into()),
            secret_key: secret("key"),
            sign_in_to_read: false,
        },
        accounts: Vec::new(),
        teams: Vec::new(),
        tokens: Vec::new(),
        two_factors: HashMap::new(),
        security_keys: HashSet::new(),
        signing_keys: BTreeMap::new(),
        files: Vec::new(),
        rules: Vec::new(),
        hooks: Vec::new(),
        other_packages: BTreeMap::new(),
        former_names: 0,
        repositories: 0,
    }
}

fn token(name: &str, scope: &str) -> Token {
    Token {
        user: 1,
        name: name.to_owned(),
        hash: secret(&"ab".repeat(50)),
        salt: secret("salt"),
        last_eight: "01234567".to_owned(),
        scope: scope.to_owned(),
        all_repositories: true,
        created: 1,
        used: 1,
    }
}

fn file(version: i64, place: &str) -> File {
    File {
        owner: 1,
        version,
        creator: 1,
        created: 5,
        downloads: 3,
        name: "a-1-r0.apk".to_owned(),
        place: place.to_owned(),
        size: 1,
        sha256: "AB".repeat(32),
    }
}

fn hook(url: &str) -> Hook {
    Hook {
        owner: 1,
        repository: 0,
        url: url.to_owned(),
        method: "POST".to_owned(),
        content_type: 1,
        secret: secret(""),
        events: r#"{"send_everything":true}"#.to_owned(),
        active: true,
        kind: "forgejo".to_owned(),
        authorizes: false,
    }
}

fn why(plan: &Plan, kind: Kind) -> Vec<&str> {
    let notes = plan.report.notes.iter().filter(|note| note.kind == kind);
    notes.map(|note| note.why.as_str()).collect()
}

fn have_passwords(plan: &Plan) -> Vec<bool> {
    let users = plan.users.iter();
    users.map(|user| user.password_hash.is_some()).collect()
}

#[test]
fn an_account_that_may_do_less_there_is_disabled() {
    let mut forge = a_forge();
    forge.accounts = vec![
        with(account(1, "restricted"), |it| it.restricted = true),
        with(account(2, "prohibited"), |it| it.prohibited = true),
        with(account(3, "inactive"), |it| it.active = false),
        account(4, "usual"),
        with(account(5, "reserved"), |it| it.kind = 2),
    ];
    let plan = Plan::of(&forge);
    let disabled: Vec<bool> = plan.users.iter().map(|user| user.disabled).collect();
    assert_eq!(disabled, [true, true, true, false]);
    assert!(why(&plan, Kind::User)[0].contains("`tarn user enable restricted`"));
}

#[test]
fn what_was_for_signed_in_users_stays_for_them() {
    let mut forge = a_forge();
    forge.settings.sign_in_to_read = true;
    forge.accounts = vec![
        account(1, "public"),
        with(organisation(2, "limited"), |it| it.visibility = 1),
        with(organisation(3, "private"), |it| it.visibility = 2),
    ];
    let plan = Plan::of(&forge);
    assert_eq!(plan.users[0].visibility, Visibility::Limited);
    let others: Vec<Visibility> = plan
        .organisations
        .iter()
        .map(|each| each.visibility)
        .collect();
    assert_eq!(others, [Visibility::Limited, Visibility::Private]);
    assert!(why(&plan, Kind::User)[0].contains("REQUIRE_SIGNIN_VIEW"));
}

#[test]
fn without_the_second_factor_there_is_no_password() {
    let mut forge = a_forge();
    forge.accounts = vec![
        account(1, "generator"),
        account(2, "keyed"),
        account(3, "usual"),
    ];
    let sealed = TwoFactor {
        id: 1,
        secret: secret("AAAA"),
    };
    forge.two_factors.insert(1, sealed);
    forge.security_keys.insert(2);
    let plan = Plan::of(&forge);
    assert_eq!(have_passwords(&plan), [false, false, true]);
    assert_eq!(plan.report.count(Kind::SecondFactor).left_out, 2);
}

#[test]
fn a_password_of_another_service_is_none() {
    let mut forge = a_forge();
    forge.accounts = vec![
        with(account(1, "ldap"), |it| it.login_type = 2),
        with(account(2, "plain"), |it| it.login_type = 1),
        Account {
            kind: forge::BOT,
            login_type: 0,
            password: (secret(""), String::new(), String::new()),
            ..account(3, "bot")
        },
    ];
    let plan = Plan::of(&forge);
    assert_eq!(have_passwords(&plan), [false, true, false]);
}

#[test]
fn the_greater_right_of_a_team_counts_and_only_owners_administer() {
    let mut forge = a_forge();
    forge.accounts = vec![account(1, "alice"), organisation(9, "acme")];
    let team = |id: i64, name: &str, authorize: i64, packages: i64| Team {
        id,
        organisation: 9,
        name: name.to_owned(),
        authorize,
        packages,
        members: vec![id],
    };
    forge.teams = vec![
        team(1, "Owners", 4, 4),
        team(2, "by-unit", 0, 2),
        team(3, "by-authorize", 2, 0),
        team(4, "administers-code", 3, 1),
        team(5, "reads", 1, 1),
        team(6, "nothing", 0, 0),
        team(7, "Admins", 1, 1),
        team(9, "Readers", 1, 1),
        team(8, "with spaces", 2, 2),
    ];
    let plan = Plan::of(&forge);
    let acme = &plan.organisations[0];
    assert_eq!(acme.admins, [1]);
    let teams: Vec<(Option<&str>, Role)> = acme
        .teams
        .iter()
        .map(|team| (team.name.as_ref().map(TeamName::as_str), team.role))
        .collect();
    assert_eq!(
        teams,
        [
            (Some("by-unit"), Role::Write),
            (Some("by-authorize"), Role::Write),
            (Some("administers-code"), Role::Write),
            (Some("reads"), Role::Read),
            (Some("nothing"), Role::Read),
            (None, Role::Read),
            (None, Role::Read),
            (None, Role::Write),
        ]
    );
    assert_eq!(why(&plan, Kind::Team).len(), 2);
}

#[test]
fn a_token_keeps_its_scopes_and_gets_a_label_that_can_be() {
    let mut forge = a_forge();
    forge.accounts = vec![account(1, "alice")];
    let long = "x".repeat(300);
    forge.tokens = vec![
        token("ci", "write:package"),
        token("ci", "read:package,public-only"),
        token("a\u{202e}b", "all"),
        token(&long, "read:user"),
        token(&long, "read:package"),
        with(token("fine", "write:package"), |it| {
            it.all_repositories = false;
        }),
        with(token("newer", "all"), |it| {
            it.hash = secret("$hmac-sha256$00");
        }),
        token("git", "write:repository"),
        token("future", "write:package,write:everything"),
        with(token("of nobody", "all"), |it| it.user = 77),
    ];
    let plan = Plan::of(&forge);
    let kept: Vec<(&str, String)> = plan
        .tokens
        .iter()
        .map(|token| (token.label.as_str(), token.scopes.to_string()))
        .collect();
    assert_eq!(kept[0], ("ci", "write:package".to_owned()));
    assert_eq!(kept[1], ("ci 2", "public-only,read:package".to_owned()));
    assert_eq!(kept[2], ("a_b", "admin,write:package".to_owned()));
    assert_eq!((kept[3].0.len(), kept.len()), (60, 5));
    assert_eq!(kept[4].0, format!("{} 2", kept[3].0));
    assert_eq!(plan.report.count(Kind::Token).left_out, 4);
}

#[test]
fn a_place_that_cannot_be_is_told_and_downloads_count_once() {
    let mut forge = a_forge();
    forge.accounts = vec![account(1, "alice")];
    forge.files = vec![
        file(1, "v3.23|main|x86_64"),
        file(1, "v3.23|main|aarch64"),
        file(2, "v3.23|ma in|x86_64"),
        file(3, "v3.23|main"),
        file(4, "a|b|c|d"),
        with(file(5, "v3.23|main|x86_64"), |it| it.owner = 5),
        with(file(6, "v3.23|main|x86_64"), |it| it.sha256 = String::new()),
    ];
    let plan = Plan::of(&forge);
    let downloads: Vec<u64> = plan.files.iter().map(|file| file.downloads).collect();
    assert_eq!(downloads, [3, 0]);
    assert_eq!(plan.files[0].sha256, "ab".repeat(32));
    assert_eq!(
        plan.files[0].path("alice"),
        "alice/v3.23/main/x86_64/a-1-r0.apk"
    );
    assert_eq!(plan.report.count(Kind::Package).left_out, 5);
}

#[test]
fn a_rule_never_deletes_what_the_forge_kept() {
    let mut forge = a_forge();
    forge.accounts = vec![account(1, "alice")];
    let rule = CleanupRule {
        owner: 1,
        enabled: true,
        keep: 5,
        days: 0,
        has_pattern: false,
        counts_downloads: false,
    };
    forge.rules = vec![
        rule.clone(),
        with(rule.clone(), |it| it.enabled = false),
        with(rule.clone(), |it| it.has_pattern = true),
        with(rule.clone(), |it| it.counts_downloads = true),
        with(rule, |it| it.keep = -1),
    ];
    let plan = Plan::of(&forge);
    let numbers: Vec<(u32, u32)> = plan
        .rules
        .iter()
        .map(|rule| (rule.days, rule.keep))
        .collect();
    assert_eq!(numbers, [(1, 5)]);
    assert_eq!(plan.report.count(Kind::Rule).left_out, 4);
}

#[test]
fn a_webhook_comes_along_where_its_receiver_understands_the_message() {
    let mut forge = a_forge();
    forge.accounts = vec![account(1, "alice")];
    let usual = || hook("https://ci.example.org/a/secret?path");
    forge.hooks = vec![
        usual(),
        Hook {
            events: r#"{"choose_events":true,"events":{"push":true}}"#.to_owned(),
            ..usual()
        },
        with(usual(), |it| it.repository = 4),
        with(usual(), |it| it.owner = 0),
        with(usual(), |it| it.kind = "slack".to_owned()),
        with(usual(), |it| it.content_type = 2),
        with(usual(), |it| it.authorizes = true),
        with(usual(), |it| it.owner = 6),
        Hook {
            events: r#"{"choose_events":tr"#.to_owned(),
            ..usual()
        },
        Hook {
            events: String::new(),
            repository: 4,
            ..usual()
        },
    ];
    let plan = Plan::of(&forge);
    assert_eq!(plan.hooks.len(), 1);
    assert_eq!(plan.report.count(Kind::Webhook).left_out, 7);
    let shown = plan
        .report
        .notes
        .iter()
        .all(|note| note.what.ends_with(": https://ci.example.org"));
    assert!(shown, "{:?}", plan.report.notes);
}

#[test]
fn names_that_cannot_be_and_what_is_not_alpine_are_told() {
    let mut forge = a_forge();
    forge.accounts = vec![
        account(1, "Packages"),
        account(2, "with space"),
        account(3, "good"),
    ];
    forge.other_packages.insert("npm".to_owned(), 2);
    forge.repositories = 3;
    forge.former_names = 1;
    let plan = Plan::of(&forge);
    assert_eq!(plan.users.len(), 1);
    assert_eq!(plan.report.count(Kind::User).left_out, 2);
    let others: Vec<&str> = plan
        .report
        .notes
        .iter()
        .filter(|note| note.kind == Kind::Other)
        .map(|note| note.what.as_str())
        .collect();
    assert_eq!(
        others,
        [
            "2 npm package versions",
            "3 Git repositories",
            "1 former names of owners"
        ]
    );
}
