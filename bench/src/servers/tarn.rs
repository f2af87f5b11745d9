//! The release binary of Tarn, with everything as it comes but the log of requests: SQLite, disk syncs, one folder.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use super::{Running, in_threads};
use crate::{Result, http::Connection, measure::process_cpu};

/// Whose packages they are.
pub(crate) const OWNER: &str = "admin";

/// A server that takes packages for one public owner.
#[derive(Debug)]
pub(crate) struct Tarn {
    process: Running,
    address: SocketAddr,
    authorization: String,
}

impl Tarn {
    /// Starts a server on an empty folder.
    pub(crate) fn start(binary: &Path, folder: &Path) -> Result<Self> {
        let data = folder.join("tarn");
        std::fs::create_dir_all(folder)?;
        let (process, address) = spawn(binary, folder, &[])?;
        Ok(Self {
            authorization: format!("Bearer {}", token(binary, &data)?),
            process,
            address,
        })
    }

    /// Stops it, and starts one over TLS on the same folder. Only its address can be asked for then.
    pub(crate) fn restart_over_tls(mut self, binary: &Path, folder: &Path) -> Result<Self> {
        self.process.stop()?;
        let (certificate, key) = super::certificate();
        let arguments = ["--tls-cert".into(), certificate, "--tls-key".into(), key];
        let (process, address) = spawn(binary, folder, &arguments)?;
        Ok(Self {
            process,
            address,
            ..self
        })
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn connect(&self) -> Result<Connection> {
        Connection::open(self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// CPU time so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        process_cpu(self.process.id())
    }

    /// The most resident memory that it had so far, in bytes.
    pub(crate) fn peak_memory(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kibibytes: f64 = kibibytes.ok_or("no VmHWM")?.trim().parse()?;
        Ok(kibibytes * 1024.0)
    }

    /// Publishes a package.
    pub(crate) fn put(
        &self,
        connection: &mut Connection,
        repository: &str,
        package: &[u8],
    ) -> Result<()> {
        let headers = [("Authorization", self.authorization.as_str())];
        connection
            .request("PUT", &path_of(repository), &headers, package)?
            .expect(201)?;
        Ok(())
    }

    /// Publishes packages over several connections at once. They are made by `package`, one after the other, on the
    /// threads that send them.
    pub(crate) fn push<P: Sync>(
        &self,
        repository: &str,
        connections: usize,
        packages: &[P],
        bytes: impl Fn(&P) -> Vec<u8> + Sync,
    ) -> Result<()> {
        let next = AtomicUsize::new(0);
        in_threads(0..connections, |_| {
            let mut connection = self.connect()?;
            while let Some(package) = packages.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.put(&mut connection, repository, &bytes(package))?;
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Writes the owner's key into a folder, as apk wants it.
    pub(crate) fn save_key(&self, folder: &Path) -> Result<PathBuf> {
        let path = format!("/api/packages/{OWNER}/alpine/key");
        let answer = self.connect()?.get(&path)?.expect(200)?;
        let disposition = answer.header("content-disposition")?;
        let name = disposition.split('"').nth(1).ok_or("the key has no name")?;
        std::fs::create_dir_all(folder)?;
        let file = folder.join(name);
        std::fs::write(&file, &answer.body)?;
        Ok(file)
    }
}

/// The path of a repository of the owner.
pub(crate) fn path_of(repository: &str) -> String {
    format!("/api/packages/{OWNER}/alpine/v3.23/{repository}")
}

/// The path of a file beside the index of a repository.
pub(crate) fn file_of(repository: &str, file: &str) -> String {
    format!("{}/{}/{file}", path_of(repository), crate::corpus::ARCH)
}

/// The path of the index of a repository.
pub(crate) fn index_of(repository: &str) -> String {
    file_of(repository, "APKINDEX.tar.gz")
}

fn spawn(binary: &Path, folder: &Path, arguments: &[PathBuf]) -> Result<(Running, SocketAddr)> {
    let log = File::create(folder.join("tarn.log"))?;
    let mut child = Command::new(binary)
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.join("tarn"))
        .args(arguments)
        .env("TARN_ADMIN_PASSWORD", "only for this benchmark")
        // No line for each request, as with `access_log off` in nginx.
        .env("TARN_LOG_LEVEL", "warn")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()?;
    let output = child.stdout.take().ok_or("no output")?;
    Ok((Running(child), listening(output)?))
}

/// Reads on until the server says where it listens; what follows is read and dropped.
fn listening(output: impl Read + Send + 'static) -> Result<SocketAddr> {
    let mut lines = BufReader::new(output).lines();
    for line in lines.by_ref() {
        let line = line?;
        let url = line.strip_prefix("listening on ");
        if let Some((_, address)) = url.and_then(|url| url.split_once("://")) {
            let address = address.parse()?;
            thread::spawn(move || lines.for_each(drop));
            return Ok(address);
        }
    }
    Err("the server ended before it listened".into())
}

fn token(binary: &Path, data: &Path) -> Result<String> {
    let output = Command::new(binary)
        .args(["token", "add", "--user", OWNER, "--name", "bench"])
        .args(["--scope", "write:package", "--data-dir"])
        .arg(data)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err("no token could be made".into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
