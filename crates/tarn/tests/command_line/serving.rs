//! `serve`: the first run, later runs, what keeps it from starting, and how it ends.

use std::{
    io::Write,
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
};

use insta::assert_snapshot;
use rustix::process::Signal;

use tarn_testkit::must_say;

use crate::harness::{Folder, PASSWORD, ask, names_in};

#[test]
fn the_first_run_says_who_you_are_and_what_to_type() {
    let folder = Folder::empty();
    let server = folder.serve(&[], &[]);
    let password = server
        .welcome
        .lines()
        .find_map(|line| line.strip_prefix("  password  "))
        .and_then(|rest| rest.split(' ').next())
        .unwrap()
        .to_owned();
    assert_eq!(password.len(), 24);
    assert_snapshot!(
        "first_run",
        server
            .welcome
            .replace(&password, "[password]")
            .replace(&key_in(&server.welcome), "[key]")
            .replace(env!("CARGO_BIN_EXE_tarn"), "tarn")
            .replace(&server.address, "[address]")
    );
    let mode = folder
        .path("tarn-data")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o700);
    let (status, stdout, stderr) = server.stop(Signal::TERM);
    assert_eq!(status.code(), Some(0), "{stderr}");
    assert_eq!(stdout, "");
    assert!(!stderr.contains(&password));

    // Later runs have nothing to add.
    let server = folder.serve(&[], &[]);
    assert_eq!(server.welcome, "");
    assert_eq!(server.stop(Signal::INT).0.code(), Some(0));
}

#[test]
fn a_given_password_is_never_shown() {
    let folder = Folder::empty();
    let variables = [("TARN_ADMIN_PASSWORD", PASSWORD)];
    let server = folder.serve(&["--base-url", "https://packages.example.org/"], &variables);
    let welcome = &server.welcome;
    assert_snapshot!(
        "first_run_with_password",
        welcome.replace(&key_in(welcome), "[key]")
    );
    let (status, stdout, stderr) = server.stop(Signal::TERM);
    assert_eq!(status.code(), Some(0));
    assert!(!stdout.contains(PASSWORD) && !stderr.contains(PASSWORD));
}

/// The file name of the key that the first run made.
fn key_in(welcome: &str) -> String {
    let rest = welcome.split_once("wget -O /etc/apk/keys/").unwrap().1;
    let name = rest.split(' ').next().unwrap().to_owned();
    assert!(name.starts_with("admin@") && name.ends_with(".rsa.pub"));
    name
}

#[test]
fn a_weak_password_leaves_no_account_behind() {
    let folder = Folder::empty();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--log-level", "error"];
    let said = folder.tarn_with(&serve, &[("TARN_ADMIN_PASSWORD", "hunter2")], "");
    assert_snapshot!("weak_password", said.all());
    // Nor anything else.
    assert_eq!(names_in(&folder.path(".")), [""; 0]);
    // The folders above the data folder are made too.
    let server = folder.serve(&["--data-dir", "above/data"], &[]);
    assert!(server.welcome.starts_with("Welcome to Tarn."));
    assert_eq!(names_in(&folder.path("above")), ["data"]);
}

#[test]
fn a_taken_port_does_not_cost_the_first_password() {
    let folder = Folder::empty();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = folder.tarn(&["serve", "--listen", &address]);
    assert_snapshot!("taken_port", said.all().replace(&address, "[address]"));
    assert_eq!(names_in(&folder.path(".")), [""; 0]);
    let server = folder.serve(&[], &[]);
    assert!(server.welcome.contains("  password  "));
}

#[test]
fn a_second_server_on_the_folder_is_refused() {
    let folder = Folder::with_registry();
    let server = folder.serve(&[], &[]);
    let said = folder.tarn("serve --listen 127.0.0.1:0");
    assert_eq!((said.exit, said.stdout.as_str()), (1, ""));
    said.tells("another server");
    // The other commands go on beside the server.
    folder.tarn("user list").good();
    assert_eq!(server.stop(Signal::TERM).0.code(), Some(0));
}

#[test]
fn packages_beside_a_new_database_are_reported_before_anything_happens() {
    let folder = Folder::with_registry();
    let blob = format!("tarn-data/blobs/ab/{}", "cd".repeat(31));
    folder.write(&blob, "the bytes of a package");
    folder.serve(&[], &[]).wait_for_log("does not know");
    std::fs::rename(folder.path("tarn-data/tarn.db"), folder.path("mislaid.db")).unwrap();
    let before = names_in(&folder.path("tarn-data"));
    let said = folder.tarn("serve --listen 127.0.0.1:0");
    assert_snapshot!("database_mislaid", said.all());
    assert_eq!(names_in(&folder.path("tarn-data")), before);
    assert!(folder.path(&blob).exists());

    std::fs::rename(folder.path("mislaid.db"), folder.path("tarn-data/tarn.db")).unwrap();
    let server = folder.serve(&[], &[]);
    assert_eq!(server.welcome, "");
    assert!(folder.path(&blob).exists());
}

#[test]
fn a_folder_that_cannot_be_made_is_reported() {
    let folder = Folder::empty();
    folder.write("file", "");
    let said = folder.tarn("serve --listen 127.0.0.1:0 --data-dir file/data");
    assert_eq!((said.exit, said.stdout.as_str()), (1, ""));
    assert_snapshot!("folder_not_made", said.stderr);
    assert_eq!(names_in(&folder.path(".")), ["file"]);
}

#[test]
fn log_lines_can_be_json() {
    let folder = Folder::with_registry();
    let server = folder.serve(&["--log-format", "json"], &[]);
    let (_, _, stderr) = server.stop(Signal::TERM);
    let mut messages = Vec::new();
    for line in stderr.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        messages.push(event["message"].as_str().unwrap().to_owned());
    }
    assert!(messages.contains(&"serving".to_owned()), "{messages:?}");
    assert!(messages.contains(&"stopped".to_owned()), "{messages:?}");
}

#[test]
fn a_mistyped_variable_is_noticed() {
    let folder = Folder::with_registry();
    let server = folder.serve(&[], &[("TARN_BASEURL", "https://a")]);
    server.wait_for_log("TARN_BASEURL");
}

/// An upload that does not end keeps the server from stopping in order.
fn endless_upload(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = "PUT /api/packages/admin/alpine/v1/main HTTP/1.1\r\nHost: tarn\r\n\
                Authorization: Basic YWRtaW46b3BlbiBzZXNhbWUgNDI=\r\nContent-Length: 100000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(b"\x1f\x8b\x08\x00").unwrap();
    stream
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    for (second, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let folder = Folder::with_registry();
        let server = folder.serve(&[], &[]);
        let upload = endless_upload(&server.address);
        // A request that is answered shows that the server has taken the upload before it.
        healthz(&server.address);
        server.signal(Signal::TERM);
        server.wait_for_log("stopping");
        server.signal(second);
        let (status, _, stderr) = server.wait();
        assert_eq!(status.code(), Some(code), "{stderr}");
        must_say(&stderr, "error: stopped at once by a second signal");
        drop(upload);
    }
}

/// Asks for `/healthz` on a connection of its own, and waits for the answer.
fn healthz(address: &str) {
    let answer = ask(address, "GET /healthz HTTP/1.1", b"");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
