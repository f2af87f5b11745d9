//! The outbox of the webhooks, which is their log too: one row a message, from the moment it has to be sent.
//!
//! A message is put here in the transaction that publishes or deletes the package, so neither is ever there without the
//! other. What becomes of it is in `deliveries.rs`.

use std::collections::{BTreeMap, BTreeSet};

use apk::digest::Sha256Digest;
use tokio::sync::futures::Notified;

use super::{
    DeliveryId, Metadata, MetadataError, OwnerId, OwnerKind, PackageAddress, PackageFileId,
    WebhookEvent, WebhookId,
    engine::{Transaction, sql},
    event_facts::{AccountFacts, EventFacts, PackageFacts},
    given::{Given, given},
    packages::file_name,
    rows::{Row, read_all},
    webhooks::WebhookEvents,
};
use tarn_base::clock::Timestamp;

/// How many messages may wait for one webhook. A client that publishes and deletes in a loop while the receiver hangs would fill the
/// disk with more.
const MOST_PENDING: i64 = most_pending!();

macro_rules! most_pending {
    () => {
        10_000
    };
}
use most_pending;

/// How many finished messages of one webhook are kept.
const KEPT_IN_LOG: i64 = 100;

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

/// The active webhooks of some owners.
#[derive(Debug, Default)]
pub(super) struct Listeners(Vec<(OwnerId, WebhookId, WebhookEvents)>);

impl Listeners {
    /// The question for those of `owners`, each named once. A disabled account has none.
    pub(super) fn of(owners: &[OwnerId]) -> Given {
        given!(
            owners,
            |owner| { owner_id: *owner },
            "SELECT webhooks.owner_id AS owner_id, webhooks.id AS id, webhooks.events AS events \
             FROM given JOIN webhooks ON webhooks.owner_id = given.owner_id WHERE webhooks.active AND NOT EXISTS \
             (SELECT 1 FROM users WHERE users.owner_id = webhooks.owner_id AND users.disabled) ORDER BY webhooks.id"
        )
    }

    /// What it gave.
    pub(super) fn from_rows(rows: Vec<Row>) -> Result<Self, MetadataError> {
        read_all(rows).map(Self)
    }

    /// Whether there is one of that owner for that event.
    pub(super) fn want(&self, owner: OwnerId, event: WebhookEvent) -> bool {
        self.wanting(owner, event).next().is_some()
    }

    fn wanting(&self, owner: OwnerId, event: WebhookEvent) -> impl Iterator<Item = WebhookId> {
        let Self(listeners) = self;
        listeners
            .iter()
            .filter(move |(of, _, events)| *of == owner && events.contain(event))
            .map(|(_, webhook, _)| *webhook)
    }
}

