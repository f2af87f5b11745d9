//! Receivers that answer badly, slowly or not at all.

use std::time::Duration;

use tarn_store::metadata::{Delivery, DeliveryState};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{
    World,
    receiver::{Receiver, Says, status},
};

/// The log entry of one message to a receiver.
async fn after(world: &World, receiver: &Receiver) -> Delivery {
    let added = world.add(&receiver.url()).await;
    let delivery = world.try_out(&added, &world.worker()).await;
    assert_eq!(receiver.received().len(), 1);
    delivery
}

#[tokio::test]
async fn every_status_of_success_is_success_and_nothing_else_is() {
    let world = World::new().await;
    for (line, delivered) in [
        ("200 OK", true),
        ("201 Created", true),
        ("204 No Content", true),
        ("299 Odd", true),
        ("304 Not Modified", false),
        ("400 Bad Request", false),
        ("404 Not Found", false),
        ("410 Gone", false),
        ("500 Internal Server Error", false),
    ] {
        let found = after(&world, &Receiver::saying(status(line)).await).await;
        assert_eq!(found.state == DeliveryState::Delivered, delivered, "{line}");
        let number: i64 = line.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(found.last_status, Some(number));
        assert_eq!(found.last_error.is_none(), delivered, "{line}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let world = World::new().await;
    let elsewhere = Receiver::new().await;
    for line in [
        "301 Moved",
        "302 Found",
        "303 See Other",
        "307 Temporary",
        "308 Permanent",
    ] {
        let answer = format!(
            "HTTP/1.1 {line}\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
            elsewhere.url()
        );
        let found = after(
            &world,
            &Receiver::saying(Says::Bytes(answer.into_bytes())).await,
        )
        .await;
        assert_eq!(found.state, DeliveryState::Pending);
        let error = found.last_error.unwrap();
        assert!(error.ends_with("redirects are not followed"), "{error}");
    }
    assert_eq!(elsewhere.received().len(), 0);
}

#[tokio::test]
async fn an_answer_without_an_end_is_read_to_the_limit_and_no_further() {
    let world = World::new().await;
    let endless = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\nx".to_vec();
    let found = after(&world, &Receiver::saying(Says::Endless(endless)).await).await;
    assert_eq!(
        (found.state, found.last_status),
        (DeliveryState::Delivered, Some(200))
    );
}

#[tokio::test]
async fn a_body_that_stalls_takes_nothing_from_a_head_that_came() {
    let world = World::new().await;
    let stalling = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx".to_vec();
    let found = after(&world, &Receiver::saying(Says::Stalling(stalling)).await).await;
    assert_eq!(
        (found.state, found.last_status, found.last_error),
        (DeliveryState::Delivered, Some(200), None)
    );
}

#[tokio::test]
async fn a_head_without_an_end_is_no_answer() {
    let world = World::new().await;
    let endless = b"HTTP/1.1 200 OK\r\nX-Long: aaaa".to_vec();
    let found = after(&world, &Receiver::saying(Says::Endless(endless)).await).await;
    assert_eq!(
        (found.state, found.last_status),
        (DeliveryState::Pending, None)
    );
}

#[tokio::test]
async fn what_is_no_http_is_no_answer() {
    let world = World::new().await;
    for answer in ["SSH-2.0-OpenSSH_9.9\r\n", "", "HTTP/1.1 abc\r\n\r\n"] {
        let found = after(&world, &Receiver::saying(Says::Bytes(answer.into())).await).await;
        assert_eq!(
            (found.state, found.last_status),
            (DeliveryState::Pending, None)
        );
        let error = found.last_error.unwrap();
        assert!(error.starts_with("it did not answer in HTTP"), "{error}");
        assert!(!error.contains("SSH"), "an answer is shown: {error}");
    }
}

#[tokio::test]
async fn a_receiver_that_hangs_is_given_up_in_time() {
    let world = World::new().await;
    let found = after(&world, &Receiver::saying(Says::Nothing).await).await;
    assert_eq!(
        (found.state, found.last_status),
        (DeliveryState::Pending, None)
    );
    assert_eq!(
        found.last_error.as_deref(),
        Some("it took longer than 1 seconds")
    );
}

#[tokio::test]
async fn an_absent_receiver_is_a_failure_to_be_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let world = World::new().await;
    let added = world.add(&url).await;
    world.publish("hello").await.unwrap();
    world.deliver().await;
    let log = world.log(&added).await;
    assert_eq!(log[0].state, DeliveryState::Pending);
    assert_eq!(
        log[0].last_error.as_deref(),
        Some("no connection could be made: connection refused")
    );
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_up_no_other_and_the_stop_for_its_limit_only() {
    let world = World::new().await;
    let hanging = Receiver::saying(Says::Nothing).await;
    let good = Receiver::new().await;
    // More of them than an owner has places.
    for _ in 0..5 {
        world.add(&hanging.url()).await;
    }
    let bob = crate::add_user(&world.registry, "bob").await;
    let webhooks = world.registry.administration().webhooks();
    let by = &tarn_store::metadata::Actor::COMMAND_LINE;
    let events = tarn_store::metadata::WebhookEvents::ALL;
    let bobs = webhooks
        .add(&bob, &good.url(), events, None, by)
        .await
        .unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = world.worker();
    let working = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        worker.run(stopped, Duration::from_millis(50)).await;
    });
    world.publish("hello").await.unwrap();
    let at_most = Duration::from_secs(60);
    let four = async {
        while hanging.received().len() < 4 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(at_most, four).await.unwrap();
    webhooks
        .test(&bob, bobs.webhook.id.number(), by)
        .await
        .unwrap();
    let one = async {
        while good.received().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(at_most, one).await.unwrap();
    assert_eq!(good.received()[0].header("x-tarn-event"), Some("ping"));

    drop(stop);
    timeout(at_most, working).await.unwrap().unwrap();
}
