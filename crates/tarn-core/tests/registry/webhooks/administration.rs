//! What an owner does with webhooks.

use std::time::Duration;

use tarn_base::secret::Secret;
use tarn_core::webhooks::{ChangeOrder, SecretChange, WebhookError};
use tarn_store::metadata::{Actor, DeliveryState, WebhookEvent, WebhookEvents};

use super::{
    ALL, SECRET, World, add_user, order,
    receiver::{Receiver, Says, status},
    states,
};

const BY: &Actor = &Actor::COMMAND_LINE;

#[tokio::test]
async fn an_owner_has_at_most_twenty() {
    let world = World::new().await;
    for _ in 0..20 {
        world.add("https://ci.example.org/").await;
    }
    let webhooks = world.registry.administration().webhooks();
    let one = || order("https://ci.example.org/", None);
    let more = webhooks.add(&world.alice, one(), BY);
    assert!(matches!(more.await, Err(WebhookError::TooMany(_))));
    assert_eq!(webhooks.list(&world.alice).await.unwrap().len(), 20);
    let bob = add_user(&world.registry, "bob").await;
    let other = webhooks.add(&bob, one(), BY);
    assert_eq!(other.await.unwrap().generated.unwrap().expose().len(), 43);
}

#[test]
fn an_event_that_is_named_twice_is_one() {
    let once = WebhookEvents::of(&[WebhookEvent::Deleted]);
    assert!(once.is_some());
    let twice = WebhookEvents::of(&[WebhookEvent::Deleted; 2]);
    assert_eq!(twice, once);
}

#[tokio::test]
async fn a_bad_url_or_secret_leaves_nothing() {
    let world = World::new().await;
    let webhooks = world.registry.administration().webhooks();
    let good = "https://ci.example.org/";
    for (url, secret) in [
        ("ftp://ci.example.org/", SECRET),
        ("https://user:pw@ci.example.org/", SECRET),
        (good, "a line feed\nin a secret"),
    ] {
        let added = webhooks.add(&world.alice, order(url, Some(secret)), BY);
        assert!(added.await.is_err(), "{url}");
    }
    assert!(webhooks.list(&world.alice).await.unwrap().is_empty());
}

