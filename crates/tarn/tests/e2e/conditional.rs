//! Conditional requests never lie: a client that holds something older gets what is newer.

use std::time::Duration;

use crate::harness::{
    Apk, Package, Server, alpine_or_leave_out, becomes_true, curl_or_leave_out, index::Index,
    server::ADMIN,
};

const INDEX: &str = "/v1/main/x86_64/APKINDEX.tar.gz";

#[test]
fn a_client_that_holds_an_older_index_never_hears_not_modified() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    let mut held: Vec<(String, String)> = Vec::new();
    // Faster than one in a second, so that dates alone could not tell the indexes apart.
    for number in 0..12 {
        server.publish(
            "v1/main",
            &Package::new(&format!("hello{number}"), "1.0-r0"),
        );
        for (date, tag) in &held {
            let since = format!("If-Modified-Since: {date}");
            let newer = server.alpine("admin", INDEX).header(&since).expect(200);
            assert_eq!(Index::read(&newer.body).packages().len(), number + 1);
            let unless = format!("If-None-Match: {tag}");
            server.alpine("admin", INDEX).header(&unless).expect(200);
        }
        let newest = server.alpine("admin", INDEX).expect(200);
        let date = newest.require("last-modified").to_owned();
        held.push((date, newest.require("etag").to_owned()));
    }
    let path = "/v1/main/x86_64/hello0-1.0-r0.apk";
    server
        .alpine("admin", path)
        .user(ADMIN)
        .method("DELETE")
        .expect(204);
    for (date, _) in &held {
        let since = format!("If-Modified-Since: {date}");
        server.alpine("admin", INDEX).header(&since).expect(200);
    }
}

#[test]
fn a_client_that_holds_the_newest_index_hears_not_modified() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    let package = Package::new("hello", "1.0-r0");
    server.publish("v1/main", &package);
    for path in [INDEX, "/v1/main/x86_64/hello-1.0-r0.apk"] {
        let first = server.alpine("admin", path).expect(200);
        let tag = first.require("etag").to_owned();
        for value in [
            tag.clone(),
            format!("\"other\", {tag}"),
            format!("W/{tag}"),
            "*".to_owned(),
        ] {
            let header = format!("If-None-Match: {value}");
            for method in ["GET", "HEAD"] {
                let call = server.alpine("admin", path).header(&header).method(method);
                let answer = call.expect(304);
                assert_eq!(answer.require("etag"), tag, "{answer}");
                answer.require("cache-control");
            }
        }
        // Soon after a publish a server may answer in full to be safe, but not for long.
        let mut since = String::new();
        let settled = becomes_true(Duration::from_secs(15), || {
            let newest = server.alpine("admin", path).expect(200);
            since = format!("If-Modified-Since: {}", newest.require("last-modified"));
            server.alpine("admin", path).header(&since).run().status == 304
        });
        assert!(settled, "{path} is never 304 for its own date");
        let unchanged = server.alpine("admin", path).header(&since).expect(304);
        assert!(unchanged.body.is_empty(), "{unchanged}");
        // An entity tag is the better knowledge, and takes the place of a date.
        let both = server
            .alpine("admin", path)
            .header(&since)
            .header("If-None-Match: \"x\"");
        both.expect(200);
        for date in ["Thu, 01 Jan 1970 00:00:00 GMT", "yesterday", ""] {
            let header = format!("If-Modified-Since: {date}");
            server.alpine("admin", path).header(&header).expect(200);
        }
    }
}

#[test]
fn an_index_is_the_same_bytes_each_time_and_after_a_restart() {
    if !curl_or_leave_out() {
        return;
    }
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
    let Some(alpine) = alpine_or_leave_out() else {
        return;
    };
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
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    let path = "/v1/main/x86_64/hello-1.0-r0.apk";
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
    let old = server.alpine("admin", path).expect(200);
    server
        .alpine("admin", path)
        .user(ADMIN)
        .method("DELETE")
        .expect(204);
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
