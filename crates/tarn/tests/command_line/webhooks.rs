//! `webhook` on a real registry, and on a running server with a receiver beside it.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use insta::assert_snapshot;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Folder, PATIENCE, Server};

#[test]
fn webhooks_are_added_listed_changed_and_removed() {
    let folder = Folder::with_registry();
    let url = "https://ci.example.org/hooks/tarn?token=x";
    let long = format!("https://ci.example.org/{}", "a".repeat(2048));
    let add = format!("webhook add admin {url} --secret-stdin");
    let all = folder.session_with(&[
        ("webhook list admin", ""),
        ("webhook list nobody", ""),
        (&add, "a secret of the tests\n"),
        (
            &format!("{add} --event published"),
            "a secret of the tests\n",
        ),
        (&add, ""),
        (&add, "with a bell\u{7}\n"),
        ("webhook add admin ci.example.org", ""),
        ("webhook add admin ftp://ci.example.org/", ""),
        ("webhook add admin https://a:b@ci.example.org/", ""),
        (&format!("webhook add admin {long}"), ""),
        (&format!("webhook add admin {url} --event renamed"), ""),
        (&format!("webhook add admin {url} --event ping"), ""),
        ("webhook list admin", ""),
        ("webhook change admin 1", ""),
        ("webhook change admin 1 --disable", ""),
        (
            "webhook change admin 2 --url http://10.0.0.1/ --event deleted",
            "",
        ),
        ("webhook change admin 3 --enable", ""),
        ("webhook test admin 1", ""),
        ("webhook change admin 1 --enable", ""),
        ("webhook deliveries admin 1", ""),
        ("webhook test admin 1", ""),
        ("webhook test admin 1", ""),
        ("webhook deliveries admin 1", ""),
        ("webhook redeliver admin 1", ""),
        ("webhook change admin 1 --disable", ""),
        ("webhook deliveries admin 1", ""),
        ("webhook redeliver admin 1", ""),
        ("webhook redeliver admin 2", ""),
        ("webhook change admin 1 --enable", ""),
        ("webhook redeliver admin 1", ""),
        ("webhook deliveries admin 1 --limit 1", ""),
        ("webhook deliveries admin 1 --state failed", ""),
        ("webhook deliveries admin 1 --state lost", ""),
        ("webhook list admin", ""),
        ("webhook remove admin 1", ""),
        ("webhook remove admin 1", ""),
        ("webhook list admin --json", ""),
    ]);
    let all = all.replace(&long, "[long]");
    assert!(!all.contains("a secret of the tests"));
    assert_snapshot!("webhooks", all);
}

#[test]
fn a_secret_that_is_made_is_printed_once_and_alone() {
    let folder = Folder::with_registry();
    let said = folder.tarn("webhook add admin https://ci.example.org/");
    let secret = said.line().to_owned();
    assert_eq!(secret.len(), 43);
    assert!(secret.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let said = folder.tarn("webhook change admin 1 --new-secret");
    assert_eq!(said.line().len(), 43);
    assert_ne!(said.line(), secret);
    let listed = folder.tarn("webhook list admin --json");
    assert!(!listed.stdout.contains(said.line()));
    // What the server will not send to is said at once, as far as the URL says it.
    let near = ["webhook", "add", "admin", "http://localhost:1/hook"];
    let warned = folder.tarn(&near);
    assert!(
        warned.stderr.starts_with(
            "warning: this webhook gets no messages: 127.0.0.1 is not a public address"
        ),
        "{}",
        warned.stderr
    );
    let opened = [("TARN_WEBHOOK_ALLOWED_NETWORKS", "127.0.0.0/8")];
    let quiet = folder.tarn_with(&near, &opened, "");
    assert!(!quiet.stderr.contains("warning"), "{}", quiet.stderr);
}

#[test]
fn networks_that_are_none_are_refused() {
    let folder = Folder::empty();
    let check = "check-config --webhook-allowed-networks 10.0.0.0/8,intranet";
    assert_snapshot!("webhook_networks", folder.tarn(check).all());
}

/// The bodies of the requests to a receiver of this test.
fn receiver() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (sender, bodies) = mpsc::channel();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = Vec::new();
            let mut part = [0; 4096];
            // The body is one JSON object in one line, and the request ends with it.
            while !request.ends_with(b"}") {
                match stream.read(&mut part) {
                    Ok(read @ 1..) => request.extend_from_slice(&part[..read]),
                    _ => break,
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            let request = String::from_utf8(request).unwrap();
            let body = request.split_once("\r\n\r\n").unwrap().1.to_owned();
            if sender.send(body).is_err() {
                return;
            }
        }
    });
    (url, bodies)
}

/// The newest delivery to webhook 1, once it is in that state.
fn newest(folder: &Folder, state: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let said = folder.tarn("webhook deliveries admin 1 --json");
        let deliveries: Value = serde_json::from_str(&said.stdout).unwrap();
        let newest = &deliveries[0];
        // While the first attempt is under way there is neither.
        let tried = newest["status"] != Value::Null || newest["error"] != Value::Null;
        if newest["state"] == state && tried {
            return newest.clone();
        }
        assert!(Instant::now() < deadline, "{deliveries}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn stop(server: Server) {
    let (status, _, stderr) = server.stop(Signal::TERM);
    assert!(status.success(), "{stderr}");
}

#[test]
fn a_running_server_sends_a_test_where_it_may_and_nowhere_else() {
    let folder = Folder::with_registry();
    let (url, bodies) = receiver();
    folder.tarn(&["webhook", "add", "admin", &url]);
    let server = folder.serve(&[], &[]);
    assert_eq!(folder.tarn("webhook test admin 1").line(), "1");
    let refused = newest(&folder, "pending");
    assert_eq!(refused["attempts"], 1);
    let error = refused["error"].as_str().unwrap();
    assert!(error.starts_with("it has no public address"), "{error}");
    assert!(bodies.try_recv().is_err());
    stop(server);
    // Gives up what is pending, so that a new test can be made.
    folder.tarn("webhook change admin 1 --disable");
    folder.tarn("webhook change admin 1 --enable");

    let server = folder.serve(&["--webhook-allowed-networks", "127.0.0.0/8"], &[]);
    assert_eq!(folder.tarn("webhook test admin 1").line(), "2");
    let body = bodies.recv_timeout(PATIENCE).unwrap();
    let delivered = newest(&folder, "delivered");
    assert_eq!(delivered["status"], 200);
    let sent: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(delivered["payload"], sent);
    assert_eq!(sent["action"], "ping");
    stop(server);
}
