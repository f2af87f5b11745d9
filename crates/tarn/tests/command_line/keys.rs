//! `key` on a real registry.

use apk::sign::{KeySize, PublicKey, SigningKey};
use insta::assert_snapshot;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Folder, PASSWORD, without_hashes};

fn small_key() -> SigningKey {
    SigningKey::generate(KeySize::Rsa2048).unwrap()
}

#[test]
fn an_imported_key_keeps_the_name_its_clients_know() {
    let folder = with_acme();
    let key = small_key();
    let pem = key.to_pkcs8_pem().unwrap();
    folder.write("alice@example.org-5f3c.rsa", &*pem);
    folder.write("plain.pem", &*pem);
    folder.write("empty.rsa", "");
    let all = folder.session(&[
        "key list acme",
        "key list nobody",
        "key import acme nowhere.rsa",
        "key import acme empty.rsa",
        "key import acme plain.pem",
        "key import acme plain.pem --name a/b",
        "key import acme alice@example.org-5f3c.rsa",
        "key import acme alice@example.org-5f3c.rsa",
        "key import acme plain.pem --name bob-1.rsa.pub",
        "key list acme",
    ]);
    assert!(!all.contains("PRIVATE KEY-----\nM"), "{all}");
    let fingerprint = key.public_key().fingerprint().to_string();
    assert_snapshot!("keys", all.replace(&fingerprint, "[fingerprint]"));

    let said = folder.tarn("key list acme --json");
    let keys: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(keys[0]["name"], "bob-1.rsa.pub");
    assert_eq!(keys[0]["state"], "active");
    assert_eq!(keys[1]["state"], "retired");

    let public = folder.tarn("key export acme");
    assert_eq!(public.stderr, "this is /etc/apk/keys/bob-1.rsa.pub\n");
    let exported = PublicKey::from_pem(public.stdout.as_bytes()).unwrap();
    assert_eq!(&exported, key.public_key());
    let private = folder.tarn("key export acme --private");
    let exported = SigningKey::from_pem(private.stdout.as_bytes()).unwrap();
    assert_eq!(exported.public_key(), key.public_key());
}

#[test]
fn a_key_can_come_from_standard_input() {
    let folder = Folder::with_registry();
    let pem = small_key().to_pkcs8_pem().unwrap();
    let import = ["key", "import", "admin", "-", "--name", "ci.rsa.pub"];
    let [before] = &*active_keys(&folder) else {
        unreachable!("one key")
    };
    let said = folder.tarn_with(&import, &[], &pem);
    assert_eq!(
        said.all(),
        format!(
            "exit: 0\n--- stdout\n--- stderr\nci.rsa.pub signs the indexes of admin from the next request on; \
             clients need it in /etc/apk/keys\nretired: {before}; a client that has no other key trusts nothing \
             from now on (with `--overlap` they sign on)\n"
        )
    );
    let said = folder.tarn_with("key import admin -", &[], &pem);
    assert_eq!(said.exit, 2);
}

#[test]
fn a_public_key_is_no_private_key() {
    let folder = Folder::with_registry();
    folder.write("alice.rsa.pub", small_key().public_key().to_pem());
    let said = folder.tarn("key import admin alice.rsa.pub");
    assert_snapshot!("public_key_imported", said.all());
}

#[test]
fn a_rotation_from_its_beginning_to_its_end_and_back() {
    let folder = Folder::with_registry();
    folder.tarn("key export admin");
    let old = active_keys(&folder).remove(0);
    let mut names = vec![(old.clone(), "[old]")];
    let mut all = String::new();
    let mut say = |arguments: &[&str], names: &[(String, &str)]| {
        let said = folder.tarn(arguments);
        let shown = format!("$ tarn {}\n{}\n", arguments.join(" "), said.all());
        let named = names
            .iter()
            .fold(shown, |shown, (name, label)| shown.replace(name, label));
        all.push_str(&without_hashes(&named));
        said
    };
    assert_eq!(say(&["key", "retire", "admin", &old], &names).exit, 1);
    let said = folder.tarn("key rotate admin");
    let new = said.line().to_owned();
    assert_eq!(active_keys(&folder), [new.clone(), old.clone()]);
    names.push((new.clone(), "[new]"));
    for arguments in [
        &["key", "list", "admin"][..],
        &["key", "rotate", "admin"],
        &["key", "retire", "admin", "none.rsa.pub"],
        &["key", "retire", "admin", "a/b"],
        &["key", "retire", "admin", &old],
        &["key", "retire", "admin", &old],
        &["key", "list", "admin"],
        &["key", "reactivate", "admin", &old],
        &["key", "reactivate", "admin", &old],
    ] {
        say(arguments, &names);
    }
    assert_snapshot!("rotation", all);
    assert_snapshot!(
        "rotation_begun",
        names.iter().fold(said.all(), |shown, (name, label)| shown
            .replace(name, label))
    );
    assert_eq!(active_keys(&folder), [new, old]);
}

#[test]
fn an_import_can_sign_beside_the_key_that_clients_have() {
    let folder = with_acme();
    for name in ["one.rsa", "two.rsa"] {
        folder.write(name, &*small_key().to_pkcs8_pem().unwrap());
    }
    folder.tarn("key import acme one.rsa");
    let said = folder.tarn("key import acme two.rsa --overlap");
    assert_snapshot!("import_beside", said.all());
    assert_eq!(
        active_keys_of(&folder, "acme"),
        ["two.rsa.pub", "one.rsa.pub"]
    );
}

