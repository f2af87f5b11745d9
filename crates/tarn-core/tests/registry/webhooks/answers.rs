//! Receivers that answer badly, slowly or not at all.

use std::time::Duration;

use tarn_core::webhooks::DeliveryLimits;
use tarn_store::metadata::{Delivery, DeliveryState};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{
    World, client, order,
    receiver::{Receiver, Says, status},
};

/// The log entry of one message to a receiver that answers so.
async fn after(world: &World, says: Says) -> Delivery {
    let receiver = Receiver::saying(says).await;
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
        let found = after(&world, status(line)).await;
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
        let found = after(&world, Says::Bytes(answer.into_bytes())).await;
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
    let found = after(&world, Says::Endless(endless)).await;
    assert_eq!(
        (found.state, found.last_status),
        (DeliveryState::Delivered, Some(200))
    );
}

#[tokio::test]
async fn a_body_that_stalls_takes_nothing_from_a_head_that_came() {
    let world = World::new().await;
    let stalling = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx".to_vec();
    let found = after(&world, Says::Stalling(stalling)).await;
    assert_eq!(
        (found.state, found.last_status, found.last_error),
        (DeliveryState::Delivered, Some(200), None)
    );
}

#[tokio::test]
async fn a_head_without_an_end_is_no_answer() {
    let world = World::new().await;
    let endless = b"HTTP/1.1 200 OK\r\nX-Long: aaaa".to_vec();
    let found = after(&world, Says::Endless(endless)).await;
    assert_eq!(
        (found.state, found.last_status),
        (DeliveryState::Pending, None)
    );
}

#[tokio::test]
async fn what_is_no_http_is_no_answer() {
    let world = World::new().await;
    for answer in ["SSH-2.0-OpenSSH_9.9\r\n", "", "HTTP/1.1 abc\r\n\r\n"] {
        let found = after(&world, Says::Bytes(answer.into())).await;
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
    let found = after(&world, Says::Nothing).await;
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
    let url = good.url();
    let bobs = webhooks.add(&bob, order(&url, None), by).await.unwrap();
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

/// Lets a worker with these limits run while `meanwhile` does, and stops it.
async fn while_it_runs<T>(
    world: &World,
    limits: DeliveryLimits,
    meanwhile: impl Future<Output = T>,
) -> T {
    let client = client("127.0.0.0/8", |_| Ok(vec![[127, 0, 0, 1].into()]));
    let worker = world.registry.deliverer_with(client, limits);
    let (stop, stopped) = oneshot::channel::<()>();
    let working = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        worker.run(stopped, Duration::ZERO).await;
    });
    let done = meanwhile.await;
    drop(stop);
    working.await.unwrap();
    done
}

#[tokio::test]
async fn a_worker_waits_until_the_next_message_is_due_and_no_longer() {
    let (world, receiver, _) =
        World::with(Receiver::saying(status("503 Service Unavailable")).await).await;
    world.publish("hello").await.unwrap();
    world.deliver().await;
    // The next attempt is due ten seconds, and at most one more, after the first.
    world.clock.advance(Duration::from_millis(9_900));
    let rarely = DeliveryLimits {
        poll: Duration::from_secs(3_600),
        ..DeliveryLimits::default()
    };
    let sent_again = async {
        // By then it waits.
        sleep(Duration::from_millis(50)).await;
        world.clock.advance(Duration::from_secs(2));
        while receiver.received().len() < 2 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let sent_again = timeout(Duration::from_secs(20), sent_again);
    while_it_runs(&world, rarely, sent_again).await.unwrap();
}

#[tokio::test]
async fn a_worker_does_not_look_again_and_again_while_what_is_due_waits_for_a_place() {
    let (world, receiver, _) = World::with(Receiver::saying(Says::Nothing).await).await;
    for package in ["one", "two"] {
        world.publish(package).await.unwrap();
    }
    let limits = DeliveryLimits {
        poll: Duration::from_secs(3_600),
        ..DeliveryLimits::default()
    };
    let looked = async {
        while receiver.received().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
        let before = world.registry.metadata().questions();
        sleep(Duration::from_millis(200)).await;
        world.registry.metadata().questions() - before
    };
    let looked = while_it_runs(&world, limits, looked).await;
    assert!(looked < 50, "{looked} questions in 200 ms");
}
