//! Deleted packages: restored until their bytes are freed; and damaged ones, healed by an upload.

use std::{fs, time::Duration};

use apk_testkit::v2::PackageBuilder;
use tarn_core::jobs::{Freed, free, sweep};
use tarn_store::metadata::Visibility;

use crate::{
    client::{Request, delete, get, request},
    server::{HELLO, INDEX, TestServer, hello, package, password},
};

const DELETED: &str = "/api/v1/owners/alice/deleted-packages";
const QUOTA: &str = "/api/v1/owners/alice/quota";
const WEEK: Duration = Duration::from_secs(7 * 86_400);

fn by_alice(request: Request) -> Request {
    request.basic("alice", &password("alice"))
}

#[tokio::test]
async fn a_deleted_package_is_restored_by_the_api_until_its_bytes_are_freed() {
    let server = TestServer::with_hello().await;
    let size = hello().len();
    let before = server.send(&get(INDEX)).await.expect(200);
    let list = async || {
        server
            .send(&by_alice(get(DELETED)))
            .await
            .expect(200)
            .json()
    };
    let quota = async || server.send(&by_alice(get(QUOTA))).await.expect(200).json();
    let remove = async || server.send(&by_alice(delete(HELLO))).await.expect(204);
    let restore = async |id: &serde_json::Value| {
        let target = format!("{DELETED}/{id}/restore");
        server.send(&by_alice(request("POST", target))).await
    };
    assert_eq!(list().await, serde_json::json!([]));
    remove().await;
    server.send(&get(DELETED)).await.problem(401, "credentials");
    let deleted = list().await;
    let entry = &deleted[0];
    assert_eq!(entry["path"], HELLO);
    assert_eq!(entry["size"], size);
    assert_eq!(entry["deleted_at"], "2026-11-22T21:01:01Z");
    assert_eq!(entry["kept_until"], "2026-11-29T21:01:01Z");
    assert_eq!(quota().await["deleted_bytes"], size);
    assert_eq!(quota().await["used_bytes"], 0);

    server.clock.advance(WEEK);
    assert_eq!(free(&server.registry).await.unwrap(), Freed::default());
    let restored = restore(&entry["id"]).await.expect(200);
    assert_eq!(restored.json(), *entry);
    server.clock.advance(Duration::from_secs(60));
    let after = server.send(&get(INDEX)).await.expect(200);
    assert_eq!(after.body, before.body);
    assert_eq!(server.send(&get(HELLO)).await.expect(200).body, hello());
    assert_eq!(list().await, serde_json::json!([]));
    assert_eq!(quota().await["deleted_bytes"], 0);
    let taken = restore(&entry["id"]).await;
    taken.problem(409, "there is nothing to restore");

    // The disk lost it, and an upload brings it back.
    remove().await;
    let newest = list().await[0]["id"].clone();
    assert_ne!(newest, entry["id"]);
    let blob = server.blob_files().remove(0);
    let mut flipped = fs::read(&blob).unwrap();
    flipped[60] ^= 1;
    fs::remove_file(&blob).unwrap();
    for damaged in [None, Some(flipped)] {
        if let Some(bytes) = damaged {
            fs::write(&blob, bytes).unwrap();
        }
        let gone = restore(&newest).await;
        gone.problem(409, "the bytes of the deleted package file are gone");
    }
    server.publish("edge/main", hello()).await.expect(201);
    remove().await;

    server.clock.advance(WEEK + Duration::from_secs(60));
    let freed = free(&server.registry).await.unwrap();
    assert_eq!((freed.forgotten, freed.blobs), (3, 1));
    assert_eq!(server.blobs(), 0);
    assert_eq!(list().await, serde_json::json!([]));
    for id in [&newest, &"x".into()] {
        let gone = restore(id).await;
        gone.problem(404, "no such deleted package file is kept");
    }
    server.publish("edge/main", hello()).await.expect(201);
    assert_eq!(server.send(&get(HELLO)).await.expect(200).body, hello());
    remove().await;
    let deleted = list().await[0]["id"].clone();
    let other = PackageBuilder::new("hello", "1.0-r0").file("usr/bin/other", b"x");
    server.publish("edge/main", other.build()).await.expect(201);
    let taken = restore(&deleted).await;
    taken.problem(409, "another package file has the place");
}

