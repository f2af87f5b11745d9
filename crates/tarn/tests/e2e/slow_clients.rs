//! Clients that keep a connection busy without doing anything.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::{
    harness::{Package, Server, becomes_true, curl_or_leave_out},
    races::{content_length, open_upload},
};

const IMPATIENT: [&str; 4] = ["--request-timeout", "1s", "--stall-timeout", "1s"];

/// Reads until the server closes the connection, and gives what it said. It must do so within ten seconds.
fn wait_for_close(mut stream: &TcpStream) -> String {
    let start = Instant::now();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut said = Vec::new();
    // A reset is a close too.
    let _ = stream.read_to_end(&mut said);
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "the connection stayed open"
    );
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn a_request_that_never_ends_its_head_is_cut_off() {
    found!(curl_or_leave_out());
    let server = Server::start_with(&IMPATIENT);
    let address = server.address();
    for sent in ["", "GET", "GET /healthz HTTP/1.1\r\nHost: x\r\n"] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        let said = wait_for_close(&stream);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    }
    let mut kept = TcpStream::connect(address).unwrap();
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    assert!(wait_for_close(&kept).starts_with("HTTP/1.1 200"));
    server.curl("/healthz").expect(200);
}

#[test]
fn an_upload_that_stands_still_is_cut_off_and_leaves_nothing() {
    found!(curl_or_leave_out());
    let server = Server::start_with(&IMPATIENT);
    server.publish("v1/main", &Package::new("first", "1-r0"));
    let before = server.stored_files();
    let bytes = Package::new("slow", "1-r0").bytes();
    let mut stream = open_upload(&server, &content_length(bytes.len()));
    stream.write_all(&bytes[..bytes.len() / 2]).unwrap();
    let said = wait_for_close(&stream);
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 408"),
        "{said}"
    );
    let clean = becomes_true(Duration::from_secs(10), || server.stored_files() == before);
    assert!(clean, "left over: {:?}", server.stored_files());
    assert_eq!(server.index("v1/main").packages(), ["first-1-r0"]);
}
