//! `noarch` packages: stored once, offered for every architecture.

use crate::harness::{Apk, Package, Server, alpine_or_leave_out, curl_or_leave_out, server::ADMIN};

#[test]
fn a_noarch_package_is_there_for_an_architecture_that_appears_later() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    server.publish("v1/main", &Package::new("native", "1.0-r0"));
    server.publish("v1/main", &Package::new("script", "1.0-r0").arch("noarch"));
    let index = server.index("v1/main");
    assert_eq!(index.packages(), ["native-1.0-r0", "script-1.0-r0"]);
    assert_eq!(index.values("A:"), ["x86_64", "x86_64"]);

    server.publish("v1/main", &Package::new("later", "1.0-r0").arch("aarch64"));
    let index = server.index_for("v1/main", "aarch64");
    assert_eq!(index.packages(), ["script-1.0-r0", "later-1.0-r0"]);
    assert_eq!(index.values("A:"), ["aarch64", "aarch64"]);

    for (arch, other) in [("x86_64", "native"), ("aarch64", "later")] {
        let apk = Apk::new(&alpine, &[])
            .arch(arch)
            .trusting(&server, "admin", "");
        std::fs::write(apk.root().join("etc/apk/arch"), format!("{arch}\n")).unwrap();
        apk.set_repositories(&[server.repository("v1/main")]);
        apk.expect(&["add", "script", other]);
        apk.must_have("usr/share/tarn/script", "1.0-r0");
    }
}

#[test]
fn a_repository_of_noarch_alone_serves_any_architecture() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    let package = Package::new("script", "1.0-r0").arch("noarch");
    server.publish("v1/main", &package);
    for arch in [
        "x86_64",
        "aarch64",
        "riscv64",
        "aarch64_cortex-a53",
        "noarch",
    ] {
        let index = server.index_for("v1/main", arch);
        assert_eq!(index.packages(), ["script-1.0-r0"], "{arch}");
        assert_eq!(index.values("A:"), [arch]);
        let path = format!("/v1/main/{arch}/script-1.0-r0.apk");
        assert_eq!(
            server.alpine("admin", &path).expect(200).body,
            package.bytes()
        );
    }
    let refused = server
        .alpine("admin", "/v1/main/x86%7C64/APKINDEX.tar.gz")
        .run();
    assert!([400, 404].contains(&refused.status), "{refused}");
    for arch in ["x86_64", "riscv64"] {
        let repositories = [server.repository("v1/main")];
        let apk = Apk::new(&alpine, &repositories)
            .arch(arch)
            .trusting(&server, "admin", "");
        apk.expect(&["add", "script"]);
    }
}

#[test]
fn noarch_and_an_architecture_exclude_each_other_for_one_name_and_version() {
    found!(curl_or_leave_out());
    let server = Server::start();
    let upload = |repository: &str, arch: &str| {
        let package = Package::new("hello", "1.0-r0").arch(arch).bytes();
        let path = format!("/{repository}");
        server
            .alpine("admin", &path)
            .user(ADMIN)
            .upload_bytes(&package)
            .run()
    };
    assert_eq!(upload("v1/main", "noarch").status, 201);
    assert_eq!(upload("v1/main", "x86_64").status, 409);
    assert_eq!(upload("v1/main", "noarch").status, 409);
    assert_eq!(upload("v1/other", "x86_64").status, 201);
    assert_eq!(upload("v1/other", "aarch64").status, 201);
    assert_eq!(upload("v1/other", "noarch").status, 409);
    assert_eq!(server.index("v1/main").packages(), ["hello-1.0-r0"]);
    assert_eq!(server.index("v1/other").packages(), ["hello-1.0-r0"]);
}

#[test]
fn a_noarch_package_is_deleted_at_any_path_that_serves_it() {
    found!(curl_or_leave_out());
    let server = Server::start();
    server.publish("v1/main", &Package::new("native", "1.0-r0"));
    for arch in ["noarch", "x86_64"] {
        server.publish("v1/main", &Package::new("script", "1.0-r0").arch("noarch"));
        let path = format!("/v1/main/{arch}/script-1.0-r0.apk");
        server.delete(&path).expect(204);
        for served in ["noarch", "x86_64"] {
            let path = format!("/v1/main/{served}/script-1.0-r0.apk");
            server.alpine("admin", &path).expect(404);
        }
        assert_eq!(server.index("v1/main").packages(), ["native-1.0-r0"]);
    }
}
