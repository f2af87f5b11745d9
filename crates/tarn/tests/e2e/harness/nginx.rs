//! nginx in front of a server, at a path of its own, or of several.

use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

use tarn_testkit::{Running, free_address};
use tempfile::TempDir;

use super::{Curl, Server, becomes_true, tools::NGINX};

/// A free port for nginx, and the base URL for the server behind it.
pub(crate) struct Place {
    pub(crate) address: String,
    pub(crate) base: String,
}

impl Place {
    pub(crate) fn below(path: &str) -> Self {
        let address = free_address().to_string();
        Self {
            base: format!("http://{address}{path}"),
            address,
        }
    }
}

/// A running nginx.
pub(crate) struct Nginx {
    pub(crate) base: String,
    _child: Running,
    _folder: TempDir,
}

impl Nginx {
    /// Hands everything below the place on to `server`, by the lines of `docs/proxies.md` for a registry below a path.
    pub(crate) fn start(place: &Place, server: &Server) -> Self {
        Self::start_over(place, &[server])
    }

    /// The same over several servers, which take turns with the requests.
    pub(crate) fn start_over(place: &Place, servers: &[&Server]) -> Self {
        Self::start_with(place, &documented(place, servers))
    }

    /// Answers at the place, by these lines for the block `http`.
    pub(crate) fn start_with(place: &Place, lines: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let settings = folder.path().join("nginx.conf");
        fs::write(&settings, configuration(&folder, lines)).unwrap();
        let child = Command::new(NGINX)
            .arg("-e")
            .arg(folder.path().join("error.log"))
            .arg("-c")
            .arg(&settings)
            .arg("-p")
            .arg(folder.path())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let nginx = Self {
            base: place.base.clone(),
            _child: Running(child),
            _folder: folder,
        };
        let ready = || nginx.curl("/healthz").run().status == 200;
        let log = || fs::read_to_string(nginx._folder.path().join("error.log"));
        assert!(becomes_true(Duration::from_secs(30), ready), "{:?}", log());
        nginx
    }

    pub(crate) fn curl(&self, path: &str) -> Curl {
        Curl::new(&self.base, path)
    }

    /// A request below `/api/packages/{owner}/alpine`.
    pub(crate) fn alpine(&self, owner: &str, path: &str) -> Curl {
        self.curl(&format!("/api/packages/{owner}/alpine{path}"))
    }
}

/// The lines of the documents for a registry below a path, over these servers.
fn documented(place: &Place, servers: &[&Server]) -> String {
    let Place { address, base } = place;
    let path = base.split_once(address.as_str()).unwrap().1;
    let documented = include_str!("../../../../../docs/proxies.md")
        .split("```nginx\n")
        .nth(2)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let location = documented
        .replace("http://127.0.0.1:8080/", "http://servers/")
        .replace("/packages/", &format!("{path}/"));
    let addresses = servers
        .iter()
        .map(|server| format!("server {}; ", server.address()));
    let servers: String = addresses.collect();
    format!("upstream servers {{ {servers}}}\nserver {{\n    listen {address};\n{location}\n}}\n")
}

fn configuration(folder: &TempDir, lines: &str) -> String {
    let folder = folder.path().display();
    // As root, nginx would become a user who cannot write here.
    let user = if rustix::process::geteuid().is_root() {
        "user root;"
    } else {
        ""
    };
    format!(
        "{user}
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{lines}
}}
"
    )
}
