//! A second import from a forge, after something changed here.

use apk::sign::{KeySize, SigningKey};
use tempfile::TempDir;

use crate::{
    forge_import::{X86_64, counts, database, forge, import, report, text},
    harness::{Package, server::tarn_in},
};

#[test]
fn what_was_deleted_or_renamed_here_does_not_come_back_by_itself() {
    let (forge, _) = forge();
    let data = TempDir::new().unwrap();
    report(&import(&forge, &data, &[]));
    let hello = "v3.23/main/x86_64/hello-1.0-r0.apk";
    for command in [
        &["package", "delete", "alice", hello][..],
        &["webhook", "delete", "alice", "1"],
        &["expiry", "delete", "alice", "*/*"],
        &[
            "org", "team", "member", "acme", "readers", "dave", "--remove",
        ],
        &["org", "team", "delete", "acme", "devs"],
        &["user", "delete", "erin"],
        &["user", "rename", "carol", "caroline"],
    ] {
        report(&tarn_in(data.path(), command));
    }
    let said = report(&import(&forge, &data, &[]));
    for (kind, expected) in [
        ("users", [0, 6, 1]),
        ("teams", [0, 0, 1]),
        ("members", [0, 2, 1]),
        ("packages", [0, 2, 2]),
        ("expiry rules", [0, 0, 2]),
        ("webhooks", [0, 0, 2]),
    ] {
        assert_eq!(counts(&said, kind), expected, "{kind}: {said}");
    }
    let why =
        "an earlier import brought it, and it was deleted here since; `--again` brings it back";
    for what in [
        "users: erin",
        "teams: acme/devs",
        "members: dave in acme/readers",
        "packages: 1 of Alice",
        "expiry rules: Alice",
        "webhooks: Alice",
    ] {
        assert!(said.contains(&format!("{what}: {why}")), "{what}\n{said}");
    }
    let rows = database(&data);
    let names = "SELECT group_concat(name, ' ') FROM (SELECT name FROM owners ORDER BY id)";
    assert_eq!(
        text(&rows, names),
        "Alice bob caroline dave frank grace acme",
        "the renamed user is the same one"
    );
    // What is new in the forge comes all the same: a package, and a member of a team that came earlier.
    forge.publish(
        (1, 1, 1_680_000_000),
        X86_64,
        &Package::new("hello", "1.1-r0"),
    );
    forge.join(3, 2);
    let more = report(&import(&forge, &data, &[]));
    assert_eq!(counts(&more, "packages"), [1, 2, 2]);
    assert_eq!(counts(&more, "members"), [1, 2, 1]);

    let all = report(&import(&forge, &data, &["--again"]));
    for (kind, expected) in [
        ("users", [1, 6, 0]),
        ("teams", [1, 0, 0]),
        ("members", [2, 3, 0]),
        ("packages", [1, 3, 1]),
        ("expiry rules", [1, 0, 1]),
        ("webhooks", [1, 0, 1]),
    ] {
        assert_eq!(counts(&all, kind), expected, "{kind}: {all}");
    }
}

#[test]
fn a_key_is_imported_once_under_the_name_that_clients_of_the_forge_know() {
    let (forge, key) = forge();
    let data = TempDir::new().unwrap();
    report(&import(&forge, &data, &[]));
    report(&tarn_in(
        data.path(),
        &["user", "rename", "alice", "alicia"],
    ));
    report(&tarn_in(data.path(), &["user", "rename", "bob", "bobby"]));
    // bob gets his key after he was renamed here.
    let later = SigningKey::generate(KeySize::Rsa2048).unwrap();
    forge.sign(2, &later.to_pkcs8_pem().unwrap());
    let said = report(&import(&forge, &data, &[]));
    assert_eq!(counts(&said, "signing keys"), [1, 1, 0], "{said}");
    for (owner, name, key) in [("alicia", "alice", &key), ("bobby", "bob", &later)] {
        let listed = report(&tarn_in(data.path(), &["key", "list", owner]));
        let file = format!("{name}@{}.rsa.pub", key.public_key().fingerprint());
        assert_eq!(listed.matches(".rsa.pub").count(), 1, "{listed}");
        assert!(listed.contains(&file), "{listed}");
    }
    let again = report(&import(&forge, &data, &[]));
    assert_eq!(counts(&again, "signing keys"), [0, 2, 0], "{again}");
}

#[test]
fn what_was_there_before_or_restored_keeps_its_date_and_its_downloads() {
    let (forge, _) = forge();
    let data = TempDir::new().unwrap();
    report(&import(&forge, &data, &[]));
    let hello = "v3.23/main/x86_64/hello-1.0-r0.apk";
    report(&tarn_in(
        data.path(),
        &["package", "delete", "alice", hello],
    ));
    report(&tarn_in(
        data.path(),
        &["package", "restore", "alice", hello],
    ));
    let past = "SELECT created_at || ' ' || downloads FROM package_files WHERE name = 'hello' AND removed_at IS NULL";
    let restored = text(&database(&data), past);
    assert!(!restored.starts_with("1600000000000000 "), "{restored}");
    let said = report(&import(&forge, &data, &[]));
    assert_eq!(counts(&said, "packages"), [0, 3, 1], "{said}");
    assert_eq!(text(&database(&data), past), restored);
}
