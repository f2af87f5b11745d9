//! The outbox of the webhooks, which is their log too: one row a message, from the moment it has to be sent.
//!
//! A message is put here in the transaction that publishes or deletes the package, so neither is ever there without the
//! other. What becomes of it is in `deliveries.rs`.

use tokio::sync::futures::Notified;

use super::{
    DeliveryId, Metadata, MetadataError, OwnerId, OwnerKind, PackageAddress, PackageFileId,
    WebhookEvent, WebhookId,
    deliveries::cut_log,
    engine::{Transaction, sql},
    event_facts::{AccountFacts, EventFacts, PackageFacts},
    packages::file_name,
    webhooks::WebhookEvents,
};
use tarn_base::clock::Timestamp;

/// How many messages may wait for one webhook. A client that publishes and deletes in a loop while the receiver hangs would fill the
/// disk with more.
const MOST_PENDING: i64 = 10_000;

/// What happened to a package, for the webhooks.
pub(super) struct Happened<'a> {
    pub(super) event: WebhookEvent,
    /// The file that was just added or taken out, which is the package in the next field.
    pub(super) file: PackageFileId,
    pub(super) package: PackageAddress<'a>,
    /// Who did it, if that is known.
    pub(super) sender: Option<OwnerId>,
    pub(super) at: Timestamp,
}

/// Puts a message for every webhook that gets this event into the outbox, in the transaction that changes the package.
/// An owner without webhooks pays for one question of an index, and one whose account is disabled gets nothing. Gives whether there is anything to send.
pub(super) async fn enqueue(
    transaction: &mut Transaction,
    happened: &Happened<'_>,
) -> Result<bool, MetadataError> {
    let rows = transaction
        .rows(sql!(
            "SELECT id, events FROM webhooks WHERE owner_id = $1 AND active AND NOT EXISTS \
             (SELECT 1 FROM users WHERE users.owner_id = webhooks.owner_id AND users.disabled) ORDER BY id",
            happened.package.owner
        ))
        .await?;
    let mut told = Vec::new();
    for row in &rows {
        let events: WebhookEvents = row.word("list of events", "events")?;
        if events.contain(happened.event) {
            told.push(WebhookId::from_row(row.value("id")?));
        }
    }
    if told.is_empty() {
        return Ok(false);
    }
    let facts = describe(transaction, happened).await?;
    for webhook in told {
        insert(transaction, webhook, happened.event, &facts, happened.at).await?;
    }
    Ok(true)
}

/// The facts of what just happened, as the tables have it within this transaction.
async fn describe(
    transaction: &mut Transaction,
    happened: &Happened<'_>,
) -> Result<String, MetadataError> {
    let Happened { package, .. } = happened;
    let file_name = file_name(package.name, package.version);
    let row = transaction
        .row(sql!(
            "SELECT package_files.id AS id, package_files.sha256 AS sha256, package_files.size AS size, \
             package_files.created_at AS created_at, package_files.uploader_id AS uploader_id, \
             owners.name AS owner, owners.kind AS kind, \
             (SELECT name FROM owners AS uploaders WHERE uploaders.id = package_files.uploader_id) AS uploader, \
             (SELECT name FROM owners AS senders WHERE senders.id = $2) AS sender \
             FROM package_files JOIN repositories ON repositories.id = package_files.repository_id \
             JOIN owners ON owners.id = repositories.owner_id WHERE package_files.id = $1",
            happened.file,
            happened.sender
        ))
        .await?
        .ok_or(MetadataError::Missing("package file"))?;
    let uploader: Option<&str> = row.value("uploader")?;
    let sender: Option<&str> = row.value("sender")?;
    let at_micros = happened.at.micros();
    let kind: OwnerKind = row.word("kind of owner", "kind")?;
    let facts = EventFacts {
        at_micros,
        owner: AccountFacts::new(package.owner.number(), row.value("owner")?),
        is_organisation: kind == OwnerKind::Organisation,
        sender: happened
            .sender
            .zip(sender)
            .map(|(id, name)| AccountFacts::new(id.number(), name)),
        package: Some(PackageFacts {
            id: row.value("id")?,
            creator: row
                .value::<Option<i64>>("uploader_id")?
                .zip(uploader)
                .map(|(id, name)| AccountFacts::new(id, name)),
            branch: package.branch.to_string(),
            repository: package.repository.to_string(),
            arch: package.arch.to_string(),
            name: package.name.to_string(),
            version: package.version.to_string(),
            file_name,
            size: row.size("size")?,
            sha256: row.digest("sha256")?.to_string(),
            created_at_micros: row.time("created_at")?.micros(),
        }),
    };
    facts.to_column()
}

