//! The v3 index, with the real apk: one of many parts, and one that grows and shrinks under a client.

use std::{
    fs,
    path::{Path, PathBuf},
};

use apk::{
    dependency::Dependency,
    digest::{PackageHash, Sha256Digest},
    facts::{Format, PackageFacts},
    name::PackageName,
    sign::SigningKey,
    v3::{
        index::{IndexEntry, record},
        signature,
    },
    version::Version,
};
use apk_testkit::facts::PKGINFO;
use serde_json::Value;
use tarn_core::index::{
    Changes, Record,
    adb::{Prefix, State},
};

use tarn_testkit::must_say;

use crate::harness::{
    Apk, Package, Server, alpine_or_leave_out, curl_or_leave_out,
    server::{ADMIN, credentials_of},
};

/// One of many packages, like no other.
fn one_of_many(number: i64) -> Record {
    let mut hash = [7; 32];
    hash[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_le_bytes());
    let facts = PackageFacts {
        description: format!("The package {number} of many"),
        license: "MIT".to_owned(),
        installed_size: 4096,
        build_date: 1_700_000_000,
        depends: Dependency::parse_list("so:libc.musl-x86_64.so.1 !other").unwrap(),
        provides: Dependency::parse_list(&format!("cmd:tool{number}=1.{number}-r0")).unwrap(),
        ..PackageFacts::new(
            Format::V3,
            PackageName::parse(&format!("many-{:03}", number % 700)).unwrap(),
            Version::parse(&format!("1.{number}-r0")).unwrap(),
            apk::arch::Arch::parse("x86_64").unwrap(),
        )
    };
    let entry = IndexEntry {
        facts: &facts,
        hash: PackageHash::Sha256(Sha256Digest::from_bytes(hash)),
        size: 1234,
    };
    Record {
        sequence: number,
        bytes: record(&entry).unwrap().into(),
    }
}

/// An index in a folder, as apk finds it there, signed by a key of its own.
struct Local {
    folder: tempfile::TempDir,
    key: SigningKey,
    state: State,
    prefix: Option<Prefix>,
}

impl Local {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            key: SigningKey::generate_p256().unwrap(),
            state: State::empty(),
            prefix: None,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("Packages.adb")
    }

    fn change(&mut self, removed: impl IntoIterator<Item = i64>, added: std::ops::Range<i64>) {
        let changes = Changes {
            removed: removed.into_iter().collect(),
            added: added.map(one_of_many).collect(),
        };
        self.state = self.state.apply(&changes).unwrap();
        let (prefix, unsigned) = self.state.hash(self.prefix.as_ref()).unwrap();
        let signature = signature::sign(unsigned.digest(), &self.key).unwrap();
        let (segments, _) = unsigned.file(&self.state, &[&signature]).unwrap();
        fs::write(self.path(), segments.concat()).unwrap();
        self.prefix = Some(prefix);
    }
}

/// What apk prints of an index: it checks the signature on the way.
fn dumped(apk: &Apk, index: &Path) -> Value {
    let text = apk.expect(&["adbdump", "--format", "json", index.to_str().unwrap()]);
    serde_json::from_str(&text).unwrap()
}

#[test]
fn apk_reads_an_index_of_many_parts_as_it_grows_and_shrinks() {
    let alpine = found!(alpine_or_leave_out());
    let mut local = Local::new();
    let apk = Apk::new(&alpine, &[local.path().to_str().unwrap().to_owned()])
        .with_key("local.pem", local.key.public_key().to_pem().as_bytes());
    let mut there = std::collections::BTreeSet::new();
    for (removed, added) in [
        (Vec::new(), 1..4000),
        (Vec::new(), 4000..4001),
        (Vec::new(), 4001..4300),
        (vec![5, 1700, 1701, 3999], 4300..4300),
        ((10..900).collect(), 4300..4302),
        (vec![4301], 4302..9000),
    ] {
        there.retain(|number| !removed.contains(number));
        there.extend(added.clone());
        local.change(removed, added);
        let dump = dumped(&apk, &local.path());
        let packages = dump["packages"].as_array().unwrap();
        assert_eq!(packages.len(), there.len());
        for package in packages {
            let version = package["version"].as_str().unwrap();
            let number = version.strip_prefix("1.").unwrap().strip_suffix("-r0");
            let number: i64 = number.unwrap().parse().unwrap();
            assert!(there.contains(&number), "{number}");
            assert_eq!(package["name"], format!("many-{:03}", number % 700));
            let provides = format!("cmd:tool{number}=1.{number}-r0");
            assert_eq!(package["provides"][0], provides);
        }
        let said = apk.expect(&["verify", local.path().to_str().unwrap()]);
        assert!(said.contains("OK"), "{said}");
        let updated = apk.expect(&["update"]);
        assert!(
            updated.contains(&format!("OK: {} distinct", there.len())),
            "{updated}"
        );
    }
    // Each by its name, wherever it stands.
    for number in [1, 901, 2345, 4299, 8999] {
        let name = format!("many-{:03}", number % 700);
        let found = apk.search(&["--all", "--exact", &name]);
        assert!(
            found.contains(&format!("{name}-1.{number}-r0")),
            "{found:?}"
        );
    }

    // apk makes another index out of this one, and finds each package in it by halves.
    let next = local.folder.path().join("next.adb");
    let names = there.iter().step_by(17);
    let names: Vec<String> = names
        .map(|number| format!("many-{:03}-1.{number}-r0.apk", number % 700))
        .collect();
    let base = local.path();
    let mut arguments = vec![
        "mkndx",
        "--filter-spec",
        "${name}-${version}.apk",
        "--index",
        base.to_str().unwrap(),
        "--output",
        next.to_str().unwrap(),
    ];
    arguments.extend(names.iter().map(String::as_str));
    let said = apk.expect(&arguments);
    let all = format!("Index has {} packages (of which 0 are new)", names.len());
    assert!(said.contains(&all), "{said}");
}