#[tokio::test]
async fn no_one_reaches_the_webhooks_of_others() {
    let (world, receiver, added) = World::with(Receiver::new().await).await;
    world.publish("hello").await.unwrap();
    world.deliver().await;
    let bob = add_user(&world.registry, "bob").await;
    let webhooks = world.registry.administration().webhooks();
    let number = added.webhook.id.number();
    let delivery = world.log(&added).await[0].id.number();
    let missing = |error: WebhookError| {
        assert!(
            matches!(
                error,
                WebhookError::NoWebhook { .. } | WebhookError::NoDelivery { .. }
            ),
            "{error}"
        );
    };
    missing(webhooks.one(&bob, number).await.unwrap_err());
    missing(
        webhooks
            .deliveries(&bob, number, None, ALL)
            .await
            .unwrap_err(),
    );
    missing(webhooks.test(&bob, number, BY).await.unwrap_err());
    missing(webhooks.remove(&bob, number, BY).await.unwrap_err());
    for named in [None, Some(number)] {
        let again = webhooks.redeliver(&bob, (named, delivery), BY).await;
        missing(again.unwrap_err());
    }
    let other = world.add(&receiver.url()).await.webhook.id.number();
    let again = webhooks.redeliver(&world.alice, (Some(other), delivery), BY);
    missing(again.await.unwrap_err());
    let order = ChangeOrder {
        active: Some(false),
        ..ChangeOrder::default()
    };
    missing(webhooks.change(&bob, number, order, BY).await.unwrap_err());
    let found = webhooks.one(&world.alice, number).await.unwrap();
    assert!(found.active);
    world.deliver().await;
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_webhook_removed_while_messages_are_pending_or_under_way_leaves_nothing() {
    let (world, receiver, added) =
        World::with(Receiver::saying(status("500 Internal Server Error")).await).await;
    world.publish("one").await.unwrap();
    world.deliver().await;
    receiver.say(Says::Nothing);
    world.publish("two").await.unwrap();
    let worker = world.worker();
    let sending = tokio::spawn(async move { worker.deliver_due().await });
    while receiver.received().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let webhooks = world.registry.administration().webhooks();
    let number = added.webhook.id.number();
    webhooks.remove(&world.alice, number, BY).await.unwrap();
    sending.await.unwrap().unwrap();
    let metadata = world.registry.metadata();
    assert_eq!(metadata.next_delivery_at().await.unwrap(), None);
    let log = metadata.deliveries((world.alice.id, added.webhook.id), None, ALL);
    assert_eq!(log.await.unwrap().entries, []);
    world.clock.advance(Duration::from_secs(86_400));
    world.deliver().await;
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn a_disabled_webhook_gives_up_what_is_pending_and_receives_nothing_new() {
    let (world, receiver, added) = World::with(Receiver::new().await).await;
    let webhooks = world.registry.administration().webhooks();
    let number = added.webhook.id.number();
    let set = async |active| {
        let order = ChangeOrder {
            active: Some(active),
            ..ChangeOrder::default()
        };
        webhooks
            .change(&world.alice, number, order, BY)
            .await
            .unwrap();
    };
    world.publish("one").await.unwrap();
    // That it is active already changes nothing for what is pending.
    set(true).await;
    assert_eq!(states(&world.log(&added).await), [DeliveryState::Pending]);
    set(false).await;
    assert_eq!(states(&world.log(&added).await), [DeliveryState::Failed]);
    world.publish("two").await.unwrap();
    let test = webhooks.test(&world.alice, number, BY).await;
    assert!(matches!(test, Err(WebhookError::Disabled(_))));
    let one = world.log(&added).await[0].id.number();
    let again = webhooks.redeliver(&world.alice, (None, one), BY).await;
    assert!(matches!(again, Err(WebhookError::Disabled(found)) if found == number));
    set(true).await;
    world.deliver().await;
    assert_eq!(receiver.received().len(), 0);
    let log = world.log(&added).await;
    assert_eq!(states(&log), [DeliveryState::Failed]);

    let again = webhooks.redeliver(&world.alice, (Some(number), one), BY);
    let again = again.await.unwrap();
    world.deliver().await;
    let log = world.log(&added).await;
    assert_eq!(log[0].id, again);
    assert_eq!(
        states(&log),
        [DeliveryState::Delivered, DeliveryState::Failed]
    );
    assert_eq!(receiver.received()[0].json()["package"]["name"], "one");
}

#[tokio::test]
async fn a_test_is_a_ping_and_only_one_at_a_time() {
    let world = World::new().await;
    let receiver = Receiver::new().await;
    let only = WebhookEvents::of(&[WebhookEvent::Deleted]).unwrap();
    let added = world.add_for(&receiver.url(), only).await;
    let webhooks = world.registry.administration().webhooks();
    let number = added.webhook.id.number();
    let first = webhooks.test(&world.alice, number, BY).await.unwrap();
    let second = webhooks.test(&world.alice, number, BY).await;
    assert!(matches!(second, Err(WebhookError::TestPending(_))));
    let pending = webhooks.redeliver(&world.alice, (None, first.number()), BY);
    let pending = pending.await;
    assert!(matches!(pending, Err(WebhookError::DeliveryPending(_))));
    world.deliver().await;
    let [request] = &receiver.received()[..] else {
        unreachable!("one message")
    };
    assert_eq!(request.header("x-tarn-event"), Some("ping"));
    let told = request.json();
    assert_eq!(
        (&told["action"], &told["owner"]["login"]),
        (&"ping".into(), &"alice".into())
    );
}

#[tokio::test]
async fn a_change_counts_for_what_is_pending() {
    let world = World::new().await;
    let (old, new) = (Receiver::new().await, Receiver::new().await);
    let added = world.add(&old.url()).await;
    world.publish("one").await.unwrap();
    let other = "another secret of the tests";
    let order = ChangeOrder {
        url: Some(new.url()),
        secret: SecretChange::Take(Secret::new(other.to_owned())),
        ..ChangeOrder::default()
    };
    let webhooks = world.registry.administration().webhooks();
    let number = added.webhook.id.number();
    let generated = webhooks
        .change(&world.alice, number, order, BY)
        .await
        .unwrap();
    assert!(generated.is_none());
    world.deliver().await;
    assert_eq!(old.received().len(), 0);
    let [request] = &new.received()[..] else {
        unreachable!("one message")
    };
    let signature = tarn_core::webhooks::sign(&Secret::new(other.to_owned()), &request.body);
    assert_eq!(
        request.header("x-gitea-signature"),
        Some(signature.as_str())
    );

    let order = ChangeOrder {
        secret: SecretChange::Generate,
        ..ChangeOrder::default()
    };
    let generated = webhooks
        .change(&world.alice, number, order, BY)
        .await
        .unwrap();
    assert_eq!(generated.unwrap().expose().len(), 43);
}

#[tokio::test]
async fn the_sealing_key_of_webhooks_alone_is_missed() {
    let world = World::new().await;
    world.add("https://ci.example.org/").await;
    let World {
        folder,
        registry,
        clock,
        ..
    } = world;
    let settings = registry.settings().clone();
    registry.metadata().close().await;
    drop(registry);
    std::fs::remove_file(folder.path().join("secret.key")).unwrap();
    let opened = tarn_core::Registry::open(settings, clock).await;
    assert!(matches!(opened, Err(tarn_core::OpenError::Sealer(_))));
}
