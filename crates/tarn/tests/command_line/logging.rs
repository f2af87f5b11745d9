//! What can't be written to standard error or standard output stops nothing.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use apk_testkit::v2::PackageBuilder;
use rustix::process::{Pid, Signal, kill_process};
use tarn_testkit::{Running, must_say};

use crate::{
    harness::{Folder, PASSWORD, PATIENCE, ask, ended},
    housekeeping::upload,
};

/// A server whose standard output and standard error are what the test makes of them.
struct Odd {
    child: Running,
    address: String,
}

impl Odd {
    /// Starts it, and reads the address that `announced` brings.
    fn start(folder: &Folder, stdout: Stdio, stderr: Stdio) -> Child {
        let line = "serve --listen 127.0.0.1:0 --metrics on";
        let mut command = folder.command(line, &[("TARN_ADMIN_PASSWORD", PASSWORD)]);
        command.stdout(stdout).stderr(stderr).spawn().unwrap()
    }

    fn with_stderr(folder: &Folder, stderr: Stdio) -> Self {
        let mut child = Self::start(folder, Stdio::piped(), stderr);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .map(Result::unwrap)
            .find_map(|line| Some(line.strip_prefix("listening on http://")?.to_owned()));
        Self {
            address: address.unwrap(),
            child: Running(child),
        }
    }

    /// The answer to a GET.
    fn get(&self, path: &str) -> String {
        ask(&self.address, &format!("GET {path} HTTP/1.1"), b"")
    }

    fn lost_lines(&self) -> u64 {
        let metrics = self.get("/metrics");
        let mut lines = metrics.lines();
        let lost = lines.find_map(|line| line.strip_prefix("tarn_log_lines_lost_total "));
        lost.unwrap().parse().unwrap()
    }

    /// Waits until so many lines are counted as lost: they are written beside the requests.
    fn loses(&self, lines: u64) {
        let begun = Instant::now();
        while self.lost_lines() < lines {
            assert!(
                begun.elapsed() < PATIENCE,
                "fewer than {lines} lines are lost"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Everything a server is for.
    fn works(&self) {
        let package = PackageBuilder::new("hello", "1.0-r0").build();
        let answer = upload(&self.address, PASSWORD, &package);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        for path in [
            "/healthz",
            "/api/packages/admin/alpine/edge/main/x86_64/hello-1.0-r0.apk",
        ] {
            assert!(self.get(path).starts_with("HTTP/1.1 200"), "{path}");
        }
        // A panic would be a line too, and an answer of 500.
        assert!(self.get("/nothing").starts_with("HTTP/1.1 404"));
    }

    fn stop(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        ended(&mut self.child)
    }
}

fn full_disk() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

#[test]
fn a_log_on_a_full_disk_stops_nothing() {
    let folder = Folder::empty();
    let server = Odd::with_stderr(&folder, full_disk());
    server.works();
    server.loses(4);
    assert!(server.stop().success());
}

#[test]
fn a_log_whose_reader_went_away_stops_nothing() {
    let folder = Folder::empty();
    let mut server = Odd::with_stderr(&folder, Stdio::piped());
    drop(server.child.stderr.take());
    server.works();
    server.loses(4);
    assert!(server.stop().success());
}

#[test]
fn an_unread_log_loses_lines_that_are_counted_once_it_is_read() {
    let folder = Folder::empty();
    let mut server = Odd::with_stderr(&folder, Stdio::piped());
    // More than a pipe and the queue before it hold: 64 KiB and 1 MiB.
    let long = format!("/{}", "x".repeat(7_000));
    for _ in 0..300 {
        assert!(server.get(&long).starts_with("HTTP/1.1 404"));
    }
    server.works();
    let lost = server.lost_lines();
    assert!(lost > 0);
    let mut lines = BufReader::new(server.child.stderr.take().unwrap()).lines();
    let told = lines
        .by_ref()
        .map(Result::unwrap)
        .find(|line| line.contains("log lines were lost"));
    assert!(told.unwrap().contains(" lines="));
    // From here on nothing is missing.
    server.get("/after");
    assert!(
        lines
            .map(Result::unwrap)
            .any(|line| line.contains("path=\"/after\""))
    );
    assert!(server.lost_lines() - lost <= 1);
    assert!(server.stop().success());
}

#[test]
fn a_server_whose_log_is_not_read_can_be_stopped() {
    let folder = Folder::empty();
    let server = Odd::with_stderr(&folder, Stdio::piped());
    let long = format!("/{}", "x".repeat(7_000));
    while server.lost_lines() == 0 {
        server.get(&long);
    }
    assert!(server.stop().success());
}

#[test]
fn a_standard_output_that_cannot_be_written_stops_nothing() {
    let folder = Folder::empty();
    for broken in ["full", "closed"] {
        let log = folder.path(broken);
        let stdout = if broken == "full" {
            full_disk()
        } else {
            Stdio::piped()
        };
        let mut child = Odd::start(&folder, stdout, File::create(&log).unwrap().into());
        drop(child.stdout.take());
        let address = logged_address(&log);
        let child = Running(child);
        let server = Odd { child, address };
        assert!(
            server.get("/healthz").starts_with("HTTP/1.1 200"),
            "{broken}"
        );
        assert!(server.stop().success(), "{broken}");
    }
    let log = fs::read_to_string(folder.path("full")).unwrap();
    must_say(&log, "standard output could not be written");
}

/// The address in the log line of a server that starts.
fn logged_address(log: &Path) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(log).unwrap();
        if let Some((_, after)) = text.split_once("serving address=") {
            return after.split(' ').next().unwrap().to_owned();
        }
        assert!(Instant::now() < deadline, "{text}");
        thread::sleep(Duration::from_millis(5));
    }
}
