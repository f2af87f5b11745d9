//! What the rules of an owner remove, what is given back, and what is taken: of how many bytes, and once.

use std::{collections::BTreeSet, time::Duration};

use apk::limits::Limits;
use apk_testkit::v2::PackageBuilder;
use bytes::Bytes;
use futures_util::{future::join_all, stream};
use tarn_base::{clock::Clock, hint::Hint as _, names::OwnerName};
use tarn_core::{
    Registry,
    access::PlacePattern,
    jobs,
    publish::{Destination, IfExists, PublishError, check, expiry::Run},
};
use tarn_store::metadata::{Actor, LiveFile};

use super::{delete, open, publish};
use crate::{START, destination, main_repository, record, settings};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn a_rule_removes_what_is_older_than_its_days_and_a_dry_run_names_each_file_once() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, alice) = open(&folder).await;
    for (name, version) in [
        ("hello", "1.0-r0"),
        ("hello", "2.0-r0"),
        ("hello", "3.0-r0"),
        ("other", "1.0-r0"),
        ("other", "2.0-r0"),
    ] {
        let package = PackageBuilder::new(name, version).build();
        publish(&registry, alice, package).await.unwrap();
    }
    let expiry = registry.administration().expiry();
    let by = &Actor::COMMAND_LINE;
    let pattern = |text: &str| text.parse::<PlacePattern>().unwrap();
    let set =
        async |text: &str, days, keep| expiry.set(alice, &pattern(text), days, keep, by).await;
    let run = async |run: Run<'_>| {
        let mut told = Vec::new();
        let told_of = |file: &LiveFile| told.push(format!("{} {}", file.name, file.version));
        let count = expiry.run(None, run, told_of).await.unwrap();
        assert_eq!(count, told.len() as u64);
        told.sort();
        told
    };
    registry.clock().advance(31 * DAY);
    set("edge/testing", 30, 1).await.unwrap();
    assert!(run(Run::Dry).await.is_empty(), "of another repository");
    set("edge/*", 31, 1).await.unwrap();
    assert!(run(Run::Dry).await.is_empty(), "31 days old, and not older");
    registry.clock().advance(DAY / 24);
    set("edge/main", 31, 2).await.unwrap();
    let old = ["hello 1.0-r0", "hello 2.0-r0", "other 1.0-r0"];
    for how in [Run::Dry, Run::Dry, Run::Remove(by)] {
        assert_eq!(run(how).await, old);
    }
    assert!(run(Run::Remove(by)).await.is_empty());

    set("edge/*", 36_500, 1_000_000).await.unwrap();
    for (days, keep, refusal) in [
        (
            0,
            1,
            "the age of a rule must be 1 to 36500 days; change `--older-than`, or `days` in the JSON",
        ),
        (
            36_501,
            1,
            "the age of a rule must be 1 to 36500 days; change `--older-than`, or `days` in the JSON",
        ),
        (
            1,
            1_000_001,
            "a rule leaves at most 1000000 versions; choose fewer",
        ),
    ] {
        let refused = set("edge/*", days, keep).await.unwrap_err();
        assert_eq!(refused.line(), refusal);
    }
    assert!(expiry.remove(alice, &pattern("edge/*"), by).await.unwrap());
    assert!(!expiry.remove(alice, &pattern("edge/*"), by).await.unwrap());
    assert_eq!(expiry.rules(Some(alice)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_run_counts_all_it_removes_also_where_they_are_more_than_are_gathered() {
    const FILES: u16 = 1_001;
    let folder = tempfile::tempdir().unwrap();
    let (registry, alice) = open(&folder).await;
    let name = OwnerName::parse("alice").unwrap();
    let owner = registry.metadata().owner(&name).await.unwrap().unwrap();
    // Recorded without bytes, and together: each by itself would wait for the disk.
    let packages = (0..FILES).map(async |number| {
        let (mut hash, package) = ([0; 32], format!("p{number}"));
        hash[..2].copy_from_slice(&number.to_be_bytes());
        let described = (package.as_str(), "");
        record(&registry, &owner, main_repository(), described, hash, START).await;
    });
    join_all(packages).await;
    let expiry = registry.administration().expiry();
    let by = &Actor::COMMAND_LINE;
    let pattern = "edge/*".parse().unwrap();
    expiry.set(alice, &pattern, 1, 0, by).await.unwrap();
    registry.clock().advance(2 * DAY);
    let mut told = BTreeSet::new();
    let count = expiry.run(None, Run::Remove(by), |file| {
        told.insert(file.id);
    });
    assert_eq!(count.await.unwrap(), u64::from(FILES));
    assert_eq!(told.len(), usize::from(FILES));
    let (usage, _) = registry.metadata().usage(alice).await.unwrap();
    assert_eq!(usage.packages, 0);
}

#[tokio::test]
async fn what_is_given_back_after_its_time_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, alice) = open(&folder).await;
    for name in ["one", "other"] {
        let package = PackageBuilder::new(name, "1.0-r0").build();
        publish(&registry, alice, package).await.unwrap();
        delete(&registry, alice, &format!("{name}-1.0-r0.apk")).await;
    }
    let free = async || {
        let freed = jobs::free(&registry).await.unwrap();
        (freed.cleared, freed.forgotten, freed.blobs)
    };
    assert_eq!(free().await, (0, 0, 0));
    let kept = registry.settings().keep_deleted;
    registry.clock().advance(kept + DAY);
    assert_eq!(free().await, (0, 2, 2));
    assert_eq!(free().await, (0, 0, 0));
}

