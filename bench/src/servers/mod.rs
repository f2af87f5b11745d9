//! The servers that are measured, each a process of its own.

pub(crate) mod nginx;
pub(crate) mod tarn;

use std::{
    path::{Path, PathBuf},
    process::Child,
    thread::{self, ScopedJoinHandle, sleep},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::Result;

/// The certificate with which servers are measured over TLS, and its key: P-256, and that of the end-to-end tests.
pub(crate) fn certificate() -> (PathBuf, PathBuf) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/tarn/tests/e2e");
    let folder = tests.join("certificates");
    (folder.join("first.pem"), folder.join("first.key.pem"))
}

/// Does `work` with each of `shares` at once and waits for all. The first failure is given back.
pub(crate) fn in_threads<S: Send, T: Send>(
    shares: impl Iterator<Item = S>,
    work: impl Fn(S) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let work = &work;
    let results: Vec<Result<T>> = thread::scope(|scope| {
        let threads: Vec<_> = shares
            .map(|share| scope.spawn(move || work(share)))
            .collect();
        threads.into_iter().map(joined).collect()
    });
    results.into_iter().collect()
}

/// What a thread gave.
pub(crate) fn joined<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    let gave = thread.join();
    gave.unwrap_or_else(|_| Err("a thread died".into()))
}

/// A process that is asked to end when this is dropped.
#[derive(Debug)]
struct Running(Child);

impl Running {
    fn id(&self) -> u32 {
        self.0.id()
    }

    fn stop(&mut self) -> Result<()> {
        let process = Pid::from_raw(i32::try_from(self.0.id())?);
        kill(process, Signal::SIGTERM)?;
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.0.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.0.kill()?;
                self.0.wait()?;
                return Err("a server did not stop in 20 seconds".into());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) && self.stop().is_err() {
            // It was killed, or it is gone: no process is left to signal.
            let _ = self.0.kill();
        }
    }
}
