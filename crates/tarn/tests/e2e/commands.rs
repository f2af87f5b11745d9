//! The other commands of `tarn`, on the data of a server that runs.

use apk::sign::{KeySize, SigningKey};

use tarn_testkit::must_say;

use crate::harness::{
    Apk, Package, Server, alpine_or_leave_out, curl_or_leave_out,
    server::{ADMIN, credentials_of},
};

const INDEX: &str = "/v1/main/x86_64/APKINDEX.tar.gz";

#[test]
fn what_a_command_changes_of_accounts_holds_from_the_next_request_on() {
    found!(curl_or_leave_out());
    let server = Server::start();
    for (name, visibility) in [("alice", "public"), ("carol", "private")] {
        server.add_user(name, visibility);
        let upload = server.alpine(name, "/v1/main").user(ADMIN);
        let package = Package::new("hello", "1.0-r0").bytes();
        upload.upload_bytes(&package).expect(201);
    }
    let status = |owner: &str, way: &str| server.alpine(owner, INDEX).user(way).run().status;

    let token = format!("x:{}", server.add_token("alice", "write:package"));
    let both = || [&credentials_of("alice"), &token].map(|way| status("alice", way));
    assert_eq!(both(), [200, 200]);
    server.tarn("user disable alice");
    assert_eq!(both(), [401, 401]);
    assert_eq!(status("alice", ""), 200, "the packages stay");
    server.tarn("user enable alice");
    assert_eq!(both(), [200, 200]);

    let input = "Another-Password-2\n";
    server.tarn_with("user password carol --password-stdin", input);
    assert_eq!(status("carol", &credentials_of("carol")), 401);
    assert_eq!(status("carol", "carol:Another-Password-2"), 200);
    let token = format!("x:{}", server.add_token("carol", "read:package"));
    assert_eq!(status("carol", &token), 200);
    server.tarn("token revoke --user carol --name read:package");
    assert_eq!(status("carol", &token), 401);

    server.tarn("org add acme --owner alice --visibility private");
    let member = || status("acme", "carol:Another-Password-2");
    assert_eq!(member(), 403);
    for (order, expected) in [("--role read", 404), ("--remove", 403)] {
        server.tarn(&format!("org member acme carol {order}"));
        // There is no index yet.
        assert_eq!(member(), expected);
    }
}

#[test]
fn an_imported_key_keeps_its_file_name_and_signs_from_then_on() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
    let first = server.index("v1/main").signatures;
    let exported = server.tarn("key export admin");
    assert_eq!(exported, server.alpine("admin", "/key").expect(200).text());

    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::generate(KeySize::Rsa2048).unwrap();
    let file = folder.path().join("builder@example.org-5f3c0a11.rsa");
    std::fs::write(&file, key.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
    server.tarn(&["key", "import", "admin", file.to_str().unwrap()]);

    let listed = server.tarn("key list admin");
    must_say(&listed, "builder@example.org-5f3c0a11.rsa.pub");
    let signatures = server.index("v1/main").signatures;
    assert!(
        signatures.contains(&".SIGN.RSA256.builder@example.org-5f3c0a11.rsa.pub".to_owned()),
        "{signatures:?}"
    );
    assert_ne!(signatures, first);
    let answer = server.alpine("admin", "/key").expect(200);
    let disposition = answer.require("content-disposition");
    assert_eq!(
        disposition,
        "attachment; filename=\"builder@example.org-5f3c0a11.rsa.pub\""
    );

    let apk = Apk::of(&server, &alpine, server.repository("v1/main"));
    assert_eq!(apk.search(&[]), ["hello-1.0-r0"]);
    apk.expect(&["add", "hello"]);
    let server = server.stop().start();
    assert_eq!(server.index("v1/main").signatures, signatures);
}
