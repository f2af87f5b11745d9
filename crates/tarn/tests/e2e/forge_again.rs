//! A second import from a forge, after something changed here.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use apk::sign::{KeySize, SigningKey};
use tarn_testkit::block_of;
use tempfile::TempDir;

use crate::{
    forge_import::{
        X86_64, counts, database, expect_counts, forge, import, imported, report, text,
    },
    harness::{
        Package,
        forge::Forge,
        server::{TARN, tarn_in},
    },
};

#[test]
fn what_was_deleted_or_renamed_here_does_not_come_back_by_itself() {
    let (forge, _) = forge();
    let data = TempDir::new().unwrap();
    imported(&forge, &data, "");
    let hello = "v3.23/main/x86_64/hello-1.0-r0.apk";
    for command in [
        &format!("package delete alice {hello}"),
        "webhook delete alice 1",
        "expiry delete alice */*",
        "org team member acme readers dave --remove",
        "org team delete acme devs",
        "user delete erin",
        "user rename carol caroline",
    ] {
        report(&tarn_in(data.path(), command));
    }
    let said = imported(&forge, &data, "");
    let expected = [
        ("users", [0, 6, 1]),
        ("teams", [0, 0, 1]),
        ("members", [0, 2, 1]),
        ("packages", [0, 2, 2]),
        ("expiry rules", [0, 0, 2]),
        ("webhooks", [0, 0, 2]),
    ];
    expect_counts(&said, &expected);
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
    let more = imported(&forge, &data, "");
    assert_eq!(counts(&more, "packages"), [1, 2, 2]);
    assert_eq!(counts(&more, "members"), [1, 2, 1]);

    let all = imported(&forge, &data, "--again");
    let expected = [
        ("users", [1, 6, 0]),
        ("teams", [1, 0, 0]),
        ("members", [2, 3, 0]),
        ("packages", [1, 3, 1]),
        ("expiry rules", [1, 0, 1]),
        ("webhooks", [1, 0, 1]),
    ];
    expect_counts(&all, &expected);
}

#[test]
fn a_key_is_imported_once_under_the_name_that_clients_of_the_forge_know() {
    let (forge, key) = forge();
    let data = TempDir::new().unwrap();
    imported(&forge, &data, "");
    report(&tarn_in(data.path(), "user rename alice alicia"));
    report(&tarn_in(data.path(), "user rename bob bobby"));
    // bob gets his key after he was renamed here.
    let later = SigningKey::generate(KeySize::Rsa2048).unwrap();
    forge.sign(2, &later.to_pkcs8_pem().unwrap());
    let said = imported(&forge, &data, "");
    assert_eq!(counts(&said, "signing keys"), [1, 1, 0], "{said}");
    for (owner, name, key) in [("alicia", "alice", &key), ("bobby", "bob", &later)] {
        let listed = report(&tarn_in(data.path(), &format!("key list {owner}")));
        let file = format!("{name}@{}.rsa.pub", key.public_key().fingerprint());
        assert_eq!(listed.matches(".rsa.pub").count(), 1, "{listed}");
        assert!(listed.contains(&file), "{listed}");
    }
    let again = imported(&forge, &data, "");
    assert_eq!(counts(&again, "signing keys"), [0, 2, 0], "{again}");
}

#[test]
fn what_was_there_before_or_restored_keeps_its_date_and_its_downloads() {
    let (forge, _) = forge();
    let data = TempDir::new().unwrap();
    imported(&forge, &data, "");
    let hello = "v3.23/main/x86_64/hello-1.0-r0.apk";
    report(&tarn_in(
        data.path(),
        &format!("package delete alice {hello}"),
    ));
    report(&tarn_in(
        data.path(),
        &format!("package restore alice {hello}"),
    ));
    let past = "SELECT created_at || ' ' || downloads FROM package_files WHERE name = 'hello' AND removed_at IS NULL";
    let restored = text(&database(&data), past);
    assert!(!restored.starts_with("1600000000000000 "), "{restored}");
    assert!(restored.ends_with(" 7"), "{restored}");
    let said = imported(&forge, &data, "");
    assert_eq!(counts(&said, "packages"), [0, 3, 1], "{said}");
    assert_eq!(text(&database(&data), past), restored);
}