/// Puts one message into the outbox; as one that failed, where as many wait as may.
pub(super) async fn insert(
    transaction: &mut Transaction,
    webhook: WebhookId,
    event: WebhookEvent,
    facts: &str,
    now: Timestamp,
) -> Result<DeliveryId, MetadataError> {
    let full = transaction
        .row(sql!(
            "SELECT 1 AS found FROM webhook_deliveries WHERE webhook_id = $1 AND state = 'pending' LIMIT 1 OFFSET $2",
            webhook,
            MOST_PENDING - 1
        ))
        .await?
        .is_some();
    let statement = if full {
        sql!(
            "INSERT INTO webhook_deliveries (webhook_id, event, facts, state, created_at, finished_at, last_error) \
             VALUES ($1, $2, $3, 'failed', $4, $4, $5) RETURNING id",
            webhook,
            event.as_str(),
            facts,
            now,
            format!(
                "{MOST_PENDING} messages to this webhook were waiting already, the most that may; it was not tried"
            )
        )
    } else {
        sql!(
            "INSERT INTO webhook_deliveries (webhook_id, event, facts, state, next_attempt_at, created_at) \
             VALUES ($1, $2, $3, 'pending', $4, $4) RETURNING id",
            webhook,
            event.as_str(),
            facts,
            now
        )
    };
    let row = transaction.row(statement).await?;
    let row = row.ok_or(MetadataError::Missing("delivery"))?;
    if full {
        cut_log(transaction, webhook).await?;
    }
    Ok(DeliveryId::from_row(row.value("id")?))
}

impl Metadata {
    /// Is ready once something was put into the outbox by this process. What other processes put there is found by asking.
    pub fn outbox_filled(&self) -> Notified<'_> {
        self.outbox_filled.notified()
    }

    pub(super) fn wake_outbox(&self, filled: bool) {
        if filled {
            self.outbox_filled.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{
        Act, Actor, Database, DeliveryState, NewUser, NewWebhook, Visibility, Window,
    };
    use tarn_base::names::OwnerName;

    #[tokio::test]
    async fn what_comes_while_as_many_wait_as_may_is_written_as_failed() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(folder.path().join("tarn.db"));
        let metadata = Metadata::open(&database).await.unwrap();
        let at = Timestamp::from_seconds(1_795_381_200);
        let by = &Actor::COMMAND_LINE;
        let alice = NewUser {
            name: &OwnerName::parse("alice").unwrap(),
            password_hash: None,
            admin: false,
            visibility: Visibility::Public,
        };
        let alice = metadata.add_user(alice, &Act { by, at }).await.unwrap().id;
        let webhook = NewWebhook {
            owner: alice,
            url: "https://hooks.example/",
            seed: &[1; 16],
            sealed: b"sealed",
            events: WebhookEvents::ALL,
            active: true,
            at_most: 1,
        };
        let added = metadata.add_webhook(webhook, "", &Act { by, at }).await;
        let webhook = added.unwrap().id;
        let facts = EventFacts {
            at_micros: at.micros(),
            owner: AccountFacts::new(alice.number(), "alice"),
            is_organisation: false,
            sender: None,
            package: None,
        };
        let facts = facts.to_column().unwrap();
        let mut transaction = metadata.engine.write().await.unwrap();
        let filling = sql!(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < $3) \
             INSERT INTO webhook_deliveries (webhook_id, event, facts, state, next_attempt_at, created_at) \
             SELECT $1, 'published', $4, 'pending', $2, $2 FROM numbers",
            webhook,
            at,
            MOST_PENDING - 1,
            facts.as_str()
        );
        transaction.run(filling).await.unwrap();
        for _ in 0..150 {
            let event = WebhookEvent::Published;
            insert(&mut transaction, webhook, event, &facts, at)
                .await
                .unwrap();
        }
        transaction.commit().await.unwrap();

        let newest = async |state| {
            let window = Window {
                offset: 0,
                limit: 1,
            };
            let page = metadata.deliveries((alice, webhook), state, window).await;
            let page = page.unwrap();
            (page.total, page.entries)
        };
        let (all, log) = newest(None).await;
        assert_eq!(newest(Some(DeliveryState::Pending)).await.0, 10_000);
        // Of the 149 others the log keeps the newest.
        assert_eq!(newest(Some(DeliveryState::Failed)).await.0, 100);
        assert_eq!(all, 10_100);
        let text = "10000 messages to this webhook were waiting already, the most that may; it was not tried";
        assert_eq!(log[0].last_error.as_deref(), Some(text));
    }
}
