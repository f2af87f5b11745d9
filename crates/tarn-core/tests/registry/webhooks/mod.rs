//! Webhooks, on a real registry and a real receiver: what arrives, when it is sent again, and where it never goes.

mod administration;
mod answers;
mod networks;
mod outbox;
mod receiver;
mod secrecy;
mod tls;

use std::{io, net::IpAddr, time::Duration};

use apk::{name::PackageName, version::Version};
use apk_testkit::v2::PackageBuilder;
use bytes::Bytes;
use futures_util::stream;
use tarn_base::{clock::Clock, secret::Secret};
use tarn_core::{
    Registry,
    publish::{PublishError, Published},
    webhooks::{Added, Deliverer, DeliveryLimits, WebhookOrder},
};
use tarn_net::{AddressRules, Client, ClientLimits, Resolver, Roots};
use tarn_store::metadata::{
    Actor, Delivery, DeliveryState, Owner, PackageAddress, WebhookEvents, Window,
};
use tempfile::TempDir;

use self::receiver::Receiver;
use crate::{START, add_user, arch, branch, destination, main_repository, settings};

/// The secret of the webhooks here.
const SECRET: &str = "a secret of the tests";

/// Every entry of a log.
const ALL: Window = Window {
    offset: 0,
    limit: u32::MAX,
};

/// A webhook that gets every event.
fn order<'a>(url: &'a str, secret: Option<&str>) -> WebhookOrder<'a> {
    WebhookOrder {
        url,
        events: WebhookEvents::ALL,
        secret: secret.map(|secret| Secret::new(secret.to_owned())),
        active: true,
    }
}

/// A registry with the user `alice`, whose clock stands still.
struct World {
    folder: TempDir,
    registry: Registry,
    clock: Clock,
    alice: Owner,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(START);
        let registry = open(&folder, &clock).await;
        let alice = add_user(&registry, "alice").await;
        Self {
            folder,
            registry,
            clock,
            alice,
        }
    }

    /// The same with a webhook that leads to `receiver` and gets every event.
    async fn with(receiver: Receiver) -> (Self, Receiver, Added) {
        let world = Self::new().await;
        let added = world.add(&receiver.url()).await;
        (world, receiver, added)
    }

    /// The same folder, opened anew, as after a crash.
    async fn reopened(self) -> Self {
        let Self {
            folder,
            registry,
            clock,
            alice,
        } = self;
        registry.metadata().close().await;
        drop(registry);
        let registry = open(&folder, &clock).await;
        Self {
            folder,
            registry,
            clock,
            alice,
        }
    }

    fn alice_as_actor(&self) -> Actor {
        Actor {
            account: Some((self.alice.id, self.alice.name.clone())),
            ..Actor::COMMAND_LINE
        }
    }

    async fn publish(&self, name: &str) -> Result<Published, PublishError> {
        self.publish_file(PackageBuilder::new(name, "1.0-r0").build())
            .await
    }

    async fn publish_file(&self, package: Vec<u8>) -> Result<Published, PublishError> {
        let destination = destination(self.alice.id, self.alice_as_actor());
        let body = stream::iter([Ok(Bytes::from(package))]);
        self.registry.publisher().publish(destination, body).await
    }

    async fn delete(&self, name: &str) -> bool {
        self.registry
            .metadata()
            .remove_package(
                &PackageAddress {
                    owner: self.alice.id,
                    branch: &branch(),
                    repository: &main_repository(),
                    arch: &arch(),
                    name: &PackageName::parse(name).unwrap(),
                    version: &Version::parse("1.0-r0").unwrap(),
                },
                &self.alice_as_actor().at(self.clock.now()),
            )
            .await
            .unwrap()
    }

    /// A webhook of alice's that gets every event.
    async fn add(&self, url: &str) -> Added {
        self.add_for(url, WebhookEvents::ALL).await
    }

    async fn add_for(&self, url: &str, events: WebhookEvents) -> Added {
        let order = WebhookOrder {
            events,
            ..order(url, Some(SECRET))
        };
        let webhooks = self.registry.administration().webhooks();
        let by = &Actor::COMMAND_LINE;
        webhooks.add(&self.alice, order, by).await.unwrap()
    }

    /// Has a message of its own sent to a webhook by `worker`. Its entry in the log.
    async fn try_out(&self, webhook: &Added, worker: &Deliverer) -> Delivery {
        let number = webhook.webhook.id.number();
        let webhooks = self.registry.administration().webhooks();
        let by = &Actor::COMMAND_LINE;
        let test = webhooks.test(&self.alice, number, by);
        test.await.unwrap();
        worker.deliver_due().await.unwrap();
        self.log(webhook).await.remove(0)
    }

    async fn log(&self, webhook: &Added) -> Vec<Delivery> {
        self.registry
            .administration()
            .webhooks()
            .deliveries(&self.alice, webhook.webhook.id.number(), None, ALL)
            .await
            .unwrap()
            .entries
    }

    /// A worker that may send to this machine and asks no name server.
    fn worker(&self) -> Deliverer {
        self.worker_by(client("127.0.0.0/8", |_| Ok(vec![[127, 0, 0, 1].into()])))
    }

    fn worker_by(&self, client: Client) -> Deliverer {
        self.registry.deliverer_with(client, quick())
    }

    async fn deliver(&self) {
        self.worker().deliver_due().await.unwrap();
    }
}

/// The limits of production, with a worker that looks often.
fn quick() -> DeliveryLimits {
    DeliveryLimits {
        poll: Duration::from_millis(10),
        ..DeliveryLimits::default()
    }
}

/// A client that may send to the networks in `opened`, resolves as `answer` says, and has little patience.
fn client(
    opened: &str,
    answer: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
) -> Client {
    client_trusting(opened, Roots::These(Vec::new()), answer)
}

fn client_trusting(
    opened: &str,
    roots: Roots,
    answer: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
) -> Client {
    let limits = ClientLimits {
        connect: Duration::from_millis(500),
        whole: Duration::from_millis(1500),
        drain: Duration::from_millis(50),
        ..ClientLimits::default()
    };
    let rules = match opened {
        "" => AddressRules::default(),
        opened => AddressRules::new(vec![opened.parse().unwrap()]),
    };
    Client::new(rules, Resolver::answering(answer), roots, limits)
}

async fn open(folder: &TempDir, clock: &Clock) -> Registry {
    let settings = settings(folder.path());
    Registry::open(settings, clock.clone()).await.unwrap()
}

/// How far the messages have come, newest first.
fn states(log: &[Delivery]) -> Vec<DeliveryState> {
    log.iter().map(|delivery| delivery.state).collect()
}
