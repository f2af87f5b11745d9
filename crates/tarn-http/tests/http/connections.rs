//! Connections: kept, ended, slow, and shut down.

use std::time::Duration;

use tarn_store::metadata::Visibility;

use crate::{
    client::{get, head, put, request},
    server::{ALICE, HELLO, INDEX, TestServer, by, hello, package, password},
};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_connection_is_kept_through_answers_and_refusals() {
    let server = TestServer::with_hello().await;
    let mut connection = server.connect().await;
    for (request, status) in [
        (get(INDEX), 200),
        (head(HELLO), 200),
        (get("/nothing"), 404),
        (get(HELLO).bearer("wrong"), 401),
        (get(HELLO).header("Range", "bytes=99999-"), 416),
        (
            put(format!("{ALICE}/edge/main"), Vec::new()).basic("alice", &password("alice")),
            400,
        ),
        (
            put(format!("{ALICE}/edge/main"), hello()).basic("alice", &password("alice")),
            409,
        ),
        (get(HELLO), 200),
    ] {
        let answer = connection.send(&request).await.expect(status);
        assert_eq!(answer.header("Connection"), Some("keep-alive"), "{status}");
    }
}

#[tokio::test]
async fn requests_may_come_before_their_answers_are_read() {
    let server = TestServer::with_hello().await;
    let mut connection = server.connect().await;
    let all = [
        get(HELLO).bytes(),
        get("/api/nothing").bytes(),
        get("/healthz").bytes(),
    ]
    .concat();
    connection.write(&all).await;
    assert_eq!(connection.answer(false).await.expect(200).body, hello());
    connection.answer(false).await.refusal(404, "nothing");
    assert_eq!(connection.answer(false).await.expect(200).text(), "ok\n");
}

#[tokio::test]
async fn a_body_is_asked_for_once_the_caller_may_send_it() {
    let server = TestServer::start().await;
    let request = put(format!("{ALICE}/edge/main"), hello()).header("Expect", "100-continue");
    let mut connection = server.connect().await;
    connection.write(&request.head_bytes()).await;
    connection
        .answer(false)
        .await
        .refusal(401, "needs credentials");

    let request = request.basic("alice", &password("alice"));
    let mut connection = server.connect().await;
    connection.write(&request.head_bytes()).await;
    assert_eq!(connection.answer(false).await.status, 100);
    connection.write(&hello()).await;
    connection.answer(false).await.expect(201);
}

#[tokio::test]
async fn a_refusal_arrives_although_the_body_is_still_coming() {
    let server = TestServer::start().await;
    let large = vec![0; 8 << 20];
    for request in [
        put(format!("{ALICE}/edge/main"), large.clone()),
        put(format!("{ALICE}/edge/main"), large).basic("alice", &password("alice")),
    ] {
        let mut connection = server.connect().await;
        connection.try_write(&request.bytes()).await;
        let answer = connection.answer(false).await;
        assert!(matches!(answer.status, 400 | 401), "{}", answer.text());
    }
    assert_eq!(server.blobs(), 0);
}

#[tokio::test]
async fn who_never_ends_a_head_or_a_body_is_let_go() {
    let server = TestServer::start_with(|settings| {
        settings.connections.head = Duration::from_millis(200);
        settings.connections.stall = Duration::from_millis(200);
    })
    .await;
    let mut silent = server.connect().await;
    let mut half = server.connect().await;
    half.write(b"GET / HTTP/1.1\r\nHost: x\r\n").await;
    let mut kept = server.connect().await;
    kept.send(&get("/healthz")).await.expect(200);
    let mut body = server.connect().await;
    let request = put(format!("{ALICE}/edge/main"), hello()).basic("alice", &password("alice"));
    body.write(&request.head_bytes()).await;
    body.write(&hello()[..50]).await;

    body.answer(false).await.refusal(408, "too slow");
    assert!(silent.is_closed_within(SOON).await);
    assert!(half.is_closed_within(SOON).await);
    assert!(kept.is_closed_within(SOON).await);
    assert_eq!(server.blobs(), 0);
}

#[tokio::test]
async fn who_reads_too_slowly_is_let_go() {
    const SIZE: usize = 40 << 20;
    let server = TestServer::start_with(|settings| {
        settings.connections.stall = Duration::from_secs(1);
        settings.connections.min_download_rate = 1 << 30;
    })
    .await;
    // Bytes that do not get smaller: a file of zeros would fit into the buffers of the sockets.
    let mut state = 1_u64;
    let content: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    })
    .take(SIZE)
    .collect();
    let large = apk_testkit::v2::PackageBuilder::new("hello", "1.0-r0")
        .arch("x86_64")
        .file("usr/share/large", &content)
        .build();
    server.publish("edge/main", large).await.expect(201);
    let mut slow = server.connect().await;
    slow.write(&get(HELLO).header("Connection", "close").bytes())
        .await;
    let received = slow.trickle(Duration::from_millis(8)).await;
    assert!(received < SIZE, "all of it was sent");
    let mut fast = server.connect().await;
    let whole = fast.send(&get(HELLO)).await.expect(200);
    assert!(whole.body.len() > SIZE);
}

