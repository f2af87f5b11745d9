//! Conditional requests never lie: a client that holds something older gets what is newer.

use crate::harness::{Apk, Package, Server, alpine_or_leave_out, curl_or_leave_out};

const INDEX: &str = "/v1/main/x86_64/APKINDEX.tar.gz";

#[test]
fn an_index_is_the_same_bytes_each_time_and_after_a_restart() {
    found!(curl_or_leave_out());
    let server = Server::start();
    for number in 0..5 {
        server.publish(
            "v1/main",
            &Package::new(&format!("hello{number}"), "1.0-r0"),
        );
    }
    let before = server.alpine("admin", INDEX).expect(200);
    let again = server.alpine("admin", INDEX).expect(200);
    let server = server.stop().start();
    let after = server.alpine("admin", INDEX).expect(200);
    assert!(before.body == again.body && before.body == after.body);
    assert_eq!(before.require("etag"), after.require("etag"));
}

#[test]
fn apk_with_a_cache_sees_each_of_many_quick_publishes() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    server.publish("v1/main", &Package::new("hello", "1-r0"));
    let repositories = [server.repository("v1/main")];
    let apk = Apk::new(&alpine, &repositories)
        .cached()
        .trusting(&server, "admin", "");
    for number in 2..12 {
        server.publish("v1/main", &Package::new("hello", &format!("{number}-r0")));
        apk.expect(&["update"]);
        assert_eq!(apk.search(&[]).len(), number);
    }
    // A command that installs looks for a newer index by itself.
    server.publish("v1/main", &Package::new("hello", "12-r0"));
    apk.expect(&["add", "hello=12-r0"]);
}

#[test]
fn a_new_file_under_an_old_name_gets_a_new_entity_tag() {
    found!(curl_or_leave_out());
    let server = Server::start();
    let path = "/v1/main/x86_64/hello-1.0-r0.apk";
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
    let old = server.alpine("admin", path).expect(200);
    server.delete(path).expect(204);
    server.publish(
        "v1/main",
        &Package::new("hello", "1.0-r0").file("usr/new", "new"),
    );
    let new = server.alpine("admin", path).expect(200);
    assert_ne!(old.require("etag"), new.require("etag"));
    let since = format!("If-Modified-Since: {}", old.require("last-modified"));
    assert_eq!(
        server.alpine("admin", path).header(&since).expect(200).body,
        new.body
    );
}
