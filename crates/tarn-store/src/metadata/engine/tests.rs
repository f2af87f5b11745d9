//! That both kinds of transaction are one thing to their users, and what a row holds.

use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::metadata::{given::given, rows::Joined, sqlite};

/// A database of SQLite, with its folder.
async fn open() -> (Engine, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _) = sqlite::open(&folder.path().join("tarn.db")).await.unwrap();
    (engine, folder)
}

/// How SQLite answers a question: the steps of `EXPLAIN QUERY PLAN`, with which its text has to begin.
pub(in crate::metadata) async fn plan(question: Statement) -> Vec<String> {
    let (engine, _folder) = open().await;
    let steps: Vec<(i64, i64, i64, String)> = engine.rows(question).await.unwrap();
    steps.into_iter().map(|(_, _, _, detail)| detail).collect()
}

/// Both kinds of transaction, each on a database of its own.
async fn both() -> [(Engine, bool, tempfile::TempDir); 2] {
    let [(one, folder), (other, other_folder)] = [open().await, open().await];
    [(one, false, folder), (other, true, other_folder)]
}

async fn begin(engine: &Engine, here: bool) -> Transaction {
    match here {
        false => engine.write().await.unwrap(),
        true => engine.write_here().await.unwrap(),
    }
}

fn owner(id: i64, name: &str) -> Statement {
    sql!(
        "INSERT INTO owners (id, kind, name, name_lower, visibility, created_at) \
         VALUES ($1, 'user', $2, $2, 'public', 0)",
        id,
        name
    )
}

pub(in crate::metadata) async fn owners(engine: &Engine) -> i64 {
    let count = sql!("SELECT COUNT(*) AS count FROM owners");
    engine.row(count).await.unwrap().unwrap()
}

#[tokio::test]
async fn both_are_durable_and_mind_references() {
    for (engine, here, _folder) in both().await {
        let mut transaction = begin(&engine, here).await;
        for (pragma, expected) in [
            // 2 is FULL.
            ("PRAGMA synchronous", 2),
            ("PRAGMA foreign_keys", 1),
            ("PRAGMA journal_size_limit", 67_108_864),
        ] {
            let set: Option<i64> = transaction.row(sql!(pragma)).await.unwrap();
            assert_eq!(set, Some(expected), "{pragma}, {here}");
        }
    }
}

#[tokio::test]
async fn both_happen_whole_or_not_at_all() {
    for (engine, here, _folder) in both().await {
        let mut transaction = begin(&engine, here).await;
        assert_eq!(transaction.run(owner(1, "alice")).await.unwrap(), 1);
        drop(transaction);
        assert_eq!(owners(&engine).await, 0);

        let mut transaction = begin(&engine, here).await;
        transaction.run(owner(1, "alice")).await.unwrap();
        let error = transaction.run(owner(2, "alice")).await.unwrap_err();
        assert!(error.is_duplicate(), "{error:?}");
        let user = sql!("INSERT INTO users (owner_id) VALUES ($1)", 7_i64);
        let error = transaction.run(user).await.unwrap_err();
        assert!(matches!(error, MetadataError::Dangling(_)), "{error:?}");
        // What was refused undid nothing but itself.
        transaction.commit().await.unwrap();
        assert_eq!(owners(&engine).await, 1);
    }
}

