//! What the log has of requests: what they did, and what was refused.

use std::time::Duration;

use tarn_core::{
    access::{PlacePattern, TokenRequest},
    jobs::{Schedule, retain},
};
use tarn_store::metadata::{
    Actor, AuditEntry, AuditFilter, AuditResult, OwnerKind, Refused, Through, Visibility,
};
use tokio::time::{sleep, timeout};

use crate::{
    client::{delete, get, put},
    server::{
        ALICE, BY, HELLO, INDEX, TestServer, expect, hello, name, package, password, published,
    },
};

impl TestServer {
    pub(crate) async fn log(&self) -> Vec<AuditEntry> {
        self.registry.refusals().flush().await;
        self.registry
            .metadata()
            .audit_entries(&AuditFilter::default(), None, 1_000)
            .await
            .unwrap()
    }

    pub(crate) async fn refused(&self) -> Vec<AuditEntry> {
        let mut log = self.log().await;
        log.retain(|entry| entry.result == AuditResult::Refused);
        log.reverse();
        log
    }
}

#[tokio::test]
async fn uploads_and_deletions_name_the_account_and_the_address() {
    let server = TestServer::with_hello().await;
    let request = delete(HELLO).basic("alice", &password("alice"));
    server.send(&request).await.expect(204);
    let log = server.log().await;
    for (entry, action) in log.iter().zip(["package.delete", "package.publish"]) {
        assert_eq!(entry.action, action);
        assert_eq!(entry.account.as_deref(), Some("alice"));
        assert_eq!(entry.owner.as_deref(), Some("alice"));
        assert_eq!(entry.address.as_deref(), Some("127.0.0.1"));
        assert_eq!(entry.target, "edge/main/x86_64/hello-1.0-r0.apk");
    }
}

