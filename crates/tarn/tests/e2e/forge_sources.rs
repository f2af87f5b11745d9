//! How a forge keeps what is imported: packages in an S3 store, its database on PostgreSQL behind TLS, copies of one package.

use std::{fs, path::Path};

use apk::sign::{KeySize, SigningKey};
use tarn_testkit::{ACCESS_KEY, Postgres, REGION, S3Server, SECRET_KEY};
use tempfile::TempDir;

use crate::{
    forge_import::{counts, forge, import, report},
    harness::{Package, forge::Forge, server::files_below},
};

/// The numbers of packages: imported, there, left out.
fn packages(said: &str) -> Vec<u64> {
    counts(said, "packages")
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn packages_are_read_from_the_store_of_the_forge() {
    let gateway = found!(S3Server::versitygw());
    let (forge, _) = forge();
    let _ = gateway.make_place("forge");
    let bucket = gateway.folder("forge");
    copy(&forge.packages(), &bucket.join("base/packages"));
    fs::remove_dir_all(forge.packages()).unwrap();
    let host = gateway.endpoint.trim_start_matches("http://");
    let with_secret = |secret: &str| {
        forge.set(&format!(
            "[database]\nDB_TYPE = sqlite3\n[storage]\nSTORAGE_TYPE = minio\nMINIO_ENDPOINT = {host}\n\
             MINIO_ACCESS_KEY_ID = {ACCESS_KEY}\nMINIO_SECRET_ACCESS_KEY = {secret}\nMINIO_LOCATION = {REGION}\n\
             MINIO_BUCKET = forge\nMINIO_BASE_PATH = some/prefix/base/"
        ));
    };
    let data = TempDir::new().unwrap();
    with_secret("another");
    let refused = report(&import(&forge, &data, &[]));
    assert_eq!(packages(&refused), [0, 0, 4], "{refused}");
    assert!(
        refused.contains("s3://forge/some/prefix/base/packages/"),
        "{refused}"
    );
    with_secret(SECRET_KEY);
    let dry = report(&import(&forge, &data, &["--dry-run"]));
    assert_eq!(packages(&dry), [3, 0, 1], "{dry}");
    // As many bytes as were uploaded, and other ones.
    let files = files_below(&bucket);
    let turn = || {
        for file in files.iter().map(|file| bucket.join(file)) {
            let bytes: Vec<u8> = fs::read(&file).unwrap().iter().map(|byte| !byte).collect();
            fs::write(file, bytes).unwrap();
        }
    };
    turn();
    let said = report(&import(&forge, &data, &[]));
    assert_eq!(packages(&said), [0, 0, 4], "{said}");
    turn();
    let said = report(&import(&forge, &data, &[]));
    assert_eq!(packages(&said), [3, 0, 1], "{said}");
    fs::remove_dir_all(&bucket).unwrap();
}

#[test]
fn a_database_on_postgresql_is_read_over_tls() {
    const CERTIFICATE: &str = include_str!("certificates/first.pem");
    const KEY: &str = include_str!("certificates/first.key.pem");
    const ANOTHER: &str = include_str!("certificates/second.pem");
    let port = tarn_testkit::free_address().port();
    let settings = [
        "listen_addresses=127.0.0.1",
        &format!("port={port}"),
        "ssl=on",
        "ssl_cert_file=first.pem",
        "ssl_key_file=first.key.pem",
    ];
    // No one gets in from the network without TLS and a password.
    let rules = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
    let files = [
        ("first.pem", CERTIFICATE),
        ("first.key.pem", KEY),
        ("pg_hba.conf", rules),
    ];
    let Some(postgres) = Postgres::start_with(&settings, &files) else {
        return;
    };
    let (forge, _) = forge();
    postgres.sql("postgres", "CREATE DATABASE forge");
    postgres.sql("forge", &forge.as_sql_of_postgres());
    postgres.sql("forge", "CREATE ROLE git LOGIN PASSWORD 'p&w=%#+'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO git");
    let folder = TempDir::new().unwrap();
    let root = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        format!("?sslrootcert={}", path.display())
    };
    let (own, another) = (root("own.pem", CERTIFICATE), root("another.pem", ANOTHER));
    let with = |mode: &str, roots: &str| {
        forge.set(&format!(
            "[database]\nDB_TYPE = postgres\nHOST = localhost:{port}\nNAME = forge{roots}\nUSER = git\n\
             PASSWD = `p&w=%#+`\nSSL_MODE = {mode}"
        ));
    };
    let data = TempDir::new().unwrap();
    for (mode, roots) in [
        ("disable", ""),
        ("verify-full", &*another),
        ("verify-ca", ""),
    ] {
        with(mode, roots);
        let refused = import(&forge, &data, &["--dry-run"]);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{mode}: {said}");
        assert!(!said.contains("p&w"), "{said}");
    }
    with("require", "");
    let said = report(&import(&forge, &data, &["--dry-run"]));
    assert_eq!(packages(&said), [3, 0, 1], "{said}");
    with("verify-full", &own);
    let said = report(&import(&forge, &data, &[]));
    for (kind, expected) in [
        ("users", [7, 0, 0]),
        ("tokens", [1, 0, 1]),
        ("members", [4, 0, 0]),
        ("packages", [3, 0, 1]),
        ("expiry rules", [1, 0, 1]),
        ("webhooks", [1, 0, 1]),
    ] {
        assert_eq!(counts(&said, kind), expected, "{kind}: {said}");
    }
}

/// Forgejo keeps a copy of a noarch package for each architecture that the repository has.
#[test]
fn copies_of_a_noarch_package_are_one_here() {
    let forge = Forge::new();
    let key = SigningKey::generate(KeySize::Rsa2048).unwrap();
    forge.sign(1, &key.to_pkcs8_pem().unwrap());
    let noarch = Package::new("hello-doc", "1.0-r0").arch("noarch");
    for arch in ["x86_64", "aarch64", "armv7"] {
        let place = format!("v3.23|main|{arch}");
        forge.publish((1, 1, 1_650_000_000), &place, &noarch);
    }
    let data = TempDir::new().unwrap();
    for expected in [[1, 2, 0], [0, 3, 0]] {
        let said = report(&import(&forge, &data, &[]));
        assert_eq!(counts(&said, "packages"), expected, "{said}");
    }
}
