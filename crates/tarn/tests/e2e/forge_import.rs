//! Moving from a forge: its accounts, tokens, keys and packages are here, and its clients go on with what they have.

use std::{fs, process::Output, sync::Arc};

use apk::sign::{KeySize, SigningKey};
use rusqlite::Connection;
use tarn_testkit::must_say;
use tempfile::TempDir;

use crate::{
    harness::{
        Apk, Package, Server, alpine_or_leave_out, curl_or_leave_out,
        forge::{Forge, GENERATOR, PASSWORD, TOKEN},
        server::{DEFAULT_COST, files_below, tarn_in},
    },
    second_factor::code,
};

pub(crate) const X86_64: &str = "v3.23|main|x86_64";

/// A forge in which alice has three packages, one of them damaged, and acme has one.
pub(crate) fn forge() -> (Forge, SigningKey) {
    let forge = Forge::new();
    let key = SigningKey::generate(KeySize::Rsa2048).unwrap();
    forge.sign(1, &key.to_pkcs8_pem().unwrap());
    forge.publish(
        (1, 2, 1_600_000_000),
        X86_64,
        &Package::new("hello", "1.0-r0"),
    );
    let noarch = Package::new("hello-doc", "1.0-r0").arch("noarch");
    forge.publish((1, 1, 1_650_000_000), "v3.23|main|noarch", &noarch);
    let cut = Package::new("cut", "1.0-r0");
    let bytes = cut.bytes();
    forge.publish_bytes(
        (1, 1, 1_660_000_000),
        X86_64,
        &cut.file_name(),
        &bytes[..bytes.len() / 2],
    );
    forge.publish(
        (10, 2, 1_670_000_000),
        X86_64,
        &Package::new("tool", "2.0-r0"),
    );
    (forge, key)
}

/// Imports into that data folder, with more arguments on one line.
pub(crate) fn import(forge: &Forge, data: &TempDir, more: &str) -> Output {
    let line = format!(
        "import gitea --app-ini {} {more}",
        forge.app_ini().display()
    );
    tarn_in(data.path(), line.trim_end())
}

/// The same; it must end well. Gives the report.
pub(crate) fn imported(forge: &Forge, data: &TempDir, more: &str) -> String {
    report(&import(forge, data, more))
}

