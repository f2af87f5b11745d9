//! Many clients at once.

use std::{io::Write as _, net::TcpStream, sync::Barrier, thread, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::harness::{Apk, Package, Server, alpine_or_leave_out, server::ADMIN};

/// An upload whose body is sent by hand, each write as a segment of its own. `framing` is the header that says how long it is.
pub(crate) fn open_upload(server: &Server, framing: &str) -> TcpStream {
    let address = server.address();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let patience = Some(Duration::from_secs(60));
    stream.set_read_timeout(patience).unwrap();
    let credentials = STANDARD.encode(ADMIN);
    let head = format!(
        "PUT /api/packages/admin/alpine/v1/main HTTP/1.1\r\nHost: {address}\r\n\
         Authorization: Basic {credentials}\r\n{framing}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// The framing of a body of that length.
pub(crate) fn content_length(length: usize) -> String {
    format!("Content-Length: {length}")
}

#[test]
fn of_two_uploads_of_one_file_at_once_one_wins() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    server.publish("v1/main", &Package::new("first", "1-r0"));
    let rounds = 25;
    for round in 0..rounds {
        let barrier = Barrier::new(2);
        let upload = |content: &str| {
            let package = Package::new(&format!("raced{round}"), "1.0-r0");
            let package = package.file("usr/share/tarn/who", content);
            let call = server.upload("admin", "v1/main", &package.bytes());
            barrier.wait();
            (call.run().status, package.bytes())
        };
        let results = thread::scope(|scope| {
            let one = scope.spawn(|| upload("one"));
            let two = scope.spawn(|| upload("two"));
            [one.join().unwrap(), two.join().unwrap()]
        });
        let statuses = [results[0].0, results[1].0];
        assert!(
            statuses == [201, 409] || statuses == [409, 201],
            "{round}: {statuses:?}"
        );
        let path = format!("/v1/main/x86_64/raced{round}-1.0-r0.apk");
        let served = server.alpine("admin", &path).expect(200).body;
        let winner = results.iter().find(|(status, _)| *status == 201).unwrap();
        assert!(served == winner.1, "round {round} serves the other file");
    }
    let apk = Apk::of(&server, &alpine, server.repository("v1/main"));
    let names: Vec<String> = (0..rounds).map(|round| format!("raced{round}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // apk checks each file against the index: both must be of the same upload.
    let folder = apk.fetched();
    apk.expect(&[&["fetch", "--output", folder.to_str().unwrap()], &names[..]].concat());
    assert_eq!(server.index("v1/main").packages().len(), rounds + 1);
}

#[test]
fn many_uploads_at_once_are_all_in_the_index() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    thread::scope(|scope| {
        for client in 0..6 {
            let server = &server;
            scope.spawn(move || {
                for number in 0..8 {
                    let package = Package::new(&format!("p{client}-n{number}"), "1.0-r0");
                    server.publish("v1/main", &package);
                    // A client reads its own write at once, whatever the others do.
                    let name = package.file_name().replace(".apk", "");
                    assert!(server.index("v1/main").packages().contains(&name));
                }
            });
        }
    });
    let apk = Apk::of(&server, &alpine, server.repository("v1/main"));
    assert_eq!(apk.search(&[]).len(), 48);
}
