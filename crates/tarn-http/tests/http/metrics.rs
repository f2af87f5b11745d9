//! What is counted, what is shown of it, and that it names no account.

use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex},
    time::Duration,
};

use apk::{
    arch::Arch,
    digest::{Identity, PackageHash, Sha256Digest},
    facts::{Format, PackageFacts},
    name::PackageName,
    version::Version,
};
use tarn_base::names::{Branch, RepositoryName};
use tarn_store::metadata::{Actor, NewBlob, NewPackageFile};
use tracing::{Event, Metadata, Subscriber, field, span};

use crate::{
    client::{get, put},
    server::{ALICE, HELLO, INDEX, START, TestServer, hello, name, password},
};

/// Keeps the lines of the log that say that something failed.
#[derive(Clone, Default)]
struct Faults(Arc<Mutex<String>>);

struct Fields<'t>(&'t mut String);

impl field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &field::Field, value: &dyn Debug) {
        write!(self.0, "{field}={value:?} ").unwrap();
    }
}

impl Subscriber for Faults {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::ERROR
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Fields(&mut self.0.lock().unwrap()));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

async fn metrics(server: &TestServer) -> String {
    server.send(&get("/metrics")).await.expect(200).text()
}

/// The counts once no connection is open but the one that asks: a connection ends a little after its last answer.
async fn metrics_at_rest(server: &TestServer) -> String {
    loop {
        let text = metrics(server).await;
        if text.lines().any(|line| line == "tarn_open_connections 1") {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[track_caller]
fn assert_line(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == line), "{line}\n{text}");
}

#[tokio::test]
async fn without_the_setting_there_are_no_metrics() {
    let server = TestServer::start().await;
    let answer = server.send(&get("/metrics")).await;
    answer.refusal(404, "nothing is at /metrics");
}

#[tokio::test]
async fn everything_is_counted_and_no_one_is_named() {
    let server = TestServer::start_with(|settings| settings.metrics = true).await;
    server.publish("edge/main", hello()).await.expect(201);
    server.publish("edge/main", hello()).await.expect(409);
    server
        .publish("edge/main", b"nothing".to_vec())
        .await
        .expect(400);
    let wrong = put(format!("{ALICE}/edge/main"), hello()).basic("alice", "not her password");
    server.send(&wrong).await.expect(401);
    for _ in 0..3 {
        server.send(&get(INDEX)).await.expect(200);
    }
    server.send(&get(HELLO)).await.expect(200);
    let v3 = INDEX.replace("APKINDEX.tar.gz", "Packages.adb");
    server.send(&get(v3)).await.expect(200);

    let text = metrics_at_rest(&server).await;
    for line in [
        "tarn_requests_total{route=\"index\",status=\"200\"} 3",
        "tarn_requests_total{route=\"index_v3\",status=\"200\"} 1",
        "tarn_requests_total{route=\"package\",status=\"200\"} 1",
        "tarn_requests_total{route=\"publish\",status=\"201\"} 1",
        "tarn_requests_total{route=\"publish\",status=\"409\"} 1",
        "tarn_request_duration_seconds_count{route=\"publish\"} 4",
        "tarn_request_duration_seconds_bucket{route=\"index\",le=\"+Inf\"} 3",
        "tarn_publishes_total{result=\"accepted\"} 1",
        "tarn_publishes_total{result=\"already_exists\"} 1",
        "tarn_publishes_total{result=\"refused\"} 1",
        "tarn_publish_transactions_total 1",
        "tarn_indexes_made_total{format=\"v2\"} 1",
        "tarn_indexes_made_total{format=\"v3\"} 1",
        "tarn_index_signatures_total 2",
        "tarn_index_refused_total 0",
        "tarn_index_requests_total{from=\"cache\"} 2",
        "tarn_index_requests_total{from=\"build\"} 2",
        "tarn_index_cache_entries 2",
        "tarn_password_checks_total{result=\"correct\"} 1",
        "tarn_password_checks_total{result=\"wrong\"} 1",
        "tarn_disk_full_total 0",
    ] {
        assert_line(&text, line);
    }
    for secret in ["alice", "edge", "hello", "x86_64"] {
        assert!(!text.contains(secret), "{secret}\n{text}");
    }
    let sent = text
        .lines()
        .find_map(|line| line.strip_prefix("tarn_sent_bytes_total "))
        .unwrap();
    let least = 3 * server.send(&get(INDEX)).await.body.len() + hello().len();
    assert!(sent.parse::<usize>().unwrap() > least, "{sent} of {least}");
    let asked = text
        .lines()
        .find_map(|line| line.strip_prefix("tarn_database_queries_total "));
    assert!(asked.unwrap().parse::<u64>().unwrap() > 1, "{text}");
    // Every line is a comment, or a name, perhaps labels, and a number.
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("tarn_"), "{line}");
        value.parse::<f64>().unwrap();
    }
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_no_fault_of_the_server() {
    let server = TestServer::start_with(|settings| {
        settings.metrics = true;
        settings.quota.packages = Some(1);
    })
    .await;
    server.publish("edge/main", hello()).await.expect(201);
    server.publish("edge/other", hello()).await.expect(413);
    let text = metrics_at_rest(&server).await;
    assert_line(&text, "tarn_publishes_total{result=\"refused\"} 1");
    assert_line(&text, "tarn_publishes_total{result=\"failed\"} 0");
}

#[tokio::test]
async fn an_index_that_fails_its_verification_is_a_500_a_line_in_the_log_and_a_count() {
    let server = TestServer::start_with(|settings| settings.metrics = true).await;
    let faults = Faults::default();
    // For the whole process, since the server has threads of its own: no other test of this program listens.
    tracing::subscriber::set_global_default(faults.clone()).unwrap();
    server.publish("edge/main", hello()).await.expect(201);
    server.send(&get(INDEX)).await.expect(200);
    // A row as only a fault of the program, or of the disk, could make it.
    let metadata = server.registry.metadata();
    let alice = metadata.owner(&name("alice")).await.unwrap().unwrap();
    let blob = Sha256Digest::from_bytes([7; 32]);
    let facts = PackageFacts {
        description: "a line\nQ:and another".to_owned(),
        ..PackageFacts::new(
            Format::V2 { data_hash: blob },
            PackageName::parse("damaged").unwrap(),
            Version::parse("1.0-r0").unwrap(),
            Arch::parse("x86_64").unwrap(),
        )
    };
    let damaged = NewPackageFile::new(
        alice.id,
        Branch::parse("edge").unwrap(),
        RepositoryName::parse("main").unwrap(),
        &facts,
        PackageHash::Identity(Identity::from_bytes([7; 20])),
        NewBlob {
            place: 0,
            sha256: blob,
            size: 7,
        },
    );
    metadata
        .record_package(&damaged, &Actor::SERVER.at(START))
        .await
        .unwrap();

    for (count, path) in [
        INDEX.to_owned(),
        INDEX.replace("APKINDEX.tar.gz", "Packages.adb"),
    ]
    .iter()
    .enumerate()
    {
        let answer = server.send(&get(path)).await;
        answer.refusal(500, "internal error");
        let text = metrics(&server).await;
        assert_line(&text, &format!("tarn_index_refused_total {}", count + 1));
        let log = faults.0.lock().unwrap().clone();
        assert!(log.contains("is not served"), "{log}");
        assert!(log.contains("request failed"), "{log}");
    }
    // What is there beside the index is served all the same.
    server.send(&get(HELLO)).await.expect(200);
    let again = put(format!("{ALICE}/edge/other"), hello()).basic("alice", &password("alice"));
    server.send(&again).await.expect(201);
}
