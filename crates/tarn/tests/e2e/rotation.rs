//! From one signing key to the next, under clients that have one of them.

use crate::harness::{
    Apk, Package, Server, alpine_or_leave_out, curl_or_leave_out,
    server::{ADMIN, credentials_of},
};

const V2: &str = "/v1/main/x86_64/APKINDEX.tar.gz";
const V3: &str = "/v1/main/x86_64/Packages.adb";

/// The file name of the newest key of `admin`.
fn newest_key(server: &Server) -> String {
    let key = server.alpine("admin", "/key").expect(200);
    key.file_name().to_owned()
}

/// The lines of `/etc/apk/repositories` for both forms of the index.
fn both_forms(server: &Server) -> [[String; 1]; 2] {
    let repository = server.repository("v1/main");
    [[repository.clone()], [format!("v3 {repository}")]]
}

#[test]
fn clients_with_either_key_never_notice_a_rotation() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
    // They keep their indexes, as an installed Alpine does: what they hold must not pass for what is new.
    let client = |lines: &[String; 1]| {
        Apk::new(&alpine, lines)
            .cached()
            .trusting(&server, "admin", "")
    };
    let lines = both_forms(&server);
    let with_old: Vec<Apk> = lines.iter().map(client).collect();
    let look = |clients: &[Apk], expected: &[&str]| {
        for apk in clients {
            apk.expect(&["update"]);
            assert_eq!(apk.search(&[]), expected);
        }
    };
    look(&with_old, &["hello-1.0-r0"]);

    let old = newest_key(&server);
    let printed = server.tarn("key rotate admin");
    let new = printed.strip_suffix('\n').unwrap();
    assert_eq!(newest_key(&server), new);
    assert_eq!(
        server.index("v1/main").signatures,
        [format!(".SIGN.RSA256.{new}"), format!(".SIGN.RSA256.{old}")]
    );
    // A client that comes now has only the new key.
    let with_new: Vec<Apk> = lines.iter().map(client).collect();
    look(&with_old, &["hello-1.0-r0"]);
    look(&with_new, &["hello-1.0-r0"]);
    server.publish("v1/main", &Package::new("during", "1.0-r0"));
    for clients in [&with_old, &with_new] {
        look(clients, &["during-1.0-r0", "hello-1.0-r0"]);
        for apk in clients {
            apk.expect(&["add", "during"]);
        }
    }

    server.tarn(&format!("key retire admin {old}"));
    look(&with_new, &["during-1.0-r0", "hello-1.0-r0"]);
    server.publish("v1/main", &Package::new("after", "1.0-r0"));
    look(
        &with_new,
        &["after-1.0-r0", "during-1.0-r0", "hello-1.0-r0"],
    );
    // The overlap is over: the old key opens nothing any more, in either form.
    for lines in &lines {
        let apk = Apk::new(&alpine, lines);
        apk.must_refuse(&["search"]);
    }
    for apk in &with_old {
        apk.must_refuse(&["update"]);
    }

    // A client was forgotten: the old key comes back, and that client with it.
    server.tarn(&format!("key reactivate admin {old}"));
    for clients in [&with_old, &with_new] {
        look(clients, &["after-1.0-r0", "during-1.0-r0", "hello-1.0-r0"]);
    }
}

#[test]
fn clients_of_v3_go_from_rsa_to_a_curve_and_back() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
    let repository = server.repository("v1/main");
    let v3 = [format!("v3 {repository}")];
    let rsa = newest_key(&server);
    let client = || Apk::new(&alpine, &v3).cached();
    let look = |apk: &Apk, expected: &[&str]| {
        apk.expect(&["update"]);
        assert_eq!(apk.search(&[]), expected);
    };
    let with_rsa = client().trusting(&server, "admin", "");
    look(&with_rsa, &["hello-1.0-r0"]);

    let printed = server.tarn("key rotate admin --type ec-p256");
    let curve = printed.trim_end();
    assert!(curve.ends_with(".pem"), "{curve}");
    // `/key` stays the one with which v2 clients work too.
    assert_eq!(newest_key(&server), rsa);
    assert_eq!(
        server.index("v1/main").signatures,
        [format!(".SIGN.RSA256.{rsa}")]
    );
    let pem = server.alpine("admin", &format!("/{curve}")).expect(200);
    assert_eq!(pem.file_name(), curve);
    // As OpenWrt calls it; apk 3 goes by the key and not by its name.
    let with_curve = client().with_key("feed.pem", &pem.body);
    look(&with_curve, &["hello-1.0-r0"]);
    server.publish("v1/main", &Package::new("during", "1.0-r0"));
    let all = ["during-1.0-r0", "hello-1.0-r0"];
    for apk in [&with_rsa, &with_curve] {
        look(apk, &all);
        apk.expect(&["add", "during"]);
    }

    // From one RSA key to the next under a client that has the other kind.
    let next = server.tarn("key rotate admin");
    server.tarn(&format!("key retire admin {rsa}"));
    look(&with_curve, &all);
    with_rsa.must_refuse(&["update"]);
    let with_next = client().trusting(&server, "admin", "");
    look(&with_next, &all);

    // And back: without the curve.
    server.tarn(&format!("key retire admin {curve}"));
    server.publish("v1/main", &Package::new("after", "1.0-r0"));
    look(
        &with_next,
        &["after-1.0-r0", "during-1.0-r0", "hello-1.0-r0"],
    );
    with_curve.must_refuse(&["update"]);
    server.tarn(&format!("key reactivate admin {curve}"));
    look(
        &with_curve,
        &["after-1.0-r0", "during-1.0-r0", "hello-1.0-r0"],
    );
    assert_ne!(next.trim_end(), rsa);
}