#[tokio::test]
async fn both_survive_a_full_disk() {
    for (engine, here, _folder) in both().await {
        let mut transaction = begin(&engine, here).await;
        let limit = sql!("PRAGMA max_page_count = 1");
        transaction.any(limit).await.unwrap();
        transaction.commit().await.unwrap();

        let mut transaction = begin(&engine, here).await;
        let mut id = 0;
        let error = loop {
            id += 1;
            let name = format!("{id}{}", "x".repeat(1000));
            if let Err(error) = transaction.run(owner(id, &name)).await {
                break error;
            }
        };
        assert!(matches!(error, MetadataError::Full(_)), "{error:?}");
        // SQLite has rolled back. What comes now must not last.
        let error = transaction.run(owner(1, "late")).await.unwrap_err();
        assert!(error.to_string().contains("failed"), "{error:?}");
        drop(transaction);
        assert_eq!(owners(&engine).await, 0);

        let mut transaction = begin(&engine, here).await;
        let limit = sql!("PRAGMA max_page_count = 1000");
        transaction.any(limit).await.unwrap();
        transaction.run(owner(1, "alice")).await.unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(owners(&engine).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_take_turns() {
    let (engine, _folder) = open().await;
    for (held, next) in [(false, true), (true, false), (true, true), (false, false)] {
        let transaction = begin(&engine, held).await;
        // Without turns this would wait inside of SQLite, and come back with an error.
        let waiting = timeout(Duration::from_millis(50), begin(&engine, next));
        assert!(waiting.await.is_err());
        drop(transaction);
    }
    let writers = (0..40).map(|id| {
        let engine = engine.clone();
        tokio::spawn(async move {
            let mut transaction = begin(&engine, id % 2 == 0).await;
            transaction
                .run(owner(id, &format!("user{id}")))
                .await
                .unwrap();
            transaction.commit().await.unwrap();
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(owners(&engine).await, 40);
    engine.close().await;
    assert!(engine.write_here().await.is_err());
}

#[tokio::test]
async fn it_reads_writes_and_commits_as_postgresql_does() {
    let (engine, _folder) = open().await;
    reads_back(&engine).await;
    takes_many_rows(&engine).await;
    commits_with_statements(&engine).await;
}

/// A statement about many rows does all of them, in their order.
pub(in crate::metadata) async fn takes_many_rows(engine: &Engine) {
    let add = |names: &[Option<&'static str>]| {
        given!(
            (0i64..).zip(names),
            |(number, name)| {
                number: number,
                name: *name,
                hash: [7_u8; 32].as_slice(),
                active: number > 0,
            },
            "INSERT INTO owners (kind, name, name_lower, visibility, created_at) \
             SELECT 'user', COALESCE(name, 'none'), COALESCE(name, 'none'), CASE WHEN active THEN 'public' ELSE 'private' END, \
             length(hash) + number FROM given ORDER BY number RETURNING name, visibility, created_at"
        )
    };
    let names = [Some("größe"), None, Some("third")];
    let find = given!(
        ["third", "none", "nobody"],
        |name| { name: name },
        "SELECT owners.name AS name FROM given JOIN owners ON owners.name = given.name ORDER BY owners.id"
    );
    let mut transaction = engine.write().await.unwrap();
    // Each sees what those before it did, and one without rows does nothing.
    let answers = transaction.all(vec![add(&names), add(&[]), find]).await;
    let answers = answers.unwrap();
    let expected = [
        ("größe", "private", 32),
        ("none", "public", 33),
        ("third", "public", 34),
    ];
    let expected = expected.map(|(name, seen, at)| (name.to_owned(), seen.to_owned(), at));
    let [added, nothing, found]: [Answer; 3] = answers.try_into().unwrap();
    let made: Vec<(String, String, i64)> = read_all(added.rows).unwrap();
    assert_eq!(made, expected);
    assert_eq!((added.changed, nothing.changed), (3, 0));
    assert!(nothing.rows.is_empty());
    let mut names: Vec<String> = read_all(found.rows).unwrap();
    names.sort_unstable();
    assert_eq!(names, ["none", "third"]);

    // One row that changes nothing is missed.
    let rename = given!(
        ["third", "nobody"],
        |name| { name: name },
        "UPDATE owners SET visibility = 'limited' FROM given WHERE owners.name = given.name"
    );
    let error = transaction.given(rename.each_changes("owner")).await;
    let error = error.unwrap_err();
    assert!(
        matches!(error, MetadataError::Missing("owner")),
        "{error:?}"
    );
    drop(transaction);
    // What fails in one row fails.
    let mut transaction = engine.write().await.unwrap();
    let error = transaction.given(add(&[Some("one"), Some("one")])).await;
    assert!(error.unwrap_err().is_duplicate());
}

/// Statements that are committed with the transaction do all or nothing.
pub(in crate::metadata) async fn commits_with_statements(engine: &Engine) {
    let add = |names: [&'static str; 2]| {
        given!(
            names,
            |name| { name: name },
            "INSERT INTO owners (kind, name, name_lower, visibility, created_at) SELECT 'user', name, name, 'public', 0 FROM given RETURNING id"
        )
        .returning()
        .each_changes("owner")
    };
    let limit = |name: &'static str| {
        given!(
            [name],
            |name| { name: name },
            "UPDATE owners SET visibility = 'limited' FROM given WHERE owners.name = given.name"
        )
    };
    let found = async || {
        let question = "SELECT name, visibility FROM owners WHERE name LIKE 'with-%' ORDER BY name";
        let rows: Vec<(String, String)> = engine.rows(sql!(question)).await.unwrap();
        let said = |(name, visibility)| format!("{name} {visibility}");
        rows.into_iter().map(said).collect::<Vec<_>>()
    };
    // One that changes nothing, where it has to; one that fails; and what was asked first stays undone with them.
    for (last, missing) in [
        (limit("nobody").each_changes("limit"), true),
        (add(["with-c", "with-c"]), false),
    ] {
        let (mut transaction, answers) = engine
            .write_asking(vec![limit("nobody")], Instant::now())
            .await
            .unwrap();
        assert_eq!(answers.len(), 1);
        transaction.given(add(["with-a", "with-b"])).await.unwrap();
        let statements = vec![add(["with-c", "with-d"]), last];
        let failure = transaction.commit_with(statements).await.unwrap_err();
        let Failure::Statement(error) = failure else {
            unreachable!("{failure:?}");
        };
        let is_missing = matches!(error, MetadataError::Missing("limit"));
        assert_eq!(
            (is_missing, error.is_duplicate()),
            (missing, !missing),
            "{error:?}"
        );
        assert_eq!(found().await, [""; 0]);
    }
    let (transaction, _) = engine.write_asking(vec![], Instant::now()).await.unwrap();
    let statements = vec![
        add(["with-a", "with-b"]),
        add(["with-c", "with-d"]),
        limit("with-b").each_changes("limit"),
        limit("nobody"),
    ];
    transaction.commit_with(statements).await.unwrap();
    let expected = [
        "with-a public",
        "with-b limited",
        "with-c public",
        "with-d public",
    ];
    assert_eq!(found().await, expected);
    engine
        .run(sql!("DELETE FROM owners WHERE name LIKE 'with-%'"))
        .await
        .unwrap();
}

/// A value is read back as what was given, and as nothing else.
pub(in crate::metadata) async fn reads_back(engine: &Engine) {
    // A value of each kind, the second before the first, and one of them twice.
    let every_kind = sql!(
        "SELECT $2 AS text, $1 AS number, $1 + 1 AS next, $3 AS flag, $4 AS bytes, $5 AS absent",
        41_i64,
        "größe",
        true,
        [7_u8, 0, 255].as_slice(),
        None::<i64>
    );
    let expected = (
        Some("größe".to_owned()),
        (41_i64, 42_u32),
        true,
        vec![7_u8, 0, 255],
        None::<i64>,
    );
    let row = engine.look_up(every_kind).await.unwrap();
    assert_eq!(row, Some(expected));
    let numbers = || {
        sql!(
            "SELECT $1 AS one, $2 AS two, $1 AS three",
            1_i64,
            None::<i64>
        )
    };
    // What is joined and not there takes as many columns as if it were.
    let (one, Joined(joined)): (i64, Joined<(i64, i64)>) =
        engine.look_up(numbers()).await.unwrap().unwrap();
    assert_eq!((one, joined), (1, None));
    let few = engine.look_up::<(i64, Joined<(i64, i64, i64)>)>(numbers());
    assert!(few.await.is_err());
    // NULL, another type, a column too few and one too many.
    assert!(engine.look_up::<(i64, i64, i64)>(numbers()).await.is_err());
    let text = engine.look_up::<(String, Option<i64>, i64)>(numbers());
    assert!(text.await.is_err());
    let few = engine.look_up::<(i64, Option<i64>, i64, i64)>(numbers());
    assert!(few.await.is_err());
    assert!(
        engine
            .look_up::<(i64, Option<i64>)>(numbers())
            .await
            .is_err()
    );
    for unfit in [
        sql!("SELECT 1 FROM unheard"),
        sql!("SELECT $1 AS first, $2 AS second", 1_i64),
        sql!("SELECT 1.5 AS real"),
    ] {
        let error = engine.look_up::<i64>(unfit).await.unwrap_err();
        assert!(matches!(error, MetadataError::Failed(_)), "{error:?}");
    }
}
