//! Where messages never go.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tarn_store::metadata::DeliveryState;

use super::{World, client, receiver::Receiver, states};

const FORBIDDEN: &str = "it has no public address, and private ones are not allowed here; ask the administrator of the \
                         registry to open its network";

#[tokio::test]
async fn without_an_opened_network_this_machine_is_out_of_reach_in_every_spelling() {
    let world = World::new().await;
    let receiver = Receiver::new().await;
    let port = receiver.address.port();
    let mut added = Vec::new();
    for host in [
        "127.0.0.1",
        "0x7f.1",
        "2130706433",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::]",
        "localhost.test",
    ] {
        added.push(world.add(&format!("http://{host}:{port}/")).await);
    }
    world.publish("hello").await.unwrap();
    let worker = world.worker_by(client("", |_| {
        Ok(vec![[127, 0, 0, 1].into(), [10, 0, 0, 1].into()])
    }));
    worker.deliver_due().await.unwrap();
    assert_eq!(receiver.received().len(), 0);
    for added in &added {
        let log = world.log(added).await;
        assert_eq!(
            states(&log),
            [DeliveryState::Pending],
            "{:?}",
            added.webhook
        );
        assert_eq!(
            log[0].last_error.as_deref(),
            Some(FORBIDDEN),
            "{:?}",
            added.webhook
        );
    }
}

#[tokio::test]
async fn a_name_that_comes_to_lead_elsewhere_is_refused_and_asked_for_once_an_attempt() {
    let world = World::new().await;
    // It listens on every address of the loopback network; one of them is open.
    let receiver = Receiver::new().await;
    let url = format!("http://receiver.test:{}/", receiver.address.port());
    let added = world.add(&url).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let client = client("127.0.0.1/32", move |name| {
        assert_eq!(name, "receiver.test");
        // The first answer is good, every later one is not: also within one attempt.
        let open = count.fetch_add(1, Ordering::SeqCst) == 0;
        Ok(vec![if open {
            [127, 0, 0, 1].into()
        } else {
            [127, 0, 0, 2].into()
        }])
    });
    let worker = world.worker_by(client);
    world.publish("one").await.unwrap();
    worker.deliver_due().await.unwrap();
    assert_eq!(receiver.received().len(), 1);
    assert_eq!(asked.load(Ordering::SeqCst), 1);

    world.publish("two").await.unwrap();
    worker.deliver_due().await.unwrap();
    assert_eq!(receiver.received().len(), 1);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    let log = world.log(&added).await;
    assert_eq!(log[0].last_error.as_deref(), Some(FORBIDDEN));
}

#[tokio::test]
async fn of_several_addresses_only_those_allowed_are_tried() {
    let world = World::new().await;
    let receiver = Receiver::new().await;
    let added = world
        .add(&format!(
            "http://receiver.test:{}/",
            receiver.address.port()
        ))
        .await;
    world.publish("one").await.unwrap();
    let answers: Vec<IpAddr> = vec![
        [127, 0, 0, 2].into(),
        [169, 254, 169, 254].into(),
        [127, 0, 0, 1].into(),
    ];
    let worker = world.worker_by(client("127.0.0.1/32", move |_| Ok(answers.clone())));
    worker.deliver_due().await.unwrap();
    assert_eq!(states(&world.log(&added).await), [DeliveryState::Delivered]);
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_name_without_an_address_is_tried_again() {
    let world = World::new().await;
    let added = world.add("http://receiver.test/").await;
    world.publish("one").await.unwrap();
    world
        .worker_by(client("", |_| Ok(Vec::new())))
        .deliver_due()
        .await
        .unwrap();
    world.clock.advance(Duration::from_secs(11));
    let failing = client("", |_| {
        Err(std::io::Error::other(
            "the name server at 10.0.0.53 is down",
        ))
    });
    world.worker_by(failing).deliver_due().await.unwrap();
    let log = world.log(&added).await;
    assert_eq!((log[0].state, log[0].attempts), (DeliveryState::Pending, 2));
    assert_eq!(
        log[0].last_error.as_deref(),
        Some("its name could not be resolved")
    );
}
