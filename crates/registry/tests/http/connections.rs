//! Connections: kept, ended, slow, and shut down.

use std::time::Duration;

use registry::http::ServeError;

use crate::{
    client::{get, head, put},
    server::{ALICE, HELLO, INDEX, TestServer, hello, password},
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
        get("/nothing").bytes(),
        get("/healthz").bytes(),
    ]
    .concat();
    connection.write(&all).await;
    assert_eq!(connection.answer(false).await.expect(200).body, hello());
    connection.answer(false).await.refusal(404, "nothing");
    assert_eq!(connection.answer(false).await.expect(200).text(), "ok\n");
}

#[tokio::test]
async fn who_wants_to_close_is_not_told_otherwise() {
    let server = TestServer::with_hello().await;
    let mut connection = server.connect().await;
    let answer = connection
        .send(&get(HELLO).header("Connection", "close"))
        .await;
    assert_ne!(answer.expect(200).header("Connection"), Some("keep-alive"));
    assert!(connection.is_closed_within(SOON).await);
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
    let large = apk::v2::builder::PackageBuilder::new("hello", "1.0-r0")
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
        ("Host: a/b\r\n", "is no host"),
    ] {
        let request = format!("GET {INDEX} HTTP/1.1\r\n{hosts}\r\n");
        connection.write(request.as_bytes()).await;
        connection.answer(false).await.refusal(400, words);
    }
    connection.send(&get("/healthz")).await.expect(200);
}

#[tokio::test]
async fn a_head_that_cannot_be_read_is_refused_in_words() {
    let server = TestServer::start().await;
    let long = format!(
        "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n",
        "x".repeat(100 << 10)
    );
    for (head, status, words) in [
        ("nonsense\r\n\r\n", 400, "first line"),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, "first line"),
        (long.as_str(), 431, "too large"),
    ] {
        for earlier in [0, 1] {
            let mut connection = server.connect().await;
            for _ in 0..earlier {
                connection.send(&get("/healthz")).await.expect(200);
            }
            connection.try_write(head.as_bytes()).await;
            let answer = connection.answer(false).await.refusal(status, words);
            assert_eq!(answer.header("Connection"), Some("close"), "{head}");
            assert!(connection.is_closed_within(SOON).await, "{head}");
        }
    }
}

#[tokio::test]
async fn two_lengths_for_one_body_are_never_believed() {
    let server = TestServer::start().await;
    let own = get("/healthz").bytes();
    let target = format!("PUT {ALICE}/edge/main HTTP/1.1\r\nHost: x\r\n");
    for lengths in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5, 6\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
    ] {
        let mut connection = server.connect().await;
        let request = format!("{target}{lengths}\r\n0\r\n\r\n");
        connection.write(request.as_bytes()).await;
        connection.try_write(&own).await;
        let answer = connection.answer(false).await.expect(400);
        assert_eq!(answer.header("Connection"), Some("close"), "{lengths}");
        assert!(connection.is_closed_within(SOON).await, "{lengths}");
    }
    // Both kinds: the chunks count (RFC 9112, section 6.3), and the connection ends with the answer.
    let mut connection = server.connect().await;
    let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    let request = format!("{target}{both}\r\n0\r\n\r\n");
    connection.write(request.as_bytes()).await;
    connection.try_write(&own).await;
    connection.answer(false).await.expect(401);
    assert!(connection.is_closed_within(SOON).await);
}

#[tokio::test]
async fn a_server_that_stops_finishes_what_is_under_way() {
    let server = TestServer::start().await;
    let mut idle = server.connect().await;
    idle.send(&get("/healthz")).await.expect(200);
    let mut upload = server.connect().await;
    let request = put(format!("{ALICE}/edge/main"), hello())
        .header("Expect", "100-continue")
        .basic("alice", &password("alice"));
    upload.write(&request.head_bytes()).await;
    assert_eq!(upload.answer(false).await.status, 100);
    let registry = server.registry.clone();
    let finish = async {
        assert!(idle.is_closed_within(SOON).await);
        upload.write(&hello()).await;
        upload.answer(false).await.expect(201);
    };
    let (stopped, ()) = tokio::join!(server.stop(), finish);
    stopped.unwrap();
    assert_eq!(registry.metadata().user_count().await.unwrap(), 1);
}

#[tokio::test]
async fn a_server_that_stops_waits_so_long_and_no_longer() {
    let server = TestServer::start_with(|settings| {
        settings.connections.drain = Duration::from_millis(100);
    })
    .await;
    let mut upload = server.connect().await;
    let request = put(format!("{ALICE}/edge/main"), hello())
        .header("Expect", "100-continue")
        .basic("alice", &password("alice"));
    upload.write(&request.head_bytes()).await;
    assert_eq!(upload.answer(false).await.status, 100);
    assert!(matches!(server.stop().await, Err(ServeError::Drain(_))));
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
