//! What is put into the outbox, and when it leaves it.

use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tarn_core::publish::PublishError;
use tarn_store::metadata::{Actor, DeliveryState, UserChange, WebhookEvent, WebhookEvents};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{
    SECRET, World,
    receiver::{Receiver, status},
    states,
};

/// HMAC-SHA256 as RFC 2104 writes it down.
fn hmac(key: &[u8], body: &[u8]) -> String {
    let padded = |pad: u8| -> Vec<u8> {
        (0..64)
            .map(|at| key.get(at).copied().unwrap_or(0) ^ pad)
            .collect()
    };
    let inner = Sha256::new()
        .chain_update(padded(0x36))
        .chain_update(body)
        .finalize();
    let outer = Sha256::new()
        .chain_update(padded(0x5c))
        .chain_update(inner)
        .finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_message_about_a_package_has_a_signature_over_its_very_bytes() {
    let (world, receiver, added) = World::with(Receiver::new().await).await;
    let published = world.publish("hello").await.unwrap();
    assert_eq!(
        receiver.received().len(),
        0,
        "nothing is sent by the publisher itself"
    );
    world.deliver().await;

    let log = world.log(&added).await;
    assert_eq!(states(&log), [DeliveryState::Delivered]);
    assert_eq!((log[0].attempts, log[0].last_status), (1, Some(204)));
    let [request] = &receiver.received()[..] else {
        unreachable!("one message")
    };
    assert_eq!(
        request.body,
        tarn_core::webhooks::payload::render(log[0].event, &log[0].facts).as_bytes()
    );
    let signature = hmac(SECRET.as_bytes(), &request.body);
    let name = added.webhook.delivery_name(log[0].id);
    let prefixed = format!("sha256={signature}");
    let host = receiver.address.to_string();
    let length = request.body.len().to_string();
    assert!(
        request.head.starts_with("post /hook http/1.1\r\n"),
        "{}",
        request.head
    );
    for (header, value) in [
        ("x-tarn-signature-256", prefixed.as_str()),
        ("x-hub-signature-256", &prefixed),
        ("x-gitea-signature", &signature),
        ("x-forgejo-signature", &signature),
        ("x-tarn-event", "package"),
        ("x-gitea-event", "package"),
        ("x-forgejo-event", "package"),
        ("x-tarn-delivery", &name),
        ("x-gitea-delivery", &name),
        ("x-forgejo-delivery", &name),
        ("content-type", "application/json"),
        ("content-length", &length),
        ("host", &host),
    ] {
        assert_eq!(request.header(header), Some(value), "{header}");
    }
    let told = request.json();
    let alice = json!({"id": world.alice.id.number(), "login": "alice", "username": "alice"});
    assert_eq!(told["action"], "created");
    assert_eq!(told["sender"], alice);
    assert_eq!(told["package"]["creator"], alice);
    assert_eq!(told["package"]["owner"], alice);
    assert_eq!(told["organization"], json!(null));
    assert_eq!(told["package"]["name"], "hello");
    assert_eq!(told["package"]["version"], "1.0-r0");
    assert_eq!(told["package"]["type"], "alpine");
    assert_eq!(told["package"]["created_at"], "2026-11-22T21:00:00Z");
    assert_eq!(told["package"]["alpine"]["size"], published.size);
    assert_eq!(
        told["package"]["alpine"]["path"],
        "/api/packages/alice/alpine/edge/main/x86_64/hello-1.0-r0.apk"
    );
}

#[tokio::test]
async fn a_v3_package_is_reported_in_the_words_of_v2() {
    let (world, receiver, _) = World::with(Receiver::new().await).await;
    world.publish("hello").await.unwrap();
    let file = apk_testkit::v3::PackageBuilder::new("world", "1.0-r0").build();
    let file = file.unwrap();
    let published = world.publish_file(file.clone()).await.unwrap();
    assert!(world.delete("world").await);
    world.deliver().await;
    let received = receiver.received();
    let [v2, v3, deleted] = &received[..] else {
        unreachable!("three messages")
    };
    let (v2, v3, deleted) = (v2.json(), v3.json(), deleted.json());
    assert_eq!(v3["action"], "created");
    assert_eq!(deleted["action"], "deleted");
    assert_eq!(deleted["package"]["alpine"], v3["package"]["alpine"]);
    let alpine = &v3["package"]["alpine"];
    assert_eq!(alpine["architecture"], "x86_64");
    assert_eq!(alpine["size"], published.size);
    let sha256 = Sha256::digest(&file);
    let sha256: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(alpine["sha256"], sha256);
    // Every field but those that make the difference.
    let fields = |message: &Value| {
        let text = message.to_string();
        let text = text.replace("world", "hello");
        let mut message: Value = serde_json::from_str(&text).unwrap();
        for field in ["size", "sha256"] {
            message["package"]["alpine"][field] = json!(null);
        }
        message["package"]["id"] = json!(null);
        message
    };
    assert_eq!(fields(&v3), fields(&v2));
}

#[tokio::test]
async fn a_disabled_account_receives_nothing_also_not_what_is_pending() {
    let (world, receiver, added) = World::with(Receiver::new().await).await;
    world.publish("before").await.unwrap();
    let by = Actor::COMMAND_LINE;
    let disable = async |disabled| {
        let metadata = world.registry.metadata();
        let act = by.at(world.clock.now());
        let changed = metadata
            .change_user(
                world.alice.id,
                UserChange {
                    disabled: Some(disabled),
                    ..UserChange::default()
                },
                &act,
            )
            .await;
        assert!(changed.unwrap());
    };
    disable(true).await;
    world.publish("meanwhile").await.unwrap();
    world.deliver().await;
    let log = world.log(&added).await;
    assert_eq!(states(&log), [DeliveryState::Failed]);
    let why = "the account was disabled before this was delivered";
    assert_eq!(log[0].last_error.as_deref(), Some(why));
    assert!(receiver.received().is_empty());

    disable(false).await;
    world.publish("after").await.unwrap();
    world.deliver().await;
    let [request] = &receiver.received()[..] else {
        unreachable!("one message")
    };
    assert_eq!(request.json()["package"]["name"], "after");
}

#[tokio::test]
async fn each_webhook_receives_what_it_wants_in_the_order_it_happened() {
    let world = World::new().await;
    let all = Receiver::new().await;
    world.add(&all.url()).await;
    let mut choosy = Vec::new();
    for event in WebhookEvent::ALL {
        let receiver = Receiver::new().await;
        let only = WebhookEvents::of(&[*event]).unwrap();
        world.add_for(&receiver.url(), only).await;
        choosy.push(receiver);
    }
    // Without `_`: what causes a new event, and what is said of it.
    let mut happened = Vec::new();
    for event in WebhookEvent::ALL {
        happened.push(match event {
            WebhookEvent::Published => {
                world.publish("one").await.unwrap();
                world.publish("two").await.unwrap();
                vec!["created one", "created two"]
            }
            WebhookEvent::Deleted => {
                assert!(world.delete("one").await);
                vec!["deleted one"]
            }
            WebhookEvent::Ping => unreachable!("no webhook chooses it"),
        });
    }
    world.deliver().await;
    let told = |receiver: &Receiver| -> Vec<String> {
        let requests = receiver.received().into_iter();
        requests
            .map(|request| {
                let told = request.json();
                format!("{} {}", told["action"], told["package"]["name"]).replace('"', "")
            })
            .collect()
    };
    assert_eq!(told(&all), happened.concat());
    assert_eq!(choosy.iter().map(told).collect::<Vec<_>>(), happened);
}

#[tokio::test]
async fn what_is_refused_is_reported_to_no_webhook() {
    let (world, _receiver, added) = World::with(Receiver::new().await).await;
    world.publish("hello").await.unwrap();
    let again = world.publish("hello").await.unwrap_err();
    assert!(
        matches!(again, PublishError::Exists { same: true, .. }),
        "{again}"
    );
    assert!(!world.delete("none").await);
    assert_eq!(world.log(&added).await.len(), 1);
}

#[tokio::test]
async fn a_crash_between_the_commit_and_the_message_loses_nothing() {
    let (world, receiver, added) = World::with(Receiver::new().await).await;
    world.publish("hello").await.unwrap();
    let world = world.reopened().await;
    world.deliver().await;
    assert_eq!(receiver.received().len(), 1);
    assert_eq!(states(&world.log(&added).await), [DeliveryState::Delivered]);
}

#[tokio::test]
async fn a_crash_during_an_attempt_has_the_message_sent_again_once_the_lease_is_over() {
    let (world, receiver, added) = World::with(Receiver::new().await).await;
    world.publish("hello").await.unwrap();
    let lease = Duration::from_secs(120);
    let now = world.clock.now();
    let metadata = world.registry.metadata();
    let taken = metadata.take_delivery(added.webhook.id, now, now.after(lease));
    let taken = taken.await.unwrap().unwrap();

    world.clock.advance(lease - Duration::from_secs(1));
    world.deliver().await;
    assert_eq!(receiver.received().len(), 0, "somebody else has it");
    world.clock.advance(Duration::from_secs(1));
    world.deliver().await;
    assert_eq!(receiver.received().len(), 1);
    let log = world.log(&added).await;
    assert_eq!(
        (log[0].state, log[0].attempts),
        (DeliveryState::Delivered, 2)
    );

    // The first one was not dead, only slow. What it has to say counts no more.
    let outcome = tarn_store::metadata::Outcome {
        status: Some(500),
        error: Some("too late".to_owned()),
        again_at: None,
    };
    let counted = metadata.finish_delivery(&taken, &outcome, world.clock.now());
    assert!(!counted.await.unwrap());
    assert_eq!(world.log(&added).await, log);
}

#[tokio::test]
async fn two_nodes_send_a_message_once() {
    let (world, receiver, _) = World::with(Receiver::new().await).await;
    for number in 0..5 {
        world.publish(&format!("p{number}")).await.unwrap();
    }
    let (one, two) = (world.worker(), world.worker());
    let (first, second) = tokio::join!(one.deliver_due(), two.deliver_due());
    first.unwrap();
    second.unwrap();
    let mut names: Vec<String> = receiver
        .received()
        .iter()
        .map(|request| request.header("x-tarn-delivery").unwrap().to_owned())
        .collect();
    assert_eq!(names.len(), 5);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 5);
}