#[tokio::test]
async fn a_token_that_is_right_and_refused_is_noted_with_its_name_and_whose_it_is() {
    let server = TestServer::start().await;
    let minute = Some(Duration::from_secs(60));
    let expiring = server.token_for("alice", "read:package", minute).await;
    let elsewhere = TokenRequest {
        networks: "192.0.2.0/24".parse().unwrap(),
        ..TokenRequest::new("ci", "read:package".parse().unwrap())
    };
    let alice = name("alice");
    let made = server
        .accounts()
        .add_token(OwnerKind::User, &alice, &elsewhere, None, &BY);
    let (_, elsewhere) = made.await.unwrap();
    server.clock.advance(Duration::from_secs(60));
    for token in [expiring.as_str(), elsewhere.expose()] {
        let request = get(INDEX).basic("whoever", token);
        server.send(&request).await.expect(401);
    }
    let disabled = server.accounts().set_disabled(&alice, true, &BY).await;
    assert!(disabled.unwrap());
    let request = get(INDEX).bearer(elsewhere.expose());
    server.send(&request).await.expect(401);

    let refused = server.refused().await;
    let told: Vec<_> = refused
        .iter()
        .map(|entry| {
            assert_eq!(entry.action, "sign-in");
            assert_eq!(entry.account.as_deref(), Some("alice"));
            assert_eq!(entry.address.as_deref(), Some("127.0.0.1"));
            assert!(!format!("{entry:?}").contains("tarn_"), "{entry:?}");
            let why = entry.detail.as_deref().unwrap().split(';').next();
            (entry.token.as_deref().unwrap(), why.unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("read:package Some(60s)", "the token has expired"),
            ("ci", "the token may not be used from this address"),
            ("ci", "this account is disabled")
        ]
    );
}

#[tokio::test]
async fn refused_credentials_are_noted_without_a_secret() {
    let server = TestServer::start().await;
    let forge_token = "0123456789abcdef0123456789abcdef01234567";
    for request in [
        get(INDEX).basic("Alice", "hunter2 is wrong"),
        // A password where the name belongs.
        get(INDEX).basic("hunter2", "hunter2 is wrong"),
        get(INDEX).basic("eve\u{7}\n", "hunter2 is wrong"),
        // What turns the line round, ends it for some readers, or has no width.
        get(INDEX).basic("a\u{202e}ecila\u{2028}\u{200b}", "hunter2 is wrong"),
        get(INDEX).basic(forge_token, ""),
        get(INDEX).bearer("tarn_hunter2"),
        get(INDEX).header("Authorization", "Basic hunter2"),
    ] {
        server.send(&request).await.expect(401);
    }
    let refused = server.refused().await;
    let targets: Vec<_> = refused.iter().map(|entry| entry.target.as_str()).collect();
    assert_eq!(targets, ["Alice", "", "", "", "", "", ""]);
    for entry in &refused {
        assert_eq!(entry.action, "sign-in");
        assert_eq!(entry.account, None);
        assert_eq!(entry.address.as_deref(), Some("127.0.0.1"));
        assert!(entry.detail.is_some());
        let all = format!("{entry:?}");
        assert!(
            !all.contains("hunter2") && !all.contains(forge_token),
            "{all}"
        );
    }
    // At whom it was aimed can be asked for.
    assert_eq!(refused[0].owner.as_deref(), Some("alice"));
    assert_eq!(refused[1].owner, None);
}

#[tokio::test]
async fn refused_permissions_are_noted_and_anonymous_callers_are_not() {
    let server = TestServer::start().await;
    server.add_user("bob", Visibility::Private).await;
    let token = server.token("alice", "read:package").await;
    let target = format!("{ALICE}/edge/main");
    let private = "/api/packages/bob/alpine/key";
    server.send(&get(private)).await.expect(401);
    server.send(&put(&*target, hello())).await.expect(401);
    let request = put(&*target, hello()).bearer(&token);
    server.send(&request).await.expect(401);
    let request = get(private).basic("alice", &password("alice"));
    server.send(&request).await.expect(403);
    let refused = server.refused().await;
    let [write, read] = refused.as_slice() else {
        unreachable!("{refused:?}");
    };
    assert_eq!(
        (write.action.as_str(), write.target.as_str()),
        ("package.publish", &*target)
    );
    assert!(write.token_id.is_some());
    assert_eq!(
        (read.action.as_str(), read.target.as_str()),
        ("package.read", private)
    );
    assert_eq!(read.owner.as_deref(), Some("bob"));
    for entry in &refused {
        assert_eq!(entry.account.as_deref(), Some("alice"));
    }
}

#[tokio::test]
async fn a_flood_of_wrong_credentials_leaves_a_bounded_number_of_entries() {
    let server = TestServer::start_with(|settings| {
        settings.refusals.per_source = 3;
        settings.refusals.batch = 2;
    })
    .await;
    let wrong = get(INDEX).bearer("tarn_wrong");
    for _ in 0..10 {
        server.send(&wrong).await.expect(401);
    }
    let refused = server.refused().await;
    assert_eq!(refused.len(), 4, "{refused:?}");
    assert_eq!(
        refused[3].detail.as_deref(),
        Some("and 7 more from there within a minute")
    );
    // Still the same minute.
    server.send(&wrong).await.expect(401);
    assert_eq!(server.refused().await.len(), 5);
    server.clock.advance(Duration::from_secs(60));
    server.send(&wrong).await.expect(401);
    let refused = server.refused().await;
    assert_eq!(refused.len(), 6);
    assert_eq!(refused[5].detail, refused[0].detail);
}

#[tokio::test]
async fn a_flood_that_does_not_end_is_written_down_meanwhile() {
    let server = TestServer::start_with(|settings| {
        settings.refusals.per_source = 2;
        settings.refusals.pause = Duration::from_millis(50);
    })
    .await;
    let wrong = get(INDEX).bearer("tarn_wrong");
    let mut connection = server.connect().await;
    let filter = AuditFilter {
        result: Some(AuditResult::Refused),
        ..AuditFilter::default()
    };
    for _ in 0..10_000 {
        connection.send(&wrong).await.expect(401);
        let log = server.registry.metadata().audit_entries(&filter, None, 10);
        if !log.await.unwrap().is_empty() {
            return;
        }
    }
    unreachable!("nothing was written while the flood went on");
}

#[tokio::test]
async fn what_comes_faster_than_it_is_written_is_counted() {
    let server = TestServer::start_with(|settings| {
        settings.refusals.waiting = 1;
        settings.refusals.per_source = 1_000;
        settings.refusals.per_minute = 1_000;
    })
    .await;
    let entry = tarn_store::metadata::Refused {
        by: tarn_store::metadata::Actor::SERVER,
        at: server.clock.now(),
        action: "package.read",
        owner: None,
        target: "x".repeat(10_000),
        why: String::new(),
    };
    // Nothing else runs in between, so one waits and nine do not fit.
    for _ in 0..10 {
        server.registry.refusals().note(entry.clone());
    }
    let refused = server.refused().await;
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert_eq!(refused[0].target.len(), 256);
    assert_eq!(
        refused[1].detail.as_deref(),
        Some("and 9 more that came too fast to be written down")
    );
}

#[tokio::test]
async fn the_log_is_kept_as_long_as_the_setting_says() {
    let day = Duration::from_secs(86_400);
    for (retention, left) in [(Some(10 * day), "audit.delete"), (None, "package.publish")] {
        let server = TestServer::start_with(|settings| settings.audit_retention = retention).await;
        server.publish("edge/main", hello()).await.expect(201);
        server.clock.advance(9 * day);
        assert_eq!(retain(&server.registry).await.unwrap(), 0);
        server.clock.advance(2 * day);
        Schedule::new(server.registry.clone()).run_due().await;
        assert_eq!(server.log().await[0].action, left);
    }
}

#[tokio::test]
async fn old_versions_expire_the_same_way_and_the_newest_stay() {
    let server = TestServer::start().await;
    let day = Duration::from_secs(86_400);
    let alice = server
        .registry
        .metadata()
        .owner(&crate::server::name("alice"))
        .await;
    let alice = alice.unwrap().unwrap().id;
    let versions = ["1.9-r0", "1.10-r0", "1.2-r0"];
    for version in versions {
        let package = apk_testkit::v2::PackageBuilder::new("foo", version).build();
        published(&server, "edge/main", package.clone()).await;
        server.publish("edge/kept", package).await.expect(201);
    }
    published(&server, "edge/main", package("single", "x86_64")).await;
    let expiry = server.registry.administration().expiry();
    let pattern = "*/main".parse::<PlacePattern>().unwrap();
    let by = &tarn_store::metadata::Actor::COMMAND_LINE;
    expiry.set(alice, &pattern, 30, 1, by).await.unwrap();

    let mut schedule = Schedule::new(server.registry.clone());
    schedule.run_due().await;
    server.clock.advance(29 * day);
    schedule.run_due().await;
    let served = async |repository: &str| {
        let mut served = Vec::new();
        for version in versions {
            let target = format!("{ALICE}/edge/{repository}/x86_64/foo-{version}.apk");
            if server.send(&get(target)).await.status == 200 {
                served.push(version);
            }
        }
        served
    };
    assert_eq!(served("main").await, versions);
    server.clock.advance(2 * day);
    // Told, and not done.
    let mut told = Vec::new();
    let run = tarn_core::publish::expiry::Run::Dry;
    let count = expiry
        .run(Some(alice), run, |file| told.push(file.version.to_string()))
        .await
        .unwrap();
    assert_eq!(
        (count, told),
        (2, vec!["1.9-r0".to_owned(), "1.2-r0".to_owned()])
    );
    assert_eq!(served("main").await, versions);

    schedule.run_due().await;
    assert_eq!(served("main").await, ["1.10-r0"]);
    assert_eq!(served("kept").await, versions);
    expect(
        &server,
        &get(format!("{ALICE}/edge/main/x86_64/single-1.0-r0.apk")),
        200,
    )
    .await;
    let log = server.log().await;
    let expired: Vec<_> = log
        .iter()
        .filter(|entry| entry.action == "package.delete")
        .collect();
    assert_eq!(expired.len(), 2);
    assert!(
        expired
            .iter()
            .all(|entry| entry.through.as_str() == "server" && entry.account.is_none())
    );
    let (used, _) = server.registry.metadata().usage(alice).await.unwrap();
    assert_eq!(
        used,
        server
            .registry
            .metadata()
            .counted_usage(alice)
            .await
            .unwrap()
    );
    assert_eq!(used.packages, 5);
}

#[tokio::test]
async fn a_dry_run_of_two_rules_tells_what_a_run_of_them_removes() {
    let server = TestServer::start().await;
    let day = Duration::from_secs(86_400);
    let metadata = server.registry.metadata();
    let alice = metadata.owner(&crate::server::name("alice")).await;
    let alice = alice.unwrap().unwrap().id;
    for version in ["3-r0", "1-r0", "2-r0"] {
        let package = apk_testkit::v2::PackageBuilder::new("foo", version).build();
        server.publish("edge/main", package).await.expect(201);
        server.clock.advance(11 * day);
    }
    let expiry = server.registry.administration().expiry();
    let by = &tarn_store::metadata::Actor::COMMAND_LINE;
    // What the first takes leaves the two that the second keeps.
    for (pattern, days, keep) in [("edge/main", 30, 0), ("*/main", 15, 2)] {
        let pattern = pattern.parse::<PlacePattern>().unwrap();
        expiry.set(alice, &pattern, days, keep, by).await.unwrap();
    }
    for run in [
        tarn_core::publish::expiry::Run::Dry,
        tarn_core::publish::expiry::Run::Remove(by),
    ] {
        let mut told = Vec::new();
        let count = expiry
            .run(Some(alice), run, |file| told.push(file.version.to_string()))
            .await
            .unwrap();
        assert_eq!((count, told), (1, vec!["3-r0".to_owned()]), "{run:?}");
    }
}

#[tokio::test]
async fn a_former_name_finds_what_was_done_under_both() {
    let server = TestServer::with_hello().await;
    server.add_admin("root").await;
    let (old, new) = (name("alice"), name("alicia"));
    let renamed = server.accounts().rename(OwnerKind::User, &old, &new, &BY);
    assert!(renamed.await.unwrap());
    let gone = HELLO.replace("/alice/", "/alicia/");
    let gone = delete(gone).basic("alicia", &password("alice"));
    server.send(&gone).await.expect(204);
    for (query, actions) in [
        ("account=alice&", &["package.delete", "package.publish"][..]),
        ("account=Alicia&", &["package.delete", "package.publish"]),
        ("owner=alice&", &["package.delete", "package.publish"]),
        ("owner=alice&account=root&", &[]),
        ("owner=nobody&", &[]),
    ] {
        let log = get(format!("/api/v1/audit?{query}action=package."));
        let log = server.send(&log.basic("root", &password("root"))).await;
        let entries = log.expect(200).json();
        let entries = entries.as_array().unwrap().iter();
        let found: Vec<_> = entries.map(|entry| entry["action"].clone()).collect();
        assert_eq!(found, actions, "{query}");
    }
    // The same for the command line.
    let audit = server.registry.administration().audit();
    let (old, new) = (audit.named(&old).await, audit.named(&new).await);
    assert_eq!(old.unwrap(), new.unwrap());
}

#[tokio::test]
async fn refusals_and_how_many_were_left_out_are_written_without_being_asked_for() {
    let server = TestServer::start_with(|settings| {
        (settings.refusals.per_source, settings.refusals.per_minute) = (2, 3);
        settings.refusals.pause = Duration::from_millis(50);
    });
    let server = server.await;
    let note = |host: u8| {
        server.registry.refusals().note(Refused {
            by: Actor {
                account: None,
                token: None,
                address: Some([192, 0, 2, host].into()),
                through: Through::Http,
            },
            at: server.clock.now(),
            action: "sign-in",
            owner: None,
            target: String::new(),
            why: format!("from {host}"),
        });
    };
    let filter = AuditFilter {
        result: Some(AuditResult::Refused),
        ..AuditFilter::default()
    };
    let written = async |count: usize| -> Vec<String> {
        let metadata = server.registry.metadata();
        let all = async {
            loop {
                let log = metadata.audit_entries(&filter, None, 100).await.unwrap();
                if log.len() >= count {
                    let details = log.into_iter().rev().map(|entry| entry.detail.unwrap());
                    return details.collect();
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(60), all).await.unwrap()
    };
    note(1);
    assert_eq!(written(1).await, ["from 1"]);
    for _ in 0..3 {
        note(1);
    }
    assert_eq!(written(2).await[1..], ["from 1"]);
    server.clock.advance(Duration::from_secs(60));
    let left_out = "and 2 more from there within a minute";
    assert_eq!(written(3).await[2..], [left_out]);
    for host in 1..=5 {
        note(host);
    }
    assert_eq!(written(6).await[3..], ["from 1", "from 2", "from 3"]);
    server.clock.advance(Duration::from_secs(60));
    let left_out = "and 2 more from other addresses within a minute";
    assert_eq!(written(7).await[6..], [left_out]);
}
