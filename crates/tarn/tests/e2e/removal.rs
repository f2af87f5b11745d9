//! What is deleted is gone for every client, at once.

use tarn_testkit::must_say;

use crate::harness::{Apk, Package, Server, alpine_or_leave_out, curl_or_leave_out};

#[test]
fn a_deleted_package_is_gone_for_apk() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    server.publish("v1/main", &Package::new("stays", "1.0-r0"));
    server.publish("v1/main", &Package::new("goes", "1.0-r0"));
    let repositories = [server.repository("v1/main")];
    let apk = Apk::new(&alpine, &repositories)
        .cached()
        .trusting(&server, "admin", "");
    assert_eq!(apk.search(&[]), ["goes-1.0-r0", "stays-1.0-r0"]);

    let path = "/v1/main/x86_64/goes-1.0-r0.apk";
    server.delete(path).expect(204);
    let updated = apk.expect(&["update"]);
    must_say(&updated, "OK: 1 distinct packages available");
    assert_eq!(apk.search(&[]), ["stays-1.0-r0"]);
    apk.expect_failure(&["add", "goes"]);
    apk.expect(&["add", "stays"]);
    server.alpine("admin", path).expect(404);
    server.delete(path).expect(404);
}

#[test]
fn an_index_whose_last_package_was_deleted_is_not_there() {
    found!(curl_or_leave_out());
    let server = Server::start();
    let index = "/v1/main/x86_64/APKINDEX.tar.gz";
    server
        .alpine("admin", index)
        .expect(404)
        .assert_plain_refusal();
    server.publish("v1/main", &Package::new("only", "1.0-r0"));
    let tag = server
        .alpine("admin", index)
        .expect(200)
        .require("etag")
        .to_owned();
    let path = "/v1/main/x86_64/only-1.0-r0.apk";
    server.delete(path).expect(204);
    server
        .alpine("admin", index)
        .expect(404)
        .assert_plain_refusal();
    server
        .alpine("admin", index)
        .header(&format!("If-None-Match: {tag}"))
        .expect(404);
}

#[test]
fn a_deleted_file_may_be_published_again_with_other_content() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    let path = "/v1/main/x86_64/hello-1.0-r0.apk";
    for round in ["first", "second", "first"] {
        let package = Package::new("hello", "1.0-r0").file("usr/share/tarn/round", round);
        server.publish("v1/main", &package);
        assert_eq!(
            server.alpine("admin", path).expect(200).body,
            package.bytes()
        );
        let apk = Apk::of(&server, &alpine, server.repository("v1/main"));
        apk.expect(&["add", "hello"]);
        assert_eq!(
            apk.installed("usr/share/tarn/round").as_deref(),
            Some(round)
        );
        server.delete(path).expect(204);
    }
}

#[test]
fn a_package_deleted_in_one_repository_stays_in_another() {
    found!(curl_or_leave_out());
    let server = Server::start();
    let package = Package::new("hello", "1.0-r0");
    server.publish("v1/main", &package);
    server.publish("v2/main", &package);
    let path = "/v1/main/x86_64/hello-1.0-r0.apk";
    server.delete(path).expect(204);
    let kept = server
        .alpine("admin", "/v2/main/x86_64/hello-1.0-r0.apk")
        .expect(200);
    assert_eq!(kept.body, package.bytes());
    assert_eq!(server.index("v2/main").packages(), ["hello-1.0-r0"]);
}
