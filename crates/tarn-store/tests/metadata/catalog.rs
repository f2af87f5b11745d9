//! The catalog: it has what the repositories have, whatever was recorded, refused and removed before.

use std::collections::{BTreeMap, BTreeSet};

use apk::{name::PackageName, version::Version};
use proptest::{
    collection::vec,
    prelude::any,
    sample::select,
    test_runner::{Config, TestRunner},
};
use tarn_base::{
    clock::Timestamp,
    names::{Branch, RepositoryName},
};
use tarn_store::metadata::{
    CatalogVersion, InScope, NewPackageFile, NewUser, PackageFormat, ReadScope, Visibility, Window,
};

use crate::{ACT, START, World, blob, name, package, record, user};

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
            .map(|state| state.packages)
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
        let found = metadata.search(read_scope, text, 100, window(90, 10)).await;
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
async fn a_search_ends_after_so_many_hits_of_those_that_the_caller_may_know_of() {
    let world = World::new().await;
    let metadata = &world.metadata;
    let hidden = name("hidden");
    let new = NewUser {
        visibility: Visibility::Private,
        ..user(&hidden)
    };
    let hidden = metadata.add_user(new, &ACT).await.unwrap().id;
    // What may be known of came before what may not, which is newer and more than a search finds.
    for name in ["probe-open", "open-probe"] {
        world.record(name, "x86_64").await.unwrap();
    }
    for number in 0..6 {
        for name in [format!("probe-{number}"), format!("{number}-probe")] {
            let recorded = record(metadata, hidden, &name, "x86_64", START).await;
            recorded.unwrap();
        }
    }
    let scope = |of| match of {
        "anonymous" => ReadScope::PUBLIC,
        _ => ReadScope::of_user(hidden),
    };
    for (of, most, found, is_cut) in [
        ("anonymous", 2, 2, false),
        // Names that begin with the text come first, and there may be others.
        ("hidden", 2, 2, true),
        ("hidden", 8, 14, false),
    ] {
        let scope = scope(of);
        let search = metadata.search(&scope, "probe", most, window(0, 20));
        let search = search.await.unwrap();
        let said = (search.page.entries.len(), search.is_cut);
        assert_eq!(said, (found, is_cut), "{of}, {most}");
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
            let architectures =
                architectures.map(|state| format!("{} {}", state.arch, state.packages));
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

#[tokio::test]
async fn what_was_published_last_is_first_whenever_it_came() {
    let world = World::new().await;
    let days = |days: i64| Timestamp::from_seconds(START.seconds() + days * 86_400);
    for (name, at) in [("busybox", 3), ("zlib", 1), ("musl", 2)] {
        world.record_at(name, "x86_64", days(at)).await.unwrap();
    }
    let scope = ReadScope::EVERYTHING;
    let names = |versions: Vec<CatalogVersion>| {
        let names = versions.iter().map(|version| version.name.to_string());
        names.collect::<Vec<_>>()
    };
    let found = world.metadata.newest_versions(&scope, 2).await.unwrap();
    assert_eq!(names(found), ["busybox", "musl"]);
    let of_alice = world.metadata.newest_versions_of(&scope, world.alice, 9);
    let found = of_alice.await.unwrap();
    let ids: Vec<i64> = found.iter().map(|version| version.id).collect();
    assert_eq!(names(found), ["busybox", "musl", "zlib"]);
    // Also where some repositories only are seen.
    let some = world.metadata.narrowed(&scope, |_| true).await.unwrap();
    for (most, expected) in [(9, &["busybox", "musl", "zlib"][..]), (1, &["busybox"])] {
        let of_alice = world.metadata.newest_versions_of(&some, world.alice, most);
        assert_eq!(names(of_alice.await.unwrap()), expected);
    }

    // One of them in two other repositories, too.
    for repository in ["testing", "community"] {
        let new = NewPackageFile {
            repository: RepositoryName::parse(repository).unwrap(),
            ..package(world.alice, "zlib", "x86_64", blob("zlib"))
        };
        world.metadata.record_package(&new, &ACT).await.unwrap();
    }
    // Which repositories have them is asked for all at once.
    let places = async |scope| {
        let places = world.metadata.repositories_of_versions(scope, &ids);
        let mut places = places.await.unwrap();
        places.sort_by_key(|place| ids.iter().position(|id| *id == place.version));
        let places = places.iter().map(|place| {
            let (branch, repository) = (place.branch.as_str(), place.repository.as_str());
            format!("{branch}/{repository} +{}", place.others)
        });
        places.collect::<Vec<_>>()
    };
    // The one that a file came into last.
    let expected = ["edge/main +0", "edge/main +0", "edge/community +2"];
    assert_eq!(places(&scope).await, expected);
    let main = RepositoryName::parse("main").unwrap();
    let is_main = |seen: InScope<'_>| seen.repository.is_none_or(|(_, name)| *name == main);
    let in_main = world.metadata.narrowed(&scope, is_main).await.unwrap();
    assert_eq!(places(&in_main).await, ["edge/main +0"; 3]);
    world.remove("zlib", "x86_64", START).await;
    assert_eq!(places(&in_main).await, ["edge/main +0"; 2]);
    let nowhere = world.metadata.narrowed(&scope, |_| false).await.unwrap();
    assert_eq!(places(&nowhere).await, [""; 0]);
}
