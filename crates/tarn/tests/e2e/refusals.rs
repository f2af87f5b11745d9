//! Every refusal of the contract: its status, its one line of text, and that nothing was stored.

use crate::harness::{
    Package, Server, curl_or_leave_out,
    package::hex,
    random::Random,
    server::{ADMIN, credentials_of},
    tar,
};

/// Uploads to `path`, and expects a refusal whose text holds `words`, and nothing stored.
fn assert_refused(server: &Server, path: &str, body: &[u8], status: u16, words: &str) {
    let before = server.stored_files();
    let answer = server
        .alpine("admin", path)
        .user(ADMIN)
        .upload_bytes(body)
        .run();
    assert_eq!(answer.status, status, "{words}: {answer}");
    answer.assert_plain_refusal();
    let text = answer.text().to_lowercase();
    assert!(
        text.contains(&words.to_lowercase()),
        "{words:?} is not in {answer}"
    );
    assert_eq!(
        server.stored_files(),
        before,
        "something was stored: {answer}"
    );
}

#[test]
fn what_is_no_package_is_refused_with_400() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    let good = Package::new("hello", "1.0-r0").bytes();
    let no_info = [
        tar::gzip(&tar::entry("other", b'0', 0o644, b"x"), 6),
        good.clone(),
    ]
    .concat();
    let control_only = Package::new("hello", "1.0-r0").control_section(&"0".repeat(64));
    let mut flipped = good.clone();
    let middle = flipped.len() - 40;
    flipped[middle] ^= 1;
    let cases: [(&str, Vec<u8>, &str); 11] = [
        ("nothing", Vec::new(), "empty"),
        ("text", b"hello, world\n".to_vec(), ""),
        ("a page", b"<!DOCTYPE html><title>x</title>".to_vec(), ""),
        ("noise", Random::new(5).bytes(5000), ""),
        ("a gzip of text", tar::gzip(b"hello", 6), ""),
        ("a damaged apk v3", b"ADBd\0\0\0\0 and more".to_vec(), "ADB"),
        ("no PKGINFO", no_info, ".PKGINFO"),
        ("no data section", control_only, ""),
        ("a flipped bit", flipped, ""),
        ("bytes behind the end", [good.as_slice(), b"x"].concat(), ""),
        (
            "a member too many",
            [good.as_slice(), &tar::gzip(b"x", 6)].concat(),
            "",
        ),
    ];
    for (_, body, words) in &cases {
        assert_refused(&server, "/v1/main", body, 400, words);
    }
    for length in (0..good.len()).step_by(good.len() / 60 + 1) {
        assert_refused(&server, "/v1/main", &good[..length], 400, "");
    }
    server
        .alpine("admin", "/v1/main/x86_64/APKINDEX.tar.gz")
        .expect(404);
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
}

#[test]
fn a_package_that_says_something_wrong_of_itself_is_refused_with_400() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    let new = Package::new;
    let cases = [
        (new("hel lo", "1.0-r0"), "pkgname"),
        (new("", "1.0-r0"), "pkgname"),
        (new("../../etc", "1.0-r0"), "pkgname"),
        (new("hello", "one"), "pkgver"),
        (new("hello", ""), "pkgver"),
        (new("hello", "1.0-r0-r0"), "pkgver"),
        (new("hello", "1.0-r0").arch("x86 64"), "arch"),
        (new("hello", "1.0-r0").arch(""), "arch"),
        (new("hello", "1.0-r0").arch("../x"), "arch"),
        (new("hello", "1.0-r0").datahash(&hex(&[7; 32])), "datahash"),
        (new("hello", "1.0-r0").datahash("abc"), "datahash"),
        (new("hello", "1.0-r0").field("depend", "a=1=2"), "depend"),
        (new("hello", "1.0-r0").field("provides", "a=?"), "provides"),
        (
            new("hello", "1.0-r0").pkginfo("pkgver = 1.0-r0\narch = x86_64\n"),
            "pkgname",
        ),
    ];
    for (package, words) in cases {
        assert_refused(&server, "/v1/main", &package.bytes(), 400, words);
    }
}

#[test]
fn a_branch_or_repository_outside_the_grammar_is_refused_with_400() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    let package = Package::new("hello", "1.0-r0").bytes();
    let long = "a".repeat(65);
    let bad = [
        ".hidden",
        "%2e%2e",
        "a%7Cb",
        "a%20b",
        "a@b",
        "%20",
        "a%2Fb",
        "a%00b",
        "a%0Ab",
        "%C3%BC",
        "a:b",
        "a*",
        long.as_str(),
    ];
    for segment in bad {
        assert_refused(
            &server,
            &format!("/{segment}/main"),
            &package,
            400,
            "branch",
        );
        assert_refused(
            &server,
            &format!("/v1/{segment}"),
            &package,
            400,
            "repository",
        );
        for path in [
            format!("/{segment}/main/x86_64/APKINDEX.tar.gz"),
            format!("/v1/{segment}/x86_64/a-1.apk"),
        ] {
            let answer = server.alpine("admin", &path).run();
            assert!([400, 404].contains(&answer.status), "{answer}");
            answer.assert_plain_refusal();
        }
    }
    let longest = "a".repeat(64);
    let upload = server
        .alpine("admin", &format!("/{longest}/{longest}"))
        .user(ADMIN);
    upload.upload_bytes(&package).expect(201);
}