#[test]
fn a_key_of_the_curve_p_256_stands_beside_the_rsa_key() {
    let folder = Folder::with_registry();
    folder.tarn("key export admin");
    let rsa = active_keys(&folder).remove(0);
    let made = folder.tarn("key rotate admin --type ec-p256");
    let curve = made.line().to_owned();
    let fingerprint = curve
        .strip_prefix("admin@")
        .unwrap()
        .strip_suffix(".pem")
        .unwrap();
    // Each type has one key, so no overlap is to be ended.
    let (signs, rest) = made.stderr.split_once('\n').unwrap();
    assert_eq!(
        signs,
        format!("{curve} signs the indexes of admin from the next request on")
    );
    let fetch =
        format!("  wget -O /etc/apk/keys/{curve} https://HOST/api/packages/admin/alpine/{curve}\n");
    assert!(rest.starts_with("it signs Packages.adb, which apk 3 reads"));
    assert!(rest.ends_with(&fetch), "{rest}");
    assert!(!rest.contains("retire"), "{rest}");
    assert_eq!(active_keys(&folder), [curve.clone(), rsa.clone()]);
    let public = folder.tarn(&["key", "export", "admin", &curve]);
    let read = PublicKey::from_pem(public.stdout.as_bytes()).unwrap();
    assert_eq!(read.fingerprint().to_string(), fingerprint);
    assert_eq!(
        folder.tarn("key export admin").stderr,
        format!("this is /etc/apk/keys/{rsa}\n")
    );

    // As OpenWrt's build system writes it; it takes over from the other key of its type.
    let key = SigningKey::generate_p256().unwrap();
    folder.write("private-key.pem", &*key.to_pkcs8_pem().unwrap());
    let said = folder.tarn("key import admin private-key.pem");
    let name = format!("admin@{}.pem", key.public_key().fingerprint());
    assert_eq!(
        said.all(),
        format!(
            "exit: 0\n--- stdout\n--- stderr\n{name} signs the indexes of admin from the next request on; \
             clients need it in /etc/apk/keys\nretired: {curve}; a client that has no other key trusts nothing from now on \
             (with `--overlap` they sign on)\n"
        )
    );
    assert_eq!(active_keys(&folder), [name, rsa.clone()]);
    // A rotation of RSA keys that is open is not what one of the other type is about.
    folder.tarn("key rotate admin").good();
    let again = folder.tarn("key rotate admin --type ec-p256").good();
    again.tells("tarn key retire admin admin@");
    assert!(!again.stderr.contains(&rsa), "{}", again.stderr);
    let refused = folder.tarn("key rotate admin --type dsa");
    assert_eq!(refused.exit, 2);
    refused.tells("rsa, ec-p256");
}

#[test]
fn a_lost_sealing_key_is_reported_by_every_command_and_by_the_server() {
    let folder = Folder::with_registry();
    folder.tarn("key export admin");
    let file = folder.path("tarn-data/secret.key");
    std::fs::remove_file(&file).unwrap();
    let said = folder.tarn("serve --listen 127.0.0.1:0");
    assert_snapshot!("lost_sealing_key", said.all());
    assert_eq!(folder.tarn("key list admin").all(), said.all());
    assert!(!file.exists());

    // Another one in its place is found too, until it is taken for the right one on purpose.
    folder.write(
        "tarn-data/secret.key",
        "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    );
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let said = folder.tarn("serve --listen 127.0.0.1:0");
    assert_snapshot!("wrong_sealing_key", said.all());
    for command in [&["key", "list", "admin"][..], &["user", "list"]] {
        assert_eq!(folder.tarn(command).all(), said.all());
    }
    let check = folder.tarn("check-config");
    assert_eq!(check.exit, 1);
    check.tells("is not the one of this database");
    folder.tarn("key replace-sealing-key").good();
    folder.tarn("key rotate admin").good();
}

#[test]
fn no_command_makes_a_second_sealing_key_beside_that_of_the_server() {
    let folder = Folder::empty();
    let key = "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let variables = [("TARN_SECRET_KEY", key), ("TARN_ADMIN_PASSWORD", PASSWORD)];
    let server = folder.serve(&[], &variables);
    let pem = small_key().to_pkcs8_pem().unwrap();
    let import = ["key", "import", "admin", "-", "--name", "ci.rsa.pub"];
    // The administrator's shell does not have the server's key.
    let said = folder.tarn_with(&import, &[], &pem);
    assert_snapshot!("sealing_key_not_told", said.all());
    assert!(!folder.path("tarn-data/secret.key").exists());
    folder.tarn_with(&import, &variables, &pem).good();
    assert_eq!(folder.tarn("key list admin").exit, 1);
    assert!(server.stop(Signal::TERM).0.success());
    assert!(!folder.path("tarn-data/secret.key").exists());
}

/// A registry with an organisation that has no key yet; the first account has one.
fn with_acme() -> Folder {
    let folder = Folder::with_registry();
    folder.tarn("org add acme --owner admin").good();
    folder
}

/// The names of the keys that sign, newest first.
fn active_keys(folder: &Folder) -> Vec<String> {
    active_keys_of(folder, "admin")
}

fn active_keys_of(folder: &Folder, owner: &str) -> Vec<String> {
    let said = folder.tarn(&["key", "list", owner, "--json"]);
    let keys: Value = serde_json::from_str(&said.stdout).unwrap();
    let active = keys.as_array().unwrap().iter();
    active
        .filter(|key| key["state"] == "active")
        .map(|key| key["name"].as_str().unwrap().to_owned())
        .collect()
}