#[tokio::test]
async fn a_failed_message_is_sent_again_at_the_times_of_the_table_and_then_given_up() {
    let (world, receiver, added) =
        World::with(Receiver::saying(status("500 Internal Server Error")).await).await;
    world.publish("hello").await.unwrap();
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let waits = [
        Duration::from_secs(10),
        minutes(1),
        minutes(5),
        minutes(30),
        minutes(120),
        minutes(360),
        minutes(720),
        minutes(1440),
    ];
    for (sent, wait) in (1..).zip(waits) {
        world.deliver().await;
        assert_eq!(receiver.received().len(), sent);
        let log = world.log(&added).await;
        assert_eq!(
            (log[0].state, log[0].last_status),
            (DeliveryState::Pending, Some(500))
        );
        assert_eq!(log[0].last_error.as_deref(), Some("it answered 500"));
        world.clock.advance(wait - Duration::from_secs(1));
        world.deliver().await;
        assert_eq!(receiver.received().len(), sent, "too early after {sent}");
        world.clock.advance(Duration::from_secs(1) + wait / 10);
    }
    world.deliver().await;
    assert_eq!(receiver.received().len(), 9);
    let log = world.log(&added).await;
    assert_eq!((log[0].state, log[0].attempts), (DeliveryState::Failed, 9));
    world.clock.advance(minutes(100_000));
    world.deliver().await;
    assert_eq!(receiver.received().len(), 9);

    let requests = receiver.received();
    for request in &requests {
        assert_eq!(request.body, requests[0].body);
        assert_eq!(
            request.header("x-tarn-delivery"),
            requests[0].header("x-tarn-delivery")
        );
    }
}

