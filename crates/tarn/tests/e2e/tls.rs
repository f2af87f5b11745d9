//! TLS, with the real curl and the real apk. The certificates are for localhost, sign themselves and are valid until 2126:
//!
//! ```sh
//! openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj /CN=first.test \
//!   -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
//!   -addext keyUsage=digitalSignature -keyout first.key.pem -out first.pem
//! ```
//!
//! `authority.pem` is made in the same way, without the last two extensions: openssl makes it an authority's then.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::process::Signal;

use crate::harness::{
    Apk, Curl, Package, Server, alpine_or_leave_out, becomes_true, curl_or_leave_out,
    random::Random, server::ADMIN,
};

/// The path of a certificate, or of its key.
pub(crate) fn certificate(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/certificates");
    folder.join(format!("{name}.pem"))
}

/// A folder with the files `cert.pem` and `key.pem`.
pub(crate) fn folder_with(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), name);
    folder
}

fn put(folder: &Path, name: &str) {
    fs::copy(certificate(name), folder.join("cert.pem")).unwrap();
    fs::copy(certificate(&format!("{name}.key")), folder.join("key.pem")).unwrap();
}

/// A server with the certificate in that folder. Its harness trusts the first.
pub(crate) fn start(folder: &Path) -> Server {
    Server::start_with(&arguments(folder))
}

/// The same as arguments of `serve`.
pub(crate) fn arguments(folder: &Path) -> String {
    let folder = folder.display();
    format!("--tls-cert {folder}/cert.pem --tls-key {folder}/key.pem")
}

#[test]
fn packages_go_in_and_come_out_over_tls_by_http_1_and_http_2() {
    let alpine = found!(alpine_or_leave_out());
    let folder = folder_with("first");
    let server = start(folder.path());
    assert!(server.base.starts_with("https://"), "{}", server.base);
    let file = "/v1/main/x86_64/large-1.0-r0.apk";
    let content = Random::new(31).bytes(3 << 20);
    let large = Package::new("large", "1.0-r0").file("usr/share/large", content);
    let bytes = large.bytes();
    for (number, (flag, version)) in [("--http1.1", "1.1"), ("--http2", "2")]
        .into_iter()
        .enumerate()
    {
        let call = |path: &str| {
            let call = server.alpine("admin", path).arg(flag);
            call.arg("-w").arg("%{http_code} %{http_version}")
        };
        let taken = call("/v1/main").user(ADMIN).upload_bytes(&bytes);
        taken.expect(if number == 0 { 201 } else { 409 });
        let whole = call(file).expect(200);
        assert!(whole.body == bytes && whole.written.ends_with(&format!(" {version}")));
        assert_eq!(whole.require("content-length"), bytes.len().to_string());
        let part = call(file).header("Range: bytes=70000-2000000").expect(206);
        assert!(part.body == bytes[70_000..=2_000_000], "{flag}");
        let etag = format!("If-None-Match: {}", whole.require("etag"));
        assert!(call(file).header(&etag).expect(304).body.is_empty());
        call(file).method("HEAD").expect(200);
        call("/v1/main/x86_64/APKINDEX.tar.gz").expect(200);
        call("/v1/main").upload_bytes(&bytes).expect(401);
        call("/v1/main/x86_64/none-1-r0.apk").expect(404);
    }
    let old = server.curl("/healthz").arg("--tls-max").arg("1.1").run();
    assert_eq!(old.status, 0, "{old}");

    // apk compares names, not addresses.
    let repositories = [server
        .repository("v1/main")
        .replace("127.0.0.1", "localhost")];
    let trusted = certificate("first").to_str().unwrap().to_owned();
    let apk = Apk::new(&alpine, &repositories).env("SSL_CERT_FILE", &trusted);
    let apk = apk.trusting(&server, "admin", "");
    apk.expect(&["add", "large"]);
    assert_eq!(server.stop().status.code(), Some(0));
}

#[test]
fn a_certificate_is_read_again_after_sighup_and_when_its_files_change() {
    found!(curl_or_leave_out());
    let folder = folder_with("first");
    let server = start(folder.path());
    let serves = |name: &str| {
        let asked = || {
            let call = Curl::new(&server.base, "/healthz").arg("--cacert");
            call.arg(certificate(name)).run().status == 200
        };
        becomes_true(Duration::from_secs(30), asked)
    };
    assert!(serves("first"));
    // Half of a change is none.
    fs::copy(certificate("second"), folder.path().join("cert.pem")).unwrap();
    server.signal(Signal::HUP);
    server.wait_for("was not read again");
    assert!(serves("first"));
    put(folder.path(), "second");
    server.signal(Signal::HUP);
    assert!(serves("second"), "{}", server.log());
    put(folder.path(), "first");
    assert!(serves("first"), "{}", server.log());
}