#[tokio::test]
async fn an_index_in_memory_is_right_after_a_deleted_package_is_forgotten() {
    let server = TestServer::start_with(|settings| settings.keep_deleted = Duration::ZERO).await;
    for name in ["hello", "kept"] {
        let package = package(name, "x86_64");
        server.publish("edge/main", package).await.expect(201);
    }
    // In memory with both.
    server.send(&get(INDEX)).await.expect(200);
    server.send(&by_alice(delete(HELLO))).await.expect(204);
    server.clock.advance(Duration::from_secs(60));
    let freed = free(&server.registry).await.unwrap();
    assert_eq!((freed.forgotten, freed.blobs), (1, 1));
    let after = server.send(&get(INDEX)).await.expect(200);

    let alone = TestServer::start().await;
    alone
        .publish("edge/main", package("kept", "x86_64"))
        .await
        .expect(201);
    let expected = alone.send(&get(INDEX)).await.expect(200);
    assert_eq!(records(&after.body), records(&expected.body));
    assert!(records(&after.body).contains("P:kept"));
}

/// The text of an index.
fn records(index: &[u8]) -> String {
    let mut text = String::new();
    let limits = apk::limits::Limits::default();
    apk::v2::index::for_each_record(index, &limits, None, |record| {
        text.push_str(&format!("P:{} {}\n", record.name(), record.version()));
    })
    .unwrap();
    text
}

#[tokio::test]
async fn a_damaged_package_is_reported_and_healed_by_uploading_it_again() {
    let server = TestServer::start().await;
    for (number, length) in [(0, 10), (1, 200_000)] {
        for damage in ["truncated", "flipped", "missing", "folder"] {
            let package = PackageBuilder::new(&format!("{damage}{number}"), "1.0-r0")
                .arch("x86_64")
                .file("usr/share/noise", &noise(length))
                .build();
            let publish = async || server.publish("edge/main", package.clone()).await;
            publish().await.expect(201);
            // Folders that were in a blob's place are there as well.
            let blob = server
                .blob_files()
                .into_iter()
                .find(|blob| fs::read(blob).is_ok_and(|bytes| bytes == package));
            let blob = blob.unwrap();
            let hurt = || {
                // Root writes to what is read-only, others do not.
                fs::remove_file(&blob).unwrap();
                let mut damaged = package.clone();
                match damage {
                    "truncated" => damaged.truncate(100),
                    "flipped" => *damaged.last_mut().unwrap() ^= 1,
                    "folder" => return fs::create_dir_all(blob.join("found")).unwrap(),
                    _ => return,
                }
                fs::write(&blob, damaged).unwrap();
            };
            hurt();
            let path =
                format!("/api/packages/alice/alpine/edge/main/x86_64/{damage}{number}-1.0-r0.apk");
            let served = async || server.send(&get(&path)).await;
            match damage {
                // apk sees it: the index says what the package is.
                "flipped" => assert_ne!(served().await.expect(200).body, package),
                _ => drop(served().await.refusal(500, "upload the same package again")),
            }
            let repaired = "with the same bytes; it was damaged on the server, and is whole again";
            publish().await.refusal(409, repaired);
            assert_eq!(served().await.expect(200).body, package, "{damage}");

            hurt();
            server.send(&by_alice(delete(&path))).await.expect(204);
            publish().await.expect(201);
            assert_eq!(served().await.expect(200).body, package, "{damage}");
        }
    }
    assert_eq!(sweep(&server.registry).await.unwrap().damaged, 0);
    let mut blobs = server.blob_files();
    blobs.retain(|blob| blob.is_file());
    fs::remove_file(blobs.remove(0)).unwrap();
    fs::remove_file(&blobs[0]).unwrap();
    fs::write(&blobs[0], "damaged").unwrap();
    let swept = sweep(&server.registry).await.unwrap();
    assert_eq!((swept.damaged, swept.kept), (2, 7));
}

/// Bytes that no compressor makes smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Otherwise anyone who may publish could learn whether a private owner has certain bytes.
#[tokio::test]
async fn what_waits_to_be_freed_says_nothing_of_other_owners() {
    let server = TestServer::with_hello().await;
    server.add_user("bob", Visibility::Private).await;
    server
        .publish_by("bob", "bob/alpine/edge/main", hello())
        .await;
    server.send(&by_alice(delete(HELLO))).await.expect(204);
    let quota = server.send(&by_alice(get(QUOTA))).await.expect(200).json();
    assert_eq!(quota["deleted_bytes"], hello().len());
}
