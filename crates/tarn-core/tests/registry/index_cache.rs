//! More indexes than fit into memory: each is served whole, and the memory for them stays within its limit. The same with
//! 200 repositories of 5,000 packages and a real server is `make bench BENCH=memory`.

use apk::{limits::Limits, v2::index::for_each_record, v3};
use futures_util::future::join_all;
use serde_json::Value;
use tarn_base::{clock::Clock, names::RepositoryName};
use tarn_core::{Registry, index::Format, settings::Settings};

use crate::{START, add_user, arch, branch, bytes, record, settings};

const REPOSITORIES: u64 = 20;
const PACKAGES: u64 = 200;

/// Bytes: some six of the twenty indexes.
const LIMIT: u64 = 384 << 10;

fn repository(number: u64) -> RepositoryName {
    RepositoryName::parse(&format!("repository{number}")).unwrap()
}

/// Bytes that look like a hash.
fn mixed<const N: usize>(number: u64) -> [u8; N] {
    let mut state = number;
    [(); N].map(|()| {
        state = (state ^ (state >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
        state.to_be_bytes()[0]
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_indexes_than_fit_are_served_within_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        index_cache: LIMIT,
        ..settings(folder.path())
    };
    let registry = Registry::open(settings, Clock::manual(START))
        .await
        .unwrap();
    let alice = add_user(&registry, "alice").await;
    for number in 0..PACKAGES {
        join_all((0..REPOSITORIES).map(async |of| {
            let (name, hash) = (format!("package{number}"), mixed(of * PACKAGES + number));
            let description = format!("The package {number} of {of}");
            let says = (name.as_str(), description.as_str());
            record(&registry, &alice, repository(of), says, hash, START).await;
        }))
        .await;
    }

    let mut most = 0;
    for round in 0..2 {
        for of in 0..REPOSITORIES {
            let (repository, branch, arch) = (repository(of), branch(), arch());
            let indexes = registry.indexes();
            let index = indexes
                .current(&alice, &branch, &repository, &arch, Format::V2)
                .await
                .unwrap()
                .unwrap();
            let mut listed = 0;
            for_each_record(&bytes(&index), &Limits::default(), None, |_| listed += 1).unwrap();
            assert_eq!(listed, PACKAGES, "{repository:?}, round {round}");
            let (cached, _) = indexes.cached().await;
            assert!(cached <= LIMIT, "{cached} bytes");
            most = most.max(cached);
        }
    }
    assert!(most > LIMIT / 2, "the cache was never full: {most} bytes");
    let (_, kept) = registry.indexes().cached().await;
    assert!((1..REPOSITORIES).contains(&kept), "{kept} indexes");
    let counts = registry.indexes().counts();
    assert!(counts.made_v2.value() > REPOSITORIES);

    // The one in memory is served from there.
    let made = counts.made_v2.value();
    let mut again = 0;
    for of in 0..REPOSITORIES {
        let indexes = registry.indexes();
        let before = counts.made_v2.value();
        indexes
            .current(&alice, &branch(), &repository(of), &arch(), Format::V2)
            .await
            .unwrap()
            .unwrap();
        again += u64::from(counts.made_v2.value() == before);
    }
    assert_eq!(counts.made_v2.value() - made, REPOSITORIES - again);
    // The same of v3, and of what other programs read of it.
    for of in 0..REPOSITORIES {
        let (repository, branch, arch) = (repository(of), branch(), arch());
        let indexes = registry.indexes();
        let index = indexes.current(&alice, &branch, &repository, &arch, Format::V3);
        let bytes = bytes(&index.await.unwrap().unwrap());
        let index = v3::index::read_unverified(&bytes, &Limits::default()).unwrap();
        assert_eq!(index.packages.len() as u64, PACKAGES, "{repository:?}");
        let json = indexes.json(&alice, &branch, &repository, &arch);
        let json: Value =
            serde_json::from_slice(&crate::bytes(&json.await.unwrap().unwrap())).unwrap();
        assert_eq!(json["packages"].as_array().unwrap().len() as u64, PACKAGES);
        let (cached, _) = indexes.cached().await;
        assert!(cached <= LIMIT, "{cached} bytes");
    }
    assert_eq!(counts.made_v3.value(), REPOSITORIES);
}
