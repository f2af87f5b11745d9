//! Settings that make no sense, and `check-config`.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt};

use insta::assert_snapshot;
use rustix::process::Signal;

use crate::harness::{Folder, PASSWORD, names_in};

#[test]
fn every_wrong_setting_is_reported_with_its_source_and_what_to_write() {
    let folder = Folder::empty();
    let mut all = String::new();
    for (name, value) in [
        ("TARN_LISTEN", "localhost:8080"),
        (
            "TARN_DATABASE",
            "postgres://tarn:hunter2@db/tarn?sslmode=always",
        ),
        ("TARN_DATABASE", "tarn.db"),
        ("TARN_STORAGE", "s3://bucket?secret=hunter2"),
        ("TARN_BASE_URL", "packages.example.org"),
        ("TARN_BASE_URL", "https://tarn:hunter2@packages.example.org"),
        ("TARN_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TARN_TRUSTED_PROXIES", "0.0.0.0/0"),
        ("TARN_TRUSTED_PROXIES", "127.0.0.1 10.0.0.1"),
        ("TARN_PROXY_HEADER", "x-real-ip"),
        ("TARN_MAX_UPLOAD_SIZE", "lots"),
        ("TARN_MAX_CONNECTIONS", "0"),
        ("TARN_STOP_TIMEOUT", "5"),
        ("TARN_LOG_FORMAT", "xml"),
        ("TARN_LOG_LEVEL", "loud"),
        ("TARN_SECRET_KEY_FILE", "nowhere"),
        ("TARN_CONFIG", "nowhere.toml"),
    ] {
        let said = folder.tarn_with("serve", &[(name, value)], "");
        assert_eq!((said.exit, said.stdout.as_str()), (2, ""), "{name}={value}");
        assert!(!said.stderr.contains("hunter2"), "{}", said.stderr);
        all.push_str(&said.stderr);
    }
    assert_snapshot!("wrong_settings", all);
}

#[test]
fn a_settings_file_is_refused_with_its_line() {
    let folder = Folder::empty();
    folder.write(
        "tarn.toml",
        "# ours\nlisten = \"127.0.0.1:0\"\nbase_url = \"https://a\"\n",
    );
    assert_snapshot!("settings_file", folder.tarn("serve").all());
}

#[test]
fn check_config_shows_each_setting_with_its_source() {
    let folder = Folder::empty();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    folder.write(
        "tarn.toml",
        "base-url = \"https://packages.example.org/\"\nlog-level = \"debug\"\n",
    );
    let said = folder.tarn_with(
        &["check-config", "--listen", &address],
        &[
            ("TARN_LOG_FORMAT", "json"),
            ("TARN_ADMIN_PASSWORD", "hunter2hunter2"),
            ("TARN_LISTNE", "x"),
        ],
        "",
    );
    assert!(!said.all().contains("hunter2"));
    // The port is a random one of four or five digits: it must not move the columns.
    let padded = format!("{address:<27}");
    assert_snapshot!(
        "check_config",
        said.all()
            .replace(&padded, &format!("{:<27}", "[address]"))
            .replace(&address, "[address]")
    );
}

#[test]
fn check_config_makes_nothing() {
    let folder = Folder::empty();
    let said = folder
        .tarn("check-config --json --listen 127.0.0.1:0")
        .good();
    let settings: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(settings[0]["name"], "data-dir");
    assert_eq!(settings[0]["source"], "default");
    assert!(!folder.path("tarn-data").exists());
}

#[test]
fn check_config_fails_where_the_server_would() {
    let folder = Folder::empty();
    folder.write("file", "");
    let said = folder.tarn("check-config --data-dir file --listen 127.0.0.1:0");
    assert_eq!(said.exit, 1);
    assert_snapshot!("check_config_no_folder", said.stderr);
}

/// What `check-config` says under its table, and what `serve` says: they must agree on what keeps the server from starting.
fn both(folder: &Folder, variables: &[(&str, &str)]) -> String {
    let serve = ["serve", "--listen", "127.0.0.1:0", "--log-level", "error"];
    let served = folder.tarn_with(&serve, variables, "");
    let names = || {
        // A first run that is refused makes nothing.
        let data = folder.path("tarn-data");
        let mut names = match data.exists() {
            true => names_in(&data),
            false => Vec::new(),
        };
        // SQLite reads the log of a server that ended in a hurry by way of this.
        names.retain(|name| name != "tarn.db-shm");
        names
    };
    let before = names();
    let checked = folder.tarn_with("check-config --listen 127.0.0.1:0", variables, "");
    assert_eq!(checked.exit, served.exit, "{}", checked.stderr);
    assert!(
        checked.stderr.ends_with(&served.stderr),
        "{}\n{}",
        checked.stderr,
        served.stderr
    );
    assert_eq!(names(), before);
    let shown = checked
        .stderr
        .replace(folder.path("").to_str().unwrap(), "");
    format!("exit: {}\n{shown}\n", checked.exit)
}

#[test]
fn check_config_says_what_the_server_says_of_keys_and_of_the_first_password() {
    let folder = Folder::empty();
    let weak = [("TARN_ADMIN_PASSWORD", "hunter2")];
    let mut all = both(&folder, &weak);
    let server = folder.serve(&[], &[("TARN_ADMIN_PASSWORD", PASSWORD)]);
    // Later runs do not mind it, and a running server is no obstacle.
    let check = ["check-config", "--listen", "127.0.0.1:0"];
    assert_eq!(folder.tarn_with(&check, &weak, "").exit, 0);
    assert!(server.stop(Signal::TERM).0.success());
    assert_eq!(folder.tarn_with(&check, &weak, "").exit, 0);

    all += &both(&folder, &[("TARN_SECRET_KEY", "c2hvcnQ=")]);
    let key = folder.path("tarn-data/secret.key");
    fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    all += &both(&folder, &[]);
    fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    folder.tarn("key export admin").good();
    let text = fs::read_to_string(&key).unwrap();
    fs::remove_file(&key).unwrap();
    all += &both(&folder, &[]);
    let named = [("TARN_SECRET_KEY", text.trim())];
    assert_eq!(folder.tarn_with(&check, &named, "").exit, 0);
    folder.write("tarn-data/tarn.db", "no database at all");
    all += &both(&folder, &named);
    assert_snapshot!("check_config_before_listening", all);
}
