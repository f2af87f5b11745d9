//! Webhooks: URLs that are sent a message when an owner's packages change. The secret that signs comes and goes sealed.

use std::{fmt, str::FromStr};

use super::{
    Act, EventSubject, Metadata, MetadataError, OwnerId, UnknownWord, WebhookEvent, WebhookId,
    audit::Done,
    engine::{Transaction, sql},
    rows::{row, select},
};
use tarn_base::clock::Timestamp;

/// The events that a webhook receives: at least one. One bit each, in the order of the enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookEvents(u8);

const fn bit(event: WebhookEvent) -> u8 {
    1 << event as u8
}

impl WebhookEvents {
    /// All that can be chosen.
    pub const ALL: Self = Self::chosen(false);

    /// All that happens to packages: what the forges call `package`.
    pub const PACKAGES: Self = Self::chosen(true);

    const fn chosen(only_packages: bool) -> Self {
        let (mut bits, mut rest) = (0, WebhookEvent::ALL);
        while let Some((event, others)) = rest.split_first() {
            if !only_packages || matches!(event.subject(), EventSubject::Package { .. }) {
                bits |= bit(*event);
            }
            rest = others;
        }
        Self(bits)
    }

    /// Exactly these. `None` when none of them can be chosen.
    pub fn of(events: &[WebhookEvent]) -> Option<Self> {
        let these = events.iter().fold(0, |bits, event| bits | bit(*event)) & Self::ALL.0;
        (these != 0).then_some(Self(these))
    }

    /// What is in one or the other.
    #[must_use]
    pub const fn union(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether a webhook with these gets `event`. Every one gets a test.
    pub const fn contain(self, event: WebhookEvent) -> bool {
        matches!(event, WebhookEvent::Ping) || self.0 & bit(event) != 0
    }

    /// Their words, sorted.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let chosen = WebhookEvent::ALL.iter();
        let chosen = chosen.filter(|event| self.contain(**event));
        let mut words: Vec<&str> = chosen.map(|event| event.as_str()).collect();
        words.sort_unstable();
        words.into_iter()
    }
}

impl fmt::Display for WebhookEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().collect::<Vec<_>>().join(","))
    }
}

impl FromStr for WebhookEvents {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let events = text
            .split(',')
            .map(str::parse)
            .collect::<Result<Vec<WebhookEvent>, _>>()?;
        match events.contains(&WebhookEvent::Ping) {
            false => Self::of(&events),
            true => None,
        }
        .ok_or_else(|| WebhookEvent::unknown(text))
    }
}

row! {
    /// A webhook, its secret sealed.
    #[derive(Clone, PartialEq, Eq)]
    pub struct WebhookRow as webhook_columns {
        /// Which one.
        pub id: WebhookId = webhooks.id,
        /// The owner whose events it gets.
        pub owner: OwnerId = webhooks.owner_id,
        /// Where messages are sent. May hold what only the owner should know.
        pub url: String = webhooks.url,
        /// Random; the secret is sealed to it.
        pub seed: [u8; 16] = webhooks.seed,
        /// The secret, encrypted.
        pub sealed: Vec<u8> = webhooks.sealed,
        /// The events it gets.
        pub events: WebhookEvents = webhooks.events,
        /// Whether events are sent to it at present.
        pub active: bool = webhooks.active,
        /// When it was added.
        pub created_at: Timestamp = webhooks.created_at,
    }
}

impl fmt::Debug for WebhookRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookRow")
            .field("id", &self.id)
            .field("owner", &self.owner)
            .field("events", &self.events)
            .field("active", &self.active)
            .finish_non_exhaustive()
    }
}

/// A webhook to be kept.
#[derive(Clone, Copy)]
pub struct NewWebhook<'a> {
    /// The owner whose events it gets.
    pub owner: OwnerId,
    /// Where messages are sent.
    pub url: &'a str,
    /// Random; the secret is sealed to it.
    pub seed: &'a [u8; 16],
    /// The secret, encrypted.
    pub sealed: &'a [u8],
    /// The events it gets.
    pub events: WebhookEvents,
    /// Whether events are sent to it from the start.
    pub active: bool,
    /// How many an owner may have.
    pub at_most: u64,
}

/// What changes of a webhook; `None` stays as it is.
#[derive(Clone, Copy, Default)]
pub struct WebhookChange<'a> {
    /// Where messages are sent.
    pub url: Option<&'a str>,
    /// The secret, encrypted.
    pub sealed: Option<&'a [u8]>,
    /// The events it gets.
    pub events: Option<WebhookEvents>,
    /// Whether events are sent to it. Disabling it drops what is pending.
    pub active: Option<bool>,
}

