//! Packages that are recorded together: each has the answer that it would have alone, and leaves the same rows.

use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;
use proptest::{prelude::*, sample::select, strategy::ValueTree as _, test_runner::TestRunner};
use rusqlite::Connection;
use tarn_base::{
    clock::Timestamp,
    names::{Branch, RepositoryName},
};
use tarn_store::{
    blobs::BlobKey,
    metadata::{
        Act, Actor, Database, Metadata, NewBlob, NewPackageFile, NewWebhook, OwnerId,
        PackageFormat, Past, Quota, RecordError, Recorded, WebhookEvent, WebhookEvents,
    },
};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::{ACT, START, Writer, actor, add_user, digest, open, package, rows_of, sql, webhook};

/// A package, and who publishes it.
type Publish = (NewPackageFile, Actor);
type Answer = Result<Recorded, RecordError>;

/// Who is there in each registry, and who is not.
const ALICE: OwnerId = OwnerId::from_row(1);
const BOB: OwnerId = OwnerId::from_row(2);
const GONE: OwnerId = OwnerId::from_row(99);

/// What publishing writes, but for bytes. On PostgreSQL the versions of packages have gaps in their numbers.
const ROWS: [&str; 9] = [
    "SELECT id, owner_id, branch, name, generation, last_sequence, changed_at FROM repositories ORDER BY id",
    "SELECT size, place, state, created_at FROM blobs ORDER BY sha256",
    "SELECT id, repository_id, arch, name, version, file_name, size, format, index_bytes, signers, facts, sequence, added_at, \
     uploader_id, created_at, downloads FROM package_files ORDER BY id",
    "SELECT repository_id, arch, format, generation, changed_at, published_at, live, bytes FROM index_heads ORDER BY repository_id, arch, format",
    "SELECT owner_id, name, version, description, creator_id, created_at, files FROM package_versions ORDER BY id",
    "SELECT repository_id, kind, name, file_id FROM package_names ORDER BY repository_id, kind, name, file_id",
    "SELECT owner_id, bytes, packages FROM owner_usage ORDER BY owner_id",
    "SELECT id, at, account_id, account, address, through, action, owner_id, owner, target, result, detail FROM audit_log ORDER BY id",
    "SELECT id, webhook_id, event, facts, state, next_attempt_at, created_at FROM webhook_deliveries ORDER BY id",
];

/// A database in which nothing was recorded yet, with the users `alice`, who has a webhook for everything, and `bob`, who has one that
/// is not active, and one for deletions only.
struct Registry {
    folder: TempDir,
    metadata: Metadata,
}

impl Registry {
    async fn new(open: impl AsyncFn(&TempDir) -> Metadata) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let metadata = open(&folder).await;
        for (owner, name) in [(ALICE, "alice"), (BOB, "bob")] {
            assert_eq!(add_user(&metadata, name).await, owner);
        }
        let deletions = WebhookEvents::of(&[WebhookEvent::Deleted]).unwrap();
        for (owner, seed, events, active) in [
            (ALICE, &[1; 16], WebhookEvents::ALL, true),
            (BOB, &[2; 16], WebhookEvents::ALL, false),
            (BOB, &[3; 16], deletions, true),
        ] {
            let new = NewWebhook {
                events,
                active,
                ..webhook(owner, seed)
            };
            let added = metadata.add_webhook(new, "", &ACT).await;
            added.unwrap();
        }
        // The first place of these bytes was given up.
        let key = BlobKey {
            sha256: digest("freed"),
            place: 0,
        };
        let marked = metadata.mark_blobs_dead(&[key], START).await.unwrap();
        assert_eq!(marked, [key]);
        Self { folder, metadata }
    }

    /// The engine that the tests run on.
    async fn here() -> Self {
        Self::new(open).await
    }

    async fn on_sqlite() -> Self {
        let open = async |folder: &TempDir| {
            let database = Database::Sqlite(folder.path().join("other.db"));
            Metadata::open(&database).await.unwrap()
        };
        Self::new(open).await
    }

    async fn record(&self, (new, by): &Publish) -> Answer {
        let act = Act { by, at: START };
        self.metadata.record_package(new, &act).await
    }

    /// Records the first in a transaction of its own, and all others, at most 64, in the next one.
    async fn record_together(&self, publishes: &[Publish]) -> Vec<Answer> {
        let before = self.metadata.recording_transactions();
        let writer = Writer::of(&self.folder);
        let records = publishes.iter().map(|publish| self.record(publish));
        let (answers, ()) = tokio::join!(join_all(records), async { drop(writer) });
        assert_eq!(self.metadata.recording_transactions() - before, 2);
        answers
    }

    async fn record_one_by_one(&self, publishes: &[Publish]) -> Vec<Answer> {
        let mut answers = Vec::new();
        for publish in publishes {
            answers.push(self.record(publish).await);
        }
        answers
    }
}

