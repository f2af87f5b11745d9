//! Many publishes at once, and readers beside them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use apk::{limits::Limits, v2::index::read_unverified};
use tarn_base::clock::Clock;
use tarn_testkit::on_postgres;

use crate::{
    client::{Connection, Request, get, put},
    server::{ALICE, HELLO, INDEX, TestServer, hello, package, password},
};

/// The names in an index.
fn names(index: &[u8]) -> Vec<String> {
    let index = read_unverified(index, &Limits::default()).unwrap();
    let names = index.records.iter();
    names.map(|record| record.name().to_string()).collect()
}

fn upload(token: &str, name: &str) -> Request {
    put(format!("{ALICE}/edge/main"), package(name, "x86_64")).bearer(token)
}

/// Pushes packages over 8 connections, the next one of `next` each time, until there are `count`; `then` is done after
/// each 201.
async fn push(
    server: &TestServer,
    count: usize,
    then: impl AsyncFn(&mut Connection, usize) + Clone,
) {
    let token = server.token("alice", "write:package").await;
    let next = AtomicUsize::new(0);
    let pusher = async || {
        let mut connection = server.connect().await;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            let request = upload(&token, &format!("p{number}"));
            connection.send(&request).await.expect(201);
            then(&mut connection, number).await;
        }
    };
    tokio::join!(
        pusher(),
        pusher(),
        pusher(),
        pusher(),
        pusher(),
        pusher(),
        pusher(),
        pusher()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_packages_make_far_fewer_indexes_and_each_is_seen_after_its_201() {
    const PACKAGES: usize = 1_000;
    let server = TestServer::start().await;
    let pushing = AtomicBool::new(true);
    let reader = async {
        let mut connection = server.connect().await;
        let mut listed = 0;
        while pushing.load(Ordering::Relaxed) {
            let answer = connection.send(&get(INDEX)).await;
            if answer.status == 200 {
                let now = names(&answer.body).len();
                assert!(now >= listed, "{now} after {listed}");
                listed = now;
            }
        }
    };
    let writers = async {
        push(&server, PACKAGES, async |connection, number| {
            if number % 25 == 0 {
                let index = connection.send(&get(INDEX)).await.expect(200);
                let name = format!("p{number}");
                assert!(names(&index.body).contains(&name), "{name}");
            }
        })
        .await;
        pushing.store(false, Ordering::Relaxed);
    };
    tokio::join!(reader, writers);
    let index = server.send(&get(INDEX)).await.expect(200);
    assert_eq!(names(&index.body).len(), PACKAGES);

    let made = server.registry.indexes().counts().made_v2.value();
    assert!(made < PACKAGES as u64 / 2, "{made} indexes");
    let transactions = server.registry.metadata().recording_transactions();
    assert!(
        transactions < PACKAGES as u64 * 3 / 4,
        "{transactions} transactions"
    );
    assert_eq!(
        server.registry.publisher().counts().taken.value(),
        PACKAGES as u64
    );
}

#[tokio::test]
async fn what_is_not_asked_for_is_not_made() {
    let server = TestServer::start().await;
    push(&server, 100, async |_, _| ()).await;
    let counts = server.registry.indexes().counts();
    assert_eq!(counts.made_v2.value() + counts.made_v3.value(), 0);
    assert_eq!(counts.signatures.value(), 0);
    let index = server.send(&get(INDEX)).await.expect(200);
    assert_eq!(names(&index.body).len(), 100);
    assert_eq!((counts.made_v2.value(), counts.signatures.value()), (1, 1));
}

/// A client like apk: it knows what it holds, and a date.
struct Holder {
    date: String,
    listed: usize,
}

impl Holder {
    /// Asks whether there is something newer. Whether there was not.
    async fn look(&mut self, connection: &mut Connection, committed: &AtomicUsize) -> bool {
        let before = committed.load(Ordering::SeqCst);
        let request = get(INDEX).header("If-Modified-Since", &self.date);
        let answer = connection.send(&request).await;
        if answer.status == 200 {
            self.listed = names(&answer.body).len();
            self.date = answer.header("Last-Modified").unwrap().to_owned();
        } else {
            assert_eq!(answer.status, 304);
        }
        assert!(
            self.listed >= before,
            "{} packages were there before the request, and the client with {} was answered {}",
            before,
            self.listed,
            answer.status
        );
        answer.status == 304
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_knows_dates_alone_never_keeps_an_old_index_in_a_burst() {
    const BURST: Duration = Duration::from_secs(4);
    let server = TestServer::start_by(Clock::system(), |_| {}).await;
    let token = server.token("alice", "write:package").await;
    let committed = Arc::new(AtomicUsize::new(0));
    let next = AtomicUsize::new(0);
    let publish = async |connection: &mut Connection| {
        let name = format!("p{}", next.fetch_add(1, Ordering::Relaxed));
        connection.send(&upload(&token, &name)).await.expect(201);
        committed.fetch_add(1, Ordering::SeqCst);
    };
    let mut connection = server.connect().await;
    publish(&mut connection).await;

    let mut holder = Holder {
        date: "Thu, 01 Jan 1970 00:00:00 GMT".to_owned(),
        listed: 0,
    };
    let ends = Instant::now() + BURST;
    let pusher = async || {
        let mut connection = server.connect().await;
        while Instant::now() < ends {
            publish(&mut connection).await;
        }
    };
    let reader = async {
        let mut connection = server.connect().await;
        while Instant::now() < ends {
            holder.look(&mut connection, &committed).await;
        }
    };
    tokio::join!(pusher(), pusher(), pusher(), pusher(), reader);
    assert!(
        committed.load(Ordering::SeqCst) > 50,
        "this was no burst: {committed:?}"
    );

    // In the end the date is good for something again, and only as long as nothing happens.
    let patience = Instant::now() + Duration::from_secs(60);
    while !holder.look(&mut connection, &committed).await {
        assert!(Instant::now() < patience, "never 304");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for _ in 0..3 {
        publish(&mut connection).await;
        assert!(!holder.look(&mut connection, &committed).await);
    }
}

#[tokio::test]
async fn lists_that_never_end_hold_up_lists_of_their_source_only() {
    let server = TestServer::start_with(|settings| {
        settings.proxies.trusted = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    let upload = put(format!("{ALICE}/edge/main"), hello());
    let upload = upload.basic("alice", &password("alice"));
    server.send(&upload).await.expect(201);
    // What lists are read from has no end now, and neither has a statement that counts it.
    server.sql(
        "ALTER TABLE package_versions RENAME TO kept; \
         CREATE VIEW package_versions AS WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers) \
         SELECT CAST(n AS BIGINT) AS id, CAST(1 AS BIGINT) AS owner_id, 'a' AS name, '1.0-r0' AS version, '' AS description, \
         CAST(NULL AS BIGINT) AS creator_id, CAST(0 AS BIGINT) AS created_at, CAST(1 AS BIGINT) AS files FROM numbers",
    );
    let from = |target: &str, source: &str| get(target).header("X-Forwarded-For", source);
    let list = from("/api/v1/packages/alice", "192.0.2.1");
    let mut asking = Vec::new();
    for _ in 0..16 {
        let mut connection = server.connect().await;
        connection.write(&list.bytes()).await;
        asking.push(connection);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    for target in [INDEX, HELLO, "/healthz"] {
        server.send(&get(target)).await.expect(200);
    }
    let other = from("/api/v1/owners", "192.0.2.2");
    server.send(&other).await.expect(200);
    // What lists of that source wait for does not come, whatever list it is.
    let waiting = from("/api/v1/owners", "192.0.2.1");
    let waiting = server.send(&waiting);
    let waiting = tokio::time::timeout(Duration::from_millis(100), waiting);
    assert!(waiting.await.is_err());
    drop(asking);
    if on_postgres() {
        // It refuses statements that are ready when their columns get other types.
        return;
    }
    server.sql("DROP VIEW package_versions; ALTER TABLE kept RENAME TO package_versions");
    let answer = server.send(&list).await;
    // Where the server can't tell a client that left from one that has sent all, the statements end by their deadline.
    match answer.header("Retry-After") {
        None => drop(answer.expect(200)),
        Some(_) => drop(answer.problem(503, "busy")),
    }
}
