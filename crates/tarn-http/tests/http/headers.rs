//! The headers of answers that carry something.

use std::{collections::BTreeSet, fs, time::Duration};

use tarn_store::metadata::Visibility;

use crate::{
    client::{Request, delete, get, head, put, request},
    server::{ALICE, HELLO, INDEX, TestServer, hello, package, password},
};

#[tokio::test]
async fn the_key_is_a_pem_file_named_after_its_owner_and_fingerprint() {
    let server = TestServer::with_hello().await;
    let target = "/api/packages/ALICE/alpine/key";
    let key = server.send(&get(target)).await.expect(200);
    assert_eq!(key.header("Content-Type"), Some("application/x-pem-file"));
    assert!(key.text().starts_with("-----BEGIN PUBLIC KEY-----\n"));
    let public = apk::sign::PublicKey::from_pem(&key.body).unwrap();
    let name = format!("alice@{}.rsa.pub", public.fingerprint());
    assert_eq!(
        key.header("Content-Disposition"),
        Some(format!("attachment; filename=\"{name}\"").as_str())
    );

    // By its name, for what names a file after the end of its address.
    for path in [format!("{ALICE}/{name}"), format!("{ALICE}/keys/{name}")] {
        for request in [get(&path), head(&path)] {
            let named = server.send(&request).await.expect(200);
            assert_eq!(
                named.header("Content-Disposition"),
                key.header("Content-Disposition")
            );
        }
        assert_eq!(server.send(&get(&path)).await.body, key.body, "{path}");
    }
    // What to type instead, with nothing but what a stock Alpine has.
    let command = format!(
        "wget -O /etc/apk/keys/{name} http://registry.test/api/packages/alice/alpine/{name}"
    );
    for path in ["keys/none.rsa.pub", "none.rsa.pub", "keys"] {
        let answer = server.send(&get(format!("{ALICE}/{path}"))).await;
        answer.refusal(404, &command);
    }
    let strange = request("GET", format!("{ALICE}/none.rsa.pub"));
    let strange = server.send(&strange.host("a$(b)")).await;
    strange.refusal(404, " http://HOST/api/");

    let index = server.send(&get(INDEX)).await.expect(200);
    let trusted = [(apk::sign::KeyName::parse(&name).unwrap(), public)];
    let mut records = 0;
    apk::v2::index::for_each_record(
        &index.body,
        &apk::limits::Limits::default(),
        Some(&trusted),
        |_| records += 1,
    )
    .unwrap();
    assert_eq!(records, 1);
}

#[tokio::test]
async fn files_carry_all_that_caches_and_clients_go_by() {
    let server = TestServer::with_hello().await;
    for (target, name) in [
        (INDEX.to_owned(), "APKINDEX.tar.gz"),
        (
            INDEX.replace("APKINDEX.tar.gz", "Packages.adb"),
            "Packages.adb",
        ),
        (
            INDEX.replace("APKINDEX.tar.gz", "packages.adb"),
            "Packages.adb",
        ),
        (HELLO.to_owned(), "hello-1.0-r0.apk"),
    ] {
        let answer = server.send(&get(&target)).await.expect(200);
        let length = answer.body.len().to_string();
        for (header, value) in [
            ("Content-Type", "application/octet-stream"),
            ("Content-Length", &length),
            ("Accept-Ranges", "bytes"),
            ("X-Content-Type-Options", "nosniff"),
            ("Connection", "keep-alive"),
            ("Cache-Control", "public, no-cache"),
            (
                "Content-Disposition",
                &format!("attachment; filename=\"{name}\""),
            ),
        ] {
            assert_eq!(answer.header(header), Some(value), "{target} {header}");
        }
        let etag = answer.header("ETag").unwrap();
        assert!(
            etag.starts_with('"') && etag.ends_with('"') && etag.len() > 34,
            "{etag}"
        );
        // The key was made a minute after the package, with the first index.
        let date = answer.header("Last-Modified").unwrap();
        assert!(date.starts_with("Sun, 22 Nov 2026 21:0"), "{date}");
    }
    assert_eq!(server.send(&get(HELLO)).await.body, hello());
}

