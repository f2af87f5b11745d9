//! In which order bytes, names and rows reach the disk before an answer: seen from outside, in the system calls.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use rusqlite::Connection;
use tarn_core::jobs::Job;
use tempfile::TempDir;

use crate::harness::{Package, Server, becomes_true, random::Random, tools::strace_or_leave_out};

/// What writes, syncs, names and answers. Those with `?` are not on every machine.
const TRACED: &str = "trace=fsync,fdatasync,?rename,renameat,renameat2,?link,linkat,write,pwrite64,\
                      writev,pwritev,pwritev2,sendto,sendmsg";
const WRITES: &[&str] = &["write", "pwrite64", "writev", "pwritev", "pwritev2"];
const SYNCS: &[&str] = &["fsync", "fdatasync"];
const NAMES: &[&str] = &["rename", "renameat", "renameat2", "link", "linkat"];

#[test]
fn what_was_answered_was_on_the_disk_before() {
    let scratch = TempDir::new().unwrap();
    let trace = scratch.path().join("trace");
    let Some(strace) = strace_or_leave_out(TRACED, &trace) else {
        return;
    };
    let server = Server::start_below(strace);
    // What is opened and made at the first upload is there from now on.
    server.publish("v1/main", &Package::new("first", "1.0-r0"));
    let first = server.stored_files();
    // The jobs of the start write into the same log, in the order of `Job::ALL`: once the last is noted, none writes any more.
    let database = Connection::open(server.data_folder().join("tarn.db")).unwrap();
    let last_job = Job::ALL.last().unwrap().as_str();
    let runs = "SELECT COUNT(*) FROM job_runs WHERE job = $1";
    server.wait_until(|| database.query_row(runs, [last_job], |row| row.get(0)) == Ok(1));

    let content = Random::new(7).bytes(300_000);
    let package = Package::new("second", "1.0-r0").file("usr/content", content);
    let calls = calls_of(&trace, "201", || server.publish("v1/main", &package));
    let stored = server.stored_files();
    let mut blobs = stored.iter().filter(|path| path.starts_with("blobs"));
    let blob = blobs.find(|path| !first.contains(path)).unwrap();
    let syncs = holds_only_whole(&calls, |calls| published(calls, blob, true));
    assert_eq!(syncs, 3, "bytes, folder, log");

    let calls = calls_of(&trace, "201", || server.publish("v1/other", &package));
    let syncs = holds_only_whole(&calls, |calls| published(calls, blob, false));
    assert_eq!(syncs, 2, "folder, log");

    let place = server.data_folder().join(blob);
    fs::remove_file(&place).unwrap();
    fs::write(&place, "what is damaged is replaced").unwrap();
    let calls = calls_of(&trace, "201", || server.publish("v1/third", &package));
    let syncs = holds_only_whole(&calls, |calls| published(calls, blob, true));
    assert_eq!(syncs, 3, "bytes, folder, log");

    let path = "/v1/main/x86_64/second-1.0-r0.apk";
    let calls = calls_of(&trace, "204", || server.delete(path).expect(204));
    let syncs = holds_only_whole(&calls, |calls| Ok(vec![recorded(calls, "204")?.synced]));
    assert_eq!(syncs, 1, "log");
}

/// One system call. It may overlap with another of the same time: then it is not said which came first.
#[derive(Debug, Clone)]
struct Call {
    name: String,
    /// The arguments and the result, as `strace` prints them.
    text: String,
    began: usize,
    ended: usize,
}

impl Call {
    fn is(&self, names: &[&str]) -> bool {
        names.contains(&self.name.as_str())
    }

    /// Whether its first argument is a descriptor of a file or folder whose path ends like that.
    fn on(&self, path: &str) -> bool {
        let descriptor = self.text.split(',').next().unwrap();
        descriptor.contains(&format!("/{path}>"))
    }

    /// The path that is argument number `place` of those that are paths.
    fn path(&self, place: usize) -> Option<&str> {
        self.text.split('"').nth(2 * place + 1)
    }

    fn succeeded(&self) -> bool {
        let result = self.text.rsplit(" = ").next().unwrap();
        !result.starts_with('-')
    }

    fn is_before(&self, other: &Self) -> bool {
        self.ended < other.began
    }
}

/// The calls that the server made during a request, up to and with the one that began to send the answer.
fn calls_of<T>(trace: &Path, status: &str, request: impl FnOnce() -> T) -> Vec<Call> {
    let read = || fs::read_to_string(trace).unwrap();
    let before = read().lines().count();
    request();
    let mut calls = Vec::new();
    let seen = becomes_true(Duration::from_secs(30), || {
        calls = parse(read().lines().skip(before));
        calls.iter().any(|call| is_answer(call, status))
    });
    assert!(seen, "no answer in {calls:#?}");
    calls
}

fn is_answer(call: &Call, status: &str) -> bool {
    call.text.contains(&format!("\"HTTP/1.1 {status}"))
}

