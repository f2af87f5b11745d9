//! The servers that are measured, each a process of its own.

pub(crate) mod nginx;
pub(crate) mod tarn;

use std::{
    path::{Path, PathBuf},
    process::Child,
    thread::{ScopedJoinHandle, sleep},
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

/// Waits for all threads. The first failure is given back.
pub(crate) fn joined(threads: Vec<ScopedJoinHandle<'_, Result<()>>>) -> Result<()> {
    let results: Vec<Result<()>> = threads
        .into_iter()
        .map(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err("a thread died".into()))
        })
        .collect();
    results.into_iter().collect()
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
