//! The headers of what succeeds, by GET and by HEAD.

use crate::harness::{Answer, Package, Server, curl_or_leave_out, server::ADMIN};

/// What the contract asks of an index and of a package.
fn assert_file_headers(answer: &Answer, size: usize, name: &str) {
    assert_eq!(
        answer.require("content-type"),
        "application/octet-stream",
        "{answer}"
    );
    assert_eq!(
        answer.require("content-length"),
        size.to_string(),
        "{answer}"
    );
    assert_eq!(answer.require("accept-ranges"), "bytes", "{answer}");
    assert_eq!(
        answer.require("x-content-type-options"),
        "nosniff",
        "{answer}"
    );
    assert!(
        answer.require("content-disposition").contains(name),
        "{answer}"
    );
    let etag = answer.require("etag");
    assert!(
        etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2,
        "{answer}"
    );
    let modified = answer.require("last-modified");
    assert!(
        modified.ends_with(" GMT") && modified.len() == 29,
        "{answer}"
    );
    answer.require("cache-control");
}

#[test]
fn an_index_a_package_and_a_key_carry_the_headers_of_the_contract() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    let package = Package::new("hello", "1.0-r0");
    let taken = server.publish("v1/main", &package);
    assert_eq!(taken.text(), "", "{taken}");

    let index = server
        .alpine("admin", "/v1/main/x86_64/APKINDEX.tar.gz")
        .expect(200);
    assert_file_headers(&index, index.body.len(), "APKINDEX.tar.gz");
    let file = server
        .alpine("admin", "/v1/main/x86_64/hello-1.0-r0.apk")
        .expect(200);
    assert_file_headers(&file, package.bytes().len(), "hello-1.0-r0.apk");
    assert_eq!(file.body, package.bytes());
    let key = server.alpine("admin", "/key").expect(200);
    assert_eq!(key.require("content-type"), "application/x-pem-file");
    let disposition = key.require("content-disposition");
    assert!(
        disposition.starts_with("attachment; filename=\"admin@"),
        "{key}"
    );
    assert!(disposition.ends_with(".rsa.pub\""), "{key}");
    assert!(
        key.text().starts_with("-----BEGIN PUBLIC KEY-----\n"),
        "{key}"
    );
}

#[test]
fn head_answers_what_get_answers_without_the_body() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
    let paths = [
        "/key",
        "/v1/main/x86_64/APKINDEX.tar.gz",
        "/v1/main/x86_64/hello-1.0-r0.apk",
        "/v1/main/x86_64/missing-1.0-r0.apk",
    ];
    for path in paths {
        let get = server.alpine("admin", path).run();
        let head = server
            .alpine("admin", path)
            .method("HEAD")
            .expect(get.status);
        // curl writes the headers of a HEAD where the body would go, so the length on the wire is what is looked at.
        let without_date = |answer: &Answer| {
            let mut headers = answer.headers.clone();
            headers.retain(|(name, _)| name != "date" && !name.contains("request-id"));
            headers.sort();
            headers
        };
        assert_eq!(without_date(&head), without_date(&get), "HEAD {path}");
        assert_eq!(head.exit_code, 0, "{head}");
    }
    assert_eq!(server.curl("/healthz").method("HEAD").run().status, 200);
}

#[test]
fn a_connection_is_kept_and_says_so_in_words() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
    let paths = [
        "/key",
        "/v1/main/x86_64/APKINDEX.tar.gz",
        "/v1/main/x86_64/hello-1.0-r0.apk",
        "/v1/main/x86_64/missing-1.0-r0.apk",
        "/v1/main/x86_64/hello-1.0-r0.apk/too/deep",
    ];
    for path in paths {
        let answer = server.alpine("admin", path).run();
        let connection = answer.require("connection").to_ascii_lowercase();
        assert_eq!(connection, "keep-alive", "{answer}");
    }
    // Two addresses in one call of curl: the second opens no connection.
    let again = format!("{}/api/packages/admin/alpine/key", server.base);
    let both = server
        .alpine("admin", "/key")
        .arg("-o")
        .arg("/dev/null")
        .arg(again)
        .run();
    assert!(
        both.written.ends_with(" 0"),
        "connections opened: {}",
        both.written
    );
}

#[test]
fn what_needs_credentials_is_kept_out_of_shared_caches() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    server.add_user("carol", "private");
    let package = Package::new("hello", "1.0-r0");
    let upload = server.alpine("carol", "/v1/main").user(ADMIN);
    upload.upload_bytes(&package.bytes()).expect(201);
    let paths = [
        "/key",
        "/v1/main/x86_64/APKINDEX.tar.gz",
        "/v1/main/x86_64/hello-1.0-r0.apk",
    ];
    for path in paths {
        let answer = server.alpine("carol", path).user(ADMIN).expect(200);
        let policy = answer.require("cache-control");
        assert!(
            policy.contains("private") || policy.contains("no-store"),
            "{answer}"
        );
        assert!(!policy.contains("public"), "{answer}");
    }
}