pub(crate) fn report(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The counts of a kind in a report: imported, there, left out.
pub(crate) fn counts(report: &str, kind: &str) -> Vec<u64> {
    let line = report.lines().find(|line| line.starts_with(kind)).unwrap();
    let numbers = line[kind.len()..].split_whitespace();
    numbers.map(|number| number.parse().unwrap()).collect()
}

/// That a report has these counts.
#[track_caller]
pub(crate) fn expect_counts(report: &str, expected: &[(&str, [u64; 3])]) {
    for (kind, expected) in expected {
        assert_eq!(counts(report, kind), expected, "{kind}: {report}");
    }
}

pub(crate) fn database(data: &TempDir) -> Connection {
    Connection::open(data.path().join("tarn.db")).unwrap()
}

pub(crate) fn text(database: &Connection, question: &str) -> String {
    database.query_row(question, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_dry_run_says_what_would_come_and_writes_nothing() {
    let (forge, _) = forge();
    let before = forge.content();
    let data = TempDir::new().unwrap();
    let said = imported(&forge, &data, "--dry-run");
    assert_eq!(counts(&said, "users"), [7, 0, 0]);
    assert_eq!(counts(&said, "packages"), [3, 0, 1]);
    must_say(&said, "packages: Alice/v3.23/main/x86_64/cut-1.0-r0.apk: ");
    assert_eq!(files_below(data.path()), Vec::<std::path::PathBuf>::new());
    assert!(fs::read_dir(data.path()).unwrap().next().is_none());
    assert!(before == forge.content(), "the forge is only read");
}

#[test]
fn everything_is_imported_once_and_the_rest_is_told() {
    let (forge, _) = forge();
    let before = forge.content();
    let data = TempDir::new().unwrap();
    let said = imported(&forge, &data, "");
    let expected = [
        ("users", [7, 0, 0]),
        ("second factors", [1, 0, 1]),
        ("tokens", [1, 0, 1]),
        ("organisations", [1, 0, 1]),
        ("teams", [1, 0, 0]),
        ("members", [4, 0, 0]),
        ("signing keys", [1, 0, 0]),
        ("packages", [3, 0, 1]),
        ("expiry rules", [1, 0, 1]),
        ("webhooks", [1, 0, 1]),
    ];
    expect_counts(&said, &expected);
    for why in [
        "organisations: packages: Tarn needs this name itself",
        "second factors: grace: Tarn has no security keys (WebAuthn), so the password is left out too",
        "users: erin: may not sign in there",
        "users: frank: signed in by another service",
        "tokens: bob/issues: its scope (write:issue) grants nothing on packages",
        "packages: Alice/v3.23/main/x86_64/cut-1.0-r0.apk: ",
        "expiry rules: acme: it has a pattern of versions",
        "webhooks: Alice: https://chat.example.org: it sends messages in the form of a chat service",
        "others: 1 npm package version: Tarn has Alpine packages only",
    ] {
        assert!(said.contains(why), "{why}\n{said}");
    }
    assert!(
        !said.contains("secret"),
        "neither a secret nor the path of a webhook: {said}"
    );
    assert!(before == forge.content(), "the forge is only read");

    let rows = database(&data);
    let hello = "SELECT created_at || ' ' || downloads || ' ' || (SELECT name FROM owners WHERE id = uploader_id) FROM package_files WHERE name = 'hello'";
    assert_eq!(text(&rows, hello), "1600000000000000 7 bob");
    let version = "SELECT created_at || ' ' || (SELECT name FROM owners WHERE id = creator_id) FROM package_versions WHERE name = 'hello'";
    assert_eq!(text(&rows, version), "1600000000000000 bob");
    let rule = "SELECT pattern || ' ' || days || ' ' || keep FROM expiry_rules";
    assert_eq!(text(&rows, rule), "*/* 30 3");
    assert_eq!(
        text(&rows, "SELECT url FROM webhooks"),
        "https://ci.example.org/hook"
    );
    let roles = "SELECT group_concat(o.name || ' ' || t.role, ', ') FROM (SELECT * FROM team_members ORDER BY user_id, team_id) AS m JOIN teams AS t ON t.id = m.team_id JOIN owners AS o ON o.id = m.user_id";
    assert_eq!(
        text(&rows, roles),
        "Alice admin, bob write, carol read, dave read"
    );
    drop(rows);

    let again = imported(&forge, &data, "");
    let expected = [
        ("users", [0, 7, 0]),
        ("tokens", [0, 1, 1]),
        ("organisations", [0, 1, 1]),
        ("teams", [0, 1, 0]),
        ("members", [0, 4, 0]),
        ("signing keys", [0, 1, 0]),
        ("packages", [0, 3, 1]),
        ("expiry rules", [0, 1, 1]),
        ("webhooks", [0, 1, 1]),
    ];
    expect_counts(&again, &expected);
    assert_eq!(text(&database(&data), hello), "1600000000000000 7 bob");

    forge.publish(
        (1, 1, 1_680_000_000),
        X86_64,
        &Package::new("hello", "1.1-r0"),
    );
    let more = imported(&forge, &data, "--owner alice");
    assert_eq!(counts(&more, "packages"), [1, 2, 1]);
    let none = import(&forge, &data, "--owner nobody");
    assert_eq!(none.status.code(), Some(1));
}

#[test]
fn an_import_runs_beside_the_server_which_shows_at_once_what_came() {
    found!(curl_or_leave_out());
    let (forge, key) = forge();
    let server = Server::start();
    server
        .alpine("alice", "/v3.23/main/x86_64/APKINDEX.tar.gz")
        .expect(404);
    let app_ini = forge.app_ini().display().to_string();
    let said = server.tarn(&format!("import gitea --app-ini {app_ini} --merge alice"));
    assert_eq!(counts(&said, "packages"), [3, 0, 1], "{said}");
    let index = server.alpine("alice", "/v3.23/main/x86_64/APKINDEX.tar.gz");
    let index = index.user(&format!("alice:{TOKEN}")).expect(200);
    assert!(!index.body.is_empty());
    let public = server.alpine("alice", "/key").expect(200);
    assert_eq!(public.body, key.public_key().to_pem().as_bytes());
    // What was received for the server is still its own.
    let folder = server.data_folder().join("tmp-import");
    assert_eq!(files_below(&folder), Vec::<std::path::PathBuf>::new());
    server.publish("v1/main", &Package::new("after", "1.0-r0"));
}

#[test]
fn people_sign_in_with_what_they_had_and_get_no_more_rights() {
    found!(curl_or_leave_out());
    let (forge, _) = forge();
    let data = Arc::new(TempDir::new().unwrap());
    imported(&forge, &data, "");
    let rows = database(&data);
    let hash = |name: &str| {
        let question = format!(
            "SELECT password_hash FROM users JOIN owners ON id = owner_id WHERE name = '{name}'"
        );
        text(&rows, &question)
    };
    let server = Server::start_on(Arc::clone(&data), "");
    let index = "/v3.23/main/x86_64/APKINDEX.tar.gz";
    let signs_in = |credentials: &str, owner: &str, status: u16| {
        server.alpine(owner, index).user(credentials).expect(status);
    };
    for (name, foreign) in [
        ("Alice", "$pbkdf2-sha256$"),
        ("carol", "$scrypt$"),
        ("dave", "$2a$10$"),
    ] {
        assert!(hash(name).starts_with(foreign), "{name}");
        signs_in(&format!("{name}:wrong horse 42"), "alice", 401);
        assert!(hash(name).starts_with(foreign), "{name}");
        for _ in 0..2 {
            signs_in(&format!("{name}:{PASSWORD}"), "alice", 200);
            assert!(
                hash(name).starts_with(DEFAULT_COST),
                "{name}: {}",
                hash(name)
            );
        }
        signs_in(&format!("{name}:wrong horse 42"), "alice", 401);
    }
    // acme is private.
    signs_in(&format!("dave:{PASSWORD}"), "acme", 200);
    server.alpine("acme", index).expect(401);
    let tool = Package::new("tool", "2.1-r0");
    let upload = |credentials: &str| {
        server
            .alpine("acme", "/v3.23/main")
            .user(credentials)
            .upload_bytes(&tool.bytes())
    };
    upload(&format!("dave:{PASSWORD}")).expect(403);

    let bob = format!("bob:{PASSWORD}");
    assert!(hash("bob").starts_with("$argon2id$v=19$m=65536,t=2,p=8$"));
    let without = server.alpine("alice", index).user(&bob).expect(401);
    assert!(without.text().contains("code"), "{}", without.text());
    let digits = code(&format!("x?secret={GENERATOR}&x"), 0);
    upload(&bob)
        .header(&format!("X-Gitea-OTP: {digits}"))
        .expect(201);
    assert!(hash("bob").starts_with(DEFAULT_COST), "{}", hash("bob"));

    for nobody in ["erin", "frank", "grace"] {
        signs_in(&format!("{nobody}:{PASSWORD}"), "alice", 401);
    }
}

#[test]
fn a_token_of_the_forge_is_one_of_this_server_after_its_first_use() {
    found!(curl_or_leave_out());
    let (forge, _) = forge();
    let data = Arc::new(TempDir::new().unwrap());
    imported(&forge, &data, "");
    let rows = database(&data);
    let unknown = "SELECT CAST(COUNT(token_id) AS TEXT) FROM foreign_tokens";
    assert_eq!(text(&rows, unknown), "1");
    let server = Server::start_on(Arc::clone(&data), "");
    let upload = |version: &str| {
        let package = Package::new("new", version);
        server
            .alpine("alice", "/v3.23/main")
            .upload_bytes(&package.bytes())
    };
    let other = format!("1{}", &TOKEN[1..]);
    upload("1.0-r0").user(&format!("alice:{other}")).expect(401);
    assert_eq!(text(&rows, unknown), "1");
    upload("1.0-r0")
        .user(&format!("anybody:{TOKEN}"))
        .expect(201);
    assert_eq!(text(&rows, unknown), "0");
    upload("1.1-r0")
        .user(&format!("{TOKEN}:x-oauth-basic"))
        .expect(201);
    upload("1.2-r0")
        .header(&format!("Authorization: token {TOKEN}"))
        .expect(201);
    upload("1.3-r0")
        .header(&format!("Authorization: Bearer {other}"))
        .expect(401);
    // alice is a site administrator, and the token is for packages only.
    server
        .curl("/api/v1/user/tokens")
        .header(&format!("Authorization: token {TOKEN}"))
        .expect(401);

    server.tarn("token revoke --user alice --name ci");
    upload("1.4-r0").user(&format!("alice:{TOKEN}")).expect(401);
    server.stop();
    let again = imported(&forge, &data, "");
    assert_eq!(counts(&again, "tokens"), [0, 1, 1]);
    let server = Server::start_on(data, "");
    let index = server.alpine("alice", "/v3.23/main/x86_64/APKINDEX.tar.gz");
    index.user(&format!("alice:{TOKEN}")).expect(401);
}

#[test]
fn apk_goes_on_with_the_key_of_the_forge() {
    let alpine = found!(alpine_or_leave_out());
    let (forge, key) = forge();
    let data = Arc::new(TempDir::new().unwrap());
    imported(&forge, &data, "");
    let server = Server::start_on(data, "");
    let name = format!("alice@{}.rsa.pub", key.public_key().fingerprint());
    let url = server.repository_as(&format!("alice:{TOKEN}"), "alice", "v3.23/main");
    let apk = Apk::new(&alpine, &[url]).with_key(&name, key.public_key().to_pem().as_bytes());
    assert_eq!(apk.search(&[]), ["hello-1.0-r0", "hello-doc-1.0-r0"]);
    apk.expect(&["add", "hello"]);
    apk.must_have("usr/share/tarn/hello", "1.0-r0");
}

#[test]
fn an_organisation_from_before_gets_no_members_however_often_a_forge_is_imported() {
    let (forge, _) = forge();
    let server = Server::start();
    server.add_user("zoe", "public");
    server.tarn("org add acme --owner zoe");
    server.tarn("org team add acme devs --role write");
    let import = format!("import gitea --app-ini {}", forge.app_ini().display());
    for run in 1..=2 {
        let said = server.tarn(&format!("{import} --merge acme"));
        assert_eq!(counts(&said, "members")[0], 0, "run {run}: {said}");
        assert!(said.contains("the team existed here before"), "{said}");
        let members = server.tarn("org members acme --json");
        assert_eq!(members.matches("\"user\"").count(), 1, "{members}");
        assert!(members.contains("\"zoe\""), "{members}");
    }
    // Another account that has the name of one that was deleted is not that one.
    server.tarn("user delete erin");
    server.add_user("erin", "public");
    let said = server.tarn(&import);
    assert!(said.contains("users: erin: an earlier import"), "{said}");
}

#[test]
fn accounts_of_two_forges_with_one_name_are_merged_only_when_that_is_asked_for() {
    let (first, _) = forge();
    let second = Forge::new();
    second.run("UPDATE \"user\" SET created_unix = 1400000000", &[]);
    second.run("UPDATE \"user\" SET name = 'heidi' WHERE id = 3", &[]);
    second.run(
        "UPDATE access_token SET uid = 2, token_hash = replace(token_hash, 'a', 'b') WHERE name = 'ci'",
        &[],
    );
    let place = (10, 3, 1_690_000_000);
    second.publish(place, X86_64, &Package::new("other", "1.0-r0"));
    let data = TempDir::new().unwrap();
    imported(&first, &data, "");

    let said = imported(&second, &data, "");
    assert_eq!(counts(&said, "users"), [1, 0, 6], "{said}");
    assert_eq!(counts(&said, "organisations"), [0, 0, 2], "{said}");
    assert_eq!(counts(&said, "packages"), [0, 0, 1], "{said}");
    for what in ["users: Alice", "organisations: acme"] {
        let why = "an account here has this name but did not come from this forge";
        assert!(said.contains(&format!("{what}: {why}")), "{said}");
    }
    let tokens = |data: &TempDir| {
        text(
            &database(data),
            "SELECT count(*) || '' FROM tokens JOIN owners ON owners.id = owner_id WHERE name = 'bob'",
        )
    };
    assert_eq!(tokens(&data), "0");

    let unknown = import(&second, &data, "--merge acne");
    assert_eq!(unknown.status.code(), Some(1));
    let said = imported(&second, &data, "--merge ACME --merge bob");
    assert_eq!(counts(&said, "users"), [0, 2, 5], "{said}");
    assert_eq!(counts(&said, "organisations"), [0, 1, 1], "{said}");
    assert_eq!(counts(&said, "packages"), [1, 0, 0], "{said}");
    // heidi read in the second forge; the team of that name came from the first.
    let why = "heidi in acme/readers: the team existed here before the import";
    assert!(said.contains(why), "{said}");
    assert_eq!(tokens(&data), "1");
    // The first forge is still known as it was.
    let said = imported(&first, &data, "");
    assert_eq!(counts(&said, "users"), [0, 7, 0], "{said}");
    assert_eq!(counts(&said, "members"), [0, 4, 0], "{said}");
}
