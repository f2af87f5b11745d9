//! What becomes of the messages in the outbox of the webhooks: taken, sent, finished, looked at, sent once more.
//!
//! A sender takes a message first: the time of its next attempt moves ahead, in one statement, so that no other
//! node sends it meanwhile, and a node that dies in between leaves a message that is sent again. So a receiver gets every
//! message at least once.

use super::{
    Act, DeliveryId, DeliveryState, Metadata, MetadataError, OwnerId, Page, WebhookEvent,
    WebhookId, Window,
    engine::{Transaction, sql},
    event_facts::EventFacts,
    outbox::{Message, cut_log, insert},
    rows::{row, select},
    webhooks::{WebhookRow, note, webhook_columns},
};
use tarn_base::clock::Timestamp;

/// A message that was taken to be sent.
#[derive(Debug, Clone)]
pub struct TakenDelivery {
    /// Which one.
    pub id: DeliveryId,
    /// To whom.
    pub webhook: WebhookRow,
    /// What it is about.
    pub event: WebhookEvent,
    /// What happened.
    pub facts: EventFacts,
    /// Which attempt this is, from 1. Of two that take the message one after the other, only the later one's outcome
    /// counts.
    pub attempt: u32,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The status of the answer, when there was one.
    pub status: Option<u16>,
    /// Why it failed, for people. `None`: it was delivered.
    pub error: Option<String>,
    /// After a failure, when to try again. `None`: never.
    pub again_at: Option<Timestamp>,
}

row! {
    /// One message in the log of a webhook.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Delivery as delivery_columns {
        /// Which one.
        pub id: DeliveryId = webhook_deliveries.id,
        /// What it is about.
        pub event: WebhookEvent = webhook_deliveries.event,
        /// What happened.
        pub facts: EventFacts = webhook_deliveries.facts,
        /// How far it has come.
        pub state: DeliveryState = webhook_deliveries.state,
        /// How often it was tried, an attempt under way included.
        pub attempts: u64 = webhook_deliveries.attempts,
        /// While pending: when it is tried next, at the earliest.
        pub next_attempt_at: Option<Timestamp> = webhook_deliveries.next_attempt_at,
        /// When the last attempt began.
        pub last_attempt_at: Option<Timestamp> = webhook_deliveries.last_attempt_at,
        /// The status of the last answer, when there was one.
        pub last_status: Option<i64> = webhook_deliveries.last_status,
        /// Why the last attempt failed.
        pub last_error: Option<String> = webhook_deliveries.last_error,
        /// When it happened.
        pub created_at: Timestamp = webhook_deliveries.created_at,
        /// When it was delivered or given up.
        pub finished_at: Option<Timestamp> = webhook_deliveries.finished_at,
    }
}

/// What came of the wish to send a message once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redelivered {
    /// It is in the outbox, as this one.
    As(DeliveryId),
    /// It has not ended yet.
    Pending,
    /// Its webhook is disabled at present.
    Disabled(WebhookId),
}

async fn insert_one(
    transaction: &mut Transaction,
    message: Message<'_>,
) -> Result<DeliveryId, MetadataError> {
    let made = insert(transaction, &[message]).await?;
    made.first()
        .copied()
        .ok_or(MetadataError::Missing("delivery"))
}

impl Metadata {
    /// Puts a message of its own to a webhook of `owner` into the outbox. `None` when one of the kind is there already.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when the owner has no such active webhook; when the database fails.
    pub async fn ping_webhook(
        &self,
        (owner, webhook): (OwnerId, WebhookId),
        facts: &EventFacts,
        target: &str,
        act: &Act<'_>,
    ) -> Result<Option<DeliveryId>, MetadataError> {
        let mut transaction = self.engine.write().await?;
        let is_pending = sql!(
            "SELECT EXISTS (SELECT 1 FROM webhook_deliveries WHERE webhook_id = $1 AND state = 'pending' \
                 AND event = 'ping') AS pending FROM webhooks WHERE id = $1 AND owner_id = $2 AND active",
            webhook,
            owner
        );
        if transaction.one("webhook", is_pending).await? {
            return Ok(None);
        }
        let message = Message {
            webhook,
            event: WebhookEvent::Ping,
            facts: &facts.to_column()?,
            at: act.at,
        };
        let id = insert_one(&mut transaction, message).await?;
        note(
            &mut transaction,
            act,
            "webhook.test",
            owner,
            (webhook, target),
        )
        .await?;
        transaction.commit().await?;
        Ok(Some(id))
    }

