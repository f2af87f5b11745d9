//! How a forge keeps what is imported: packages in an S3 store, its database on PostgreSQL behind TLS, copies of one package.

use std::{fs, path::Path};

use apk::sign::{KeySize, SigningKey};
use rusqlite::Connection;
use tarn_testkit::{ACCESS_KEY, Postgres, REGION, S3Server, SECRET_KEY, must_say};
use tempfile::TempDir;

use crate::{
    forge_import::{counts, database, expect_counts, forge, import, imported, report},
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
    let refused = imported(&forge, &data, "");
    assert_eq!(packages(&refused), [0, 0, 4], "{refused}");
    must_say(&refused, "s3://forge/some/prefix/base/packages/");
    with_secret(SECRET_KEY);
    let dry = imported(&forge, &data, "--dry-run");
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
    let said = imported(&forge, &data, "");
    assert_eq!(packages(&said), [0, 0, 4], "{said}");
    turn();
    let said = imported(&forge, &data, "");
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
        let refused = import(&forge, &data, "--dry-run");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{mode}: {said}");
        assert!(!said.contains("p&w"), "{said}");
    }
    with("require", "");
    let said = imported(&forge, &data, "--dry-run");
    assert_eq!(packages(&said), [3, 0, 1], "{said}");
    with("verify-full", &own);
    let said = imported(&forge, &data, "");
    let expected = [
        ("users", [7, 0, 0]),
        ("tokens", [1, 0, 1]),
        ("members", [4, 0, 0]),
        ("packages", [3, 0, 1]),
        ("expiry rules", [1, 0, 1]),
        ("webhooks", [1, 0, 1]),
    ];
    expect_counts(&said, &expected);
}

/// A database of SQLite is read as it is between two transactions, and nothing is written beside it.
#[test]
fn a_forge_that_runs_was_stopped_or_was_killed_is_read_as_far_as_it_is_whole() {
    let (forge, _) = forge();
    let original = forge.packages().with_file_name("gitea.db");
    let folder = TempDir::new().unwrap();
    let open = |name: &str| {
        let path = folder.path().join(name).join("gitea.db");
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::copy(&original, &path).unwrap();
        (Connection::open(&path).unwrap(), path)
    };
    let tried = |path: &Path| {
        forge.set(&format!(
            "[database]\nDB_TYPE = sqlite3\nPATH = {}",
            path.display()
        ));
        import(&forge, &TempDir::new().unwrap(), "--dry-run")
    };
    let beside = |path: &Path| files_and_databases(path.parent().unwrap());

    // One that keeps a log: while it runs what is in the log counts, and nothing is made where it was stopped.
    let (running, path) = open("log");
    let change = "PRAGMA journal_mode = WAL; UPDATE \"user\" SET name = 'alicia' WHERE id = 1";
    running.execute_batch(change).unwrap();
    let said = report(&tried(&path));
    assert!(said.contains("alicia/"), "{said}");
    assert_eq!(beside(&path).len(), 3);
    drop(running);
    let stopped = fs::read(&path).unwrap();
    assert!(report(&tried(&path)).contains("alicia/"));
    assert_eq!(beside(&path), ["gitea.db"]);
    assert!(fs::read(&path).unwrap() == stopped);

    // One that was killed in the middle of a transaction, of which a part is in the file.
    let (running, path) = open("running");
    let large = "PRAGMA cache_size = 2; BEGIN; CREATE TABLE large (bytes BLOB); INSERT INTO large VALUES (zeroblob(1000000)); \
                 UPDATE \"user\" SET is_admin = 1; INSERT INTO large VALUES (zeroblob(1000000))";
    running.execute_batch(large).unwrap();
    let killed = folder.path().join("killed");
    fs::create_dir(&killed).unwrap();
    copy(path.parent().unwrap(), &killed);
    let path = killed.join("gitea.db");
    assert_eq!(beside(&path), ["gitea.db", "gitea.db-journal"]);
    let refused = tried(&path);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("start it once and stop it"), "{said}");

    // One that is cut off, and one of another program.
    let (_, path) = open("cut");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(tried(&path).status.code(), Some(1));
    let (other, path) = open("other");
    other
        .execute_batch("ALTER TABLE access_token DROP COLUMN scope")
        .unwrap();
    let refused = tried(&path);
    let said = String::from_utf8_lossy(&refused.stderr);
    must_say(&said, "no column `scope` in a table `access_token`");
}

/// The names of the files in a folder, sorted.
fn files_and_databases(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<_> = names
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn rows_and_files_that_are_damaged_are_left_out_with_their_names() {
    let (forge, _) = forge();
    for change in [
        "UPDATE package_file SET created_unix = NULL WHERE name = 'hello-1.0-r0.apk'",
        "UPDATE package_file SET created_unix = 99999999999 WHERE name = 'tool-2.0-r0.apk'",
        "UPDATE package_version SET is_internal = NULL",
        "UPDATE package_version SET download_count = -1",
        "INSERT INTO package_file (version_id, blob_id, name, composite_key, created_unix) \
         SELECT version_id, 999, 'lost-1.0-r0.apk', composite_key, 1 FROM package_file LIMIT 1",
        "INSERT INTO \"user\" (id, name, type) VALUES (20, CAST(X'ff41' AS TEXT), 0)",
        "INSERT INTO \"user\" (id, name, type) VALUES (21, NULL, 1)",
        "INSERT INTO access_token (uid) VALUES (1)",
        "INSERT INTO user_setting (user_id, setting_key) VALUES (2, 'alpine.key.private')",
        "INSERT INTO webhook (owner_id, repo_id, events) VALUES (1, 0, '{\"choose_events\"')",
    ] {
        forge.run(change, &[]);
    }
    // The time that gzip notes, which no checksum covers.
    let doc = Package::new("hello-doc", "1.0-r0").arch("noarch").bytes();
    let is_doc = |path: &Path| fs::read(path).unwrap() == doc;
    let stored = files_below(&forge.packages()).into_iter();
    let mut stored = stored.map(|file| forge.packages().join(file));
    let path = stored.find(|path| is_doc(path)).unwrap();
    let mut bytes = doc.clone();
    bytes[4] ^= 1;
    fs::write(&path, bytes).unwrap();

    let data = TempDir::new().unwrap();
    let said = imported(&forge, &data, "");
    let expected = [
        ("users", [7, 0, 1]),
        ("organisations", [1, 0, 2]),
        ("tokens", [1, 0, 2]),
        ("signing keys", [1, 0, 1]),
        ("packages", [2, 0, 3]),
        ("webhooks", [1, 0, 2]),
    ];
    expect_counts(&said, &expected);
    for why in [
        "lost-1.0-r0.apk: the forge's database says nothing of its bytes",
        "hello-doc-1.0-r0.apk: its bytes in the forge's storage can't be read: they are not those that were uploaded",
        "webhooks: Alice: : its events in the forge's database can't be read",
    ] {
        assert!(said.contains(why), "{why}\n{said}");
    }
    // Those without a date that can be are as old as this import: no rule of expiry deletes them at once, or never.
    let undated = "SELECT COUNT(*) FROM package_files WHERE ABS(created_at / 1000000 - unixepoch()) > 3600 OR downloads <> 0";
    let undated: i64 = database(&data)
        .query_row(undated, [], |row| row.get(0))
        .unwrap();
    assert_eq!(undated, 0);
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
        let said = imported(&forge, &data, "");
        assert_eq!(counts(&said, "packages"), expected, "{said}");
    }
}
