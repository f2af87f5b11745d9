//! The catalog: it has what the repositories have, whatever was recorded, refused and removed before.

use std::collections::{BTreeMap, BTreeSet};

use apk::{name::PackageName, version::Version};
use proptest::{
    collection::vec,
    prelude::any,
    sample::select,
    test_runner::{Config, TestRunner},
};
use tarn_base::names::{Branch, RepositoryName};
use tarn_store::metadata::{NewPackageFile, PackageFormat, ReadScope, Window};

use crate::{ACT, START, World, blob, package};

const NAMES: [&str; 3] = ["busybox", "zlib", "musl"];
const ARCHITECTURES: [&str; 3] = ["x86_64", "aarch64", "noarch"];

fn window(offset: u32, limit: u32) -> Window {
    Window { offset, limit }
}

/// Takes the steps, looking after each.
async fn check(steps: Vec<(bool, &'static str, &'static str)>) {
    let world = World::new().await;
    let mut there: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (record, name, arch) in steps {
        if record {
            let recorded = world.record(name, arch).await.is_ok();
            if recorded {
                assert!(there.insert((name, arch)));
            }
        } else {
            let removed = world.remove(name, arch, START).await;
            assert_eq!(removed, there.remove(&(name, arch)));
        }
        let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
        for (name, _) in &there {
            *expected.entry(name).or_default() += 1;
        }
        let page = world
            .metadata
            .listed_versions(&ReadScope::PUBLIC, world.alice, window(0, 100))
            .await
            .unwrap();
        let found: BTreeMap<&str, u64> = page
            .entries
            .iter()
            .map(|version| (version.name.as_str(), version.files))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(page.total, u64::try_from(expected.len()).unwrap());
        let repositories = world
            .metadata
            .listed_repositories(&ReadScope::EVERYTHING, world.alice, window(0, 100))
            .await
            .unwrap();
        let live: u64 = repositories
            .entries
            .iter()
            .flat_map(|repository| &repository.architectures)
            .map(|(_, live)| live)
            .sum();
        assert_eq!(live, expected.values().sum::<u64>());
    }
    // An error when what searches look through is not what there is ("The 'integrity-check' Command" in SQLite's
    // documentation of FTS5).
    if !tarn_testkit::on_postgres() {
        world
            .sql("INSERT INTO package_search (package_search, rank) VALUES ('integrity-check', 1)");
    }
}

#[test]
fn it_counts_what_is_there_after_any_steps() {
    let step = (any::<bool>(), select(&NAMES), select(&ARCHITECTURES));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(Config::with_cases(8));
    runner
        .run(&vec(step, 1..24), |steps| {
            runtime.block_on(check(steps));
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn a_page_behind_the_last_still_tells_how_many_there_are() {
    let world = World::new().await;
    for name in NAMES {
        world.record(name, "x86_64").await.unwrap();
    }
    let (metadata, read_scope) = (&world.metadata, &ReadScope::PUBLIC);
    let name = PackageName::parse("zlib").unwrap();
    let search = async |text| {
        let found = metadata.search(read_scope, text, window(90, 10)).await;
        found.map(|found| found.page)
    };
    for (page, total) in [
        (
            metadata
                .listed_versions(read_scope, world.alice, window(90, 10))
                .await,
            3,
        ),
        (
            metadata
                .versions_named_like(read_scope, world.alice, "B", window(90, 10))
                .await,
            2,
        ),
        (
            metadata
                .versions_of(read_scope, world.alice, &name, window(90, 10))
                .await,
            1,
        ),
        (search("the package").await, 3),
        (search("nothing").await, 0),
    ] {
        let page = page.unwrap();
        assert_eq!((page.entries.len(), page.total), (0, total));
    }
}

#[tokio::test]
async fn the_files_of_a_version_are_those_of_that_spelling() {
    let world = World::new().await;
    world.record("zlib", "x86_64").await.unwrap();
    world.record("zlib", "aarch64").await.unwrap();
    let name = PackageName::parse("zlib").unwrap();
    for (version, files) in [("1.0-r0", 2), ("1.0-r00", 0), ("1.0", 0)] {
        let version = Version::parse(version).unwrap();
        let page = world
            .metadata
            .files_of_version(
                &ReadScope::EVERYTHING,
                world.alice,
                &name,
                &version,
                window(0, 10),
            )
            .await
            .unwrap();
        assert_eq!((page.entries.len(), page.total), (files, files as u64));
        let found = world
            .metadata
            .version(&ReadScope::PUBLIC, world.alice, &name, &version)
            .await
            .unwrap();
        assert_eq!(found.is_some(), files > 0);
    }
}

#[tokio::test]
async fn a_repository_is_listed_once_with_what_each_architecture_has() {
    let world = World::new().await;
    for (place, name, arch, format) in [
        ("edge/main", "zlib", "x86_64", PackageFormat::V2),
        ("edge/main", "xz", "x86_64", PackageFormat::V3),
        ("edge/main", "zlib", "aarch64", PackageFormat::V2),
        ("edge/community", "zlib", "x86_64", PackageFormat::V2),
        ("v3.22/community", "zlib", "x86_64", PackageFormat::V2),
    ] {
        let (branch, repository) = place.split_once('/').unwrap();
        let new = NewPackageFile {
            branch: Branch::parse(branch).unwrap(),
            repository: RepositoryName::parse(repository).unwrap(),
            format,
            ..package(world.alice, name, arch, blob(name))
        };
        world.metadata.record_package(&new, &ACT).await.unwrap();
    }
    let listed = world
        .metadata
        .listed_repositories(&ReadScope::EVERYTHING, world.alice, window(0, 100))
        .await
        .unwrap();
    let found: Vec<_> = listed
        .entries
        .iter()
        .map(|repository| {
            let architectures = repository.architectures.iter();
            let architectures = architectures.map(|(arch, live)| format!("{arch} {live}"));
            let architectures: Vec<_> = architectures.collect();
            let (branch, name) = (&repository.branch, &repository.name);
            format!("{branch}/{name}: {}", architectures.join(", "))
        })
        .collect();
    assert_eq!(
        found,
        [
            "edge/community: x86_64 1",
            "edge/main: aarch64 1, x86_64 2",
            "v3.22/community: x86_64 1",
        ]
    );
    assert_eq!(listed.total, 3);
}
