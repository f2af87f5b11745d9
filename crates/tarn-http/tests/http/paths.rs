//! What of a path is taken, how it is read, and which methods are for it.

use std::time::Duration;

use crate::{
    client::{Request, delete, get, head, put, request},
    server::{ALICE, HELLO, INDEX, TestServer, hello, package, password, published, refusal},
};

#[tokio::test]
async fn segments_are_decoded_and_the_owner_has_no_case() {
    let server = TestServer::with_hello().await;
    for target in [
        "/api/packages/ALICE/alpine/edge/main/x86_64/hello-1.0-r0.apk",
        "/api/packages/%61Lice/alpine/%65dge/m%61in/x86%5f64/hello%2D1.0-r0%2eapk",
        "/api/packages/alice/alpine/%20edge%20/%09main/x86_64/hello-1.0-r0.apk",
        "/api/packages/alice/alpine/edge/main/x86_64/hello-1.0-r0.apk?unused=%zz",
        "http://elsewhere.test/api/packages/alice/alpine/edge/main/x86_64/hello-1.0-r0.apk",
    ] {
        let answer = server.send(&get(target)).await.expect(200);
        assert_eq!(answer.body, hello(), "{target}");
    }
    let index = server.send(&get(INDEX)).await.expect(200);
    for name in ["APKINDEX%2Etar.gz", "%41PKINDEX.tar.gz"] {
        let target = format!("{ALICE}/edge/main/x86_64/{name}");
        assert_eq!(server.send(&get(target)).await.expect(200).body, index.body);
    }
    let target = format!("{ALICE}/edge/main/x86_64/Packages%2eadb");
    let v3 = server.send(&get(target)).await.expect(200);
    assert!(v3.body.starts_with(b"ADB"));
}

#[tokio::test]
async fn what_was_mistyped_in_a_path_is_named() {
    let server = TestServer::with_hello().await;
    // A client that takes the repository for the folder of its index finds nothing there.
    for (method, path, status, code, words) in [
        (
            "GET",
            "/edge/main/APKINDEX.tar.gz",
            404,
            "no_such_index",
            "/{architecture}/APKINDEX.tar.gz",
        ),
        (
            "GET",
            "/edge/main/packages.adb",
            404,
            "no_such_index",
            "/{architecture}/packages.adb",
        ),
        (
            "GET",
            "/edge/main/hello-1.0-r0.apk",
            404,
            "no_such_file",
            "/{architecture}/hello",
        ),
        (
            "PUT",
            "/feature/foo/main",
            400,
            "invalid_request",
            "A name cannot contain `/`",
        ),
        (
            "PUT",
            "/feature/foo/bar/main",
            405,
            "method_not_allowed",
            "no name can have a `/`",
        ),
        (
            "PUT",
            "/v3.23",
            405,
            "method_not_allowed",
            "the repository is missing",
        ),
        (
            "POST",
            "/v3.23",
            405,
            "method_not_allowed",
            "the repository is missing",
        ),
        (
            "POST",
            "/v3.23/main",
            405,
            "method_not_allowed",
            "publish with PUT to",
        ),
    ] {
        let target = format!("{ALICE}{path}");
        let order = match method {
            "PUT" => put(target, hello()),
            method => request(method, target),
        };
        let answer = server.send(&order.basic("alice", &password("alice"))).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("X-Tarn-Error"), Some(code), "{method} {path}");
        let text = answer.text();
        assert!(text.contains(words), "{method} {path}: {text}");
    }
}

#[tokio::test]
async fn names_beyond_the_grammar_are_refused() {
    let server = TestServer::start().await;
    let long = "x".repeat(65);
    let most = "x".repeat(64);
    for (bad, problem) in [
        ("%20", "is empty"),
        (".hidden", "begins with a dot"),
        ("%2e%2e", "begins with a dot"),
        ("a|b", "not allowed"),
        ("a%2Fb", "not allowed"),
        ("a%00", "not allowed"),
        ("@edge", "not allowed"),
        ("edge@2026", "not allowed"),
        ("a%20b", "not allowed"),
        ("a%0Ab", "not allowed"),
        ("a:b", "not allowed"),
        ("a*", "not allowed"),
        ("%C3%BC", "not allowed"),
        ("%25", "not allowed"),
        ("%zz", "not allowed"),
        (&long, "too long"),
        ("%C3", "UTF-8"),
    ] {
        for repository in [format!("{bad}/main"), format!("edge/{bad}")] {
            let answer = server.publish(&repository, hello()).await;
            answer.refusal(400, problem);
            let target = format!("{ALICE}/{repository}/x86_64/APKINDEX.tar.gz");
            server.send(&get(target)).await.refusal(400, problem);
        }
    }
    assert_eq!(server.blobs(), 0);
    for good in ["v3.23", "EDGE", "a+b_c-d.e", &most] {
        published(&server, &format!("{good}/{good}"), hello()).await;
    }
}