#[test]
fn a_file_that_exists_is_refused_with_409() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    let package = Package::new("hello", "1.0-r0");
    server.publish("v1/main", &package);
    let other = package.clone().file("usr/other", "other");
    for body in [package.bytes(), other.bytes()] {
        let upload = server
            .alpine("admin", "/v1/main")
            .user(ADMIN)
            .upload_bytes(&body);
        let answer = upload.expect(409);
        assert!(answer.text().starts_with("package file already exists, "));
        answer.assert_plain_refusal();
    }
    let stored = server
        .alpine("admin", "/v1/main/x86_64/hello-1.0-r0.apk")
        .expect(200);
    assert_eq!(stored.body, package.bytes());
    assert_eq!(server.index("v1/main").packages(), ["hello-1.0-r0"]);
    // Another branch, repository, architecture or version is another file.
    server.publish("v2/main", &package);
    server.publish("v1/other", &package);
    server.publish("v1/main", &package.arch("aarch64"));
    server.publish("v1/main", &Package::new("hello", "1.0-r1"));
}

#[test]
fn what_is_not_there_is_404_and_other_methods_are_refused() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
    let package = Package::new("hello", "1.0-r0").bytes();
    let missing = [
        ("nobody", "/key"),
        ("nobody", "/v1/main/x86_64/APKINDEX.tar.gz"),
        ("admin", "/v2/main/x86_64/APKINDEX.tar.gz"),
        ("admin", "/v1/other/x86_64/APKINDEX.tar.gz"),
        ("admin", "/v1/main/aarch64/APKINDEX.tar.gz"),
        ("admin", "/v1/main/aarch64/hello-1.0-r0.apk"),
        ("admin", "/v1/main/x86_64/hello-1.0-r1.apk"),
        ("admin", "/v1/main/x86_64/hello.apk"),
        ("admin", "/v1/main/x86_64/hello-1.0-r0.tar"),
        ("admin", "/v1/main/x86_64/APKINDEX.tar"),
        ("admin", "/nothing"),
        ("admin", ""),
    ];
    for (owner, path) in missing {
        for method in ["GET", "HEAD"] {
            let answer = server.alpine(owner, path).method(method).run();
            // The upload's own address has no answer to a GET.
            assert!([404, 405].contains(&answer.status), "{method}: {answer}");
            if method == "GET" && answer.status == 404 {
                answer.assert_plain_refusal();
            }
        }
        let answer = server.alpine(owner, path).user(ADMIN).run();
        assert!([404, 405].contains(&answer.status), "{answer}");
    }
    let answer = server
        .alpine("nobody", "/v1/main")
        .user(ADMIN)
        .upload_bytes(&package)
        .run();
    assert_eq!(answer.status, 404, "{answer}");
    let path = "/v1/main/x86_64/none-1.apk";
    server
        .alpine("admin", path)
        .user(ADMIN)
        .method("DELETE")
        .expect(404);
    for method in ["POST", "PATCH", "OPTIONS", "TRACE"] {
        let answer = server
            .alpine("admin", "/key")
            .user(ADMIN)
            .method(method)
            .run();
        assert!([404, 405].contains(&answer.status), "{method}: {answer}");
        let answer = server
            .alpine("admin", "/v1/main")
            .user(ADMIN)
            .method(method)
            .run();
        assert!([404, 405].contains(&answer.status), "{method}: {answer}");
    }
}

#[test]
fn a_reader_hears_403_before_anything_is_said_about_the_package() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
    server.add_user("dave", "public");
    let before = server.stored_files();
    for body in [Package::new("hello", "1.0-r0").bytes(), b"corrupt".to_vec()] {
        let upload = server
            .alpine("admin", "/v1/main")
            .user(&credentials_of("dave"));
        upload
            .upload_bytes(&body)
            .expect(403)
            .assert_plain_refusal();
        let upload = server.alpine("admin", "/v1/main");
        upload
            .upload_bytes(&body)
            .expect(401)
            .assert_plain_refusal();
    }
    for path in [
        "/v1/main/x86_64/hello-1.0-r0.apk",
        "/v1/main/x86_64/none-1.0-r0.apk",
    ] {
        let delete = server.alpine("admin", path).method("DELETE");
        delete.expect(401).assert_plain_refusal();
        let delete = server
            .alpine("admin", path)
            .user(&credentials_of("dave"))
            .method("DELETE");
        delete.expect(403).assert_plain_refusal();
    }
    assert_eq!(server.stored_files(), before);
}
