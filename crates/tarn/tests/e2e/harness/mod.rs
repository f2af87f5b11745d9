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

use std::{
    env,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

pub(crate) use apk::Apk;
pub(crate) use curl::{Answer, Curl};
pub(crate) use mkpkg::Mkpkg;
pub(crate) use package::Package;
pub(crate) use server::Server;
pub(crate) use tools::{alpine_or_leave_out, curl_or_leave_out};

/// Runs lines of a shell in a folder, which may have programs of its own. They must end well; gives what they print.
pub(crate) fn shell(lines: &str, folder: &Path, variables: &[(&str, &str)]) -> String {
    let path = format!("{}:{}", folder.display(), env::var("PATH").unwrap());
    let mut shell = Command::new("/bin/sh");
    shell.args(["-euc", lines]).current_dir(folder);
    shell.envs([
        ("PATH", path.as_str()),
        ("no_proxy", "*"),
        ("NO_PROXY", "*"),
    ]);
    let ended = shell.envs(variables.iter().copied()).output().unwrap();
    assert!(ended.status.success(), "{lines}: {ended:?}");
    String::from_utf8(ended.stdout).unwrap()
}

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
