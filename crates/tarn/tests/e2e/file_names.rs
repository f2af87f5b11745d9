//! Names with characters that have a meaning elsewhere: in an address, in SQL, to a shell.

use crate::harness::{Apk, Package, Server, alpine_or_leave_out, curl_or_leave_out, server::ADMIN};

#[test]
fn apk_finds_files_whatever_their_name_and_version_hold() {
    let Some(alpine) = alpine_or_leave_out() else {
        return;
    };
    let server = Server::start();
    let packages = [
        ("libstdc++", "15.2.0-r2"),
        ("gtk+3.0", "3.24-r0"),
        ("foo_bar", "1.0_git20240101-r0"),
        ("hash", "1.0~abc123-r0"),
        ("py3.12-thing", "1.0_alpha2_p3-r10"),
        ("Upper-Case", "1.0b_rc1-r0"),
        ("a", "1"),
        ("dash-", "0.0.1"),
        ("7zip", "24.09-r0"),
        ("_under", "2024.01.01-r3"),
    ];
    for (name, version) in packages {
        server.publish("v1/main", &Package::new(name, version));
    }
    let apk = Apk::new(&alpine, &[server.repository("v1/main")]).trusting(&server, "admin", "");
    assert_eq!(apk.search(&[]).len(), packages.len());
    let names = packages.map(|(name, _)| name);
    apk.expect(&[&["add"], &names[..]].concat());
    for (name, version) in packages {
        let installed = apk.installed(&format!("usr/share/tarn/{name}"));
        assert_eq!(installed.as_deref(), Some(version), "{name}");
    }
    let folder = apk.fetched();
    let target = ["fetch", "--output", folder.to_str().unwrap()];
    apk.expect(&[&target, &names[..]].concat());
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), packages.len());
}

#[test]
fn a_path_is_the_same_file_however_it_is_encoded() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    let package = Package::new("libstdc++", "1.0~abc-r0");
    server.publish("a+b/main", &package);
    let spellings = [
        "/a+b/main/x86_64/libstdc++-1.0~abc-r0.apk",
        "/a%2Bb/main/x86_64/libstdc%2B%2B-1.0%7Eabc-r0.apk",
        "/a%2bb/m%61in/x86%5f64/libstdc%2b%2b%2d1%2E0%7eabc-r0.apk",
        "/%20a+b%20/%20main%20/x86_64/libstdc++-1.0~abc-r0.apk",
    ];
    for path in spellings {
        assert_eq!(
            server.alpine("admin", path).expect(200).body,
            package.bytes(),
            "{path}"
        );
        server.alpine("ADMIN", path).expect(200);
        server.alpine("%61dmin", path).expect(200);
    }
    // A plus is a plus: only forms make a blank of it.
    server
        .alpine("admin", "/a%20b/main/x86_64/APKINDEX.tar.gz")
        .run();
    server
        .alpine("admin", "/a+b/main/x86_64/libstdc%20%20-1.0~abc-r0.apk")
        .expect(404);
}

#[test]
fn wildcards_of_sql_match_only_themselves() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    server.publish("v1/main", &Package::new("axb", "1.0-r0"));
    server.publish("v1/main", &Package::new("a-b", "1.0-r0"));
    let wild = [
        "a_b-1.0-r0.apk",
        "a%25b-1.0-r0.apk",
        "%25.apk",
        "%25",
        "___-1.0-r0.apk",
        "A-B-1.0-r0.apk",
        "axb-1.0-r0.apk%00",
    ];
    for name in wild {
        let path = format!("/v1/main/x86_64/{name}");
        for method in ["GET", "HEAD", "DELETE"] {
            let answer = server
                .alpine("admin", &path)
                .user(ADMIN)
                .method(method)
                .run();
            assert!(
                [400, 404].contains(&answer.status),
                "{method} {name}: {answer}"
            );
        }
    }
    for path in [
        "/v_/main/x86_64/axb-1.0-r0.apk",
        "/v1/mai_/x86_64/axb-1.0-r0.apk",
        "/v1/%25/x86_64/axb-1.0-r0.apk",
    ] {
        let answer = server.alpine("admin", path).run();
        assert!([400, 404].contains(&answer.status), "{answer}");
    }
    assert_eq!(
        server.index("v1/main").packages(),
        ["axb-1.0-r0", "a-b-1.0-r0"]
    );
    // Both exist side by side with the name that could be taken for a pattern.
    server.publish("v1/main", &Package::new("a_b", "1.0-r0"));
    assert_eq!(server.index("v1/main").packages().len(), 3);
}

#[test]
fn paths_that_climb_or_break_off_find_nothing() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
    let paths = [
        "/v1/main/x86_64/../x86_64/hello-1.0-r0.apk",
        "/v1/main/x86_64/..%2fx86_64%2fhello-1.0-r0.apk",
        "/v1/main/../../../../../../../../etc/passwd",
        "/v1/main/x86_64/%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/v1/main/x86_64/hello-1.0-r0",
        "/v1/main/x86_64/hello-.apk",
        "/v1/main/x86_64/-1.0-r0.apk",
        "/v1/main/x86_64/.apk",
        "/v1/main/x86_64/%ff%fe-1.0-r0.apk",
        "/v1/main/x86_64/%",
        "/v1/main/x86_64/%zz-1.0-r0.apk",
    ];
    for path in paths {
        let answer = server.alpine("admin", path).user(ADMIN).run();
        assert!([400, 404].contains(&answer.status), "{answer}");
        assert!(!answer.text().contains("root:"), "{answer}");
    }
    let long = format!("/v1/main/x86_64/{}-1.0-r0.apk", "a".repeat(6000));
    let answer = server.alpine("admin", &long).run();
    assert!([400, 404, 414].contains(&answer.status), "{answer}");
}
