//! A server of the tests' own: its connections, who gets them, and what a transaction is.

mod lost;

use std::{collections::BTreeMap, path::Path};

use tarn_testkit::Postgres as Server;

use super::*;
use crate::metadata::{
    Database, Metadata, WRITE_WAIT,
    engine::{self, sql, tests::owners},
    given::given,
    sqlite,
};

fn address(server: &Server) -> PostgresAddress {
    server.create("tarn", None);
    server.url("tarn").parse().unwrap()
}

/// A question that has no end.
fn endless() -> Statement {
    sql!(
        "SELECT COUNT(*) AS count FROM generate_series(1, 1000000000) AS a, generate_series(1, 1000000000) AS b"
    )
}

fn owner(name: &str) -> Statement {
    sql!(
        "INSERT INTO owners (kind, name, name_lower, visibility, created_at) VALUES ('user', $1, $1, 'public', 0)",
        name
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_an_engine_like_the_other() {
    let Some(server) = Server::start() else {
        return;
    };
    let address = address(&server);
    let (engine, watch) = open(&address).await.unwrap();
    engine::tests::reads_back(&engine).await;
    engine::tests::takes_many_rows(&engine).await;
    engine::tests::commits_with_statements(&engine).await;
    the_tables_are_those_of_sqlite(&engine).await;
    readers_cannot_write(&engine).await;
    a_transaction_happens_whole_or_not_at_all(&engine).await;
    a_caller_that_leaves_ends_its_statement_and_gives_its_turn_back(&engine).await;
    writers_of_several_processes_take_turns(&address, &engine).await;
    commits_are_on_the_disk_when_answered(&server, &address).await;
    statements_are_prepared_anew_for_other_tables(&server, &engine).await;
    one_that_does_nothing_in_its_transaction_loses_it(&address, &engine).await;
    what_is_not_understood_here_may_have_been_committed(&engine).await;
    a_statement_that_takes_too_long_is_stopped_as_busy(&address).await;
    lost::what_was_cut_before_its_answer_is_asked_once_more(&server, &engine).await;
    lost::a_transaction_waits_no_longer_than_it_may(&address, &engine).await;
    a_server_that_is_lost_in_a_transaction_is_noted(&address).await;
    what_was_known_is_forgotten_with_the_connection(&server, &engine, &watch).await;
    engine.close().await;
    assert!(engine.any(sql!("SELECT 1 AS one")).await.is_err());
    assert!(engine.write().await.is_err());
    watch.close();
    assert_eq!(watch.version().await, None);
}

async fn the_tables_are_those_of_sqlite(engine: &Engine) {
    let folder = tempfile::tempdir().unwrap();
    let (other, _) = sqlite::open(&folder.path().join("tarn.db")).await.unwrap();
    let columns = async |engine: &Engine, text| {
        let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let all: Vec<(String, String, bool)> = engine.rows(sql!(text)).await.unwrap();
        for (table, name, may_be_null) in all {
            let columns = tables.entry(table).or_default();
            columns.push(format!("{name}{}", if may_be_null { "?" } else { "" }));
        }
        tables.retain(|table, columns| {
            columns.sort();
            // Those of refinery, and of FTS5.
            table != "refinery_schema_history" && !table.starts_with("package_search")
        });
        tables
    };
    let here = "SELECT table_name, column_name AS name, is_nullable = 'YES' AS may_be_null FROM information_schema.columns \
                WHERE table_schema = 'public'";
    let there = "SELECT tables.name AS table_name, columns.name AS name, columns.\"notnull\" = 0 AND columns.pk = 0 AS may_be_null \
                 FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns \
                 WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%'";
    let expected = columns(&other, there).await;
    assert!(expected.len() > 20, "{expected:?}");
    assert_eq!(columns(engine, here).await, expected);
    other.close().await;
}

async fn readers_cannot_write(engine: &Engine) {
    for purpose in [
        Purpose::Lookup,
        Purpose::Index,
        Purpose::List,
        Purpose::Other,
    ] {
        let unfit = sql!("DELETE FROM owners RETURNING id");
        assert!(engine.ask::<i64>(purpose, unfit).await.is_err());
    }
}

async fn a_transaction_happens_whole_or_not_at_all(engine: &Engine) {
    let mut transaction = engine.write().await.unwrap();
    assert_eq!(transaction.run(owner("alice")).await.unwrap(), 1);
    drop(transaction);
    assert_eq!(owners(engine).await, 0);

    for (refused, is_duplicate) in [
        (owner("alice"), true),
        (
            sql!("INSERT INTO users (owner_id) VALUES ($1)", 7_i64),
            false,
        ),
    ] {
        let mut transaction = engine.write().await.unwrap();
        transaction.run(owner("alice")).await.unwrap();
        let error = transaction.run(refused).await.unwrap_err();
        assert_eq!(error.is_duplicate(), is_duplicate, "{error:?}");
        let is_dangling = matches!(error, MetadataError::Dangling(_));
        assert_eq!(is_dangling, !is_duplicate, "{error:?}");
        // PostgreSQL would answer with ROLLBACK, and that is no error.
        assert!(transaction.commit().await.is_err());
        assert_eq!(owners(engine).await, 0);
    }
    let mut transaction = engine.write_here().await.unwrap();
    transaction.run(owner("alice")).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(owners(engine).await, 1);
}

async fn a_caller_that_leaves_ends_its_statement_and_gives_its_turn_back(engine: &Engine) {
    let short = Duration::from_millis(300);
    let mut asked: Vec<_> = (0..6)
        .map(|_| Box::pin(engine.ask::<i64>(Purpose::List, endless())))
        .collect();
    let all = futures_util::future::join_all(asked.iter_mut());
    assert!(timeout(short, all).await.is_err());
    // While all turns of lists are taken, everything else is answered.
    for purpose in [Purpose::Lookup, Purpose::Index, Purpose::Other] {
        let answer = engine.ask::<i64>(purpose, sql!("SELECT 1 AS one")).await;
        assert_eq!(answer.unwrap(), [1], "{purpose:?}");
    }
    drop(asked);
    let answer = engine
        .ask::<i64>(Purpose::List, sql!("SELECT 1 AS one"))
        .await;
    assert_eq!(answer.unwrap(), [1]);

    // A change whose caller leaves is undone, and what comes after it in the same transaction is not done.
    let mut transaction = engine.write().await.unwrap();
    transaction.run(owner("bob")).await.unwrap();
    assert!(timeout(short, transaction.any(endless())).await.is_err());
    assert!(transaction.run(owner("carol")).await.is_err());
    assert!(transaction.commit().await.is_err());
    engine.write().await.unwrap().commit().await.unwrap();
    assert_eq!(owners(engine).await, 1);
}

async fn writers_of_several_processes_take_turns(address: &PostgresAddress, engine: &Engine) {
    let (other, _) = open(address).await.unwrap();
    let mut first = engine.write().await.unwrap();
    let second = async {
        let mut second = other.write().await.unwrap();
        let count = sql!("SELECT COUNT(*) AS count FROM owners");
        second.count(count).await.unwrap()
    };
    let finish = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        first.run(owner("dave")).await.unwrap();
        first.commit().await.unwrap();
    };
    // It sees what was committed while it waited.
    let (count, ()) = tokio::join!(second, finish);
    assert_eq!(count, 2);
    other.close().await;
}

async fn statements_are_prepared_anew_for_other_tables(server: &Server, engine: &Engine) {
    let ask = || sql!("SELECT created_at FROM owners ORDER BY id");
    let change = |kind| {
        let text = format!("ALTER TABLE owners ALTER COLUMN created_at TYPE {kind}");
        server.sql("tarn", &text);
    };
    // As a newer version does it while this one runs. Its connections have prepared the question.
    let before: Vec<i64> = engine.rows(ask()).await.unwrap();
    let mut transaction = engine.write().await.unwrap();
    transaction.any(ask()).await.unwrap();
    transaction.commit().await.unwrap();
    change("INTEGER");
    for _ in 0..4 {
        assert_eq!(engine.rows::<i64>(ask()).await.unwrap(), before);
    }
    // What a transaction has done is lost with it; the next one works.
    let mut transaction = engine.write().await.unwrap();
    let error = transaction.any(ask()).await.unwrap_err();
    assert!(error.is_of_changed_tables(), "{error:?}");
    assert!(matches!(error, MetadataError::Busy(_)), "{error:?}");
    drop(transaction);
    let mut transaction = engine.write().await.unwrap();
    assert_eq!(transaction.rows::<i64>(ask()).await.unwrap(), before);
    transaction.commit().await.unwrap();
    change("BIGINT");
}

/// A process that stops in the middle of a transaction, as one does that is paused.
async fn one_that_does_nothing_in_its_transaction_loses_it(
    address: &PostgresAddress,
    engine: &Engine,
) {
    let (other, _) = open(address).await.unwrap();
    let before = owners(engine).await;
    let mut paused = other.write().await.unwrap();
    paused.run(owner("erin")).await.unwrap();
    // Longer than it may do nothing, and shorter than this one waits.
    let transaction = engine.write().await.unwrap();
    assert!(paused.commit().await.is_err());
    transaction.commit().await.unwrap();
    assert_eq!(owners(engine).await, before);
    other.close().await;
}

async fn a_statement_that_takes_too_long_is_stopped_as_busy(address: &PostgresAddress) {
    let connector = Connector::new(address, Tls::new(address).await.unwrap(), Handle::current());
    let session = Session {
        deadline: Duration::from_millis(20),
        ..Session::default()
    };
    let pool = Pool::new(&connector, 1, "test", session).unwrap();
    let error = pool.take().await.unwrap().rows(&endless()).await;
    let error = error.unwrap_err();
    assert!(matches!(error, MetadataError::Busy(_)), "{error:?}");
    let next = sql!("SELECT 1 AS one");
    assert_eq!(
        pool.take().await.unwrap().rows(&next).await.unwrap().len(),
        1
    );
}

async fn what_is_not_understood_here_may_have_been_committed(engine: &Engine) {
    let before = owners(engine).await;
    let (mut transaction, _) = engine.write_asking(vec![], Instant::now()).await.unwrap();
    transaction.run(owner("frank")).await.unwrap();
    let odd = given!(
        [1i64],
        |number| { number: number },
        "SELECT CAST(number AS REAL) AS odd FROM given"
    );
    let failure = transaction.commit_with(vec![odd]).await.unwrap_err();
    assert!(matches!(failure, Failure::Transaction(_)), "{failure:?}");
    assert_eq!(owners(engine).await, before + 1);
    let deleted = engine.run(sql!("DELETE FROM owners WHERE name = 'frank'"));
    assert_eq!(deleted.await.unwrap(), 1);
}

/// By one that closes the connection, and one that hangs.
async fn a_server_that_is_lost_in_a_transaction_is_noted(address: &PostgresAddress) {
    let connector = Connector::new(address, Tls::new(address).await.unwrap(), Handle::current());
    let pool = Pool::new(&connector, 1, "test", Session::default()).unwrap();
    let is_reached = || *connector.reached.last.lock().unwrap();
    for lost in [
        sql!("SELECT pg_terminate_backend(pg_backend_pid()) AS done FROM pg_sleep(0)"),
        endless(),
    ] {
        let mut held = pool.take().await.unwrap();
        assert_eq!(is_reached(), Some(true));
        held.deadline = Duration::from_secs(2);
        let until = Instant::now() + WRITE_WAIT;
        Transaction::begin(&mut held, &[], until).await.unwrap();
        let mut transaction = Transaction::over(held, None);
        let error = transaction.rows(lost).await.unwrap_err();
        assert!(matches!(error, MetadataError::Unreachable(_)), "{error:?}");
        assert_eq!(is_reached(), Some(false));
        drop(transaction);
        // The same connection answers again, or another does.
        let mut held = pool.take().await.unwrap();
        held.rows(&sql!("SELECT 1 AS one")).await.unwrap();
    }
    assert_eq!(is_reached(), Some(true));
}

async fn what_was_known_is_forgotten_with_the_connection(
    server: &Server,
    engine: &Engine,
    watch: &Watch,
) {
    let before = watch.version().await.unwrap();
    assert_eq!(watch.version().await, Some(before));
    server.restart();
    // An idle connection is gone, which is no error for who asks next.
    assert_eq!(owners(engine).await, 2);
    let transaction = engine.write().await.unwrap();
    transaction.commit().await.unwrap();
    let after = loop {
        match watch.version().await {
            Some(version) => break version,
            None => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    assert_ne!(after, before);
}

#[tokio::test]
async fn a_server_that_cannot_be_used_is_named_with_what_to_do() {
    let Some(server) = Server::start() else {
        return;
    };
    let refused = async |url: &str| {
        let database = Database::Postgres(url.parse().unwrap());
        let error = Metadata::open(&database).await.unwrap_err();
        assert!(matches!(error, MetadataError::Open { .. }), "{error:?}");
        let survey = Metadata::survey(&database).await.unwrap_err();
        assert_eq!(survey.to_string(), error.to_string());
        error.to_string()
    };
    let said = refused(&server.url("nothing")).await;
    assert!(said.contains("createdb"), "{said}");
    assert!(said.ends_with("nothing"), "{said}");
    let nobody = server
        .url("postgres")
        .replace("postgres@", "nobody:hunter2@");
    let said = refused(&nobody).await;
    assert!(!said.contains("hunter2"), "{said}");
    assert!(said.contains("pg_hba.conf"), "{said}");
    server.sql("postgres", "CREATE ROLE few LOGIN CONNECTION LIMIT 0");
    let few = server.url("postgres").replace("postgres@", "few@");
    let said = refused(&few).await;
    assert!(said.contains("raise max_connections"), "{said}");
    let odd = server.url("postgres") + "&options=-c%20no_such_setting=1";
    let said = refused(&odd).await;
    assert!(said.contains("look at the cause below"), "{said}");
    server.sql(
        "postgres",
        "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'",
    );
    let said = refused(&server.url("latin")).await;
    assert!(said.contains("encoding UTF8"), "{said}");
    let gone = server.url("tarn").replace("?host=", "?host=/nowhere");
    let said = refused(&gone).await;
    assert!(said.contains("check that PostgreSQL runs there"), "{said}");
}

#[test]
fn codes_are_told_apart() {
    for (state, expected) in [
        ("23505", "has a row like this"),
        ("23503", "no row that this one names"),
        ("53100", "disk"),
        ("40001", "busy"),
        ("40P01", "busy"),
        ("55P03", "busy"),
        ("57014", "busy"),
        ("53300", "busy"),
        ("57P01", "can't be reached"),
        ("57P03", "can't be reached"),
        ("42601", "failed"),
        ("23514", "failed"),
    ] {
        let said = meaning(&SqlState::from_code(state));
        let error = said("cause".into());
        assert!(error.to_string().contains(expected), "{state}: {error}");
    }
}

#[tokio::test]
async fn tls_is_what_sslmode_says() {
    // It names `localhost`, and has signed itself.
    const CERTIFICATE: &str = include_str!("../../../../tarn/tests/e2e/certificates/first.pem");
    const KEY: &str = include_str!("../../../../tarn/tests/e2e/certificates/first.key.pem");
    const ANOTHER: &str = include_str!("../../../../tarn/tests/e2e/certificates/second.pem");
    let port = tarn_testkit::free_address().port();
    let settings = [
        "listen_addresses=127.0.0.1",
        &format!("port={port}"),
        "ssl=on",
        "ssl_cert_file=first.pem",
        "ssl_key_file=first.key.pem",
    ];
    let files = [("first.pem", CERTIFICATE), ("first.key.pem", KEY)];
    let Some(_server) = Server::start_with(&settings, &files) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let root = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        format!("&sslrootcert={}", path.display())
    };
    let (own, another) = (root("own.pem", CERTIFICATE), root("another.pem", ANOTHER));
    let nothing = root("nothing.pem", "no certificate");
    for (host, query, expected) in [
        ("localhost", "sslmode=disable", Ok(false)),
        ("localhost", "sslmode=prefer", Ok(true)),
        ("localhost", "sslmode=require", Ok(true)),
        ("elsewhere.test", "sslmode=require", Ok(true)),
        ("localhost", &format!("sslmode=require{own}"), Ok(true)),
        (
            "elsewhere.test",
            &format!("sslmode=verify-ca{own}"),
            Ok(true),
        ),
        ("localhost", &format!("sslmode=verify-full{own}"), Ok(true)),
        (
            "elsewhere.test",
            &format!("sslmode=verify-full{own}"),
            Err("sslrootcert"),
        ),
        (
            "localhost",
            &format!("sslmode=require{another}"),
            Err("sslrootcert"),
        ),
        (
            "localhost",
            &format!("sslmode=verify-ca{another}"),
            Err("sslrootcert"),
        ),
        ("localhost", "sslmode=verify-full", Err("sslrootcert")),
        (
            "localhost",
            &format!("sslmode=verify-ca{nothing}"),
            Err("sslrootcert"),
        ),
    ] {
        let url = format!("postgres://postgres@{host}:{port}/postgres?hostaddr=127.0.0.1&{query}");
        let address: PostgresAddress = url.parse().unwrap();
        let encrypted = match open_unchanged(&address).await {
            Ok(engine) => {
                let ssl = sql!("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
                Ok(engine.row::<bool>(ssl).await.unwrap().unwrap())
            }
            Err(error) => Err(error.to_string()),
        };
        match (&encrypted, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(*found, expected, "{host} {query}"),
            (Err(said), Err(words)) => assert!(said.contains(words), "{query}: {said}"),
            _ => panic!("{host} {query}: {encrypted:?}"),
        }
    }
}

/// A server may be set to answer before a commit is on its disk.
async fn commits_are_on_the_disk_when_answered(server: &Server, address: &PostgresAddress) {
    for (set, expected) in [("off", "on"), ("local", "local")] {
        let set = format!("ALTER DATABASE tarn SET synchronous_commit = {set}");
        server.sql("tarn", &set);
        let (other, _) = open(address).await.unwrap();
        let mut transaction = other.write().await.unwrap();
        let asked = sql!("SELECT current_setting('synchronous_commit') AS setting");
        let setting: Option<String> = transaction.row(asked).await.unwrap();
        assert_eq!(setting.as_deref(), Some(expected), "{set}");
        drop(transaction);
        other.close().await;
    }
    server.sql("tarn", "ALTER DATABASE tarn RESET synchronous_commit");
}
