//! The certificate that an authority issues by ACME: Pebble, which looks for the server on loopback as Let's Encrypt would on port 443.

use std::{fs, process::Command};

use tarn_testkit::{Postgres, free_address, left_out};

use crate::{
    harness::{Apk, Curl, Package, Server, alpine_or_leave_out, curl_or_leave_out, pebble::Pebble},
    tls::certificate,
};

const YEAR: u32 = 365 * 86_400;

/// The arguments with which a server on that port asks that authority for a certificate for `name`.
fn arguments(port: u16, directory: &str, name: &str) -> String {
    let ca = certificate("first");
    format!(
        "--listen 127.0.0.1:{port} --acme-domain {name} --acme-email admin@example.org --acme-directory {directory} \
         --acme-ca {} --metrics on",
        ca.display()
    )
}

fn start(port: u16, directory: &str, name: &str) -> Server {
    Server::start_with(&arguments(port, directory, name))
}

/// The certificates that a server shows to a client that verifies them for `localhost`. `None`: the client refuses them.
fn shown(server: &Server, pebble: &Pebble) -> Option<String> {
    let base = server.base.replace("127.0.0.1", "localhost");
    let call = Curl::new(&base, "/healthz").arg("--cacert");
    let answer = call
        .arg(pebble.root())
        .arg("-w")
        .arg("%{http_code} %{certs}")
        .run();
    (answer.status == 200).then_some(answer.written)
}

fn wait_for_first(server: &Server, pebble: &Pebble) -> String {
    let mut first = None;
    server.wait_until(|| {
        first = shown(server, pebble);
        first.is_some()
    });
    first.unwrap()
}

/// A number of the metrics.
fn metric(server: &Server, name: &str) -> u64 {
    let text = server.curl("/metrics").arg("-k").expect(200);
    let line = text.text().lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name}"))
        .trim()
        .parse()
        .unwrap()
}

/// What comes of a TLS-ALPN-01 handshake for `localhost`. `None`, and says so, where there is no Python.
fn asked_as_an_authority(port: u16) -> Option<String> {
    let script = "import socket, ssl, sys
context = ssl._create_unverified_context()
context.set_alpn_protocols(['acme-tls/1'])
try:
    context.wrap_socket(socket.create_connection(('127.0.0.1', int(sys.argv[1]))), server_hostname='localhost')
    print('answered')
except (ssl.SSLError, ConnectionError):
    print('refused')";
    let python = Command::new("python3")
        .args(["-c", script, &port.to_string()])
        .output();
    let Ok(python) = python else {
        left_out("Python");
        return None;
    };
    Some(String::from_utf8(python.stdout).unwrap().trim().to_owned())
}

#[test]
fn a_certificate_is_ordered_and_is_there_again_after_a_restart() {
    found!(curl_or_leave_out());
    let port = free_address().port();
    let Some(pebble) = Pebble::start(port, YEAR) else {
        return;
    };
    let server = start(port, &pebble.directory(), "LOCALHOST");
    assert!(server.base.starts_with("https://"), "{}", server.base);
    let first = wait_for_first(&server, &pebble);
    assert!(metric(&server, "tarn_certificate_expiry_timestamp_seconds") > 1_700_000_000);
    assert_eq!(
        metric(&server, "tarn_certificate_orders_total{result=\"issued\"}"),
        1
    );
    // An authority that asks again, or anyone in its place, gets no proof: nothing is being ordered.
    if let Some(came) = asked_as_an_authority(port) {
        assert_eq!(came, "refused");
    }

    if let Some(alpine) = alpine_or_leave_out() {
        let hello = Package::new("hello", "1.0-r0").bytes();
        let upload = server.upload("admin", "v1/main", &hello);
        upload.arg("-k").expect(201);
        let repository = server
            .repository("v1/main")
            .replace("127.0.0.1", "localhost");
        let root = pebble.root();
        let apk = Apk::new(&alpine, &[repository]).env("SSL_CERT_FILE", root.to_str().unwrap());
        let key = server.alpine("admin", "/key").arg("-k").expect(200);
        let name = key.file_name();
        apk.with_key(name, &key.body).expect(&["add", "hello"]);
    }

    let stopped = server.stop();
    for file in fs::read_dir(stopped.data_folder()).unwrap() {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap_or_default();
        let has_key = bytes.windows(11).any(|window| window == b"PRIVATE KEY");
        assert!(!has_key, "a private key in the clear in {}", path.display());
    }
    let own = arguments(port, &pebble.directory(), "localhost");
    let server = stopped.start_with(&own);
    assert_eq!(
        shown(&server, &pebble).as_ref(),
        Some(&first),
        "{}",
        server.log()
    );
    assert_eq!(
        metric(&server, "tarn_certificate_orders_total{result=\"issued\"}"),
        0
    );
}

#[test]
fn a_certificate_is_renewed_before_its_end_and_a_renewal_that_fails_is_reported() {
    found!(curl_or_leave_out());
    let port = free_address().port();
    let Some(pebble) = Pebble::start(port, 15) else {
        return;
    };
    let server = start(port, &pebble.directory(), "localhost");
    let first = wait_for_first(&server, &pebble);
    server.wait_until(|| shown(&server, &pebble).is_some_and(|now| now != first));
    drop(pebble);
    server.wait_until(|| metric(&server, "tarn_certificate_failed_orders") == 1);
    let line = server.wait_for("was not renewed");
    for part in ["WARN", "localhost", "https://127.0.0.1:", "next="] {
        assert!(line.contains(part), "{part:?} in {line}");
    }
}

#[test]
fn what_stands_in_the_way_of_a_certificate_is_said() {
    found!(curl_or_leave_out());
    // Nothing listens where this authority looks.
    let Some(pebble) = Pebble::start(free_address().port(), YEAR) else {
        return;
    };
    for (name, said) in [
        (
            "packages.example",
            "the authority refused: Order included an identifier for which issuance is forbidden by policy",
        ),
        (
            "localhost",
            "the authority did not reach this server at localhost: ",
        ),
    ] {
        let server = start(0, &pebble.directory(), name);
        let line = server.wait_for(said);
        assert!(line.contains("ERROR") && line.contains("hint="), "{line}");
        // It serves those who don't mind, and counts.
        assert_eq!(
            metric(&server, "tarn_certificate_expiry_timestamp_seconds"),
            0
        );
        assert!(shown(&server, &pebble).is_none());
    }
}

#[test]
fn servers_on_one_database_answer_for_each_other_and_share_the_certificate() {
    found!(curl_or_leave_out());
    let (Some(postgres), port) = (Postgres::start(), free_address().port()) else {
        return;
    };
    // It looks at the port of the second server.
    let Some(pebble) = Pebble::start(port, YEAR) else {
        return;
    };
    postgres.create("tarn", None);
    let url = postgres.url("tarn");
    // The second server gets no certificate: nothing answers at its directory.
    let nowhere = format!("https://127.0.0.1:{}/dir", free_address().port());
    let with_database = |port, directory: &str| {
        format!(
            "{} --database {url}",
            arguments(port, directory, "localhost")
        )
    };
    let two = Server::start_with(&with_database(port, &nowhere));
    let key = two.data_folder().join("secret.key");
    let own = with_database(0, &pebble.directory());
    let one = Server::start_with(&format!("{own} --secret-key-file {}", key.display()));
    let first = wait_for_first(&one, &pebble);
    let stopped = two.stop();
    let two = stopped.start_with(&with_database(port, &pebble.directory()));
    assert_eq!(shown(&two, &pebble).as_ref(), Some(&first), "{}", two.log());
}