/// A call that another thread's came between stands in two lines: `name(… <unfinished ...>` and `<... name resumed>…`.
fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut unfinished: BTreeMap<&str, Call> = BTreeMap::new();
    for (place, line) in lines.enumerate() {
        let Some((thread, line)) = line.split_once(' ') else {
            continue;
        };
        let line = line.trim_start();
        if let Some(rest) = line.strip_prefix("<... ") {
            if let (Some(mut call), Some((_, rest))) =
                (unfinished.remove(thread), rest.split_once("resumed>"))
            {
                call.text.push_str(rest);
                call.ended = place;
                calls.push(call);
            }
        } else if let Some((name, rest)) = line.split_once('(') {
            let (text, goes_on) = match rest.strip_suffix("<unfinished ...>") {
                Some(text) => (text, true),
                None => (rest, false),
            };
            let call = Call {
                name: name.to_owned(),
                text: text.to_owned(),
                began: place,
                ended: place,
            };
            if goes_on {
                unfinished.insert(thread, call);
            } else {
                calls.push(call);
            }
        }
    }
    calls.sort_by_key(|call| call.began);
    calls
}

/// That the order is right, and that it is found out when one of the syncs it rests on comes too late or not at all. Gives
/// how many these are.
fn holds_only_whole(
    calls: &[Call],
    order: impl for<'c> Fn(&'c [Call]) -> Result<Vec<&'c Call>, String>,
) -> usize {
    let syncs = order(calls).unwrap_or_else(|wrong| panic!("{wrong}: {calls:#?}"));
    for sync in &syncs {
        let others = calls.iter().filter(|call| call.began != sync.began);
        let mut without: Vec<Call> = others.cloned().collect();
        assert!(order(&without).is_err(), "left out: {sync:?}");
        let late = Call {
            began: usize::MAX,
            ended: usize::MAX,
            ..(*sync).clone()
        };
        without.push(late);
        assert!(order(&without).is_err(), "late: {sync:?}");
    }
    syncs.len()
}

/// The order of `blobs/mod.rs` and of "Publishing a package" in ARCHITECTURE.md: the bytes, the name, the folder, the row,
/// the answer. For a blob that is there already: the folder, the row, the answer. Gives the syncs.
fn published<'a>(calls: &'a [Call], blob: &Path, is_new: bool) -> Result<Vec<&'a Call>, String> {
    let done = |call: &&Call| call.succeeded();
    let sync_of = |path: &str| {
        let mut syncs = calls.iter().filter(done).filter(|call| call.is(SYNCS));
        syncs.find(|call| call.on(path))
    };
    let place = blob.to_str().unwrap();
    let folder = sync_of(blob.parent().unwrap().to_str().unwrap());
    let folder = folder.ok_or("the folder of the blob is not synced")?;
    let mut syncs = vec![folder];
    if is_new {
        let mut named = calls.iter().filter(done).filter(|call| call.is(NAMES));
        let named = named
            .find(|call| call.path(1).is_some_and(|to| to.ends_with(place)))
            .ok_or("the blob is not given its name")?;
        let temporary = named.path(0).unwrap().rsplit('/').next().unwrap();
        let mut written = calls.iter().filter(|call| call.is(WRITES));
        let written = written.rfind(|call| call.on(temporary));
        let written = written.ok_or("the bytes are not written")?;
        let synced = sync_of(temporary).ok_or("the bytes are not synced")?;
        in_order(&[written, synced, named, folder])?;
        syncs.push(synced);
    }
    let recorded = recorded(calls, "201")?;
    in_order(&[folder, recorded.begun])?;
    syncs.push(recorded.synced);
    Ok(syncs)
}

fn in_order(calls: &[&Call]) -> Result<(), String> {
    let wrong = calls.windows(2).find(|pair| !pair[0].is_before(pair[1]));
    wrong.map_or(Ok(()), |pair| {
        Err(format!("{:?} before {:?}", pair[1], pair[0]))
    })
}

/// A transaction that a request waited for.
struct Recorded<'a> {
    /// Its first write into the log of the database.
    begun: &'a Call,
    /// The sync behind its last.
    synced: &'a Call,
}

/// That the log of the database is synced behind all that was written into it before the answer.
fn recorded<'a>(calls: &'a [Call], status: &str) -> Result<Recorded<'a>, String> {
    let answer = calls.iter().find(|call| is_answer(call, status));
    let answer = answer.ok_or("no answer")?;
    let log = || {
        let calls = calls.iter().filter(|call| call.began < answer.began);
        calls.filter(|call| call.on("tarn.db-wal") && call.succeeded())
    };
    let writes: Vec<&Call> = log().filter(|call| call.is(WRITES)).collect();
    let synced = log().rfind(|call| call.is(SYNCS));
    let synced = synced.ok_or("the log is not synced")?;
    let (Some(begun), Some(last)) = (writes.first(), writes.last()) else {
        return Err("nothing is written into the log".to_owned());
    };
    in_order(&[last, synced, answer])?;
    Ok(Recorded { begun, synced })
}