#[test]
fn a_client_of_the_v3_index_follows_it_through_everything() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
    let line = format!("v3 {}", server.repository("v1/main"));
    let apk = Apk::new(&alpine, std::slice::from_ref(&line))
        .cached()
        .trusting(&server, "admin", "");
    apk.expect(&["update"]);
    apk.expect(&["add", "hello"]);
    for number in 1..=40 {
        server.publish("v1/main", &Package::new(&format!("more{number}"), "1.0-r0"));
        if number % 10 == 0 {
            apk.expect(&["update"]);
            assert_eq!(apk.search(&[]).len(), number + 1);
        }
    }
    server.publish("v1/main", &Package::new("hello", "1.1-r0"));
    apk.expect(&["update"]);
    let upgraded = apk.expect(&["upgrade"]);
    assert!(upgraded.contains("(1.0-r0 -> 1.1-r0)"), "{upgraded}");
    let policy = apk.expect(&["policy", "hello"]);
    must_say(&policy, "1.1-r0:");
    must_say(&policy, "1.0-r0:");
    for gone in ["more7-1.0-r0", "hello-1.0-r0"] {
        let path = format!("/v1/main/x86_64/{gone}.apk");
        let removal = server.alpine("admin", &path).method("DELETE");
        removal.user(ADMIN).expect(204);
    }
    apk.expect(&["update"]);
    assert_eq!(apk.search(&[]).len(), 40);
    assert!(!apk.search(&[]).contains(&"more7-1.0-r0".to_owned()));
    apk.expect(&["del", "hello"]);
    assert_eq!(apk.installed("usr/share/tarn/hello"), None);
}

#[test]
fn index_json_is_what_adbdump_prints() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    let full = Package::new("full", "1.0-r0").pkginfo(PKGINFO);
    for package in [
        full,
        Package::new("plain", "1.0-r0"),
        Package::new("plain", "1.1-r0"),
        Package::new("docs", "1-r0").arch("noarch"),
    ] {
        server.publish("v1/main", &package);
    }
    let apk = Apk::new(&alpine, &[]).trusting(&server, "admin", "");
    let folder = "/v1/main/x86_64";
    let look = || {
        let index = server.alpine("admin", &format!("{folder}/packages.adb"));
        let file = apk.root().join("packages.adb");
        fs::write(&file, index.expect(200).body).unwrap();
        let file = file.to_str().unwrap();
        let expected = apk.expect(&["adbdump", "--format", "json", file]);
        let json = server.alpine("admin", &format!("{folder}/index.json"));
        let json = json.expect(200);
        assert_eq!(String::from_utf8_lossy(&json.body), expected);
        json
    };
    let json = look();
    assert_eq!(json.require("content-type"), "application/json");
    let etag = json.require("etag").to_owned();
    json.require("last-modified");
    let unless = format!("If-None-Match: {etag}");
    let again = server.alpine("admin", &format!("{folder}/index.json"));
    again.header(&unless).expect(304);
    server.publish("v1/main", &Package::new("later", "1.0-r0"));
    let again = server.alpine("admin", &format!("{folder}/index.json"));
    again.header(&unless).expect(200);
    assert_ne!(look().require("etag"), etag);
}

#[test]
fn index_json_needs_what_the_index_needs() {
    found!(curl_or_leave_out());
    let server = Server::start();
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
    server
        .alpine("admin", "/v1/main/aarch64/index.json")
        .expect(404);
    server
        .alpine("admin", "/v2/main/x86_64/index.json")
        .expect(404);
    let head = server.alpine("admin", "/v1/main/x86_64/index.json");
    head.method("HEAD").expect(200);
    server.add_user("priva", "private");
    let credentials = credentials_of("priva");
    let package = Package::new("hello", "1.0-r0").bytes();
    let upload = server.alpine("priva", "/v1/main").user(&credentials);
    upload.upload_bytes(&package).expect(201);
    let json = || server.alpine("priva", "/v1/main/x86_64/index.json");
    json().expect(401);
    json().user(&credentials).expect(200);
}
