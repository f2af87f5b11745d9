//! The other commands of `tarn`, on the data of a server that runs.

use std::process::Command;

use apk::sign::{KeySize, SigningKey};

use crate::harness::{
    Apk, Package, Server, alpine_or_leave_out, curl_or_leave_out,
    server::{ADMIN, credentials_of},
};

const INDEX: &str = "/v1/main/x86_64/APKINDEX.tar.gz";

#[test]
fn a_disabled_account_is_refused_from_the_next_request_on() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    server.add_user("alice", "public");
    let upload = server
        .alpine("alice", "/v1/main")
        .user(&credentials_of("alice"));
    upload
        .upload_bytes(&Package::new("hello", "1.0-r0").bytes())
        .expect(201);
    let token = format!("x:{}", server.add_token("alice", "write:package"));
    let ways = [credentials_of("alice"), token];
    for way in &ways {
        server.alpine("alice", INDEX).user(way).expect(200);
    }
    server.tarn(&["user", "disable", "alice"], "");
    for way in &ways {
        server.alpine("alice", INDEX).user(way).expect(401);
    }
    // Its packages stay.
    server.alpine("alice", INDEX).expect(200);
    server.tarn(&["user", "enable", "alice"], "");
    for way in &ways {
        server.alpine("alice", INDEX).user(way).expect(200);
    }
}

#[test]
fn a_changed_password_and_a_removed_token_are_refused_from_the_next_request_on() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    server.add_user("carol", "private");
    let upload = server
        .alpine("carol", "/v1/main")
        .user(&credentials_of("carol"));
    upload
        .upload_bytes(&Package::new("hello", "1.0-r0").bytes())
        .expect(201);
    server.tarn(
        &["user", "password", "carol", "--password-stdin"],
        "Another-Password-2\n",
    );
    server
        .alpine("carol", INDEX)
        .user(&credentials_of("carol"))
        .expect(401);
    server
        .alpine("carol", INDEX)
        .user("carol:Another-Password-2")
        .expect(200);

    let token = server.add_token("carol", "read:package");
    server
        .alpine("carol", INDEX)
        .user(&format!("x:{token}"))
        .expect(200);
    let listed = server.tarn(&["token", "list", "--user", "carol"], "");
    assert!(
        listed.contains("read:package") && !listed.contains(&token),
        "{listed}"
    );
    server.tarn(
        &[
            "token",
            "revoke",
            "--user",
            "carol",
            "--name",
            "read:package",
        ],
        "",
    );
    server
        .alpine("carol", INDEX)
        .user(&format!("x:{token}"))
        .expect(401);
}

#[test]
fn a_member_who_is_taken_out_is_refused_from_the_next_request_on() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    server.add_user("alice", "public");
    server.add_user("erin", "public");
    server.tarn(
        &[
            "org",
            "add",
            "acme",
            "--owner",
            "alice",
            "--visibility",
            "private",
        ],
        "",
    );
    let upload = server
        .alpine("acme", "/v1/main")
        .user(&credentials_of("alice"));
    upload
        .upload_bytes(&Package::new("hello", "1.0-r0").bytes())
        .expect(201);
    let erin = credentials_of("erin");
    assert_eq!(server.alpine("acme", INDEX).user(&erin).run().status, 403);
    server.tarn(&["org", "member", "acme", "erin", "--role", "read"], "");
    server.alpine("acme", INDEX).user(&erin).expect(200);
    server.tarn(&["org", "member", "acme", "erin", "--remove"], "");
    assert_eq!(server.alpine("acme", INDEX).user(&erin).run().status, 403);
}

#[test]
fn an_expired_token_is_refused() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    let arguments = [
        "--name",
        "brief",
        "--scope",
        "read:package",
        "--expires",
        "2s",
    ];
    let token = server.tarn(
        &[&["token", "add", "--user", "admin"], &arguments[..]].concat(),
        "",
    );
    let user = format!("x:{}", token.trim());
    let refused = |status| {
        move |server: &Server, user: &str| {
            server.alpine("admin", "/key").user(user).run().status == status
        }
    };
    assert!(refused(200)(&server, &user), "refused at once");
    let patience = std::time::Duration::from_secs(10);
    assert!(
        crate::harness::becomes_true(patience, || refused(401)(&server, &user)),
        "never refused"
    );
}

#[test]
fn commands_that_cannot_do_it_say_so_and_end_with_1() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    server.add_user("alice", "public");
    let cases: [&[&str]; 5] = [
        &["user", "add", "alice", "--password-stdin"],
        &["user", "add", "ALICE", "--password-stdin"],
        &["org", "add", "acme", "--owner", "nobody"],
        &["org", "member", "nothing", "alice", "--role", "read"],
        &[
            "token",
            "add",
            "--user",
            "nobody",
            "--name",
            "x",
            "--scope",
            "read:package",
        ],
    ];
    for arguments in cases {
        let output = server.run_tarn(arguments, "Some-Password-1\n");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {errors}");
        assert!(
            output.stdout.is_empty() && !errors.trim().is_empty(),
            "{arguments:?}"
        );
        assert!(
            !errors.contains("Some-Password-1") && !errors.contains("panicked"),
            "{errors}"
        );
    }
    let output = server.run_tarn(
        &[
            "token", "add", "--user", "alice", "--name", "x", "--scope", "every",
        ],
        "",
    );
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_first_run_makes_an_administrator_and_the_second_does_not() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    assert!(
        !server.log().contains(crate::harness::server::PASSWORD),
        "{}",
        server.log()
    );
    assert!(
        server.log().contains("curl "),
        "the commands to type next:\n{}",
        server.log()
    );
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
    server.tarn(
        &["user", "password", "admin", "--password-stdin"],
        "Another-Password-2\n",
    );
    let server = server.stop().start();
    assert!(!server.log().contains("Welcome"), "{}", server.log());
    server.alpine("admin", "/key").user(ADMIN).expect(401);
    server
        .alpine("admin", "/key")
        .user("admin:Another-Password-2")
        .expect(200);
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tarn"));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(server.data_folder());
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("error: "), "{errors}");
    server.curl("/healthz").expect(200);
}

#[test]
fn an_imported_key_keeps_its_file_name_and_signs_from_then_on() {
    let Some(alpine) = alpine_or_leave_out() else {
        return;
    };
    let server = Server::start();
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
    let first = server.index("v1/main").signatures;
    let exported = server.tarn(&["key", "export", "admin"], "");
    assert_eq!(exported, server.alpine("admin", "/key").expect(200).text());

    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::generate(KeySize::Rsa2048).unwrap();
    let file = folder.path().join("builder@example.org-5f3c0a11.rsa");
    std::fs::write(&file, key.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
    server.tarn(&["key", "import", "admin", file.to_str().unwrap()], "");

    let listed = server.tarn(&["key", "list", "admin"], "");
    assert!(
        listed.contains("builder@example.org-5f3c0a11.rsa.pub"),
        "{listed}"
    );
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

    let repositories = [server.repository("v1/main")];
    let apk = Apk::new(&alpine, &repositories).trusting(&server, "admin", "");
    assert_eq!(apk.search(&[]), ["hello-1.0-r0"]);
    apk.expect(&["add", "hello"]);
    let server = server.stop().start();
    assert_eq!(server.index("v1/main").signatures, signatures);
}