    /// Puts a finished message to an active webhook of `owner`, to `webhook` where one is named, into the outbox once more,
    /// as a new one.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when there is no such message; when the database fails.
    pub async fn redeliver(
        &self,
        (owner, webhook): (OwnerId, Option<WebhookId>),
        delivery: DeliveryId,
        act: &Act<'_>,
    ) -> Result<Redelivered, MetadataError> {
        let mut transaction = self.engine.write().await?;
        let sent = sql!(
            "SELECT webhook_deliveries.webhook_id, webhooks.active, \
                 webhook_deliveries.state, webhook_deliveries.event, webhook_deliveries.facts FROM webhook_deliveries \
                 JOIN webhooks ON webhooks.id = webhook_deliveries.webhook_id \
                 WHERE webhook_deliveries.id = $1 AND webhooks.owner_id = $2 \
                 AND (CAST($3 AS BIGINT) IS NULL OR webhooks.id = $3)",
            delivery,
            owner,
            webhook
        );
        let ((webhook, is_active), state, (event, facts)): (
            (WebhookId, bool),
            DeliveryState,
            (WebhookEvent, String),
        ) = transaction.one("delivery", sent).await?;
        if !is_active {
            return Ok(Redelivered::Disabled(webhook));
        }
        if state == DeliveryState::Pending {
            return Ok(Redelivered::Pending);
        }
        let message = Message {
            webhook,
            event,
            facts: &facts,
            at: act.at,
        };
        let id = insert_one(&mut transaction, message).await?;
        let target = format!("delivery {delivery}");
        note(
            &mut transaction,
            act,
            "webhook.redeliver",
            owner,
            (webhook, &target),
        )
        .await?;
        transaction.commit().await?;
        Ok(Redelivered::As(id))
    }

    /// The messages to a webhook of `owner`, newest first; those in `state` where one is named.
    pub async fn deliveries(
        &self,
        (owner, webhook): (OwnerId, WebhookId),
        state: Option<DeliveryState>,
        window: Window,
    ) -> Result<Page<Delivery>, MetadataError> {
        let count = sql!(
            "SELECT COUNT(*) AS count FROM webhook_deliveries \
                 JOIN webhooks ON webhooks.id = webhook_deliveries.webhook_id \
                 WHERE webhook_deliveries.webhook_id = $1 AND webhooks.owner_id = $2 \
                 AND (CAST($3 AS TEXT) IS NULL OR webhook_deliveries.state = $3)",
            webhook,
            owner,
            state
        );
        let rows = sql!(
            select!(
                delivery_columns,
                "FROM webhook_deliveries \
                 JOIN webhooks ON webhooks.id = webhook_deliveries.webhook_id \
                 WHERE webhook_deliveries.webhook_id = $1 AND webhooks.owner_id = $2 \
                 AND (CAST($3 AS TEXT) IS NULL OR webhook_deliveries.state = $3) \
                 ORDER BY webhook_deliveries.id DESC LIMIT $4 OFFSET $5"
            ),
            webhook,
            owner,
            state,
            window.limit,
            window.offset
        );
        self.page(count, rows).await
    }

    /// When the next message is due, for any webhook. `None`: there is none.
    pub async fn next_delivery_at(&self) -> Result<Option<Timestamp>, MetadataError> {
        let next = sql!(
            "SELECT next_attempt_at FROM webhook_deliveries WHERE state = 'pending' \
             AND webhook_id IN (SELECT id FROM webhooks) ORDER BY next_attempt_at LIMIT 1"
        );
        self.engine.row(next).await
    }