/// Answers in words: the numbers of a package that went in, the refusal of another.
fn said(answers: &[Answer]) -> Vec<String> {
    let said = |answer: &Answer| match answer {
        Ok(recorded) => format!(
            "{}: {} {}",
            recorded.repository, recorded.generation, recorded.sequence
        ),
        Err(error) => error.to_string(),
    };
    answers.iter().map(said).collect()
}

/// That the registry of this engine, where `publishes` are recorded together, comes to what SQLite comes to, where each is recorded
/// alone.
async fn compare(publishes: &[Publish]) -> Vec<String> {
    for _ in 0..10 {
        let (here, there) = (Registry::here().await, Registry::on_sqlite().await);
        let together = said(&here.record_together(publishes).await);
        let alone = said(&there.record_one_by_one(publishes).await);
        assert_eq!(together, alone);
        // What waits for its turn for more than a second on a busy machine is as late as its turn.
        let late = format!(
            "SELECT COUNT(*) FROM audit_log WHERE at <> {}",
            START.micros()
        );
        let other = Connection::open(there.folder.path().join("other.db")).unwrap();
        if [sql(&here.folder, &late), rows_of(&other, &late)].concat() != [["0"], ["0"]] {
            continue;
        }
        for rows in ROWS {
            assert_eq!(sql(&here.folder, rows), rows_of(&other, rows), "{rows}");
        }
        return together;
    }
    unreachable!("this machine is too slow");
}

fn new(owner: OwnerId, name: &str, arch: &str) -> NewPackageFile {
    let blob = NewBlob {
        place: 0,
        sha256: digest(name),
        size: 1_000,
    };
    package(owner, name, arch, blob)
}

/// So many packages of alice's, which she publishes.
fn many(prefix: &str, count: u32) -> Vec<Publish> {
    let names = (0..count).map(|number| new(ALICE, &format!("{prefix}{number}"), "x86_64"));
    names.map(|new| (new, actor(ALICE))).collect()
}

