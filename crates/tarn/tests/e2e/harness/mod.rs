//! What the tests are written with: the server as a process, the outside programs, and packages to publish.

pub(crate) mod apk;
pub(crate) mod curl;
pub(crate) mod forge;
pub(crate) mod index;
pub(crate) mod mkpkg;
pub(crate) mod nginx;
pub(crate) mod package;
pub(crate) mod pebble;
pub(crate) mod random;
pub(crate) mod server;
pub(crate) mod tar;
pub(crate) mod tools;

use std::time::{Duration, Instant};

pub(crate) use apk::Apk;
pub(crate) use curl::{Answer, Curl};
pub(crate) use mkpkg::Mkpkg;
pub(crate) use package::Package;
pub(crate) use server::Server;
pub(crate) use tools::{alpine_or_leave_out, curl_or_leave_out};

/// Asks again and again until `holds` is true, for at most `limit`. Gives whether it became true.
pub(crate) fn becomes_true(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if holds() {
            return true;
        }
        if start.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