    /// The webhooks that a message is due for, and whose they are, the one that waits longest first.
    pub async fn webhooks_with_mail(
        &self,
        now: Timestamp,
    ) -> Result<Vec<(WebhookId, OwnerId)>, MetadataError> {
        self.engine
            .rows(sql!(
                "SELECT id, owner_id FROM (SELECT webhooks.id AS id, webhooks.owner_id AS owner_id, \
                 (SELECT MIN(webhook_deliveries.next_attempt_at) FROM webhook_deliveries \
                 WHERE webhook_deliveries.webhook_id = webhooks.id AND webhook_deliveries.state = 'pending') AS due \
                 FROM webhooks) AS queues WHERE due <= $1 ORDER BY due, id",
                now
            ))
            .await
    }

    /// Takes the message to `webhook` that is due longest. Until `lease_until` no other sender takes it; after that, the one that took
    /// it is thought dead.
    pub async fn take_delivery(
        &self,
        webhook: WebhookId,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<TakenDelivery>, MetadataError> {
        let mut transaction = self.engine.write().await?;
        let taken = transaction
            .row(sql!(
                "UPDATE webhook_deliveries SET next_attempt_at = $3, attempts = attempts + 1, last_attempt_at = $2 \
                 WHERE id = (SELECT id FROM webhook_deliveries WHERE webhook_id = $1 AND state = 'pending' \
                 AND next_attempt_at <= $2 ORDER BY next_attempt_at, id LIMIT 1) RETURNING id, event, facts, attempts",
                webhook,
                now,
                lease_until
            ))
            .await?;
        let Some((id, event, facts, attempt)) = taken else {
            return Ok(None);
        };
        let hook = sql!(
            select!(webhook_columns, "FROM webhooks WHERE id = $1"),
            webhook
        );
        let taken = TakenDelivery {
            id,
            webhook: transaction.one("webhook", hook).await?,
            event,
            facts,
            attempt,
        };
        transaction.commit().await?;
        Ok(Some(taken))
    }

    /// Writes down what came of an attempt, and drops from the log what it is too full for. `false` when the message is not
    /// this attempt's any more: the webhook was removed or disabled, or another sender has taken the message since.
    pub async fn finish_delivery(
        &self,
        taken: &TakenDelivery,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<bool, MetadataError> {
        let state = match (&outcome.error, outcome.again_at) {
            (None, _) => DeliveryState::Delivered,
            (Some(_), Some(_)) => DeliveryState::Pending,
            (Some(_), None) => DeliveryState::Failed,
        };
        let pending = state == DeliveryState::Pending;
        let mut transaction = self.engine.write().await?;
        let changed = transaction
            .run(sql!(
                "UPDATE webhook_deliveries SET state = $3, next_attempt_at = $4, last_status = $5, last_error = $6, \
                 finished_at = $7 WHERE id = $1 AND attempts = $2 AND state = 'pending'",
                taken.id,
                taken.attempt,
                state,
                outcome.again_at.filter(|_| pending),
                outcome.status.map(i64::from),
                outcome.error.as_deref(),
                (!pending).then_some(now)
            ))
            .await?;
        if !pending {
            cut_log(&mut transaction, taken.webhook.id).await?;
        }
        transaction.commit().await?;
        Ok(changed == 1)
    }

    /// Drops messages that were finished before `before` from the log, at most so many. Gives how many those were.
    pub async fn prune_deliveries(
        &self,
        before: Timestamp,
        at_most: i64,
    ) -> Result<u64, MetadataError> {
        self.engine
            .run(sql!(
                "DELETE FROM webhook_deliveries WHERE id IN \
                 (SELECT id FROM webhook_deliveries WHERE finished_at < $1 ORDER BY finished_at LIMIT $2)",
                before,
                at_most
            ))
            .await
    }
}
