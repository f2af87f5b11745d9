//! Pebble, a certificate authority that speaks ACME, on loopback. It keeps nothing after it ends.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use tarn_testkit::{Running, free_address};
use tempfile::TempDir;

use super::{Curl, becomes_true, tools::pebble_or_leave_out};
use crate::tls::certificate;

/// An authority. It is stopped when it is dropped.
pub(crate) struct Pebble {
    port: u16,
    _child: Running,
    folder: TempDir,
}

/// A name server for as long as the process lives: every name resolves to 127.0.0.1, also where the machine's own `localhost` is `::1`.
/// Gives its address. Pebble asks over TCP.
fn name_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            thread::spawn(move || while answer_query(&mut connection).is_some() {});
        }
    });
    address
}

/// Answers one query. `None` at the end of the connection.
fn answer_query(connection: &mut TcpStream) -> Option<()> {
    let mut length = [0; 2];
    connection.read_exact(&mut length).ok()?;
    let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
    connection.read_exact(&mut query).ok()?;
    // The name begins behind the head of 12 bytes and ends with a zero; type and class follow (RFC 1035, section 4.1).
    let name = query[12..].iter().position(|byte| *byte == 0)?;
    let end = 12 + name + 5;
    let is_ipv4 = query[end - 4..end] == [0, 1, 0, 1];
    let mut answer = query[..2].to_vec();
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_ipv4), 0, 0, 0, 0]);
    answer.extend(&query[12..end]);
    if is_ipv4 {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1]);
    }
    let length = u16::try_from(answer.len()).ok()?.to_be_bytes();
    connection.write_all(&[&length[..], &answer].concat()).ok()
}

impl Pebble {
    /// One that looks for servers on `tls_port`, and whose certificates are valid for so many seconds. It refuses
    /// `packages.example`. `None`: the caller leaves its test out.
    pub(crate) fn start(tls_port: u16, validity: u32) -> Option<Self> {
        let program = pebble_or_leave_out()?;
        let folder = TempDir::new().unwrap();
        let (port, management) = (free_address().port(), free_address().port());
        let config = serde_json::json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": certificate("first"),
            "privateKey": certificate("first.key"),
            "httpPort": 1,
            "tlsPort": tls_port,
            "domainBlocklist": ["packages.example"],
            "retryAfter": {"authz": 1, "order": 1},
            "keyAlgorithm": "ecdsa",
            "profiles": {"default": {"description": "", "validityPeriod": validity}},
        }});
        let path = folder.path().join("config.json");
        fs::write(&path, config.to_string()).unwrap();
        let child = Command::new(program)
            .arg("-config")
            .arg(&path)
            .args(["-dnsserver", &name_server()])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pebble = Self {
            port,
            _child: Running(child),
            folder,
        };
        let asked = |port: u16, path: &str| {
            let call = Curl::new(&format!("https://127.0.0.1:{port}"), path);
            let answer = call.run();
            (answer.status == 200).then_some(answer.body)
        };
        let mut root = None;
        let is_ready = becomes_true(Duration::from_secs(30), || {
            root = asked(management, "/roots/0");
            root.is_some() && asked(port, "/dir").is_some()
        });
        assert!(is_ready, "pebble does not start");
        fs::write(pebble.root(), root.unwrap()).unwrap();
        Some(pebble)
    }

    /// The URL of its directory.
    pub(crate) fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.port)
    }

    /// The file with the certificate by which what it issues is verified.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }
}