/// The exact set, so that a header that comes or goes is noticed.
#[tokio::test]
async fn every_kind_of_answer_has_these_headers_and_no_others() {
    const ALL: &str = "cache-control connection date x-content-type-options x-request-id";
    const FILE: &str =
        "accept-ranges content-disposition content-length content-type etag last-modified";
    const TEXT: &str = "content-length content-type";
    let server = TestServer::start_with(|settings| settings.max_upload = 100_000).await;
    server.publish("edge/main", hello()).await.expect(201);
    server.add_user("paul", Visibility::Private).await;
    server.clock.advance(Duration::from_secs(60));
    let index = server.send(&get(INDEX)).await.expect(200);
    let etag = index.header("ETag").unwrap();
    let by_alice = |request: Request| request.basic("alice", &password("alice"));
    let upload = |target: &str, body: Vec<u8>| by_alice(put(format!("{ALICE}/{target}"), body));
    let other = package("other", "x86_64");
    let v3 = INDEX.replace("APKINDEX.tar.gz", "Packages.adb");
    for (status, request, more) in [
        (200, get(INDEX), FILE.to_owned()),
        (200, get(v3), FILE.to_owned()),
        (200, get(HELLO), FILE.to_owned()),
        (
            304,
            get(INDEX).header("If-None-Match", etag),
            "accept-ranges etag last-modified".to_owned(),
        ),
        (
            304,
            get(HELLO).header("If-None-Match", "*"),
            "accept-ranges etag last-modified".to_owned(),
        ),
        (
            206,
            get(HELLO).header("Range", "bytes=0-9"),
            format!("{FILE} content-range"),
        ),
        (
            416,
            get(HELLO).header("Range", "bytes=99999-"),
            format!("{TEXT} content-range"),
        ),
        (412, get(HELLO).header("If-Match", "\"x\""), TEXT.to_owned()),
        (
            200,
            get(format!("{ALICE}/key")),
            format!("{TEXT} content-disposition"),
        ),
        (200, get("/healthz"), TEXT.to_owned()),
        (
            201,
            upload("edge/main", other.clone()),
            "content-length".to_owned(),
        ),
        (
            200,
            upload("edge/main?if-exists=same", other),
            "content-length".to_owned(),
        ),
        (
            204,
            by_alice(delete(HELLO.replace("hello", "other"))),
            String::new(),
        ),
        (400, upload("edge/main", b"text".to_vec()), TEXT.to_owned()),
        (400, get(INDEX.replace("edge", "a|b")), TEXT.to_owned()),
        (
            401,
            get("/api/packages/paul/alpine/key"),
            format!("{TEXT} www-authenticate"),
        ),
        (
            403,
            by_alice(get("/api/packages/paul/alpine/key")),
            TEXT.to_owned(),
        ),
        (404, get(HELLO.replace("hello", "none")), TEXT.to_owned()),
        (404, get("/nothing"), TEXT.to_owned()),
        (405, request("POST", HELLO), format!("{TEXT} allow")),
        (409, upload("edge/main", hello()), TEXT.to_owned()),
        (413, upload("edge/main", vec![0; 100_001]), TEXT.to_owned()),
    ] {
        let answer = server.send(&request).await;
        let shown = format!("{status} {request:?} {answer:?}");
        assert_eq!(answer.status, status, "{shown}");
        let found: BTreeSet<_> = answer
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        let refused = (status >= 400).then_some("x-tarn-error");
        let expected: BTreeSet<_> = ALL
            .split(' ')
            .chain(more.split_whitespace())
            .chain(refused)
            .collect();
        assert_eq!(found, expected, "{shown}");
    }
}

#[tokio::test]
async fn head_says_what_get_would_and_sends_no_body() {
    let server = TestServer::with_hello().await;
    server.send(&get(INDEX)).await.expect(200);
    server.clock.advance(Duration::from_secs(60));
    for target in [
        format!("{ALICE}/key"),
        INDEX.to_owned(),
        INDEX.replace("APKINDEX.tar.gz", "Packages.adb"),
        HELLO.to_owned(),
        "/healthz".to_owned(),
        format!("{ALICE}/edge/main/x86_64/none-1.0-r0.apk"),
        format!("{ALICE}/edge/a|b/x86_64/APKINDEX.tar.gz"),
        "/api/packages/nobody/alpine/key".to_owned(),
        format!("{ALICE}/edge/main"),
        "/nothing".to_owned(),
    ] {
        let mut connection = server.connect().await;
        let with_body = connection.send(&get(&target)).await;
        let without = connection.send(&head(&target)).await;
        assert_eq!(without.status, with_body.status, "{target}");
        let told = |answer: &crate::client::Answer| {
            let mut headers = answer.headers.clone();
            headers.retain(|(name, _)| name != "x-request-id" && name != "date");
            headers.sort();
            headers
        };
        // The text of a 405 names the method.
        if with_body.status != 405 {
            assert_eq!(told(&without), told(&with_body), "{target}");
        }
        // A body would be taken for the next answer.
        connection.send(&get("/healthz")).await.expect(200);
    }
}

#[tokio::test]
async fn what_needs_credentials_is_for_the_client_alone() {
    let server = TestServer::start().await;
    for (owner, visibility) in [("lena", Visibility::Limited), ("paul", Visibility::Private)] {
        server.add_user(owner, visibility).await;
        let base = format!("/api/packages/{owner}/alpine");
        let upload = put(format!("{base}/edge/main"), hello()).basic(owner, &password(owner));
        server.send(&upload).await.expect(201);
        for path in [
            "key",
            "edge/main/x86_64/APKINDEX.tar.gz",
            "edge/main/x86_64/Packages.adb",
            "edge/main/x86_64/hello-1.0-r0.apk",
        ] {
            let request = get(format!("{base}/{path}")).basic(owner, &password(owner));
            let answer = server.send(&request).await.expect(200);
            assert_eq!(answer.header("Cache-Control"), Some("private, no-cache"));
        }
    }
}

#[tokio::test]
async fn a_change_has_an_empty_answer() {
    let server = TestServer::start().await;
    let made = server.publish("edge/main", hello()).await.expect(201);
    assert_eq!(made.header("Content-Length"), Some("0"));
    let request = delete(HELLO).basic("alice", &password("alice"));
    let removed = server.send(&request).await.expect(204);
    assert_eq!(removed.header("Content-Length"), None);
}

#[tokio::test]
async fn a_file_that_was_cut_short_on_the_disk_is_not_sent() {
    let server = TestServer::with_hello().await;
    server.send(&get(HELLO)).await.expect(200);
    let files = server.blob_files();
    let [file] = files.as_slice() else {
        panic!("{files:?}")
    };
    let whole = fs::read(file).unwrap();
    fs::remove_file(file).unwrap();
    fs::write(file, &whole[..whole.len() - 1]).unwrap();
    // The one before had it open.
    let server = server.restart().await;
    for method in ["GET", "HEAD"] {
        let answer = server.send(&request(method, HELLO)).await.expect(500);
        assert!(answer.header("ETag").is_none());
    }
    fs::write(file, &whole).unwrap();
    let answer = server.send(&get(HELLO)).await.expect(200);
    assert_eq!(answer.body, whole);
}
