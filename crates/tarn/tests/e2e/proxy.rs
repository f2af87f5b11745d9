//! The whole contract through nginx, below a path of its own.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::harness::{
    Answer, Apk, Package, Server, alpine_or_leave_out,
    nginx::{Nginx, Place},
    random::Random,
    server::{ADMIN, credentials_of},
    tools::nginx_or_leave_out,
};

/// Asks by GET and by HEAD, which have to agree, and gives the answer to GET.
fn read(nginx: &Nginx, path: &str, headers: &[&str], status: u16) -> Answer {
    let call = |method: &str| {
        let call = nginx.alpine("admin", path).method(method);
        headers.iter().fold(call, |call, line| call.header(line))
    };
    let head = call("HEAD").run();
    let answer = call("GET").expect(status);
    // A range is for GET alone (RFC 9110, section 14.2).
    if ![206, 416].contains(&status) {
        assert_eq!(head.status, status, "{head}");
        assert_eq!(head.header("etag"), answer.header("etag"), "{path}");
        let length = |answer: &Answer| answer.header("content-length").map(str::to_owned);
        assert_eq!(length(&head), length(&answer), "{path}");
    }
    answer
}

#[test]
fn every_route_of_the_contract_is_there_behind_nginx_at_a_path() {
    found!(nginx_or_leave_out());
    let alpine = found!(alpine_or_leave_out());
    let place = Place::below("/registry");
    let proxies = ["--trusted-proxies", "127.0.0.1", "--base-url", &place.base];
    let server = Server::start_with(&proxies);
    let nginx = Nginx::start(&place, &server);
    let at_base = format!("{}/api/packages/admin/alpine", nginx.base);
    assert!(server.log().contains(&format!(" {at_base}/v3.23/main\n")));

    keys(&nginx, &at_base);
    uploads(&nginx);
    indexes_and_packages(&nginx);
    who_may(&nginx, &server);

    let apk = Apk::of(&server, &alpine, format!("{at_base}/v1/main"));
    apk.expect(&["update"]);
    apk.expect(&["add", "hello", "script"]);

    removal(&nginx);
    former_name(&nginx, &server);
}

fn keys(nginx: &Nginx, at_base: &str) {
    let key = read(nginx, "/key", &[], 200);
    let name = key.file_name();
    for path in [format!("/{name}"), format!("/keys/{name}")] {
        assert_eq!(read(nginx, &path, &[], 200).body, key.body);
    }
    let absent = read(nginx, "/none.rsa.pub", &[], 404);
    let command = format!("wget -O /etc/apk/keys/{name} {at_base}/{name}");
    assert!(absent.text().contains(&command), "{absent}");
}

fn put(nginx: &Nginx, path: &str, package: &Package, status: u16) -> Answer {
    let call = nginx.alpine("admin", path).user(ADMIN);
    call.upload_bytes(&package.bytes()).expect(status)
}

fn uploads(nginx: &Nginx) {
    let hello = Package::new("hello", "1.0-r0");
    put(nginx, "/v1/main", &hello, 201);
    put(nginx, "/v1/main", &hello, 409).assert_plain_refusal();
    put(nginx, "/v1/main?if-exists=same", &hello, 200);
    let named = Package::new("named", "1.0-r0");
    put(nginx, "/v1/main/other-1.0-r0.apk", &named, 400).assert_plain_refusal();
    put(nginx, "/v1/main/named-1.0-r0.apk", &named, 201);
    put(nginx, "//v1/main", &Package::new("slashes", "1.0-r0"), 201);
    put(
        nginx,
        "/v1/main",
        &Package::new("script", "1.0-r0").arch("noarch"),
        201,
    );
    put(nginx, "/v|1/main", &hello, 400).assert_plain_refusal();
    // Larger than what nginx takes by itself.
    let bytes = Random::new(7).bytes(2 << 20);
    let large = Package::new("large", "1.0-r0").file("usr/large", bytes);
    put(nginx, "/v1/main", &large, 201);
    // `curl -T FILE URL/` adds the name by itself, and a form carries it too.
    let folder = TempDir::new().unwrap();
    let file = |package: &Package| {
        let path = folder.path().join(package.file_name());
        fs::write(&path, package.bytes()).unwrap();
        path
    };
    let appended = file(&Package::new("appended", "1.0-r0"));
    let call = nginx.alpine("admin", "/v1/main/").user(ADMIN);
    call.upload(&appended).expect(201);
    let formed = file(&Package::new("formed", "1.0-r0"));
    let form = |path: &Path| format!("file=@{}", path.display());
    let call = nginx.alpine("admin", "/v1/main").user(ADMIN).method("PUT");
    call.arg("-F").arg(form(&formed)).expect(201);
}