#[tokio::test]
async fn one_of_each_refusal_among_those_that_go_in() {
    let by_alice = |new| (new, actor(ALICE));
    let freed = |place| {
        let mut new = new(ALICE, "freed", "x86_64");
        new.blob.place = place;
        new
    };
    let publishes = [
        by_alice(new(ALICE, "first", "x86_64")),
        by_alice(new(ALICE, "zlib", "x86_64")),
        by_alice(new(ALICE, "first", "x86_64")),
        by_alice(new(ALICE, "zlib", "x86_64")),
        by_alice(new(ALICE, "zlib", "noarch")),
        by_alice(new(ALICE, "zlib", "aarch64")),
        // In another repository, which is made for it, with the same bytes.
        by_alice(NewPackageFile {
            repository: RepositoryName::parse("testing").unwrap(),
            ..new(ALICE, "zlib", "noarch")
        }),
        by_alice(NewPackageFile {
            default_quota: Quota {
                packages: Some(4),
                bytes: None,
            },
            ..new(ALICE, "many", "x86_64")
        }),
        by_alice(NewPackageFile {
            default_quota: Quota {
                packages: Some(5),
                bytes: Some(4_999),
            },
            ..new(ALICE, "large", "x86_64")
        }),
        by_alice(NewPackageFile {
            default_quota: Quota {
                packages: Some(5),
                bytes: Some(5_000),
            },
            ..new(ALICE, "last", "x86_64")
        }),
        by_alice(NewPackageFile {
            index_bytes: 7,
            max_index: 6,
            ..new(ALICE, "indexed", "riscv64")
        }),
        by_alice(new(GONE, "lost", "x86_64")),
        (new(ALICE, "foreign", "x86_64"), actor(GONE)),
        by_alice(freed(0)),
        by_alice(freed(1)),
        by_alice(new(BOB, "zlib", "x86_64")),
        // Its repository is not made.
        by_alice(NewPackageFile {
            branch: Branch::parse("v3.22").unwrap(),
            max_index: 0,
            ..new(BOB, "zlib", "x86_64")
        }),
        by_alice(NewPackageFile {
            blob: NewBlob {
                size: u64::MAX,
                ..new(BOB, "endless", "x86_64").blob
            },
            ..new(BOB, "endless", "x86_64")
        }),
        (new(ALICE, "end", "noarch"), Actor::COMMAND_LINE),
    ];
    let said = compare(&publishes).await;
    let expected = [
        "1: 1 1",
        "1: 2 2",
        "already exists",
        "already exists",
        "already exists for the architecture x86_64",
        "1: 3 3",
        "2: 1 1",
        "4 of 4 packages",
        "4000 of 4999 bytes",
        "1: 4 4",
        "it may have at most 6",
        "the owner was removed",
        "the account that uploads was removed",
        "the place of the bytes in the store was given up",
        "1: 5 5",
        "3: 1 1",
        "it may have at most 0",
        "makes no sense",
        "1: 6 6",
    ];
    assert_eq!(said.len(), expected.len());
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.contains(expected), "{said}, not {expected}");
    }
}

/// A package out of so few that most clash with others: its name, architecture, repository, owner, uploader, bytes, place and format.
fn any_publish() -> impl Strategy<Value = Publish> {
    let what = (
        select(vec!["a", "b", "c", "d"]),
        select(vec!["x86_64", "x86_64", "aarch64", "noarch"]),
        select(vec!["main", "main", "testing"]),
        0..20,
        select(vec!["a", "b", "freed"]),
        select(vec![0, 0, 0, 1]),
        any::<bool>(),
        1..4u64,
        0..8i64,
    );
    what.prop_map(
        |(name, arch, repository, who, bytes, place, is_v3, size, age)| {
            let (owner, by) = match who {
                0 => (GONE, ALICE),
                1 => (ALICE, GONE),
                2..8 => (BOB, ALICE),
                _ => (ALICE, ALICE),
            };
            let blob = NewBlob {
                sha256: digest(bytes),
                place,
                size,
            };
            let new = NewPackageFile {
                repository: RepositoryName::parse(repository).unwrap(),
                format: if is_v3 {
                    PackageFormat::V3
                } else {
                    PackageFormat::V2
                },
                default_quota: Quota {
                    packages: Some(9),
                    bytes: Some(18),
                },
                index_bytes: 100,
                max_index: 300,
                past: (age < 3).then(|| Past {
                    created_at: Timestamp::from_seconds(age),
                    creator: (age > 0).then_some(BOB),
                    downloads: size,
                }),
                ..package(owner, name, arch, blob)
            };
            (new, actor(by))
        },
    )
}

#[tokio::test]
async fn any_packages_together_come_to_what_they_come_to_one_after_the_other() {
    let mut runner = TestRunner::deterministic();
    let mut seen = HashSet::new();
    for round in 0..8 {
        let publishes = prop::collection::vec(any_publish(), 50);
        let mut publishes = publishes.new_tree(&mut runner).unwrap().current();
        // What is recorded alone, while the others gather.
        let mut first = new(ALICE, "first", "x86_64");
        first.blob.size = 1;
        publishes.insert(0, (first, actor(ALICE)));
        if round % 2 == 1 {
            // Without a webhook that wants them there is nothing to write once the identifiers are known.
            for (new, _) in &mut publishes {
                if new.owner == ALICE {
                    new.owner = BOB;
                }
            }
        }
        let said = compare(&publishes).await;
        seen.extend(said);
    }
    for refusal in [
        "package file already exists",
        "package file already exists for",
        "the owner",
        "the account",
        "the place",
    ] {
        let is_seen = seen.iter().any(|said| said.starts_with(refusal));
        assert!(is_seen, "{refusal}: {seen:?}");
    }
}

