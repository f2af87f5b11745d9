//! The ways in which people send a file.

use std::process::{Command, Stdio};

use crate::harness::{
    Apk, Curl, Package, Server, alpine_or_leave_out, curl::bare, curl_or_leave_out, random::Random,
    server::ADMIN,
};

/// Adds to a call of curl what sends the file.
type Sending = fn(Curl, &str) -> Curl;

fn call(server: &Server) -> Curl {
    server.alpine("admin", "/v1/main").user(ADMIN)
}

#[test]
fn every_way_of_sending_a_file_stores_the_same_bytes() {
    found!(curl_or_leave_out());
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let ways: [(&str, Sending); 9] = [
        ("upload-file", |call, file| call.arg("-T").arg(file)),
        ("chunked", |call, file| {
            call.arg("-T")
                .arg(file)
                .header("Transfer-Encoding: chunked")
        }),
        ("data-binary", |call, file| {
            call.method("PUT")
                .arg("--data-binary")
                .arg(format!("@{file}"))
        }),
        ("data-binary-octets", |call, file| {
            let call = call.header("Content-Type: application/octet-stream");
            call.method("PUT")
                .arg("--data-binary")
                .arg(format!("@{file}"))
        }),
        ("form", |call, file| {
            call.method("PUT").arg("-F").arg(format!("file=@{file}"))
        }),
        ("form-other-name", |call, file| {
            call.method("PUT")
                .arg("-F")
                .arg(format!("package=@{file};type=application/gzip"))
        }),
        ("form-field-first", |call, file| {
            let call = call.method("PUT").arg("-F").arg("comment=hello");
            call.arg("-F").arg(format!("file=@{file}"))
        }),
        ("expect", |call, file| {
            call.arg("-T").arg(file).header("Expect: 100-continue")
        }),
        ("http-1.0", |call, file| {
            call.arg("--http1.0").arg("-T").arg(file)
        }),
    ];
    for (number, (way, send)) in ways.into_iter().enumerate() {
        let content = Random::new(number as u64).bytes(200_000);
        let package = Package::new(way, "1.0-r0").file("usr/share/tarn/content", content);
        let file = package.write_into(folder.path());
        let answer = send(call(&server), file.to_str().unwrap()).run();
        assert_eq!(answer.status, 201, "{way}: {answer}");
        let path = format!("/v1/main/x86_64/{}", package.file_name());
        let stored = server.alpine("admin", &path).expect(200).body;
        assert!(stored == package.bytes(), "{way}");
    }
    assert_eq!(server.index("v1/main").packages().len(), 9);
}

#[test]
fn a_body_out_of_a_pipe_is_taken() {
    found!(curl_or_leave_out());
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let file = Package::new("piped", "1.0-r0").write_into(folder.path());
    let mut cat = Command::new("cat")
        .arg(file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let url = format!("{}/api/packages/admin/alpine/v1/main", server.base);
    let output = bare("-w %{http_code} -T -")
        .args(["-u", ADMIN, &url])
        .stdin(cat.stdout.take().unwrap())
        .output()
        .unwrap();
    assert!(cat.wait().unwrap().success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "201");
}

#[test]
fn a_package_that_came_in_any_way_installs() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    let folder = tempfile::tempdir().unwrap();
    let form = Package::new("by-form", "1.0-r0").write_into(folder.path());
    let argument = format!("file=@{}", form.display());
    call(&server)
        .method("PUT")
        .arg("-F")
        .arg(argument)
        .expect(201);
    let data = Package::new("by-data", "1.0-r0").write_into(folder.path());
    let argument = format!("@{}", data.display());
    call(&server)
        .method("PUT")
        .arg("--data-binary")
        .arg(argument)
        .expect(201);
    let apk = Apk::of(&server, &alpine, server.repository("v1/main"));
    apk.expect(&["add", "by-form", "by-data"]);
}
