//! `package`, `quota`, `expiry` and `audit` on a real registry.

use apk_testkit::v2::PackageBuilder;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use insta::assert_snapshot;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Folder, PASSWORD, ask};

/// A registry in which `admin` has three packages, and one request had a wrong password.
fn with_packages() -> Folder {
    let folder = Folder::with_registry();
    let server = folder.serve(&[], &[]);
    for (name, version) in [("foo", "1.9-r0"), ("foo", "1.10-r0"), ("bar", "1.0-r0")] {
        let package = PackageBuilder::new(name, version).build();
        let status = upload(&server.address, PASSWORD, &package);
        assert!(status.starts_with("HTTP/1.1 201"), "{status}");
    }
    let status = upload(&server.address, "hunter2", b"");
    assert!(status.starts_with("HTTP/1.1 401"), "{status}");
    assert!(server.stop(Signal::TERM).0.success());
    folder
}

pub(crate) fn upload(address: &str, password: &str, package: &[u8]) -> String {
    let credentials = STANDARD.encode(format!("admin:{password}"));
    let lines = format!(
        "PUT /api/packages/admin/alpine/edge/main HTTP/1.1\r\n\
         Authorization: Basic {credentials}\r\nContent-Length: {}",
        package.len()
    );
    ask(address, &lines, package)
}

#[test]
fn packages_are_listed_deleted_and_restored() {
    let folder = with_packages();
    let all = folder.session(&[
        "package list admin",
        "package list nobody",
        "package delete admin edge/main/x86_64/bar-1.0-r0.apk",
        "package delete admin edge/main/x86_64/bar-1.0-r0.apk",
        "package delete admin bar-1.0-r0.apk",
        "package delete admin a|b/main/x86_64/bar-1.0-r0.apk",
        "package list admin",
        "package list admin --deleted",
        "package restore admin edge/main/x86_64/bar-1.0-r0.apk",
        "package restore admin edge/main/x86_64/bar-1.0-r0.apk",
        "package restore admin edge/main/x86_64/baz-1.0-r0.apk",
        "package list admin --deleted",
        "package list admin edge/*/foo-*",
        "package list admin edge/*/none-*",
        "package delete admin v3.99/*",
        "package delete admin edge/main/*-1*.apk --dry-run",
        "package delete admin edge/main/*-1*.apk",
        "package list admin",
        "package list admin *foo* --deleted",
        "package restore admin edge/main/x86_64/foo-1.9-r0.apk",
        "package restore admin edge/main/x86_64/foo-1.10-r0.apk",
    ]);
    assert_snapshot!("packages", all);
    let deleted = folder.json("package list admin --deleted --json");
    assert_eq!(deleted.as_array().unwrap().len(), 1);
    assert_eq!(deleted[0]["file"], "edge/main/x86_64/bar-1.0-r0.apk");
    let listed = folder.json("package list admin --json");
    assert_eq!(listed[0]["file"], "edge/main/x86_64/foo-1.9-r0.apk");
    assert_eq!(listed[1]["version"], "1.10-r0");
    assert_eq!(listed.as_array().unwrap().len(), 2);
}

#[test]
fn quotas_are_shown_and_set() {
    let folder = Folder::with_registry();
    let all = folder.session(&[
        "quota show admin",
        "quota change admin",
        "quota change admin --bytes 10GiB --packages 5",
        "quota change admin --upload 1MiB",
        "quota show admin",
        "quota change admin --none",
        "quota show admin",
        "quota change admin --none --bytes 1",
        "quota change admin --bytes much",
        "quota change admin --default",
        "quota change nobody --none",
    ]);
    assert_snapshot!("quotas", all);
    assert_eq!(
        folder.json("quota show admin --json"),
        json!({
            "owner": "admin",
            "bytes": {"used": 0, "limit": null, "limit_is_own": false},
            "packages": {"used": 0, "limit": null, "limit_is_own": false},
            "upload_limit": 4_294_967_296_u64,
            "upload_limit_is_own": false,
        })
    );
}

#[test]
fn expiry_rules_are_added_listed_run_and_removed() {
    let folder = with_packages();
    let all = folder.session(&[
        "expiry list admin",
        "expiry add admin edge --older-than 30",
        "expiry add admin edge/main --older-than 0",
        "expiry add admin edge/main --older-than 30 --keep 3",
        "expiry add admin edge/main --older-than 30d",
        "expiry add admin edge/main --older-than 36h",
        "expiry list admin",
        // Nothing is that old.
        "expiry run admin --dry-run",
        "expiry run admin",
        "expiry delete admin edge/main",
        "expiry delete admin edge/main",
    ]);
    assert_snapshot!("expiry", all);
    assert_eq!(folder.json("expiry list admin --json"), json!([]));
    // It also says on standard error that nothing was changed.
    let run = folder.tarn("expiry run admin --dry-run --json").good();
    assert_eq!(run.stdout.trim(), "[]");
}

#[test]
fn the_log_is_listed_filtered_and_exported() {
    let folder = with_packages();
    folder.tarn("quota change admin --packages 9").good();
    let all = folder.session(&[
        "audit list --action package. --owner admin",
        "audit list --refused",
        "audit list --action quota.",
        "audit list --account nobody",
        "audit list --owner nobody",
        "audit list --action token.",
        "audit list --action package. --limit 1",
        "audit list --until 2020-01-01",
        "audit list --since yesterday",
    ]);
    assert!(!all.contains("hunter2"), "{all}");
    // Their numbers are those of whatever else was noted before.
    let all: Vec<_> = all
        .lines()
        .map(|line| {
            let number = line.chars().take_while(char::is_ascii_digit).count();
            match line.get(number..) {
                Some(rest) if number > 0 => format!("[id] {}", rest.trim_start()),
                _ => line.to_owned(),
            }
        })
        .collect();
    assert_snapshot!("audit", all.join("\n"));

    let exported = folder.tarn("audit export --owner admin").stdout;
    let lines: Vec<Value> = exported
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let listed = folder.json("audit list --owner admin --json");
    assert_eq!(listed, Value::from(lines.clone()));
    let published = lines
        .iter()
        .filter(|line| line["action"] == "package.publish");
    assert_eq!(published.count(), 3);
    let refused = lines
        .iter()
        .find(|line| line["result"] == "refused")
        .unwrap();
    assert_eq!(refused["target"], "admin");
    assert_eq!(refused["address"], "127.0.0.1");
    assert_eq!(refused["through"], "http");
}
