//! Quotas, and which versions an owner takes, as an uploader sees them.

use std::collections::BTreeSet;

use apk::{limits::Limits, v2::index::read_unverified};
use apk_testkit::v2::PackageBuilder;
use serde_json::json;
use tarn_core::{
    access::PlacePattern,
    publish::{
        QuotaChange,
        expiry::{ExpiryError, MAX_RULES},
    },
};
use tarn_store::metadata::{Actor, AuditFilter, OwnQuota, OwnerId};

use crate::{
    client::{Request, delete, get, json, put, request},
    server::{
        ALICE, HELLO, INDEX, TestServer, expect, hello, name, package, password, published, refusal,
    },
};

async fn alice(server: &TestServer) -> OwnerId {
    let owner = server.registry.metadata().owner(&name("alice")).await;
    owner.unwrap().unwrap().id
}

async fn limit(server: &TestServer, change: QuotaChange) {
    let quotas = server.registry.administration().quotas();
    let alice = alice(server).await;
    quotas
        .change(alice, change, &Actor::COMMAND_LINE)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_index_takes_no_more_than_it_may_and_says_so() {
    // Each of these packages has a record of some 150 bytes.
    let server = TestServer::start_with(|settings| settings.max_index = 400).await;
    server.publish("edge/main", hello()).await.expect(201);
    let noarch = package("tzdata", "noarch");
    server.publish("edge/main", noarch).await.expect(201);
    let more = package("zlib", "x86_64");
    let blobs = server.blobs();
    let answer = server.publish("edge/main", more.clone()).await;
    answer.refusal(
        413,
        "and it may have at most 400: publish into another repository",
    );
    assert_eq!(server.blobs(), blobs);
    // A noarch package is in every index, so the largest decides.
    let docs = package("docs", "noarch");
    server
        .publish("edge/main", docs)
        .await
        .refusal(413, "bytes");
    // Other indexes have room of their own, and what is deleted makes room again.
    published(&server, "edge/testing", more.clone()).await;
    let aarch64 = package("zlib", "aarch64");
    server.publish("edge/main", aarch64).await.expect(201);
    let delete = delete(HELLO).basic("alice", &password("alice"));
    server.send(&delete).await.expect(204);
    server.publish("edge/main", more).await.expect(201);
}

#[tokio::test]
async fn the_text_says_which_limit_how_much_is_used_and_whom_to_ask() {
    let server = TestServer::start_with(|settings| settings.quota.packages = Some(1)).await;
    server.publish("edge/main", hello()).await.expect(201);
    let answer = server.publish("edge/testing", hello()).await;
    assert_eq!(
        answer.refusal(413, "").text(),
        "the quota of this owner does not hold the package: 1 of 1 packages are there and this upload needs 1; delete \
         packages, or ask an administrator of this server for more\n"
    );
    let size = hello().len();
    let bytes = size as u64 * 2 - 1;
    limit(
        &server,
        QuotaChange {
            bytes: Some(bytes),
            packages: Some(9),
            upload: None,
        },
    )
    .await;
    let answer = server.publish("edge/testing", hello()).await;
    answer.refusal(
        413,
        &format!("{size} of {bytes} bytes are used and this upload needs {size};"),
    );
    assert_eq!(server.blobs(), 1);
    refusal(
        &server,
        &get(INDEX.replace("main", "testing")),
        404,
        "no such index",
    )
    .await;

    // What is deleted makes room.
    expect(
        &server,
        &delete(HELLO).basic("alice", &password("alice")),
        204,
    )
    .await;
    server.publish("edge/testing", hello()).await.expect(201);
}

#[tokio::test]
async fn of_two_changes_at_once_none_is_lost() {
    let server = TestServer::start().await;
    let (quotas, alice) = (
        server.registry.administration().quotas(),
        alice(&server).await,
    );
    let by = &Actor::COMMAND_LINE;
    let bytes = QuotaChange {
        bytes: Some(1_000),
        ..QuotaChange::default()
    };
    let packages = QuotaChange {
        packages: Some(10),
        ..QuotaChange::default()
    };
    let upload = QuotaChange {
        upload: Some(100),
        ..QuotaChange::default()
    };
    let changes = [bytes, packages, upload].map(|change| quotas.change(alice, change, by));
    for changed in futures_util::future::join_all(changes).await {
        changed.unwrap();
    }
    let own = OwnQuota {
        unlimited: false,
        bytes: Some(1_000),
        packages: Some(10),
        upload: Some(100),
    };
    assert_eq!(quotas.allowance(alice).await.unwrap().own, own);

    let other = QuotaChange {
        upload: Some(200),
        ..QuotaChange::default()
    };
    let (changed, lifted) = tokio::join!(quotas.change(alice, other, by), quotas.lift(alice, by));
    changed.unwrap();
    lifted.unwrap();
    let own = quotas.allowance(alice).await.unwrap().own;
    assert_eq!((own.unlimited, own.upload), (true, Some(200)));
}

#[tokio::test]
async fn of_two_rules_at_once_one_is_the_last_that_an_owner_may_have() {
    let server = TestServer::start().await;
    let (expiry, alice) = (
        server.registry.administration().expiry(),
        alice(&server).await,
    );
    let set = async |pattern: String| {
        let pattern: PlacePattern = pattern.parse().unwrap();
        expiry
            .set(alice, &pattern, 30, 1, &Actor::COMMAND_LINE)
            .await
    };
    for number in 1..MAX_RULES {
        set(format!("edge/r{number}")).await.unwrap();
    }
    let both = ["one", "other"].map(|name| set(format!("edge/{name}")));
    let mut both = futures_util::future::join_all(both).await;
    both.sort_by_key(Result::is_err);
    assert!(
        matches!(both.as_slice(), [Ok(_), Err(ExpiryError::TooMany)]),
        "{both:?}"
    );
    // One that is there may be changed.
    set("edge/r1".to_owned()).await.unwrap();
    assert_eq!(expiry.rules(Some(alice)).await.unwrap().len(), MAX_RULES);
}

#[tokio::test]
async fn an_announced_upload_is_refused_before_its_first_byte() {
    let server = TestServer::start_with(|settings| settings.quota.bytes = Some(1_000)).await;
    let mut connection = server.connect().await;
    let upload =
        put(format!("{ALICE}/edge/main"), vec![0; 100_000]).basic("alice", &password("alice"));
    connection.write(&upload.head_bytes()).await;
    let answer = connection.answer(false).await;
    answer.refusal(
        413,
        "0 of 1000 bytes are used and this upload needs 100000;",
    );
    // One that does not say how large it is is refused in the end, and leaves nothing.
    let body = PackageBuilder::new("large", "1.0-r0")
        .random_file("usr/share/large", 5_000)
        .build();
    let mut connection = server.connect().await;
    let head = request("PUT", format!("{ALICE}/edge/main"))
        .basic("alice", &password("alice"))
        .header("Transfer-Encoding", "chunked");
    connection.write(&head.bytes()).await;
    connection
        .write(format!("{:x}\r\n", body.len()).as_bytes())
        .await;
    connection.write(&body).await;
    connection.write(b"\r\n0\r\n\r\n").await;
    let words = format!("this upload needs {};", body.len());
    connection.answer(false).await.refusal(413, &words);
    assert_eq!(server.blobs(), 0);
}

#[tokio::test]
async fn of_many_uploads_at_once_as_many_pass_as_there_is_room_for() {
    let server = TestServer::start().await;
    limit(
        &server,
        QuotaChange {
            packages: Some(3),
            ..QuotaChange::default()
        },
    )
    .await;
    let uploads = (0..8).map(|number| {
        let body = package(&format!("p{number}"), "x86_64");
        server.publish("edge/main", body)
    });
    let mut statuses = Vec::new();
    for answer in futures_util::future::join_all(uploads).await {
        statuses.push(answer.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 201, 201, 413, 413, 413, 413, 413]);
    assert_eq!(server.blobs(), 3);
    // Those that shared a transaction with a refused one are in the log once, as all that were let through.
    let published = AuditFilter {
        action: Some("package.publish".to_owned()),
        ..AuditFilter::default()
    };
    let metadata = server.registry.metadata();
    let published = metadata.audit_entries(&published, None, 10).await.unwrap();
    let targets: BTreeSet<_> = published.iter().map(|entry| &entry.target).collect();
    assert_eq!((published.len(), targets.len()), (3, 3));
    let (used, _) = server
        .registry
        .metadata()
        .usage(alice(&server).await)
        .await
        .unwrap();
    assert_eq!(used.packages, 3);
}

#[tokio::test]
async fn an_owner_may_have_another_limit_for_one_upload() {
    let server = TestServer::start_with(|settings| settings.max_upload = 100).await;
    server
        .publish("edge/main", hello())
        .await
        .refusal(413, "larger than 100 bytes");
    let upload = Some(hello().len() as u64);
    limit(
        &server,
        QuotaChange {
            upload,
            ..QuotaChange::default()
        },
    )
    .await;
    server.publish("edge/main", hello()).await.expect(201);
}

#[tokio::test]
async fn versions_that_apk_cannot_order_are_taken_where_the_owners_rule_says_so() {
    let server = TestServer::start().await;
    server.add_admin("root").await;
    let by = |user: &str, request: Request| request.basic(user, &password(user));
    let ask = async |request: Request| server.send(&request).await;
    let unordered = PackageBuilder::new("hello", "1.2.3-rc.1").build();
    let target = "/api/v1/owners/alice/versions";
    let refused = server.publish("edge/main", unordered.clone()).await;
    assert!(
        refused
            .refusal(
                400,
                "pkgver: `1.2.3-rc.1` is not a version apk understands: "
            )
            .text()
            .ends_with("; write `1.2.3_rc1-r0`\n")
    );
    let shown = ask(by("alice", get(target))).await.expect(200);
    assert_eq!(shown.json(), json!({ "versions": "strict", "own": null }));
    let wrong = by("alice", json("PUT", target, &json!({ "versions": "any" })));
    ask(wrong).await.problem(422, "strict, lenient");
    let lenient = by(
        "alice",
        json("PUT", target, &json!({ "versions": "lenient" })),
    );
    let set = ask(lenient).await.expect(200).json();
    assert_eq!(set, json!({ "versions": "lenient", "own": "lenient" }));

    let taken = server
        .publish("edge/main", unordered.clone())
        .await
        .expect(201);
    assert_eq!(
        taken.text(),
        "hello is published, but apk can't order its version `1.2.3-rc.1`: apk 2 may prefer it to the final release, clients may not upgrade to it or from it, \
         and can't ask for it by its version; write `1.2.3_rc1-r0` instead\n"
    );
    server.publish("edge/main", unordered).await.expect(409);
    assert_eq!(
        server
            .publish("edge/main", hello())
            .await
            .expect(201)
            .text(),
        ""
    );
    // One that would make apk 3 complain at every command is not.
    let provides = PackageBuilder::new("other", "1.2.3-rc.1")
        .field("provides", "cmd:other=1.2.3-rc.1")
        .build();
    server
        .publish("edge/main", provides)
        .await
        .refusal(400, "provides: `cmd:other=1.2.3-rc.1` is not a dependency");

    // It stays what it is when the rule is strict again.
    ask(by("alice", request("DELETE", target)))
        .await
        .expect(204);
    let versions = "/api/v1/packages/alice/alpine/hello";
    let listed = ask(by("alice", get(versions))).await.expect(200).json();
    let listed = listed.as_array().unwrap().iter().map(|one| &one["version"]);
    assert_eq!(listed.collect::<Vec<_>>(), ["1.0-r0", "1.2.3-rc.1"]);
    let files = ask(by("alice", get(format!("{versions}/1.2.3-rc.1/files")))).await;
    assert_eq!(files.expect(200).json()[0]["name"], "hello-1.2.3-rc.1.apk");
    let index = by("alice", get(INDEX));
    let index = read_unverified(&ask(index).await.expect(200).body, &Limits::default());
    assert!(index.unwrap().to_apkindex().contains("\nV:1.2.3-rc.1\n"));
    let v3 = by(
        "alice",
        get(INDEX.replace("APKINDEX.tar.gz", "Packages.adb")),
    );
    ask(v3).await.expect(200);
    let file = by("alice", delete(HELLO.replace("1.0-r0", "1.2.3-rc.1")));
    ask(file).await.expect(204);

    let log = by("root", get("/api/v1/audit?action=user.versions"));
    let log = ask(log).await.expect(200).json();
    let details = log.as_array().unwrap().iter().map(|entry| &entry["detail"]);
    assert_eq!(
        details.collect::<Vec<_>>(),
        [
            "from lenient to the server's",
            "from the server's to lenient"
        ]
    );
}