#[tokio::test]
async fn a_refused_upload_ends_its_connection_and_says_so() {
    let server = TestServer::start().await;
    for request in [
        put(format!("{ALICE}/edge/main"), vec![0; 8 << 20]),
        put(format!("{ALICE}/edge/main"), vec![0; 8 << 20]).basic("alice", &password("alice")),
        put(format!("{ALICE}/edge/main"), hello()).header("Expect", "100-continue"),
    ] {
        let mut connection = server.connect().await;
        connection.write(&request.head_bytes()).await;
        connection.try_write(&vec![0; 4 << 20]).await;
        let answer = connection.answer(false).await;
        assert!(matches!(answer.status, 400 | 401), "{}", answer.text());
        assert_eq!(answer.header("Connection"), Some("close"));
        assert!(connection.is_closed_within(SOON).await);
    }
}

#[tokio::test]
async fn one_host_is_needed_and_no_second_one() {
    let server = TestServer::start().await;
    let mut connection = server.connect().await;
    for (hosts, words) in [
        ("", "no Host"),
        ("Host: a\r\nHost: a\r\n", "several Host"),
        ("Host: a\r\nHost: b\r\n", "several Host"),
        ("Host: a/b\r\n", "is not a host"),
    ] {
        let request = format!("GET {INDEX} HTTP/1.1\r\n{hosts}\r\n");
        connection.write(request.as_bytes()).await;
        connection.answer(false).await.refusal(400, words);
    }
    connection.send(&get("/healthz")).await.expect(200);
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_refused() {
    let server = TestServer::start().await;
    let long = format!(
        "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n",
        "x".repeat(100 << 10)
    );
    for (head, status) in [
        ("corrupt\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (long.as_str(), 431),
    ] {
        for earlier in [0, 1] {
            let mut connection = server.connect().await;
            for _ in 0..earlier {
                connection.send(&get("/healthz")).await.expect(200);
            }
            connection.try_write(head.as_bytes()).await;
            let answer = connection.answer(false).await.expect(status);
            assert_eq!(answer.header("Connection"), Some("close"), "{head}");
            assert!(connection.is_closed_within(SOON).await, "{head}");
        }
    }
}

#[tokio::test]
async fn a_body_that_can_be_understood_in_two_ways_is_refused() {
    let server = TestServer::start().await;
    let own = get("/healthz").bytes();
    let target = format!("PUT {ALICE}/edge/main HTTP/1.1\r\nHost: x\r\n");
    for (lengths, words) in [
        ("Content-Length: 5\r\nContent-Length: 6\r\n", ""),
        ("Content-Length: +5\r\n", ""),
        ("Content-Length: 5, 6\r\n", ""),
        ("Transfer-Encoding: chunked, identity\r\n", ""),
        ("Transfer-Encoding: xchunked\r\n", ""),
        (
            "Transfer-Encoding: gzip, chunked\r\n",
            "only Transfer-Encoding",
        ),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "once",
        ),
        (
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "both",
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "both",
        ),
        (
            "Content-Range: bytes 0-4/9\r\nContent-Length: 5\r\n",
            "Content-Range",
        ),
    ] {
        for earlier in [0, 1] {
            let mut connection = server.connect().await;
            for _ in 0..earlier {
                connection.send(&get("/healthz")).await.expect(200);
            }
            let request = format!("{target}{lengths}\r\n");
            connection.write(request.as_bytes()).await;
            connection.try_write(&own).await;
            let answer = connection.answer(false).await.expect(400);
            assert!(
                answer.text().contains(words),
                "{lengths}: {}",
                answer.text()
            );
            assert_eq!(answer.header("Connection"), Some("close"), "{lengths}");
            assert!(connection.is_closed_within(SOON).await, "{lengths}");
        }
    }
    // Chunks by themselves are a body like any other.
    let mut connection = server.connect().await;
    let head = format!("{target}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    connection.write(head.as_bytes()).await;
    connection.answer(false).await.refusal(401, "credentials");
}

#[tokio::test]
async fn who_says_that_nothing_more_comes_gets_the_answer() {
    let server = TestServer::with_hello().await;
    let other = package("other", "x86_64");
    for (request, status) in [
        (get(HELLO), 200),
        (get(INDEX), 200),
        (
            put(format!("{ALICE}/edge/main"), other).basic("alice", &password("alice")),
            201,
        ),
        (put(format!("{ALICE}/edge/main"), hello()), 401),
    ] {
        let mut connection = server.connect().await;
        connection.write(&request.bytes()).await;
        connection.finish().await;
        connection.answer(false).await.expect(status);
        assert!(connection.is_closed_within(SOON).await);
    }
}

#[tokio::test]
async fn a_refusal_reaches_who_sends_all_of_a_large_body_first() {
    let server = TestServer::start().await;
    let path = format!("{ALICE}/edge/main");
    let mut connection = server.connect().await;
    let head = request("PUT", path).header("Content-Length", "200000000");
    connection.write(&head.head_bytes()).await;
    for _ in 0..200 {
        assert!(connection.try_write(&[0; 1_000_000]).await, "cut off");
    }
    connection.answer(false).await.refusal(401, "credentials");
}

#[tokio::test]
async fn the_longest_idle_connection_makes_room_for_a_new_one() {
    for of_source in [2, 3] {
        let server = TestServer::start_with(|settings| {
            settings.connections.max_open = 2;
            settings.connections.max_of_source = Some(of_source);
        })
        .await;
        let mut upload = server.begin_upload("alice").await;
        let mut kept = server.connect().await;
        for _ in 0..20 {
            kept.send(&get("/healthz")).await.expect(200);
            let mut next = server.connect().await;
            next.send(&get("/healthz")).await.expect(200);
            assert!(kept.is_closed_within(SOON).await);
            kept = next;
        }
        // Nor does one that never ends a head keep others out.
        for _ in 0..5 {
            let mut half = server.connect().await;
            half.write(b"GET / HTTP/1.1\r\nHost: x\r\n").await;
        }
        upload.write(&hello()).await;
        upload.answer(false).await.expect(201);
    }
}

#[tokio::test]
async fn no_source_keeps_the_others_out_and_health_is_always_answered() {
    let server = TestServer::start_with(|settings| settings.connections.max_open = 4).await;
    let request = put(format!("{ALICE}/edge/main"), hello())
        .header("Expect", "100-continue")
        .basic("alice", &password("alice"));
    let mut uploads = Vec::new();
    for source in ["127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.2"] {
        for (path, status) in [("/healthz", 200), (INDEX, 404)] {
            let mut other = server.connect_from("127.0.0.3").await;
            other.send(&get(path)).await.expect(status);
        }
        let mut upload = server.connect_from(source).await;
        upload.write(&request.head_bytes()).await;
        assert_eq!(upload.answer(false).await.status, 100);
        uploads.push(upload);
    }
    for (source, words) in [
        ("127.0.0.1", "your address"),
        ("127.0.0.3", "the server has"),
    ] {
        let mut connection = server.connect_from(source).await;
        let answer = connection.send(&get(INDEX)).await.refusal(503, words);
        assert!(answer.header("Retry-After").is_some());
        assert_eq!(answer.header("Connection"), Some("close"));
        assert!(connection.is_closed_within(SOON).await);
        let mut connection = server.connect_from(source).await;
        connection.send(&get("/healthz")).await.expect(200);
    }
    let mut last = uploads.pop().unwrap();
    last.write(&hello()).await;
    last.answer(false).await.expect(201);
    let mut connection = server.connect_from("127.0.0.3").await;
    connection.send(&get(INDEX)).await.expect(200);
}

#[tokio::test]
async fn an_account_has_so_many_uploads_under_way_and_others_have_theirs() {
    let server = TestServer::start_with(|settings| settings.max_uploads = 2).await;
    server.add_user("bob", Visibility::Public).await;
    let mut first = server.begin_upload("alice").await;
    let _second = server.begin_upload("alice").await;
    let upload = put(format!("{ALICE}/edge/main"), hello()).header("Expect", "100-continue");
    let mut third = server.connect().await;
    third.write(&by("alice", upload).head_bytes()).await;
    let answer = third.answer(false).await;
    let answer = answer.refusal(429, "2 uploads under way");
    assert!(answer.header("Retry-After").is_some());
    let mut other = server.begin_upload("bob").await;
    other.write(&hello()).await;
    other.answer(false).await.expect(201);
    // A turn ends with its upload, however that ends.
    first.write(b"no package").await;
    first.finish().await;
    first.answer(false).await.expect(400);
    assert_eq!(server.publish("edge/main", hello()).await.status, 201);
}

#[tokio::test]
async fn a_file_that_is_not_in_memory_comes_whole() {
    let server = TestServer::with_hello().await;
    for path in server.blob_files() {
        let file = std::fs::File::open(path).unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }
    assert_eq!(server.send(&get(HELLO)).await.expect(200).body, hello());
}

#[tokio::test]
async fn a_fault_of_the_server_says_a_request_id_and_nothing_else() {
    let server = TestServer::start().await;
    server.publish("edge/main", hello()).await.expect(201);
    server.sql("UPDATE package_files SET version = '?'");
    let answer = server.send(&get(HELLO)).await;
    let id = answer.header("X-Request-Id").unwrap().to_owned();
    let answer = answer.refusal(500, "internal error");
    assert_eq!(
        answer.text(),
        format!("internal error; ask the operator about request {id}\n")
    );
    let answer = server.send(&head(HELLO)).await.expect(500);
    assert!(answer.body.is_empty());
}
