//! Connections that end, and a server that stops.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use tarn_http::ServeError;

use crate::{
    client::get,
    server::{TestServer, hello},
};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let server = TestServer::start_with(|settings| {
        settings.connections.drain = Duration::from_secs(1);
    })
    .await;
    let mut idle = server.connect().await;
    idle.send(&get("/healthz")).await.expect(200);
    let _silent = server.connect().await;
    let mut amid_a_head = server.connect().await;
    amid_a_head.write(b"GET / H").await;
    // The client keeps its half open.
    server.stop().await.unwrap();
    assert!(idle.is_closed_within(SOON).await);
}

#[tokio::test]
async fn an_answer_says_close_and_nothing_else_where_the_connection_ends() {
    let server = TestServer::start().await;
    for value in ["close", "Close", "foo, close"] {
        let mut connection = server.connect().await;
        let request = get("/healthz").header("Connection", value);
        let answer = connection.send(&request).await.expect(200);
        assert_eq!(answer.header("Connection"), Some("close"), "{value}");
        assert!(connection.is_closed_within(SOON).await);
    }
    // And where the server stops meanwhile.
    let mut upload = server.begin_upload("alice").await;
    let mut idle = server.connect().await;
    let finish = async {
        assert!(idle.is_closed_within(SOON).await);
        upload.write(&hello()).await;
        let answer = upload.answer(false).await.expect(201);
        assert_eq!(answer.header("Connection"), Some("close"));
    };
    let (stopped, ()) = tokio::join!(server.stop(), finish);
    stopped.unwrap();
}

#[tokio::test]
async fn a_server_that_stops_finishes_what_is_under_way() {
    let server = TestServer::start().await;
    let mut idle = server.connect().await;
    idle.send(&get("/healthz")).await.expect(200);
    let mut upload = server.begin_upload("alice").await;
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
    let _upload = server.begin_upload("alice").await;
    assert!(matches!(server.stop().await, Err(ServeError::Drain(_))));
}

#[tokio::test]
async fn an_idle_connection_of_http_2_does_not_hold_up_the_end() {
    let drain = Duration::from_secs(1);
    let server = TestServer::start_over_tls(|settings| settings.connections.drain = drain).await;
    let (mut sender, connection) = server.connect_http_2().await;
    let connection = tokio::spawn(connection);
    let request = Request::get("https://localhost/healthz").body(Empty::<Bytes>::new());
    let answer = sender.send_request(request.unwrap()).await.unwrap();
    assert_eq!(answer.status(), 200);
    drop(answer);
    // The client keeps the connection, and could ask for more.
    server.stop().await.unwrap();
    connection.await.unwrap().unwrap();
    drop(sender);
}
