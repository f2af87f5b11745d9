//! `inspect`, on packages and indexes made here.

use apk::{
    arch::Arch,
    digest::PackageHash,
    limits::Limits,
    sign::{KeyName, KeySize, SigningKey},
    v2::{
        index::{self, Description},
        package::{PackageReader, Script},
        record,
    },
    v3::{self, container::Compression},
};
use apk_testkit::v2::PackageBuilder;
use insta::assert_snapshot;
use serde_json::Value;

use crate::harness::{Folder, replaced, without_hashes};

fn hello() -> PackageBuilder {
    PackageBuilder::new("hello", "1.0-r0")
        .field("depend", "musl>=1.2")
        .field("depend", "!busybox")
        .field("provides", "cmd:hello=1.0-r0")
        .script(Script::PostInstall, "#!/bin/sh\n")
        .file("usr/bin/hello", b"#!/bin/sh\necho hello\n")
}

/// What `inspect` says of a package, without what depends on how well it was compressed.
fn without_measures(said: &str) -> String {
    replaced(
        "(?m)^((?:identity|datahash|size) +).*$",
        said,
        "$1[measured]",
    )
}

/// The index of `packages`, signed.
pub(crate) fn signed_index(packages: &[&[u8]], name: &KeyName, key: &SigningKey) -> Vec<u8> {
    let record = |bytes: &&[u8]| {
        let mut reader = PackageReader::new(Limits::default());
        reader.push(bytes).unwrap();
        let package = reader.finish().unwrap();
        // What an index for x86_64 says of a noarch package.
        let arch = match package.facts.arch.clone() {
            arch if arch.is_noarch() => Arch::parse("x86_64").unwrap(),
            arch => arch,
        };
        record::render(&package.facts, &package.identity, package.size, &arch)
    };
    let records: Vec<String> = packages.iter().map(record).collect();
    let description = Description::parse("a test").unwrap();
    let unsigned = index::write(records.iter().map(String::as_str), &description, 0, 6);
    let mut signed = index::sign_index(&unsigned, &[(name, key)]).unwrap();
    signed.extend(unsigned);
    signed
}

#[test]
fn a_package_is_shown() {
    let folder = Folder::empty();
    folder.write("hello-1.0-r0.apk", hello().build());
    let said = folder.tarn("inspect hello-1.0-r0.apk").all();
    assert_snapshot!("package", without_measures(&said));

    let said = folder.tarn("inspect hello-1.0-r0.apk --json");
    let package: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(package["name"], "hello");
    assert_eq!(package["depends"][1], "!busybox");
    assert_eq!(package["scripts"][0], "post-install");
    assert_eq!(package["signatures"], Value::Array(Vec::new()));
    // One that can't be read keeps none of the others from being read.
    let two = folder.tarn("inspect nowhere.apk hello-1.0-r0.apk --json");
    assert_eq!(two.exit, 1, "{}", two.stderr);
    two.tells("nowhere.apk");
    assert_eq!(two.stdout, said.stdout);
}

#[test]
fn a_package_of_v3_is_shown_with_its_signatures() {
    let folder = Folder::empty();
    folder.write(
        "v3.apk",
        include_bytes!("../../../apk/tests/v3/package.apk"),
    );
    folder.write(
        "builder.pem",
        include_bytes!("../../../apk/tests/keys/ec.p256.package.pub.pem"),
    );
    folder.write(
        "other.pem",
        include_bytes!("../../../apk/tests/keys/ec.p256.pub.pem"),
    );
    let all = folder.session(&[
        "inspect v3.apk --key builder.pem",
        "inspect v3.apk --key other.pem",
    ]);
    assert_snapshot!("package_v3", all);
    let said = folder.tarn("inspect v3.apk --json");
    let package: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(package["format"], "v3");
    assert_eq!(package["compression"], "deflate");
    assert_eq!(package["datahash"], Value::Null);
    assert_eq!(package["identity"].as_str().map(str::len), Some(64));
    assert_eq!(package["signatures"].as_array().map(Vec::len), Some(3));
}

#[test]
fn the_content_decides_where_the_name_does_not() {
    let folder = Folder::empty();
    let key = SigningKey::generate(KeySize::Rsa2048).unwrap();
    let name = KeyName::parse("a.rsa.pub").unwrap();
    folder.write("download", hello().build());
    assert!(
        folder
            .tarn("inspect download")
            .stdout
            .starts_with("package")
    );
    folder.write("download", signed_index(&[&hello().build()], &name, &key));
    assert!(folder.tarn("inspect download").stdout.starts_with("index"));
}

