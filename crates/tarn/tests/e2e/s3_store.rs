//! A registry whose packages are in an S3 store.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tarn_testkit::{ACCESS_KEY, S3Server, SECRET_KEY, must_say};

use crate::{
    harness::{
        Apk, Package, Server, alpine_or_leave_out,
        curl::bare,
        curl_or_leave_out,
        random::Random,
        server::{ADMIN, files_below},
    },
    limits::peak_memory,
};

/// Runs a program with that store, and keeps nothing that was deleted.
pub(crate) fn with_store(storage: &str) -> Command {
    let mut command = Command::new("env");
    command
        .env("TARN_STORAGE", storage)
        .env("TARN_KEEP_DELETED", "0")
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        // What Tarn must not listen to.
        .env("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
        .env("AWS_SKIP_SIGNATURE", "true")
        .env("HTTP_PROXY", "http://127.0.0.1:1");
    command
}

/// The blobs among the objects in a folder, by their paths below `blobs`.
pub(crate) fn blobs_in(objects: &Path) -> Vec<PathBuf> {
    files_below(&objects.join("blobs"))
}

/// A server whose packages are in a place of that name, its URL, and its folder.
fn server_with(gateway: &S3Server, name: &str, further: &str) -> (PathBuf, String, Server) {
    let storage = format!("{}{further}", gateway.make_place(name));
    let server = Server::start_below(with_store(&storage));
    (gateway.folder(name), storage, server)
}

#[test]
fn a_package_goes_into_the_store_and_to_apk_and_is_freed() {
    let (Some(alpine), Some(gateway)) = (alpine_or_leave_out(), S3Server::versitygw()) else {
        return;
    };
    let (objects, storage, server) = server_with(gateway, "e2e-installs", "");
    let hello = Package::new("hello", "1.0-r0");
    server.publish("v1/main", &hello);
    server.publish("v1/main", &Package::new("other", "1.0-r0"));
    assert_eq!(blobs_in(&objects).len(), 2);
    assert!(!server.data_folder().join("blobs").exists());
    let apk = Apk::of(&server, &alpine, server.repository("v1/main"));
    apk.expect(&["add", "hello"]);
    let path = "/v1/main/x86_64/hello-1.0-r0.apk";
    let part = server
        .alpine("admin", path)
        .header("Range: bytes=10-19")
        .expect(206);
    assert_eq!(part.body, hello.bytes()[10..20]);

    // A server that starts again has it, and one that starts with nothing to keep frees what was deleted.
    server.delete(path).expect(204);
    let server = server.stop().start_below(with_store(&storage));
    server.wait_until(|| blobs_in(&objects).len() == 1);
    apk.set_repositories(&[server.repository("v1/main")]);
    apk.expect(&["update"]);
    apk.expect(&["add", "other"]);
    assert_eq!(apk.search(&[]), ["other-1.0-r0"]);

    // The same bytes again have another key.
    server.publish("v1/main", &hello);
    let again = blobs_in(&objects);
    let second = again
        .iter()
        .filter(|path| path.to_string_lossy().ends_with(".1"));
    assert_eq!((again.len(), second.count()), (2, 1), "{again:?}");
    let served = server.alpine("admin", path).expect(200);
    assert_eq!(served.body, hello.bytes());
    apk.expect(&["update"]);
    apk.expect(&["fetch", "--stdout", "hello"]);
}

#[test]
fn garage_has_packages_as_well() {
    let (Some(alpine), Some(garage)) = (alpine_or_leave_out(), S3Server::garage()) else {
        return;
    };
    let storage = garage.make_place("e2e-garage");
    let server = Server::start_below(with_store(&storage));
    let noise = Random::new(5).bytes(300_000);
    let hello = Package::new("hello", "1.0-r0").file("usr/noise", noise);
    let path = "/v1/main/x86_64/hello-1.0-r0.apk";
    let publish = |server: &Server| {
        server.publish("v1/main", &hello);
        assert!(server.alpine("admin", path).expect(200).body == hello.bytes());
        let part = server.alpine("admin", path).header("Range: bytes=10-19");
        assert_eq!(part.expect(206).body, hello.bytes()[10..20]);
    };
    publish(&server);
    let apk = Apk::of(&server, &alpine, server.repository("v1/main"));
    apk.expect(&["add", "hello"]);
    // Freed, and taken again.
    server.delete(path).expect(204);
    let server = server.stop().start_below(with_store(&storage));
    server.wait_for("space of deleted packages freed");
    publish(&server);
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[test]
fn a_damaged_object_is_never_a_complete_download_and_is_replaced_by_an_upload() {
    let (Some(()), Some(gateway)) = (curl_or_leave_out(), S3Server::versitygw()) else {
        return;
    };
    let (objects, _, server) = server_with(gateway, "e2e-damage", "");
    let package = Package::new("hello", "1.0-r0").file("usr/noise", Random::new(3).bytes(500_000));
    server.publish("v1/main", &package);
    let object = objects.join("blobs").join(&blobs_in(&objects)[0]);
    let bytes = fs::read(&object).unwrap();
    let path = "/v1/main/x86_64/hello-1.0-r0.apk";
    for flips in [true, false] {
        let mut damaged = bytes.clone();
        damaged[1000] ^= u8::from(flips);
        damaged.truncate(bytes.len() - usize::from(!flips));
        fs::write(&object, damaged).unwrap();
        if flips {
            let url = format!("{}/api/packages/admin/alpine{path}", server.base);
            let curl = bare("-o /dev/null")
                .arg(&url)
                .stderr(Stdio::null())
                .status();
            assert!(
                !curl.unwrap().success(),
                "a download of damaged bytes was complete"
            );
        } else {
            server.alpine("admin", path).expect(500);
        }
        server
            .upload("admin", "v1/main", &package.bytes())
            .expect(409);
        assert_eq!(server.alpine("admin", path).expect(200).body, bytes);
    }
}

#[test]
fn downloads_are_redirected_only_without_credentials_and_where_that_is_wanted() {
    let (Some(alpine), Some(gateway)) = (alpine_or_leave_out(), S3Server::versitygw()) else {
        return;
    };
    // Another name than that of the registry, for the same address.
    let public = gateway.endpoint.replace("127.0.0.1", "localhost");
    let further = format!("&public-endpoint={public}");
    let (_, _, server) = server_with(gateway, "e2e-redirects", &further);
    let hello = Package::new("hello", "1.0-r0");
    server.publish("v1/main", &hello);
    let path = "/v1/main/x86_64/hello-1.0-r0.apk";
    let redirect = server.alpine("admin", path).expect(302);
    assert!(redirect.require("location").starts_with(&public));
    assert_eq!(redirect.require("cache-control"), "no-store");
    // The exact set, as `http/headers.rs` has it of the other answers.
    let names: BTreeSet<&str> = redirect
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let expected =
        "cache-control connection content-length date location x-content-type-options x-request-id";
    assert_eq!(names, expected.split(' ').collect());
    let followed = server.alpine("admin", path).arg("-L").expect(200);
    assert_eq!(followed.body, hello.bytes());
    let direct = server.alpine("admin", path).user(ADMIN).expect(200);
    assert_eq!(direct.body, hello.bytes());
    let fresh = format!("If-None-Match: {}", direct.require("etag"));
    server.alpine("admin", path).header(&fresh).expect(304);
    let part = server.alpine("admin", path).header("Range: bytes=0-9");
    part.expect(206);
    // A client that asks for that very name would send its credentials along.
    let name = public.strip_prefix("http://").unwrap();
    server
        .alpine("admin", path)
        .header(&format!("Host: {name}"))
        .expect(200);

    let apk = Apk::of(&server, &alpine, server.repository("v1/main"));
    apk.expect(&["add", "hello"]);
    apk.must_have("usr/share/tarn/hello", "1.0-r0");
}

#[test]
fn a_large_upload_takes_little_memory() {
    let (Some(()), Some(gateway)) = (curl_or_leave_out(), S3Server::versitygw()) else {
        return;
    };
    let (objects, _, server) = server_with(gateway, "e2e-memory", "");
    // What is allocated once is there from now on.
    let small = Package::new("small", "1.0-r0").file("usr/noise", Random::new(1).bytes(8 << 20));
    server.publish("v1/main", &small);
    let before = peak_memory(server.pid());
    let size = 80 << 20;
    let large = Package::new("large", "1.0-r0").file("usr/noise", Random::new(2).bytes(size));
    server.publish("v1/main", &large);
    assert_eq!(blobs_in(&objects).len(), 2);
    let grown = peak_memory(server.pid()).saturating_sub(before);
    assert!(grown <= 16 << 10, "{grown} KiB for {size} bytes");
}

#[test]
fn a_store_that_cannot_be_used_keeps_the_server_from_starting_and_is_named() {
    let gateway = found!(S3Server::versitygw());
    let refused = |storage: &str, secret: &str| {
        let data = tempfile::tempdir().unwrap();
        let output = with_store(storage)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .arg(env!("CARGO_BIN_EXE_tarn"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(!output.status.success());
        assert!(!data.path().join("tarn.db").exists(), "a database was made");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = refused(&gateway.url("e2e-not-there"), SECRET_KEY);
    must_say(&said, "error: cannot open the store of the packages\n");
    assert!(said.contains("there is no such bucket: make it"), "{said}");
    let said = refused(&gateway.make_place("e2e-refused"), "another-secret");
    assert!(said.contains("check AWS_SECRET_ACCESS_KEY"), "{said}");
    let said = refused("s3://e2e-refused?endpoint=http://127.0.0.1:1", SECRET_KEY);
    assert!(
        said.contains("the store cannot be reached (Connection refused"),
        "{said}"
    );
    let said = refused("s3://e2e-refused?zone=a", SECRET_KEY);
    must_say(&said, "`zone` is not a parameter of an S3 store");

    // The packages of another registry.
    let (_, storage, server) = server_with(gateway, "e2e-taken", "");
    server.publish("v1/main", &Package::new("hello", "1.0-r0"));
    drop(server);
    let said = refused(&storage, SECRET_KEY);
    must_say(&said, "has the files of packages, and the database");
}