#[tokio::test]
async fn a_batch_is_a_constant_number_of_statements_on_postgresql() {
    if !tarn_testkit::on_postgres() {
        return;
    }
    let registry = Registry::here().await;
    let publishes = many("p", 40);
    let answers = registry.record_together(&publishes).await;
    assert!(answers.iter().all(Result::is_ok));
    for table in [
        "package_files",
        "package_names",
        "blobs",
        "webhook_deliveries",
    ] {
        // A row knows the transaction and the statement of it that made it.
        let counted = format!(
            "SELECT COUNT(*) >= 39, COUNT(DISTINCT cmin::text) FROM {table} \
             WHERE xmin::text::bigint = (SELECT MAX(xmin::text::bigint) FROM {table})"
        );
        let rows = sql(&registry.folder, &counted);
        assert_eq!(rows, [["t", "1"]], "{table}");
    }
}

#[tokio::test]
async fn a_batch_whose_connection_is_lost_is_not_tried_one_by_one_on_postgresql() {
    if !tarn_testkit::on_postgres() {
        return;
    }
    let registry = Registry::here().await;
    // What adds files loses its connection, and is counted all the same.
    let loses = "CREATE SEQUENCE tries; \
        CREATE FUNCTION lose() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN \
        PERFORM nextval('tries'), pg_terminate_backend(pg_backend_pid()), pg_sleep(60); RETURN NULL; END $$; \
        CREATE TRIGGER loses BEFORE INSERT ON package_files EXECUTE FUNCTION lose()";
    sql(&registry.folder, loses);
    let publishes = many("p", 20);
    let writer = Writer::of(&registry.folder);
    let records = publishes.iter().map(|publish| registry.record(publish));
    let (answers, ()) = tokio::join!(join_all(records), async { drop(writer) });
    for said in said(&answers) {
        assert_eq!(said, "the database can't be reached");
    }
    // The first, and all others together.
    let tries = sql(&registry.folder, "SELECT last_value FROM tries");
    assert_eq!(tries, [["2"]]);
}

#[tokio::test]
async fn those_who_were_answered_together_come_together_again() {
    let registry = Registry::here().await;
    registry.record_together(&many("p0-", 20)).await;
    for round in 1..6 {
        // Nothing is recorded by now.
        sleep(Duration::from_millis(5)).await;
        let before = registry.metadata.recording_transactions();
        let publishes = many(&format!("p{round}-"), 20);
        let answers = join_all(publishes.iter().map(|publish| registry.record(publish))).await;
        assert!(answers.iter().all(Result::is_ok));
        assert_eq!(registry.metadata.recording_transactions() - before, 1);
    }
}

#[tokio::test]
async fn no_publish_looks_at_all_files_of_its_repository_on_postgresql() {
    if !tarn_testkit::on_postgres() {
        return;
    }
    // What is asked for the first package is planned while there is none, and the plans are kept.
    let registry = Registry::here().await;
    for round in 0..4 {
        let publishes = many(&format!("p{round}-"), 50);
        let records = publishes.iter().map(|publish| registry.record(publish));
        assert!(join_all(records).await.iter().all(Result::is_ok));
    }
    registry.metadata.close().await;
    // A connection counts when it ends.
    let counted = async {
        let all = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'package_files'";
        while sql(&registry.folder, all) != [["200"]] {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(60), counted).await.unwrap();
    let read = "SELECT indexrelname, idx_tup_read FROM pg_stat_user_indexes WHERE relname = 'package_files'";
    let read = sql(&registry.folder, read);
    assert!(read.len() > 5, "{read:?}");
    for index in &read {
        assert!(index[1].parse::<u64>().unwrap() <= 3 * 200, "{read:?}");
    }
}
