//! `key` on a real registry.

use apk::sign::{KeySize, PublicKey, SigningKey};
use insta::assert_snapshot;
use serde_json::Value;

use crate::harness::Folder;

fn small_key() -> SigningKey {
    SigningKey::generate(KeySize::Rsa2048).unwrap()
}

#[test]
fn an_imported_key_keeps_the_name_its_clients_know() {
    let folder = Folder::with_registry();
    let key = small_key();
    let pem = key.to_pkcs8_pem().unwrap();
    folder.write("alice@example.org-5f3c.rsa", &*pem);
    folder.write("plain.pem", &*pem);
    folder.write("empty.rsa", "");
    let mut all = String::new();
    for arguments in [
        &["key", "list", "admin"][..],
        &["key", "list", "nobody"],
        &["key", "import", "admin", "nowhere.rsa"],
        &["key", "import", "admin", "empty.rsa"],
        &["key", "import", "admin", "plain.pem"],
        &["key", "import", "admin", "plain.pem", "--name", "a/b"],
        &["key", "import", "admin", "alice@example.org-5f3c.rsa"],
        &["key", "import", "admin", "alice@example.org-5f3c.rsa"],
        &[
            "key",
            "import",
            "admin",
            "plain.pem",
            "--name",
            "bob-1.rsa.pub",
        ],
        &["key", "list", "admin"],
    ] {
        let said = folder.tarn(arguments);
        assert!(
            !said.all().contains("PRIVATE KEY-----\nM"),
            "{}",
            said.all()
        );
        all.push_str(&format!("$ tarn {}\n{}\n", arguments.join(" "), said.all()));
    }
    let fingerprint = key.public_key().fingerprint().to_string();
    assert_snapshot!("keys", all.replace(&fingerprint, "[fingerprint]"));

    let said = folder.tarn(&["key", "list", "admin", "--json"]);
    let keys: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(keys[0]["name"], "bob-1.rsa.pub");
    assert_eq!(keys[0]["state"], "active");
    assert_eq!(keys[1]["state"], "retired");

    let public = folder.tarn(&["key", "export", "admin"]);
    assert_eq!(public.stderr, "this is /etc/apk/keys/bob-1.rsa.pub\n");
    let exported = PublicKey::from_pem(public.stdout.as_bytes()).unwrap();
    assert_eq!(&exported, key.public_key());
    let private = folder.tarn(&["key", "export", "admin", "--private"]);
    let exported = SigningKey::from_pem(private.stdout.as_bytes()).unwrap();
    assert_eq!(exported.public_key(), key.public_key());
}

#[test]
fn a_key_can_come_from_standard_input() {
    let folder = Folder::with_registry();
    let pem = small_key().to_pkcs8_pem().unwrap();
    let import = ["key", "import", "admin", "-", "--name", "ci.rsa.pub"];
    let said = folder.tarn_with(&import, &[], &pem);
    assert_eq!(
        said.all(),
        "exit: 0\n--- stdout\n--- stderr\nci.rsa.pub signs the indexes of admin from the next request on; \
         clients need it in /etc/apk/keys\n"
    );
    let said = folder.tarn_with(&["key", "import", "admin", "-"], &[], &pem);
    assert_eq!(said.exit, 2);
}

#[test]
fn a_public_key_is_no_private_key() {
    let folder = Folder::with_registry();
    folder.write("alice.rsa.pub", small_key().public_key().to_pem());
    let said = folder.tarn(&["key", "import", "admin", "alice.rsa.pub"]);
    assert_snapshot!("public_key_imported", said.all());
}