#[tokio::test]
async fn a_check_takes_a_package_of_just_as_many_bytes_as_an_upload_may_have() {
    let package = Bytes::from(PackageBuilder::new("hello", "1.0-r0").build());
    let size = package.len() as u64;
    let checked = async |most| {
        let body = stream::iter([Ok(package.clone())]);
        check(body, &Limits::default(), most).await
    };
    assert_eq!(checked(size).await.unwrap(), "hello-1.0-r0.apk");
    let refused = checked(size - 1).await.unwrap_err();
    assert!(
        matches!(refused, PublishError::TooLarge { limit } if limit == size - 1),
        "{refused}"
    );
}

#[tokio::test]
async fn of_two_uploads_of_the_same_bytes_at_once_one_brought_them() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, alice) = open(&folder).await;
    let package = Bytes::from(PackageBuilder::new("hello", "1.0-r0").build());
    let is_new = async || {
        let destination = Destination {
            if_exists: IfExists::Same,
            ..destination(alice, Actor::COMMAND_LINE)
        };
        let body = stream::iter([Ok(package.clone())]);
        let published = registry.publisher().publish(destination, body).await;
        published.unwrap().is_new
    };
    let (one, other) = tokio::join!(is_new(), is_new());
    assert!(one ^ other);
    assert!(!is_new().await);
    let counts = registry.publisher().counts();
    assert_eq!((counts.taken.value(), counts.existing.value()), (1, 2));
}

#[tokio::test]
async fn of_two_uploads_at_once_one_takes_the_last_place_that_the_settings_give() {
    let folder = tempfile::tempdir().unwrap();
    let (registry, alice) = open(&folder).await;
    registry.metadata().close().await;
    drop(registry);
    let mut settings = settings(folder.path());
    settings.quota.packages = Some(1);
    let registry = Registry::open(settings, Clock::manual(START))
        .await
        .unwrap();
    let upload = |name| {
        publish(
            &registry,
            alice,
            PackageBuilder::new(name, "1.0-r0").build(),
        )
    };
    let (one, other) = tokio::join!(upload("one"), upload("other"));
    assert!(one.is_ok() ^ other.is_ok(), "{one:?} {other:?}");
}
