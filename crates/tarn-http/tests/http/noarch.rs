//! Packages for every architecture.

use crate::{
    client::{delete, get},
    server::{ALICE, TestServer, package, password, published, refusal},
};

async fn index(server: &TestServer, arch: &str) -> Option<Vec<(String, String)>> {
    let target = format!("{ALICE}/edge/main/{arch}/APKINDEX.tar.gz");
    let answer = server.send(&get(target)).await;
    if answer.status == 404 {
        return None;
    }
    let mut records = Vec::new();
    apk::v2::index::for_each_record(
        &answer.expect(200).body,
        &apk::limits::Limits::default(),
        None,
        |record| {
            records.push((
                record.name().to_string(),
                record.arch().unwrap().to_string(),
            ));
        },
    )
    .unwrap();
    records.sort();
    Some(records)
}

fn listed(records: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
    let owned = records
        .iter()
        .map(|(name, arch)| ((*name).to_owned(), (*arch).to_owned()));
    Some(owned.collect())
}

/// Some that a distribution is built for, and one that none is.
const OTHERS: [&str; 5] = [
    "riscv64",
    "mips64",
    "mipsel_24kc",
    "arm_cortex-a7_neon-vfpv4",
    "invented",
];

#[tokio::test]
async fn a_noarch_package_is_in_every_index_under_its_architecture() {
    let server = TestServer::start().await;
    published(&server, "edge/main", package("docs", "noarch")).await;
    for arch in OTHERS.iter().chain(&["x86_64", "noarch"]) {
        assert_eq!(index(&server, arch).await, listed(&[("docs", arch)]));
    }
    // The first package of an architecture takes the index away from no other one.
    published(&server, "edge/main", package("hello", "x86_64")).await;
    assert_eq!(
        index(&server, "x86_64").await,
        listed(&[("docs", "x86_64"), ("hello", "x86_64")])
    );
    for arch in OTHERS {
        assert_eq!(index(&server, arch).await, listed(&[("docs", arch)]));
        let v3 = get(format!("{ALICE}/edge/main/{arch}/packages.adb"));
        let v3 = server.send(&v3).await.expect(200);
        let limits = apk::limits::Limits::default();
        let v3 = apk::v3::index::read_unverified(&v3.body, &limits).unwrap();
        assert_eq!(v3.packages.len(), 1, "{arch}");
    }
    // An architecture that comes later has it too.
    published(&server, "edge/main", package("hello", "riscv64")).await;
    assert_eq!(
        index(&server, "riscv64").await,
        listed(&[("docs", "riscv64"), ("hello", "riscv64")])
    );
    assert_eq!(server.blobs(), 3);
    // The JSON API lists what there is, each once.
    let repositories = get("/api/v1/owners/alice/repositories");
    let repositories = server.send(&repositories).await.expect(200).json();
    let architectures = repositories
        .pointer("/0/architectures")
        .unwrap()
        .as_array()
        .unwrap();
    let names: Vec<_> = architectures
        .iter()
        .map(|arch| arch["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["noarch", "riscv64", "x86_64"]);
}

#[tokio::test]
async fn it_is_served_and_removed_at_every_architecture() {
    let server = TestServer::start().await;
    published(&server, "edge/main", package("hello", "x86_64")).await;
    for remove_at in OTHERS.iter().chain(&["x86_64", "noarch"]) {
        published(&server, "edge/main", package("docs", "noarch")).await;
        for arch in ["noarch", "x86_64", "riscv64"] {
            let target = format!("{ALICE}/edge/main/{arch}/docs-1.0-r0.apk");
            let file = server.send(&get(target)).await.expect(200);
            assert_eq!(file.body, package("docs", "noarch"));
        }
        let removal = delete(format!("{ALICE}/edge/main/{remove_at}/docs-1.0-r0.apk"))
            .basic("alice", &password("alice"));
        server.send(&removal).await.expect(204);
        for arch in OTHERS.iter().chain(&["x86_64", "noarch"]) {
            let target = format!("{ALICE}/edge/main/{arch}/docs-1.0-r0.apk");
            refusal(&server, &get(target), 404, "no such package file").await;
            let left = listed(&[("hello", "x86_64")]);
            let left = if *arch == "x86_64" { left } else { None };
            assert_eq!(index(&server, arch).await, left);
        }
    }
}

#[tokio::test]
async fn a_noarch_file_and_one_of_an_architecture_exclude_each_other() {
    let server = TestServer::start().await;
    published(&server, "edge/main", package("docs", "noarch")).await;
    server
        .publish("edge/main", package("docs", "x86_64"))
        .await
        .refusal(
            409,
            "package file already exists for the architecture noarch",
        );
    published(&server, "edge/main", package("tool", "x86_64")).await;
    server
        .publish("edge/main", package("tool", "noarch"))
        .await
        .refusal(
            409,
            "package file already exists for the architecture x86_64",
        );
    server
        .publish("edge/main", package("docs", "noarch"))
        .await
        .refusal(409, "package file already exists");
    published(&server, "edge/main", package("tool", "riscv64")).await;
    published(&server, "edge/other", package("docs", "x86_64")).await;
    assert_eq!(server.blobs(), 4);
}