#[test]
fn a_client_that_holds_an_index_of_other_keys_never_hears_not_modified() {
    found!(curl_or_leave_out());
    let server = Server::start();
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
    let old = newest_key(&server);
    for path in [V2, V3] {
        let mut held: Vec<(String, String)> = Vec::new();
        let mut look = || {
            for (date, tag) in &held {
                let since = format!("If-Modified-Since: {date}");
                server.alpine("admin", path).header(&since).expect(200);
                let unless = format!("If-None-Match: {tag}");
                server.alpine("admin", path).header(&unless).expect(200);
            }
            let answer = server.alpine("admin", path).expect(200);
            let date = answer.require("last-modified").to_owned();
            held.push((date, answer.require("etag").to_owned()));
        };
        look();
        let printed = server.tarn("key rotate admin");
        look();
        server.tarn(&["key", "retire", "admin", printed.trim_end()]);
        // The signatures are those of the beginning again, so only the date may differ.
        let (date, tag) = held.pop().unwrap();
        let since = format!("If-Modified-Since: {date}");
        let answer = server.alpine("admin", path).header(&since).expect(200);
        assert_eq!(answer.require("etag"), held[0].1);
        assert_ne!(answer.require("etag"), tag);
        assert_eq!(newest_key(&server), old);
    }
}

#[test]
fn every_key_that_signs_has_a_path_of_its_own() {
    found!(curl_or_leave_out());
    let server = Server::start();
    let first = server.alpine("admin", "/key").expect(200);
    let old = first.file_name().to_owned();
    let new = server.tarn("key rotate admin");
    let new = new.trim_end();
    let named = |name: &str| server.alpine("Admin", &format!("/keys/{name}"));
    for (name, expected) in [
        (old.as_str(), first.body),
        (new, server.alpine("admin", "/key").expect(200).body),
    ] {
        let answer = named(name).expect(200);
        assert_eq!(answer.body, expected);
        assert_eq!(answer.file_name(), name);
        assert_eq!(answer.require("content-type"), "application/x-pem-file");
        answer.require("cache-control");
        named(name).method("HEAD").expect(200);
        // As a browser or a proxy may write it.
        named(&name.replace('@', "%40")).expect(200);
    }
    server.tarn(&format!("key retire admin {old}"));
    named(&old).expect(404).assert_plain_refusal();
    named("none.rsa.pub").expect(404).assert_plain_refusal();
    named("a%2Fb").expect(404).assert_plain_refusal();
    named(new).expect(200);

    // Who may not read gets no key; and a branch may be called `keys` all the same.
    server.add_user("priva", "private");
    let credentials = credentials_of("priva");
    let asked = |user: &str| server.alpine("priva", "/key").user(user);
    let name = asked(&credentials).expect(200).file_name().to_owned();
    let asked = |user: &str| server.alpine("priva", &format!("/keys/{name}")).user(user);
    asked("").expect(401);
    asked(&credentials).expect(200);
    server.publish("keys/main", &Package::new("hello", "1.0-r0"));
    server
        .alpine("admin", "/keys/main/x86_64/hello-1.0-r0.apk")
        .user(ADMIN)
        .expect(200);
    let answer = server.alpine("admin", "/v1/main").expect(405);
    assert_eq!(answer.require("allow"), "PUT");
}