#[tokio::test]
async fn one_that_fails_does_not_hold_up_those_behind_it() {
    let (world, receiver, added) =
        World::with(Receiver::saying(status("503 Service Unavailable")).await).await;
    world.publish("one").await.unwrap();
    world.deliver().await;
    receiver.say(status("200 OK"));
    world.publish("two").await.unwrap();
    world.deliver().await;
    assert_eq!(
        states(&world.log(&added).await),
        [DeliveryState::Delivered, DeliveryState::Pending]
    );
    world.clock.advance(Duration::from_secs(11));
    world.deliver().await;
    let log = world.log(&added).await;
    assert_eq!(states(&log), [DeliveryState::Delivered; 2]);
    assert_eq!(log[1].last_error, None);
}

#[tokio::test]
async fn the_log_keeps_a_hundred_messages_and_thirty_days() {
    let (world, receiver, added) = World::with(Receiver::new().await).await;
    let webhooks = world.registry.administration().webhooks();
    let number = added.webhook.id.number();
    let by = &tarn_store::metadata::Actor::COMMAND_LINE;
    for _ in 0..105 {
        webhooks.test(&world.alice, number, by).await.unwrap();
        world.deliver().await;
    }
    let log = world.log(&added).await;
    assert_eq!(log.len(), 100);
    assert_eq!(
        log.iter().map(|delivery| delivery.id).max(),
        Some(log[0].id)
    );

    receiver.say(status("500 Internal Server Error"));
    webhooks.test(&world.alice, number, by).await.unwrap();
    world.deliver().await;
    let worker = world.worker();
    world.clock.advance(Duration::from_secs(30 * 86_400 - 1));
    assert_eq!(worker.prune().await.unwrap(), 0);
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(worker.prune().await.unwrap(), 100);
    assert_eq!(states(&world.log(&added).await), [DeliveryState::Pending]);
}

#[tokio::test]
async fn a_worker_drops_from_the_log_what_grows_too_old_while_it_runs() {
    let (world, _receiver, added) = World::with(Receiver::new().await).await;
    let worker = world.worker();
    let (stop, stopped) = oneshot::channel::<()>();
    let working = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        worker.run(stopped, Duration::ZERO).await;
    });
    let until = async |wanted: &[DeliveryState]| {
        let reached = async {
            while states(&world.log(&added).await) != wanted {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(60), reached).await.unwrap();
    };
    // It looked through the log at its start, when nothing was there.
    let webhooks = world.registry.administration().webhooks();
    let number = added.webhook.id.number();
    let by = &Actor::COMMAND_LINE;
    webhooks.test(&world.alice, number, by).await.unwrap();
    until(&[DeliveryState::Delivered]).await;
    world.clock.advance(Duration::from_secs(31 * 86_400));
    until(&[]).await;
    drop(stop);
    working.await.unwrap();
}
