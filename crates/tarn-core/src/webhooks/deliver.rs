//! The worker: takes what is due out of the outbox, sends it, writes down what came of it.
//!
//! One message at a time goes to a webhook, in the order in which they became due; one that fails waits for its next attempt and
//! does not hold up the ones behind it. So the order is not promised. A receiver that hangs holds one of its owner's few places
//! until the time is over, and no other owner's.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{payload, schedule, service, signing};
use crate::{
    resources::Resources,
    under_way::{Begun, UnderWay},
};
use tarn_base::{clock::Timestamp, random::RandomError};
use tarn_net::{Client, SendError, Target};
use tarn_store::metadata::{MetadataError, Outcome, OwnerId, TakenDelivery, WebhookId};

/// How much is sent at once, and how long things are kept.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryLimits {
    /// Messages under way at once.
    pub at_once: usize,
    /// Of them, to the webhooks of one owner.
    pub at_once_per_owner: usize,
    /// After so long, the process that took a message is thought dead. Longer than any attempt.
    pub lease: Duration,
    /// How often the outbox is looked into unasked: for what other processes put there.
    pub poll: Duration,
    /// How long a finished message stays in the log.
    pub kept_for: Duration,
    /// How often the log is looked through for older ones.
    pub prune_every: Duration,
}

impl Default for DeliveryLimits {
    fn default() -> Self {
        Self {
            at_once: 32,
            at_once_per_owner: 4,
            lease: Duration::from_secs(120),
            poll: Duration::from_secs(2),
            kept_for: Duration::from_secs(30 * 86_400),
            prune_every: Duration::from_secs(3600),
        }
    }
}

/// How many messages are dropped from the log in one transaction.
const PRUNED_AT_ONCE: i64 = 500;

/// Sends what is in the outbox. Cheap to clone, and every clone is the same one.
#[derive(Debug, Clone)]
pub struct Deliverer(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    resources: Resources,
    client: Client,
    limits: DeliveryLimits,
    /// The messages under way.
    places: Arc<Semaphore>,
    webhooks: UnderWay<WebhookId>,
    owners: UnderWay<OwnerId>,
}

/// A place among those that send, in that of its owner and of its webhook, given back when dropped.
type Place = (OwnedSemaphorePermit, Begun<OwnerId>, Begun<WebhookId>);

/// Why an attempt did not deliver the message.
#[derive(Debug, thiserror::Error)]
enum Undelivered {
    #[error("{0}")]
    Send(#[from] SendError),
    #[error("it answered {0}; redirects are not followed")]
    Redirect(u16),
    #[error("it answered {0}")]
    Status(u16),
    #[error("the server cannot open the secret of this webhook; give it a new one")]
    Secret,
    #[error("the server cannot send to the URL of this webhook; give it another one")]
    Target,
}

impl Undelivered {
    const fn status(&self) -> Option<u16> {
        match self {
            Self::Redirect(status) | Self::Status(status) => Some(*status),
            _ => None,
        }
    }
}

impl Parts {
    /// A place for a message to `webhook`, if it has none and its owner has not too many.
    fn place(&self, webhook: WebhookId, owner: OwnerId) -> Option<Place> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let most = self.limits.at_once_per_owner;
        let of_owner = self.owners.begin(owner, most, || ())?;
        Some((place, of_owner, self.webhooks.begin(webhook, 1, || ())?))
    }

    /// Sends the message to `webhook` that is due longest, if there is one.
    async fn deliver_next(&self, webhook: WebhookId) -> Result<(), MetadataError> {
        let now = self.resources.clock.now();
        let lease_until = now.after(self.limits.lease);
        let Some(taken) = self
            .resources
            .metadata
            .take_delivery(webhook, now, lease_until)
            .await?
        else {
            return Ok(());
        };
        let sent = self.send(&taken).await;
        let now = self.resources.clock.now();
        let outcome = match sent {
            Ok(status) => {
                tracing::debug!(delivery = %taken.id, %webhook, status, "webhook delivered");
                Outcome {
                    status: Some(status),
                    error: None,
                    again_at: None,
                }
            }
            Err(undelivered) => {
                let again_at = self.again_at(&taken, now);
                let again = again_at.is_some();
                tracing::info!(delivery = %taken.id, %webhook, attempt = taken.attempt, again, error = %undelivered, "webhook not delivered");
                Outcome {
                    status: undelivered.status(),
                    error: Some(undelivered.to_string()),
                    again_at,
                }
            }
        };
        self.resources
            .metadata
            .finish_delivery(&taken, &outcome, now)
            .await?;
        Ok(())
    }

    fn again_at(&self, taken: &TakenDelivery, now: Timestamp) -> Option<Timestamp> {
        match schedule::again_at(taken.attempt, now, &self.resources.random) {
            Ok(again_at) => again_at,
            // Without random bytes there is much that does not work; this message is for later.
            Err(RandomError { .. }) => Some(now.after(self.limits.lease)),
        }
    }

    async fn send(&self, taken: &TakenDelivery) -> Result<u16, Undelivered> {
        let row = &taken.webhook;
        let secret = service::open_secret(&self.resources.sealer, row).map_err(|error| {
            tracing::error!(webhook = %row.id, %error, "the secret of a webhook cannot be opened");
            Undelivered::Secret
        })?;
        let target = Target::parse(&row.url).map_err(|_| Undelivered::Target)?;
        let body = payload::render(taken.event, &taken.facts);
        let headers = signing::headers(taken, &body, &secret).map_err(|_| Undelivered::Secret)?;
        match self
            .client
            .post(&target, headers, Bytes::from(body))
            .await?
        {
            status @ 200..300 => Ok(status),
            status @ 300..400 => Err(Undelivered::Redirect(status)),
            status => Err(Undelivered::Status(status)),
        }
    }
}