/// Puts a message for every webhook that wants the event into the outbox, in the transaction that changes the packages.
pub(super) async fn enqueue(
    transaction: &mut Transaction,
    listeners: &Listeners,
    happened: &[Happened<'_>],
) -> Result<(), MetadataError> {
    let wanted: Vec<&Happened<'_>> = happened
        .iter()
        .filter(|happened| listeners.want(happened.package.owner, happened.event))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let facts = describe(transaction, &wanted).await?;
    let mut messages = Vec::new();
    for (happened, facts) in wanted.iter().zip(&facts) {
        let webhooks = listeners.wanting(happened.package.owner, happened.event);
        messages.extend(webhooks.map(|webhook| Message {
            webhook,
            event: happened.event,
            facts,
            at: happened.at,
        }));
    }
    insert(transaction, &messages).await?;
    Ok(())
}

/// The facts of what just happened, as the tables have it within this transaction.
async fn describe(
    transaction: &mut Transaction,
    happened: &[&Happened<'_>],
) -> Result<Vec<String>, MetadataError> {
    let question = given!(
        (0i64..).zip(happened),
        |(number, happened)| {
            number: number,
            file_id: happened.file,
            sender_id: happened.sender,
        },
        "SELECT package_files.sha256, package_files.size, package_files.created_at, owners.name, owners.kind, \
         package_files.uploader_id, (SELECT uploaders.name FROM owners AS uploaders WHERE uploaders.id = package_files.uploader_id) AS uploader, \
         (SELECT senders.name FROM owners AS senders WHERE senders.id = given.sender_id) AS sender \
         FROM given JOIN package_files ON package_files.id = given.file_id \
         JOIN repositories ON repositories.id = package_files.repository_id \
         JOIN owners ON owners.id = repositories.owner_id ORDER BY given.number"
    );
    let rows = read_all(transaction.given(question).await?.rows)?;
    if rows.len() != happened.len() {
        return Err(MetadataError::Missing("package file"));
    }
    let described = happened.iter().zip(rows);
    described
        .map(|(happened, columns)| facts(happened, columns).to_column())
        .collect()
}

/// The file, its owner, who uploaded it, and the name of the sender.
type FoundFile = (
    (Sha256Digest, u64, Timestamp),
    (String, OwnerKind),
    (Option<i64>, Option<String>),
    Option<String>,
);

fn facts(
    happened: &Happened<'_>,
    ((sha256, size, created_at), (owner, kind), (uploader_id, uploader), sender): FoundFile,
) -> EventFacts {
    let Happened { package, .. } = happened;
    let account = |id: Option<i64>, name: Option<String>| {
        let account = id.zip(name);
        account.map(|(id, name)| AccountFacts { id, name })
    };
    EventFacts {
        at_micros: happened.at.micros(),
        owner: AccountFacts::new(package.owner.number(), &owner),
        is_organisation: kind == OwnerKind::Organisation,
        sender: account(happened.sender.map(OwnerId::number), sender),
        package: Some(PackageFacts {
            id: happened.file.number(),
            creator: account(uploader_id, uploader),
            branch: package.branch.to_string(),
            repository: package.repository.to_string(),
            arch: package.arch.to_string(),
            name: package.name.to_string(),
            version: package.version.to_string(),
            file_name: file_name(package.name, package.version),
            size,
            sha256: sha256.to_string(),
            created_at_micros: created_at.micros(),
        }),
    }
}

/// A message to a webhook.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'m> {
    pub(super) webhook: WebhookId,
    pub(super) event: WebhookEvent,
    pub(super) facts: &'m str,
    pub(super) at: Timestamp,
}

/// Puts messages into the outbox, in their order; as ones that failed, where as many wait as may. After the commit they are sent.
pub(super) async fn insert(
    transaction: &mut Transaction,
    messages: &[Message<'_>],
) -> Result<Vec<DeliveryId>, MetadataError> {
    let mut waiting = waiting(transaction, messages).await?;
    let mut full = BTreeSet::new();
    let mut is_full = |webhook| {
        let waiting = waiting.entry(webhook).or_default();
        if *waiting < MOST_PENDING {
            *waiting += 1;
            return false;
        }
        full.insert(webhook);
        true
    };
    let refusal = format!(
        "{MOST_PENDING} messages to this webhook were waiting already, the most that may; it was not tried"
    );
    let statement = given!(
        (0i64..).zip(messages).map(|(number, message)| (number, message, is_full(message.webhook))),
        |(number, message, is_full)| {
            number: number,
            webhook_id: message.webhook,
            event: message.event.as_str(),
            facts: message.facts,
            state: if is_full { "failed" } else { "pending" },
            next_attempt_at: (!is_full).then_some(message.at),
            created_at: message.at,
            finished_at: is_full.then_some(message.at),
            last_error: is_full.then_some(refusal.as_str()),
        },
        "INSERT INTO webhook_deliveries \
         (webhook_id, event, facts, state, next_attempt_at, created_at, finished_at, last_error) \
         SELECT webhook_id, event, facts, state, next_attempt_at, created_at, finished_at, last_error FROM given \
         ORDER BY number RETURNING id"
    );
    let statement = statement.returning().each_changes("delivery");
    let made = transaction.given(statement).await?;
    transaction.fills_outbox();
    for webhook in full {
        cut_log(transaction, webhook).await?;
    }
    read_all(made.rows)
}

/// How many messages to each webhook wait, counted up to as many as may.
async fn waiting(
    transaction: &mut Transaction,
    messages: &[Message<'_>],
) -> Result<BTreeMap<WebhookId, i64>, MetadataError> {
    let webhooks: BTreeSet<WebhookId> = messages.iter().map(|message| message.webhook).collect();
    let question = given!(
        webhooks,
        |webhook| { webhook_id: webhook },
        concat!(
            "SELECT given.webhook_id AS webhook_id, (SELECT COUNT(*) FROM (SELECT 1 FROM webhook_deliveries \
             WHERE webhook_deliveries.webhook_id = given.webhook_id AND webhook_deliveries.state = 'pending' LIMIT ",
            most_pending!(),
            ") AS those) AS waiting FROM given"
        )
    );
    let rows = transaction.given(question).await?.rows;
    Ok(read_all(rows)?.into_iter().collect())
}

/// Drops the oldest finished messages to a webhook, as far as they are more than are kept.
pub(super) async fn cut_log(
    transaction: &mut Transaction,
    webhook: WebhookId,
) -> Result<(), MetadataError> {
    transaction
        .run(sql!(
            "DELETE FROM webhook_deliveries WHERE webhook_id = $1 AND state <> 'pending' AND id <= \
             (SELECT id FROM webhook_deliveries WHERE webhook_id = $1 AND state <> 'pending' \
             ORDER BY id DESC LIMIT 1 OFFSET $2)",
            webhook,
            KEPT_IN_LOG
        ))
        .await?;
    Ok(())
}

impl Metadata {
    /// Is ready once something was put into the outbox by this process. What other processes put there is found by asking.
    pub fn outbox_filled(&self) -> Notified<'_> {
        self.engine.outbox().notified()
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
            MOST_PENDING - 5,
            facts.as_str()
        );
        transaction.run(filling).await.unwrap();
        let message = Message {
            webhook,
            event: WebhookEvent::Published,
            facts: &facts,
            at,
        };
        for together in [1, 9, 140] {
            let messages = vec![message; together];
            let made = insert(&mut transaction, &messages).await.unwrap();
            assert_eq!(made.len(), together);
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
        // Of the 145 others the log keeps the newest.
        assert_eq!(newest(Some(DeliveryState::Failed)).await.0, 100);
        assert_eq!(all, 10_100);
        let text = "10000 messages to this webhook were waiting already, the most that may; it was not tried";
        assert_eq!(log[0].last_error.as_deref(), Some(text));
    }
}
