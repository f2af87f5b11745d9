//! nginx as a file server: two workers, sendfile, no log, DAV for uploads; beside it the same over TLS 1.3.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use tarn_testkit::free_address;

use super::Running;
use crate::{Result, http::Connection, measure::process_cpu};

/// As many as the server has threads on two processors.
const WORKERS: usize = 2;

/// nginx over one folder.
#[derive(Debug)]
pub(crate) struct Nginx {
    _master: Running,
    workers: Vec<u32>,
    address: SocketAddr,
    tls_address: SocketAddr,
    files: PathBuf,
}

impl Nginx {
    /// Starts nginx in `folder`.
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        let folder = folder.join("nginx");
        let files = folder.join("files");
        fs::create_dir_all(&files)?;
        let (address, tls_address) = (free_address(), free_address());
        let settings = folder.join("nginx.conf");
        fs::write(&settings, configuration(&folder, address, tls_address))?;
        let master = Command::new("nginx")
            .env("PATH", crate::tools::search_path())
            .arg("-e")
            .arg(folder.join("error.log"))
            .arg("-c")
            .arg(&settings)
            .arg("-p")
            .arg(&folder)
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start nginx: {error}"))?;
        let master = Running(master);
        for _ in 0..100 {
            sleep(Duration::from_millis(50));
            let workers = children_of(master.id())?;
            if workers.len() == WORKERS && Connection::open(address).is_ok() {
                return Ok(Self {
                    _master: master,
                    workers,
                    address,
                    tls_address,
                    files,
                });
            }
        }
        Err(format!(
            "nginx did not start; {} says why",
            folder.join("error.log").display()
        )
        .into())
    }

    pub(crate) fn connect(&self) -> Result<Connection> {
        Connection::open(self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn tls_address(&self) -> SocketAddr {
        self.tls_address
    }

    /// The processes that serve.
    pub(crate) fn workers(&self) -> &[u32] {
        &self.workers
    }

    /// Where the files lie.
    pub(crate) fn files(&self) -> &Path {
        &self.files
    }

    /// CPU time of the workers so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        self.workers.iter().copied().map(process_cpu).sum()
    }
}

fn configuration(folder: &Path, address: SocketAddr, tls_address: SocketAddr) -> String {
    let folder = folder.display();
    let (certificate, key) = super::certificate();
    let (certificate, key) = (certificate.display(), key.display());
    // As root, nginx would drop to a user who cannot write here.
    let user = if nix::unistd::geteuid().is_root() {
        "user root;\n"
    } else {
        ""
    };
    format!(
        "{user}daemon off;
worker_processes {WORKERS};
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_timeout 60;
    keepalive_requests 100000000;
    default_type application/octet-stream;
    client_max_body_size 1g;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {address} reuseport;
        listen {tls_address} ssl reuseport;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.3;
        root {folder}/files;
        location / {{ dav_methods PUT; }}
    }}
}}
"
    )
}

/// The processes whose parent is that one (`/proc/PID/stat`, fourth field).
fn children_of(parent: u32) -> Result<Vec<u32>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A process may end while it is looked at.
        let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else {
            continue;
        };
        // The name of the program, in brackets, may hold spaces.
        let after_name = stat.rsplit_once(") ").map(|(_, rest)| rest);
        let its_parent = after_name.and_then(|rest| rest.split(' ').nth(1));
        if its_parent == Some(parent.to_string().as_str()) {
            children.push(process);
        }
    }
    Ok(children)
}