impl Deliverer {
    /// A worker on the outbox that sends by `client`.
    pub fn new(resources: Resources, client: Client, limits: DeliveryLimits) -> Self {
        Self(Arc::new(Parts {
            resources,
            client,
            limits,
            places: Arc::new(Semaphore::new(limits.at_once)),
            webhooks: UnderWay::default(),
            owners: UnderWay::default(),
        }))
    }

    /// Works until `stop` is ready, then takes nothing more, and gives what is under way until `drain` is over. What is cut off
    /// then is sent again by the process that works next.
    pub async fn run(&self, stop: impl Future<Output = ()>, drain: Duration) {
        let mut stop = pin!(stop);
        let mut sending = JoinSet::new();
        let mut pruned_at = None;
        loop {
            let pause = match self.round(&mut sending, &mut pruned_at).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "the outbox of the webhooks cannot be looked into");
                    self.0.limits.poll
                }
            };
            tokio::select! {
                () = &mut stop => break,
                () = self.0.resources.metadata.outbox_filled() => {}
                Some(_) = sending.join_next() => {}
                () = sleep(pause) => {}
            }
        }
        let under_way = sending.len();
        if timeout(drain, async {
            while sending.join_next().await.is_some() {}
        })
        .await
        .is_err()
        {
            tracing::info!(
                under_way,
                "messages to webhooks were cut off; they are sent again at the next start"
            );
        }
    }

    /// Sends everything that is due now and can be sent at once, and waits for the outcomes.
    ///
    /// # Errors
    ///
    /// When the database cannot say what is due.
    pub async fn deliver_due(&self) -> Result<(), MetadataError> {
        let mut sending = JoinSet::new();
        self.start_due(&mut sending).await?;
        while sending.join_next().await.is_some() {
            self.start_due(&mut sending).await?;
        }
        Ok(())
    }

    /// Drops from the log what was finished too long ago. Gives how much that was.
    pub async fn prune(&self) -> Result<u64, MetadataError> {
        let parts = &self.0;
        let before = parts.resources.clock.now().before(parts.limits.kept_for);
        let mut pruned = 0;
        loop {
            let dropped = parts
                .resources
                .metadata
                .prune_deliveries(before, PRUNED_AT_ONCE);
            let dropped = dropped.await?;
            pruned += dropped;
            if dropped < PRUNED_AT_ONCE.unsigned_abs() {
                return Ok(pruned);
            }
        }
    }

    /// One turn of the loop. Gives how long to wait for the next, if nothing happens before.
    async fn round(
        &self,
        sending: &mut JoinSet<()>,
        pruned_at: &mut Option<Timestamp>,
    ) -> Result<Duration, MetadataError> {
        let limits = &self.0.limits;
        let now = self.0.resources.clock.now();
        if pruned_at.is_none_or(|at| now.since(at) >= limits.prune_every) {
            self.prune().await?;
            *pruned_at = Some(now);
        }
        self.start_due(sending).await?;
        let next = self.0.resources.metadata.next_delivery_at().await?;
        // What is due and was not started waits for a place, and a place that becomes free ends the pause.
        Ok(next
            .map(|at| at.since(now))
            .filter(|wait| !wait.is_zero())
            .map_or(limits.poll, |wait| wait.min(limits.poll)))
    }

    async fn start_due(&self, sending: &mut JoinSet<()>) -> Result<(), MetadataError> {
        let parts = &self.0;
        let now = parts.resources.clock.now();
        if parts
            .resources
            .metadata
            .next_delivery_at()
            .await?
            .is_none_or(|at| at > now)
        {
            return Ok(());
        }
        for (webhook, owner) in parts.resources.metadata.webhooks_with_mail(now).await? {
            if let Some(place) = parts.place(webhook, owner) {
                let parts = Arc::clone(parts);
                sending.spawn(async move {
                    let _place = place;
                    if let Err(error) = parts.deliver_next(webhook).await {
                        tracing::warn!(%webhook, %error, "a message to a webhook could not be taken or finished");
                        // Not at once: what fails here fails for all of them.
                        sleep(parts.limits.poll).await;
                    }
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Registry, settings::Settings};
    use tarn_base::clock::Clock;

    #[tokio::test]
    async fn an_owner_has_so_many_places_and_a_webhook_one() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::in_folder(folder.path().to_path_buf());
        let registry = Registry::open(settings, Clock::system()).await.unwrap();
        let client = registry.deliverer().0.client.clone();
        let limits = DeliveryLimits {
            at_once: 5,
            at_once_per_owner: 2,
            ..DeliveryLimits::default()
        };
        let parts = registry.deliverer_with(client, limits).0;
        let place = |webhook, owner| {
            let (webhook, owner) = (WebhookId::from_row(webhook), OwnerId::from_row(owner));
            parts.place(webhook, owner)
        };
        let (first, second) = (place(1, 1).unwrap(), place(2, 1).unwrap());
        assert!(place(3, 1).is_none(), "the owner has two");
        drop(first);
        let first = place(3, 1).unwrap();
        assert!(place(4, 1).is_none(), "only one came back");
        let third = place(4, 2).unwrap();
        assert!(place(4, 3).is_none(), "the webhook has one");
        let others = (place(5, 2).unwrap(), place(6, 3).unwrap());
        assert!(place(7, 4).is_none(), "there are five");
        drop((first, second, third, others));
        assert_eq!((parts.owners.keys(), parts.webhooks.keys()), (0, 0));
    }
}