/// Why a webhook was not kept.
#[derive(Debug, thiserror::Error)]
pub enum AddWebhookError {
    /// The owner has as many as an owner may have.
    #[error("the owner has as many webhooks as one may have")]
    TooMany,
    /// The database failed, or there is no such owner ([`MetadataError::Missing`]).
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

pub(super) use webhook_columns;

impl Metadata {
    /// Keeps a webhook. `target` is how the audit log names it.
    ///
    /// # Errors
    ///
    /// When the owner has too many, or there is no such owner, or the database fails.
    pub async fn add_webhook(
        &self,
        new: NewWebhook<'_>,
        target: &str,
        act: &Act<'_>,
    ) -> Result<WebhookRow, AddWebhookError> {
        let mut transaction = self.engine.write().await?;
        let webhooks = sql!(
            "SELECT COUNT(*) AS count FROM webhooks WHERE owner_id = $1",
            new.owner
        );
        if transaction.count(webhooks).await? >= new.at_most {
            return Err(AddWebhookError::TooMany);
        }
        let webhook: WebhookRow = transaction
            .row(sql!(
                concat!("INSERT INTO webhooks (owner_id, url, seed, sealed, events, active, created_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING ", webhook_columns!()),
                new.owner,
                new.url,
                new.seed.as_slice(),
                new.sealed,
                new.events.to_string(),
                new.active,
                act.at
            ))
            .await
            .map_err(|error| error.or_missing("owner"))?
            .ok_or(MetadataError::Missing("webhook"))?;
        let named = (webhook.id, target);
        note(&mut transaction, act, "webhook.add", new.owner, named).await?;
        transaction.commit().await?;
        Ok(webhook)
    }

    /// The webhooks of an owner, oldest first.
    pub async fn webhooks(&self, owner: OwnerId) -> Result<Vec<WebhookRow>, MetadataError> {
        self.engine
            .rows(sql!(
                select!(
                    webhook_columns,
                    "FROM webhooks WHERE owner_id = $1 ORDER BY id"
                ),
                owner
            ))
            .await
    }

    /// Changes a webhook of `owner`.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when the owner has no such webhook; when the database fails.
    pub async fn change_webhook(
        &self,
        (owner, id): (OwnerId, WebhookId),
        change: WebhookChange<'_>,
        target: &str,
        act: &Act<'_>,
    ) -> Result<(), MetadataError> {
        let mut transaction = self.engine.write().await?;
        let events = change.events.map(|events| events.to_string());
        let statement = sql!(
            "UPDATE webhooks SET url = COALESCE($3, url), sealed = COALESCE($4, sealed), \
             events = COALESCE($5, events), active = COALESCE($6, active) WHERE id = $1 AND owner_id = $2",
            id,
            owner,
            change.url,
            change.sealed,
            events,
            change.active
        );
        transaction.run_one("webhook", statement).await?;
        if change.active == Some(false) {
            give_up_pending(&mut transaction, id, act.at).await?;
        }
        note(&mut transaction, act, "webhook.change", owner, (id, target)).await?;
        transaction.commit().await
    }

    /// Forgets a webhook of `owner`, its pending messages and its log.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when the owner has no such webhook; when the database fails.
    pub async fn remove_webhook(
        &self,
        (owner, id): (OwnerId, WebhookId),
        target: &str,
        act: &Act<'_>,
    ) -> Result<(), MetadataError> {
        let mut transaction = self.engine.write().await?;
        let statement = sql!(
            "DELETE FROM webhooks WHERE id = $1 AND owner_id = $2",
            id,
            owner
        );
        transaction.run_one("webhook", statement).await?;
        // Thousands of messages may be there: they go in batches (`removals.rs`).
        let left = sql!("INSERT INTO removals (kind, id) VALUES ('webhook', $1)", id);
        transaction.run_one("removal", left).await?;
        note(&mut transaction, act, "webhook.delete", owner, (id, target)).await?;
        transaction.commit().await
    }
}

/// Gives up what is pending for the webhooks of a user whose account is disabled, in the transaction that disables it.
pub(super) async fn give_up_pending_of(
    transaction: &mut Transaction,
    user: OwnerId,
    now: Timestamp,
) -> Result<(), MetadataError> {
    transaction
        .run(sql!(
            "UPDATE webhook_deliveries SET state = 'failed', next_attempt_at = NULL, finished_at = $2, \
             last_error = 'the account was disabled before this was delivered' \
             WHERE state = 'pending' AND webhook_id IN (SELECT id FROM webhooks WHERE owner_id = $1)",
            user,
            now
        ))
        .await?;
    Ok(())
}

/// A webhook that is enabled after a month should not get what happened before it was disabled.
async fn give_up_pending(
    transaction: &mut Transaction,
    id: WebhookId,
    now: Timestamp,
) -> Result<(), MetadataError> {
    transaction
        .run(sql!(
            "UPDATE webhook_deliveries SET state = 'failed', next_attempt_at = NULL, finished_at = $2, \
             last_error = 'the webhook was disabled before this was delivered' \
             WHERE webhook_id = $1 AND state = 'pending'",
            id,
            now
        ))
        .await?;
    Ok(())
}

/// Notes what is done with a webhook, under its number and its URL.
pub(super) async fn note(
    transaction: &mut Transaction,
    act: &Act<'_>,
    action: &'static str,
    owner: OwnerId,
    (id, target): (WebhookId, &str),
) -> Result<(), MetadataError> {
    let target = format!("{id} {target}");
    let done = Done::of(owner, action, &target);
    transaction.note(act, done).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_read_back_and_are_never_none() {
        assert_eq!(WebhookEvents::ALL.to_string(), "deleted,published");
        assert_eq!("published,deleted".parse(), Ok(WebhookEvents::ALL));
        let published = WebhookEvents::of(&[WebhookEvent::Published]).unwrap();
        assert_eq!("published".parse(), Ok(published));
        assert!(!published.contain(WebhookEvent::Deleted));
        assert!(published.contain(WebhookEvent::Ping));
        assert_eq!(WebhookEvents::of(&[WebhookEvent::Ping]), None);
        for text in ["", "ping", "published,", "Published"] {
            assert!(text.parse::<WebhookEvents>().is_err(), "{text}");
        }
    }
}
