//! The server ends, kindly or not: nothing that was taken is lost.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    harness::{
        Apk, Package, Server, alpine_or_leave_out, becomes_true, curl_or_leave_out, random::Random,
    },
    races::{content_length, open_upload},
};

#[test]
fn an_upload_under_way_at_sigterm_is_finished() {
    found!(curl_or_leave_out());
    let server = Server::start();
    let address = server.address().to_owned();
    let content = Random::new(11).bytes(2 << 20);
    let package = Package::new("slow", "1.0-r0").file("usr/content", content);
    let bytes = package.bytes();
    let (half, rest) = bytes.split_at(bytes.len() / 2);

    let mut upload = open_upload(&server, &content_length(bytes.len()));
    upload.write_all(half).unwrap();
    let idle = TcpStream::connect(&address).unwrap();
    thread::sleep(Duration::from_millis(300));
    server.signal(Signal::TERM);
    let refused = becomes_true(Duration::from_secs(10), || {
        TcpStream::connect(&address).is_err()
    });
    assert!(
        refused,
        "new connections are still taken:\n{}",
        server.log()
    );
    upload.write_all(rest).unwrap();
    let mut answer = String::new();
    upload.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 201"),
        "{answer}\n{}",
        server.log()
    );
    drop(idle);

    let stopped = server.wait();
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log);
    let server = stopped.start();
    let path = "/v1/main/x86_64/slow-1.0-r0.apk";
    assert!(server.alpine("admin", path).expect(200).body == bytes);
    assert_eq!(server.index("v1/main").packages(), ["slow-1.0-r0"]);
}

#[test]
fn sigterm_and_sigint_end_an_idle_server_with_0() {
    found!(curl_or_leave_out());
    for signal in [Signal::TERM, Signal::INT] {
        // A connection that is left unused is not closed for its own sake meanwhile.
        let server = Server::start_with("--request-timeout 5m");
        let address = server.address();
        let _kept_open = TcpStream::connect(address).unwrap();
        server.signal(signal);
        let stopped = server.wait();
        assert_eq!(
            stopped.status.code(),
            Some(0),
            "{signal:?}: {}",
            stopped.log
        );
    }
}

#[test]
fn nothing_taken_is_lost_when_the_server_is_killed() {
    let alpine = found!(alpine_or_leave_out());
    let mut random = Random::new(20_240_101);
    let mut server = Server::start();
    server.publish("v1/main", &Package::new("first", "1-r0"));
    let mut taken = vec!["first-1-r0".to_owned()];
    let mut sent = 1;
    for round in 0..8 {
        let wait = Duration::from_millis(30 + random.below(500));
        let killed = AtomicBool::new(false);
        let results: Vec<(String, u16)> = thread::scope(|scope| {
            let clients: Vec<_> = (0..2)
                .map(|client| {
                    let (server, killed) = (&server, &killed);
                    scope.spawn(move || stream_of_uploads(server, round, client, killed))
                })
                .collect();
            thread::sleep(wait);
            server.signal(Signal::KILL);
            killed.store(true, Ordering::Relaxed);
            clients
                .into_iter()
                .flat_map(|client| client.join().unwrap())
                .collect()
        });
        sent += results.len();
        let accepted = results.into_iter().filter(|(_, status)| *status == 201);
        taken.extend(accepted.map(|(name, _)| name));
        let stopped = server.wait();
        server = stopped.start();
        let listed = server.index("v1/main").packages();
        for name in &taken {
            assert!(listed.contains(name), "{name} was answered 201 and is gone");
        }
        assert_no_left_over_files(&server, listed.len());
    }
    assert!(
        taken.len() > 8 && sent > taken.len(),
        "{} of {sent}: tune the times",
        taken.len()
    );
    let apk = Apk::of(&server, &alpine, server.repository("v1/main"));
    let offered = apk.search(&[]);
    let names: Vec<&str> = offered
        .iter()
        .filter_map(|line| line.split("-1-r0").next())
        .collect();
    apk.expect(&[&["add"], &names[..]].concat());
}

/// Uploads one small package after the other until the server is gone. Gives what each was answered.
pub(crate) fn stream_of_uploads(
    server: &Server,
    round: u32,
    client: u32,
    killed: &AtomicBool,
) -> Vec<(String, u16)> {
    let mut results = Vec::new();
    for number in 0..500 {
        let name = format!("r{round}c{client}n{number}");
        let content = Random::new(u64::from(round * 1000 + client * 500 + number)).bytes(60_000);
        // Each package has a file of its own, so that all can be installed side by side.
        let package = Package::new(&name, "1-r0").file(&format!("usr/content/{name}"), content);
        let answer = server.upload("admin", "v1/main", &package.bytes()).run();
        results.push((format!("{name}-1-r0"), answer.status));
        if killed.load(Ordering::Relaxed) {
            break;
        }
    }
    results
}

/// After a start there is no half-written file: what is stored is what is listed, and perhaps whole files that a
/// sweep will find.
fn assert_no_left_over_files(server: &Server, listed: usize) {
    let partial: Vec<PathBuf> = server
        .stored_files()
        .into_iter()
        .filter(|path| {
            let text = path.to_string_lossy().to_lowercase();
            text.contains("tmp") || text.contains("temp") || text.contains("partial")
        })
        .collect();
    assert!(partial.is_empty(), "{listed} packages, and {partial:?}");
}