#[test]
fn a_signature_is_checked_by_key_and_name() {
    let folder = Folder::empty();
    let key = SigningKey::generate(KeySize::Rsa2048).unwrap();
    let other = SigningKey::generate(KeySize::Rsa2048).unwrap();
    let name = KeyName::parse("alice-5f.rsa.pub").unwrap();
    let package = hello().sign(&name, &key).build();
    folder.write("APKINDEX.tar.gz", signed_index(&[&package], &name, &key));
    folder.write("hello.apk", package);
    folder.write("unsigned.apk", hello().build());
    folder.write("alice-5f.rsa.pub", key.public_key().to_pem());
    folder.write("renamed.rsa.pub", key.public_key().to_pem());
    std::fs::create_dir(folder.path("other")).unwrap();
    folder.write("other/alice-5f.rsa.pub", other.public_key().to_pem());
    let mut all = String::new();
    for file in ["hello.apk", "unsigned.apk", "APKINDEX.tar.gz"] {
        for key in [
            "alice-5f.rsa.pub",
            "renamed.rsa.pub",
            "other/alice-5f.rsa.pub",
        ] {
            let said = folder.tarn(&["inspect", file, "--key", key]);
            let signed_by = said
                .stdout
                .lines()
                .find(|line| line.starts_with("signed by"));
            all.push_str(&format!(
                "{file} --key {key}\n  exit: {}\n  {}\n{}",
                said.exit,
                signed_by.unwrap_or_default(),
                said.stderr
            ));
        }
    }
    assert_snapshot!("signatures", all);
    // The size of the package: a signature cannot be compressed, and is another each time.
    let said = folder.tarn("inspect APKINDEX.tar.gz").all();
    let size = folder.path("hello.apk").metadata().unwrap().len();
    assert_snapshot!("index", said.replace(&size.to_string(), "[size]"));
}

#[test]
fn an_index_of_v3_is_read_too() {
    let folder = Folder::empty();
    let key = SigningKey::generate(KeySize::Rsa2048).unwrap();
    let other = SigningKey::generate(KeySize::Rsa2048).unwrap();
    let mut reader = PackageReader::new(Limits::default());
    reader.push(&hello().build()).unwrap();
    let package = reader.finish().unwrap();
    let entry = v3::index::IndexEntry {
        facts: &package.facts,
        hash: PackageHash::Identity(package.identity),
        size: 1234,
    };
    let index = v3::index::write(&[entry], "a test", &[&key], Compression::Deflate).unwrap();
    folder.write("download", &index);
    folder.write("cut.adb", &index[..index.len() - 1]);
    folder.write("text.adb", "hello");
    folder.write("Packages.adb", index);
    // apk finds a key of v3 by what it is.
    folder.write("renamed.rsa.pub", key.public_key().to_pem());
    folder.write("other.rsa.pub", other.public_key().to_pem());
    let mut all = folder.session(&[
        "inspect Packages.adb --key renamed.rsa.pub",
        "inspect Packages.adb --key other.rsa.pub",
        "inspect cut.adb",
        "inspect text.adb",
    ]);
    for (key, label) in [(&key, "[key]"), (&other, "[other]")] {
        let id = v3::signature::KeyId::of(key.public_key());
        all = all.replace(&id.to_string(), label);
    }
    assert_snapshot!("index_v3", all);
    let said = folder.tarn("inspect download --json");
    let index: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(
        index["packages"][0]["identity"],
        package.identity.to_string()
    );
    assert_eq!(index["signatures"][0]["verified"], Value::Null);
}

#[test]
fn an_index_as_openwrt_makes_them_is_read_and_its_signature_checked() {
    let folder = Folder::empty();
    let index = include_bytes!("../../../apk/tests/v3/ecdsa.adb");
    let key = include_bytes!("../../../apk/tests/keys/ec.p256.pub.pem");
    let other = include_bytes!("../../../apk/tests/keys/rsa.pub.pem");
    folder.write("packages.adb", index);
    folder.write("public-key.pem", key);
    folder.write("other.pem", other);
    let mut all = String::new();
    for key in ["public-key.pem", "other.pem"] {
        let said = folder.tarn(&["inspect", "packages.adb", "--key", key]);
        all.push_str(&said.all());
    }
    assert_snapshot!("index_of_openwrt", all);
}

#[test]
fn what_apk_would_refuse_is_refused_in_words() {
    let folder = Folder::empty();
    let whole = hello().build();
    let mut all = String::new();
    for (name, content) in [
        ("empty.apk", Vec::new()),
        ("page.apk", b"<!DOCTYPE html><html>404</html>".to_vec()),
        ("text.apk", b"hello".to_vec()),
        ("v3.apk", b"ADBd\x01\x02\x03\x04".to_vec()),
        ("v3-short.apk", b"ADB.pckg".to_vec()),
        ("cut.apk", whole[..whole.len() / 2].to_vec()),
        ("more.apk", [&whole[..], b"more"].concat()),
        ("damaged.apk", hello().wrong_data_hash().build()),
        (
            "version.apk",
            PackageBuilder::new("hello", "1.0_foo").build(),
        ),
        ("empty.tar.gz", Vec::new()),
        ("package.tar.gz", whole.clone()),
    ] {
        folder.write(name, content);
        let said = folder.tarn(&["inspect", name]);
        assert_eq!(
            (said.exit, said.stdout.as_str()),
            (3, ""),
            "{name}: {}",
            said.stderr
        );
        all.push_str(&said.stderr);
    }
    assert_snapshot!("refused", without_hashes(&all));
}

#[test]
fn what_cannot_be_read_is_a_failure_and_no_refusal() {
    let folder = Folder::empty();
    folder.write("key.pub", "no key");
    folder.write("hello.apk", hello().build());
    let mut all = String::new();
    for arguments in [
        &["inspect", "nowhere.apk"][..],
        &["inspect", "."],
        &["inspect", "hello.apk", "--key", "nowhere.rsa.pub"],
        &["inspect", "hello.apk", "--key", "key.pub"],
    ] {
        let said = folder.tarn(arguments);
        all.push_str(&format!("exit: {}\n{}", said.exit, said.stderr));
    }
    assert_snapshot!("unreadable", all);
}