#[tokio::test]
async fn an_architecture_beyond_the_grammar_is_refused() {
    let server = TestServer::start().await;
    for arch in ["X86_64", "a%20b", "..", "_x", "%C3%BC"] {
        let target = format!("{ALICE}/edge/main/{arch}/APKINDEX.tar.gz");
        server.send(&get(target)).await.refusal(400, "architecture");
    }
}

#[tokio::test]
async fn file_names_are_compared_exactly() {
    let server = TestServer::with_hello().await;
    for name in [
        "hell_-1.0-r0.apk",
        "hello%25",
        "%25",
        "_ello-1.0-r0.apk",
        "HELLO-1.0-r0.apk",
        "hello-1.0-r0.apk%00",
        "hello-1.0-r0.apk%20",
        "hello-1.0-r1.apk",
        "hello-1.0-r0",
        "%zz",
        "%2568ello-1.0-r0.apk",
        "libstdc%20%20-1.0-r0.apk",
        "hello-.apk",
        ".apk",
        "%",
        "..%2fx86_64%2fhello-1.0-r0.apk",
        &"a".repeat(6000),
        "apkindex.tar.gz",
    ] {
        let target = format!("{ALICE}/edge/main/x86_64/{name}");
        refusal(&server, &get(&target), 404, "no such package file").await;
        let request = delete(target).basic("alice", &password("alice"));
        refusal(&server, &request, 404, "no such package file").await;
    }
    for place in ["ed_e/main", "edge/mai_", "EDGE/main"] {
        let target = format!("{ALICE}/{place}/x86_64/hello-1.0-r0.apk");
        assert_eq!(server.send(&get(&target)).await.status, 404, "{place}");
        let request = delete(target).basic("alice", &password("alice"));
        assert_eq!(server.send(&request).await.status, 404, "{place}");
    }
    server.send(&get(HELLO)).await.expect(200);
}

#[tokio::test]
async fn versions_with_unusual_characters_are_found_however_a_client_writes_them() {
    let server = TestServer::start().await;
    let file = apk_testkit::v2::PackageBuilder::new("libstdc++", "1.0~abc123-r0").build();
    server.publish("edge/main", file).await.expect(201);
    for name in [
        "libstdc++-1.0~abc123-r0.apk",
        "libstdc%2B%2B-1.0%7Eabc123-r0.apk",
    ] {
        let target = format!("{ALICE}/edge/main/x86_64/{name}");
        server.send(&get(target)).await.expect(200);
    }
}

#[tokio::test]
async fn what_is_nowhere_is_404() {
    let server = TestServer::with_hello().await;
    for (target, words) in [
        ("/api", "nothing is at /api"),
        ("/api/packages/alice", "nothing is at"),
        ("/api/packages/alice/alpine/", "nothing is at"),
        ("/api/packages/alice/alpine/v|1", "nothing is at"),
        (
            "/api/packages/alice/alpine/../../alice/alpine/key",
            "nothing is at",
        ),
        ("//healthz", "nothing is at"),
        (
            "/api/packages/alice/alpine/edge/main/x86_64/hello-1.0-r0.apk/x",
            "nothing is at",
        ),
        ("/api/packages/nobody/alpine/key", "no such owner"),
        ("/api/packages/a%2Fb/alpine/key", "no such owner"),
        (
            "/api/packages/alice/alpine/none/main/x86_64/APKINDEX.tar.gz",
            "no such index",
        ),
        (
            "/api/packages/alice/alpine/edge/main/aarch64/APKINDEX.tar.gz",
            "no such index",
        ),
        (
            "/api/packages/alice/alpine/edge/main/aarch64/Packages.adb",
            "no such index",
        ),
        (
            "/api/packages/alice/alpine/edge/main/aarch64/hello-1.0-r0.apk",
            "no such package file",
        ),
        (
            "/api/packages/alice/alpine/edge/main/noarch/hello-1.0-r0.apk",
            "no such package file",
        ),
    ] {
        server.send(&get(target)).await.refusal(404, words);
    }
}

#[tokio::test]
async fn methods_that_are_not_for_a_path_are_405_with_those_that_are() {
    let server = TestServer::with_hello().await;
    let key = format!("{ALICE}/key");
    let repository = format!("{ALICE}/edge/main");
    for (method, target, allowed) in [
        ("POST", key.as_str(), "GET,HEAD"),
        ("DELETE", &key, "GET,HEAD"),
        // A GET of that form is one of a key by its name.
        ("POST", &repository, "PUT,GET,HEAD"),
        ("DELETE", &repository, "PUT,GET,HEAD"),
        ("PUT", "/api/packages/alice/alpine/edge", "GET,HEAD"),
        ("GET", "/api/packages/alice/alpine/edge/main", "PUT"),
        ("DELETE", INDEX, "GET,HEAD"),
        ("PUT", INDEX, "GET,HEAD"),
        ("PUT", HELLO, "GET,HEAD,DELETE"),
        ("OPTIONS", HELLO, "GET,HEAD,DELETE"),
        ("BREW", HELLO, "GET,HEAD,DELETE"),
        ("POST", "/healthz", "GET,HEAD"),
    ] {
        let answer = server.send(&request(method, target)).await;
        let answer = answer.refusal(405, method);
        assert_eq!(answer.header("Allow"), Some(allowed), "{method} {target}");
    }
}

