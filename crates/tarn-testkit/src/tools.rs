//! What this machine has: which programs, and which ports are free.

use std::{
    collections::BTreeSet,
    env,
    io::Write as _,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Mutex,
};

/// An address on this machine whose port was free a moment ago.
///
/// # Panics
///
/// When there is none.
#[must_use]
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// That `part` stands in `text`.
///
/// # Panics
///
/// When it does not.
#[track_caller]
pub fn must_say(text: &str, part: &str) {
    assert!(text.contains(part), "{part:?} is not in {text}");
}

/// Where programs are that only tests need. None where there is no such place.
#[must_use]
pub fn cache_folder() -> Option<PathBuf> {
    if let Some(folder) = env::var_os("TARN_TEST_CACHE") {
        return Some(PathBuf::from(folder));
    }
    let base = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    Some(base.or_else(home)?.join("tarn-tests"))
}

/// Says once that tests are left out because `what` is missing. The line goes around the test runner's capture, so that it is seen.
///
/// # Panics
///
/// Where nothing may be left out: in CI, and with `TARN_REQUIRE_TOOLS`.
pub fn left_out(what: &'static str) {
    let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    assert!(
        !set("CI") && !set("TARN_REQUIRE_TOOLS"),
        "{what} is missing, and nothing may be left out here; `make test` installs it"
    );
    say_once(what, "left out: tests that need", "`make test` installs it");
}

/// Says once that tests were not run because `what` is not here, and why. For programs that can't be had everywhere, so it is no failure
/// anywhere.
pub fn not_run(what: &'static str, why: &str) {
    say_once(what, "not run: tests that need", why);
}

/// Writes a line around the test runner's capture, once for each `what`.
fn say_once(what: &'static str, begin: &str, end: &str) {
    static SAID: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    if SAID.lock().unwrap().insert(what) {
        let line = format!("{begin} {what}; {end}\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
    }
}
