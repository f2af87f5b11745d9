//! Secrets stay out of what is printed and logged.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tarn_base::secret::Secret;
use tarn_core::webhooks::{ChangeOrder, SecretChange};
use tarn_net::Target;
use tarn_store::metadata::Actor;
use tracing_subscriber::fmt::MakeWriter;

use super::{
    SECRET, World, client, order,
    receiver::{Receiver, status},
};

/// In the path and the query of the URL, as chat services have it.
const PATH: &str = "T0/B0/hunter2?token=swordfish";

/// What was logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[track_caller]
fn tells_nothing(text: &str) {
    for secret in [SECRET, "hunter2", "swordfish"] {
        assert!(!text.contains(secret), "{secret} is in: {text}");
    }
}

#[tokio::test]
async fn no_log_line_holds_the_secret_or_the_path() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(lines.clone())
        .finish();
    // For the whole process, since a place that logs is switched on or off for all threads at once. The tests beside this
    // one log into it too, and must not tell either.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let world = World::new().await;
    let receiver = Receiver::saying(status("500 Internal Server Error")).await;
    world
        .add(&format!("http://{}/{PATH}", receiver.address))
        .await;
    world
        .add(&format!("https://{}/{PATH}", receiver.address))
        .await;
    world.add(&format!("http://receiver.test/{PATH}")).await;
    world.publish("hello").await.unwrap();
    world.deliver().await;
    // The forbidden address is logged, for the administrator.
    world.publish("more").await.unwrap();
    let nowhere = world.worker_by(client("", |_| Ok(vec![[10, 0, 0, 1].into()])));
    nowhere.deliver_due().await.unwrap();
    let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("webhook not delivered"), "{logged}");
    assert!(
        logged.contains("10.0.0.1 is not a public address"),
        "{logged}"
    );
    tells_nothing(&logged);
}

#[tokio::test]
async fn nothing_prints_the_secret_or_the_path() {
    let world = World::new().await;
    let url = format!("https://chat.example.org/{PATH}");
    let added = world.add(&url).await;
    tells_nothing(&format!("{added:?}"));
    tells_nothing(&format!("{:?}", Target::parse(&url)));
    let metadata = world.registry.metadata();
    tells_nothing(&format!(
        "{:?}",
        metadata.webhooks(world.alice.id).await.unwrap()
    ));
    world.publish("hello").await.unwrap();
    let now = world.clock.now();
    let taken = metadata
        .take_delivery(added.webhook.id, now, now)
        .await
        .unwrap();
    tells_nothing(&format!(
        "{taken:?} {:?} {:?}",
        world.registry,
        world.worker()
    ));
    let order = ChangeOrder {
        secret: SecretChange::Take(Secret::new(SECRET.to_owned())),
        ..ChangeOrder::default()
    };
    tells_nothing(&format!("{order:?}"));
}

#[tokio::test]
async fn the_database_holds_no_secret_in_the_clear() {
    let world = World::new().await;
    world.add("https://ci.example.org/").await;
    let webhooks = world.registry.administration().webhooks();
    let order = order("https://ci.example.org/", None);
    let made = webhooks
        .add(&world.alice, order, &Actor::COMMAND_LINE)
        .await
        .unwrap()
        .generated
        .unwrap();
    let World {
        folder, registry, ..
    } = world;
    registry.metadata().close().await;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            for secret in [SECRET.as_bytes(), made.expose().as_bytes()] {
                let found = bytes.windows(secret.len()).any(|part| part == secret);
                assert!(!found, "{}", path.display());
            }
        }
    }
}