fn indexes_and_packages(nginx: &Nginx) {
    for name in ["APKINDEX.tar.gz", "Packages.adb", "packages.adb"] {
        let index = read(nginx, &format!("/v1/main/x86_64/{name}"), &[], 200);
        let unless = format!("If-None-Match: {}", index.require("etag"));
        read(nginx, &format!("/v1/main/x86_64/{name}"), &[&unless], 304);
        let again = read(nginx, &format!("//v1/main/x86_64//{name}"), &[], 200);
        assert_eq!(again.body, index.body);
        read(nginx, &format!("/v1/main/mipsel_24kc/{name}"), &[], 200);
        read(nginx, &format!("/v1/none/x86_64/{name}"), &[], 404).assert_plain_refusal();
    }
    let path = "/v1/main/x86_64/hello-1.0-r0.apk";
    let whole = read(nginx, path, &[], 200);
    assert_eq!(whole.body, Package::new("hello", "1.0-r0").bytes());
    let part = read(nginx, path, &["Range: bytes=2-5"], 206);
    assert_eq!(part.body, whole.body[2..6]);
    read(nginx, path, &["Range: bytes=99999-"], 416);
    let unless = format!("If-None-Match: {}", whole.require("etag"));
    read(nginx, path, &[&unless], 304);
    read(nginx, "/v1/main/riscv64/script-1.0-r0.apk", &[], 200);
    read(nginx, "/v1/main/x86_64/none-1.0-r0.apk", &[], 404).assert_plain_refusal();
}

fn who_may(nginx: &Nginx, server: &Server) {
    server.add_user("paul", "private");
    let (paul, index) = (credentials_of("paul"), "/v1/main/x86_64/APKINDEX.tar.gz");
    let refused = nginx.alpine("paul", index).expect(401);
    assert!(
        refused
            .require("www-authenticate")
            .starts_with("Basic realm=")
    );
    let hello = Package::new("hello", "1.0-r0").bytes();
    let upload = |owner: &str| nginx.alpine(owner, "/v1/main").upload_bytes(&hello);
    upload("paul").user(&paul).expect(201);
    upload("admin")
        .user(&paul)
        .expect(403)
        .assert_plain_refusal();
    nginx.alpine("paul", index).user(&paul).expect(200);
    let token = server.add_token("paul", "read:package");
    let bearer = format!("Authorization: Bearer {token}");
    nginx.alpine("paul", index).header(&bearer).expect(200);
    nginx
        .alpine("nobody", "/key")
        .expect(404)
        .assert_plain_refusal();
}

fn removal(nginx: &Nginx) {
    let delete = |path: &str, status: u16| {
        let call = nginx.alpine("admin", path).user(ADMIN);
        call.method("DELETE").expect(status);
    };
    delete("//v1/main/riscv64/script-1.0-r0.apk/", 204);
    delete("/v1/main/x86_64/script-1.0-r0.apk", 404);
    read(nginx, "/v1/main/riscv64/APKINDEX.tar.gz", &[], 404);
    let call = nginx.alpine("admin", "/v1/main/x86_64/hello-1.0-r0.apk");
    call.method("DELETE").expect(401);
}

fn former_name(nginx: &Nginx, server: &Server) {
    server.tarn("user rename admin boss");
    let path = "/v1/main/x86_64/hello-1.0-r0.apk";
    let moved = read(nginx, path, &[], 301);
    let expected = format!("/registry/api/packages/boss/alpine{path}");
    let location = moved.require("location");
    assert!(
        location == expected || location == nginx.base.replace("/registry", "") + &expected,
        "{moved}"
    );
    let followed = nginx.alpine("admin", path).arg("--location").expect(200);
    assert_eq!(followed.body, Package::new("hello", "1.0-r0").bytes());
}
