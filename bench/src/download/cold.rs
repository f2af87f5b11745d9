//! How long others wait while one client downloads a package that is not in memory, from a disk of 4 MiB a second.
//!
//! The disk is slowed down by the blkio controller (version 1) of control groups, which takes root and is not everywhere.

use std::{
    fs::{self, File},
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread::{scope, sleep},
    time::{Duration, Instant},
};

use super::Target;
use crate::{
    Result,
    http::Connection,
    measure::{Samples, p99, wall_seconds},
    report::Row,
    servers::{in_threads, joined, nginx::Nginx, tarn::Tarn},
    tools::output_of,
};

/// How it was measured.
pub(crate) const HOW: &str = "Cold: one client downloads 50 MB that are not in memory, from a disk that gives 4 MiB a second; three others ask for \
     something small every 5 ms.";

const CONTROLLER: &str = "/sys/fs/cgroup/blkio";

/// Bytes a second.
const RATE: u64 = 4 << 20;

/// For how long others ask.
const TIME: Duration = Duration::from_secs(5);

/// The row, or none where the disk can't be slowed down.
pub(super) fn run(tarn: &Tarn, nginx: &Nginx, targets: &[Target]) -> Result<Vec<Row>> {
    let large = targets.last().ok_or("nothing to download")?;
    let file = nginx.files().join(large.nginx_path.trim_start_matches('/'));
    let size = fs::metadata(&file)?.len();
    let data = nginx.files().join("../../tarn/blobs");
    let blob = file_of_size(&data, size)?;
    let health = nginx.files().join("healthz");
    fs::write(&health, "ok\n")?;
    let ours = measure(&[tarn.id()], &blob, || {
        (tarn.connect(), large.tarn_path.clone())
    });
    let ours = match ours {
        Ok(ours) => ours,
        Err(error) => {
            eprintln!("left out: the cold download: {error}");
            return Ok(Vec::new());
        }
    };
    let theirs = measure(nginx.workers(), &file, || {
        (nginx.connect(), large.nginx_path.clone())
    })?;
    let what = "cold: 99 of 100 answers of others came within";
    let shown = |ours: f64| format!("{:.1} ms / nginx {:.1} ms", ours * 1e3, theirs * 1e3);
    let ours = Samples::from_iter([ours]);
    Ok(vec![
        Row::of_number(what, "20 ms", (&ours, 0.020), shown).at_most(1.0),
    ])
}

/// The 99th percentile of what others wait, in seconds, while `file` is read by way of `server` from a slow disk.
fn measure(
    processes: &[u32],
    file: &Path,
    server: impl Fn() -> (Result<Connection>, String) + Sync,
) -> Result<f64> {
    let _slow = SlowDisk::new(processes, file)?;
    // Takes the file out of memory (dd(1), `nocache`).
    let mut drop_cache = Command::new("dd");
    drop_cache.args(["iflag=nocache", "count=0", "status=none"]);
    output_of(drop_cache.arg(format!("if={}", file.display())))?;
    let is_over = AtomicBool::new(false);
    let waits = scope(|scope| {
        let download = scope.spawn(|| {
            let (connection, path) = server();
            connection?.get_until(&path, &is_over)
        });
        let waits = in_threads(0..3, |_| {
            let mut connection = server().0?;
            let (start, mut waits) = (Instant::now(), Vec::new());
            while start.elapsed() < TIME {
                let ask = || connection.get("/healthz")?.expect(200);
                waits.push(wall_seconds(ask)?.1);
                sleep(Duration::from_millis(5));
            }
            Ok(waits)
        });
        is_over.store(true, Ordering::Relaxed);
        joined(download)?;
        waits
    })?;
    p99(waits.concat()).ok_or_else(|| "nobody waited".into())
}

/// The file of that size below a folder of blobs.
fn file_of_size(folder: &Path, size: u64) -> Result<PathBuf> {
    for first in fs::read_dir(folder)? {
        for entry in fs::read_dir(first?.path())? {
            let entry = entry?;
            if entry.metadata()?.len() == size {
                return Ok(entry.path());
            }
        }
    }
    Err("the blob is not there".into())
}

/// A control group that reads slowly, until it is dropped.
struct SlowDisk(PathBuf);

impl SlowDisk {
    /// Puts `processes` into one, for the disk that `file` is on.
    fn new(processes: &[u32], file: &Path) -> Result<Self> {
        let device = File::open(file)?.metadata()?.dev();
        // As in makedev(3).
        let major = (device >> 8 & 0xfff) | (device >> 32 & !0xfff);
        let minor = (device & 0xff) | (device >> 12 & !0xff);
        let folder = Path::new(CONTROLLER).join(format!("tarn-bench-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let slow = Self(folder);
        let rule = format!("{major}:{minor} {RATE}");
        fs::write(slow.0.join("blkio.throttle.read_bps_device"), rule)?;
        for process in processes {
            fs::write(slow.0.join("cgroup.procs"), process.to_string())?;
        }
        Ok(slow)
    }
}

impl Drop for SlowDisk {
    fn drop(&mut self) {
        let mut members = String::new();
        if let Ok(mut file) = File::open(self.0.join("cgroup.procs")) {
            let _ = file.read_to_string(&mut members);
        }
        for process in members.lines() {
            let _ = fs::write(Path::new(CONTROLLER).join("cgroup.procs"), process);
        }
        // The kernel needs a moment until a group is empty. One that is left over slows nothing down.
        for _ in 0..50 {
            if fs::remove_dir(&self.0).is_ok() {
                break;
            }
            sleep(Duration::from_millis(20));
        }
    }
}