#[test]
fn the_lines_of_the_documents_move_a_forge() {
    let (forge, _) = forge();
    let folder = TempDir::new().unwrap();
    let run = |block: &str| {
        let lines = block
            .replace("/etc/gitea/app.ini", forge.app_ini().to_str().unwrap())
            .replace("/var/lib/tarn", "tarn-data");
        let mut shell = Command::new("/bin/sh");
        let tarn = format!("tarn() {{ {} \"$@\"; }}\n", TARN.to_str().unwrap());
        shell.args(["-euc", &format!("{tarn}{lines}")]);
        report(&shell.current_dir(folder.path()).output().unwrap())
    };
    let planned = run(&block_of("docs/moving-from-a-forge.md", "--dry-run"));
    assert_eq!(counts(&planned, "packages"), [3, 0, 1], "{planned}");
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
    let moved = run(&block_of(
        "docs/moving-from-a-forge.md",
        "app.ini --data-dir /var/lib/tarn",
    ));
    assert_eq!(counts(&moved, "packages"), [3, 0, 1], "{moved}");
    let merged = run(&block_of("docs/moving-from-a-forge.md", "--merge alice"));
    assert_eq!(counts(&merged, "users"), [0, 7, 0], "{merged}");
}

#[test]
fn a_forge_of_a_thousand_packages_comes_whole_however_often_the_import_is_killed() {
    let forge = Forge::new();
    forge.at_once(|forge| {
        forge.grow(20, 5);
        for number in 0..1_000 {
            // Of 16 of the people, the organisations and alice.
            let owner =
                [1, 10, 100 + number % 13, 200 + number % 4][usize::try_from(number % 4).unwrap()];
            let package = Package::new(&format!("package{number}"), "1.0-r0");
            forge.publish((owner, 2, 1_600_000_000 + number), X86_64, &package);
        }
    });
    let data = TempDir::new().unwrap();
    let dated = "SELECT COUNT(*) || ' files, ' || COUNT(DISTINCT created_at) || ' dates from ' || MIN(created_at) || ' to ' || \
                 MAX(created_at) || ', ' || SUM(downloads) || ' downloads, of ' || MIN(uploader_id) || ' and ' || MAX(uploader_id) \
                 FROM package_files";
    for mark in ["users: ", "packages: 200 of 1000", "packages: 600 of 1000"] {
        let mut command = Command::new(&*TARN);
        command
            .args(["import", "gitea", "--app-ini"])
            .arg(forge.app_ini());
        command.arg("--data-dir").arg(data.path());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let found = lines.map(Result::unwrap).find(|line| line.contains(mark));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.is_some(), "{mark}");
        if mark.starts_with("packages") {
            // What came until then has its date, its downloads and its creator already.
            let undated = "SELECT CAST(COUNT(*) AS TEXT) FROM package_files WHERE created_at >= 1600001000000000 OR downloads <> 7 OR uploader_id IS NULL";
            assert_eq!(text(&database(&data), undated), "0");
            let count = text(
                &database(&data),
                "SELECT CAST(COUNT(*) AS TEXT) FROM package_files",
            );
            assert!((200..1_000).contains(&count.parse().unwrap()), "{count}");
        }
    }
    let output = import(&forge, &data, "");
    let progress = String::from_utf8(output.stderr.clone()).unwrap();
    for line in [
        "users: 20 of 20",
        "organisations: ",
        "packages: 1000 of 1000",
    ] {
        assert!(progress.contains(line), "{line}\n{progress}");
    }
    let said = report(&output);
    println!("{progress}{said}");
    let all = counts(&said, "packages");
    assert_eq!((all[0] + all[1], all[2]), (1_000, 0), "{said}");
    assert!((1..=400).contains(&all[0]), "{said}");
    let bob = text(
        &database(&data),
        "SELECT CAST(id AS TEXT) FROM owners WHERE name = 'bob'",
    );
    let expected = format!(
        "1000 files, 1000 dates from 1600000000000000 to 1600000999000000, 7000 downloads, of {bob} and {bob}"
    );
    assert_eq!(text(&database(&data), dated), expected);
    let owners = "SELECT COUNT(*) || ' ' || SUM(kind = 'organisation') FROM owners";
    assert_eq!(text(&database(&data), owners), "25 5");
    let again = imported(&forge, &data, "");
    assert_eq!(counts(&again, "packages"), [0, 1_000, 0]);
    assert_eq!(text(&database(&data), dated), expected);
}