#[tokio::test]
async fn the_index_goes_with_its_last_package_and_comes_back() {
    let server = TestServer::with_hello().await;
    server.send(&get(INDEX)).await.expect(200);
    let removal = delete(HELLO).basic("alice", &password("alice"));
    server.send(&removal).await.expect(204);
    server.send(&get(INDEX)).await.refusal(404, "no such index");
    refusal(&server, &get(HELLO), 404, "no such package file").await;
    refusal(&server, &removal, 404, "no such package file").await;
    server.clock.advance(Duration::from_secs(1));
    server.publish("edge/main", hello()).await.expect(201);
    server.send(&get(INDEX)).await.expect(200);
    server.send(&get(HELLO)).await.expect(200);
}

#[tokio::test]
async fn the_path_of_an_upload_says_nothing_of_the_architecture() {
    let server = TestServer::start().await;
    let target = format!("{ALICE}/edge/main");
    let request = put(target, package("hello", "riscv64")).basic("alice", &password("alice"));
    server.send(&request).await.expect(201);
    let target = format!("{ALICE}/edge/main/riscv64/hello-1.0-r0.apk");
    server.send(&get(target)).await.expect(200);
}

#[tokio::test]
async fn doubled_and_trailing_slashes_are_one_and_none() {
    let server = TestServer::start().await;
    let by_alice = |request: Request| request.basic("alice", &password("alice"));
    for (number, target) in [
        "//edge/main",
        "/edge/main/",
        "/edge//main//?unused=1",
        "///edge/main/",
    ]
    .into_iter()
    .enumerate()
    {
        let upload = put(
            format!("{ALICE}{target}"),
            package(&format!("p{number}"), "x86_64"),
        );
        server.send(&by_alice(upload)).await.expect(201);
    }
    let index = server.send(&get(INDEX)).await.expect(200);
    for target in [
        format!("{ALICE}//edge/main/x86_64/APKINDEX.tar.gz"),
        format!("/{ALICE}/edge//main/x86_64//APKINDEX.tar.gz/"),
        format!("{ALICE}//edge/m%61in/x86_64/APKINDEX.tar.gz?a=b"),
    ] {
        for request in [get(&target), head(&target)] {
            let answer = server.send(&request).await.expect(200);
            assert_eq!(answer.header("ETag"), index.header("ETag"), "{target}");
        }
    }
    let key = server.send(&get(format!("{ALICE}/key"))).await.expect(200);
    let folded = server
        .send(&get(format!("{ALICE}//key/")))
        .await
        .expect(200);
    assert_eq!(folded.body, key.body);
    let removal = delete(format!("{ALICE}//edge/main/x86_64//p0-1.0-r0.apk/"));
    server.send(&by_alice(removal)).await.expect(204);
    // A slash that is written as a part of a name stays one.
    let answer = get(format!("{ALICE}/edge/%2Fmain/x86_64/APKINDEX.tar.gz"));
    server.send(&answer).await.refusal(400, "not allowed");
}

#[tokio::test]
async fn an_upload_may_end_in_the_file_name_of_the_package_and_in_no_other() {
    let server = TestServer::start().await;
    let upload = |name: &str| {
        let request = put(format!("{ALICE}/edge/main/{name}"), hello());
        request.basic("alice", &password("alice"))
    };
    for name in [
        "hello-1.0-r1.apk",
        "hello_1.0-r0_x86_64.apk",
        "Hello-1.0-r0.apk",
        "x86_64",
        "hello",
        "hello%0A.apk",
    ] {
        let answer = server.send(&upload(name)).await;
        answer.refusal(400, "/{branch}/{repository}");
        assert_eq!(server.blobs(), 0, "{name}");
    }
    let anonymous = put(format!("{ALICE}/edge/main/hello-1.0-r0.apk"), hello());
    server.send(&anonymous).await.refusal(401, "");
    server.send(&upload("hello-1%2E0-r0.apk")).await.expect(201);
    server.send(&get(HELLO)).await.expect(200);
    // As curl and goreleaser send it.
    let file = apk_testkit::v2::PackageBuilder::new("libstdc++", "1.0~abc123-r0").build();
    let target = format!("{ALICE}/edge/main/libstdc++-1.0~abc123-r0.apk");
    let request = put(target, file).basic("alice", &password("alice"));
    server.send(&request).await.expect(201);
}
