//! What an owner has, counted as it comes and goes, and what an owner may have.

use apk::{arch::Arch, name::PackageName, version::Version};
use proptest::{collection::vec, prelude::*};
use tarn_store::metadata::{
    NewBlob, NewPackageFile, OverQuota, OwnQuota, Quota, RecordError, Usage,
};

use crate::{ACT, START, World, about, blob, package};

fn at_most(packages: u64) -> OwnQuota {
    OwnQuota {
        packages: Some(packages),
        ..OwnQuota::default()
    }
}

impl World {
    async fn used(&self) -> Usage {
        let (used, _) = self.metadata.usage(self.alice).await.unwrap();
        assert_eq!(
            used,
            self.metadata.counted_usage(self.alice).await.unwrap(),
            "the counter says what a count says"
        );
        used
    }

    fn file_of(&self, name: &str, size: u64, quota: Quota) -> NewPackageFile {
        let bytes = NewBlob { size, ..blob(name) };
        NewPackageFile {
            default_quota: quota,
            ..package(self.alice, name, "x86_64", bytes)
        }
    }
}

#[tokio::test]
async fn what_comes_and_goes_is_counted_and_noarch_once() {
    let world = World::new().await;
    assert_eq!(world.used().await, Usage::default());
    world.record("zlib", "x86_64").await.unwrap();
    world.record("zlib", "aarch64").await.unwrap();
    world.record("tzdata", "noarch").await.unwrap();
    // Refused, and so not counted.
    world.record("tzdata", "x86_64").await.unwrap_err();
    world.record("zlib", "x86_64").await.unwrap_err();
    let three = Usage {
        bytes: 21,
        packages: 3,
    };
    assert_eq!(world.used().await, three);
    assert!(world.remove("zlib", "x86_64", START).await);
    assert!(!world.remove("zlib", "x86_64", START).await);
    assert_eq!(world.used().await.packages, 2);
    assert_eq!(world.used().await.bytes, 14);
}

#[tokio::test]
async fn the_bytes_of_an_index_are_counted_in_the_transaction_that_changes_it() {
    let world = World::new().await;
    let records = async |arch: &str| world.head(arch).await.bytes;
    world.record("zlib", "x86_64").await.unwrap();
    world.record("tzdata", "noarch").await.unwrap();
    let bytes = |name, arch| package(world.alice, name, arch, blob(name)).index_bytes;
    let (zlib, tzdata) = (bytes("zlib", "x86_64"), bytes("tzdata", "noarch"));
    assert_eq!(records("x86_64").await, zlib + tzdata);
    assert_eq!(records("aarch64").await, tzdata);
    // Of many at once as many pass as there is room for, also in one transaction.
    let files: Vec<_> = (b'c'..b'w')
        .map(|letter| NewPackageFile {
            max_index: zlib + tzdata + 3 * zlib,
            ..world.file_of(&format!("zli{}", char::from(letter)), 7, Quota::default())
        })
        .collect();
    let recorded = futures_util::future::join_all(
        files
            .iter()
            .map(|file| world.metadata.record_package(file, &ACT)),
    );
    let (passed, refused): (Vec<_>, Vec<_>) = recorded.await.into_iter().partition(Result::is_ok);
    assert_eq!(passed.len(), 3);
    assert!(
        refused
            .iter()
            .all(|refused| matches!(refused, Err(RecordError::IndexFull { .. })))
    );
    assert_eq!(records("x86_64").await, 4 * zlib + tzdata);
    // A noarch package has to fit into the largest of them.
    let added = bytes("noarch", "noarch");
    let full = 4 * zlib + tzdata + added;
    let noarch = async |max_index| {
        let file = NewPackageFile {
            max_index,
            ..package(world.alice, "noarch", "noarch", blob("noarch"))
        };
        world.metadata.record_package(&file, &ACT).await
    };
    let refused = noarch(full - 1).await;
    assert!(
        matches!(refused, Err(RecordError::IndexFull { used, .. }) if used == full - added),
        "{refused:?}"
    );
    noarch(full).await.unwrap();
    assert_eq!(records("aarch64").await, tzdata + added);
    assert!(world.remove("noarch", "noarch", START).await);
    assert!(world.remove("zlib", "x86_64", START).await);
    assert!(world.remove("tzdata", "noarch", START).await);
    assert_eq!(records("x86_64").await, 3 * zlib);
}

#[tokio::test]
async fn a_full_quota_does_not_part_those_who_share_a_transaction() {
    let world = World::new().await;
    world
        .metadata
        .change_quota(world.alice, |_| Some(at_most(6)), &ACT)
        .await
        .unwrap();
    let names: Vec<String> = (0..16).map(|number| format!("package{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (recorded, transactions) = world.record_together(&names).await;
    let full = OverQuota::Packages { limit: 6, used: 6 };
    let over = |result: &Result<_, _>| matches!(result, Err(RecordError::OverQuota(found)) if *found == full);
    assert_eq!(recorded.iter().filter(|result| over(result)).count(), 10);
    assert_eq!(world.used().await.packages, 6);
    assert_eq!(transactions, 2);
    // What was refused left no generation behind.
    let first = names
        .iter()
        .zip(&recorded)
        .find(|(_, result)| result.is_ok());
    assert!(world.remove(first.unwrap().0, "x86_64", START).await);
    assert_eq!(world.record("last", "x86_64").await.unwrap().generation, 8);
}

#[tokio::test]
async fn the_servers_limits_hold_where_the_owner_has_none() {
    let world = World::new().await;
    let server = Quota {
        bytes: Some(10),
        packages: None,
    };
    let first = world.file_of("a", 10, server);
    world.metadata.record_package(&first, &ACT).await.unwrap();
    let second = world.file_of("b", 1, server);
    let refused = world.metadata.record_package(&second, &ACT).await;
    let over = OverQuota::Bytes {
        limit: 10,
        used: 10,
        needed: 1,
    };
    assert!(matches!(refused, Err(RecordError::OverQuota(found)) if found == over));
    assert_eq!(
        over.to_string(),
        "the quota of this owner does not hold the package: 10 of 10 bytes are used and this upload needs 1; delete \
         packages, or ask an administrator of this server for more"
    );
    let unlimited = OwnQuota {
        unlimited: true,
        ..OwnQuota::default()
    };
    for own in [
        unlimited,
        OwnQuota {
            bytes: Some(11),
            ..OwnQuota::default()
        },
    ] {
        let metadata = &world.metadata;
        let change = async |quota| {
            let change = metadata.change_quota(world.alice, |_| quota, &ACT);
            change.await.unwrap()
        };
        assert!(change(Some(own)).await);
        assert!(!change(Some(own)).await);
        assert_eq!(metadata.usage(world.alice).await.unwrap().1, own);
        metadata.record_package(&second, &ACT).await.unwrap();
        assert!(world.remove("b", "x86_64", START).await);
        assert!(change(None).await);
        assert!(metadata.record_package(&second, &ACT).await.is_err());
    }
    assert_eq!(world.used().await.bytes, 10);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_counter_is_right_after_any_sequence(steps in vec((0..4_usize, 0..3_usize, any::<bool>()), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            world.metadata.change_quota(world.alice, |_| Some(at_most(5)), &ACT).await.unwrap();
            for (name, arch, add) in steps {
                let (name, arch) = (["a", "b", "c", "d"][name], ["x86_64", "aarch64", "noarch"][arch]);
                if add {
                    let _ = world.record(name, arch).await;
                } else {
                    world.remove(name, arch, START).await;
                }
                assert!(world.used().await.packages <= 5);
            }
        });
    }
}

#[tokio::test]
async fn the_log_says_which_limits_an_owner_was_given() {
    let world = World::new().await;
    let unlimited = OwnQuota {
        unlimited: true,
        upload: Some(7),
        ..OwnQuota::default()
    };
    for quota in [Some(at_most(3)), Some(unlimited), None] {
        let changed = world.metadata.change_quota(world.alice, |_| quota, &ACT);
        assert!(changed.await.unwrap());
    }
    let log = world.log(&about("quota.")).await;
    let log: Vec<_> = log
        .into_iter()
        .map(|entry| (entry.action, entry.detail.unwrap_or_default()))
        .collect();
    let wanted = [
        ("quota.delete", ""),
        (
            "quota.change",
            "bytes: no limit, packages: no limit, one upload: 7",
        ),
        (
            "quota.change",
            "bytes: the server's, packages: 3, one upload: the server's",
        ),
    ];
    let wanted = wanted.map(|(action, detail)| (action.to_owned(), detail.to_owned()));
    assert_eq!(log, wanted);
}

#[tokio::test]
async fn old_packages_are_those_with_more_versions_than_are_kept() {
    let world = World::new().await;
    let mut repository = None;
    for (number, version) in ["1.9-r0", "1.10-r0", "1.2-r0"].into_iter().enumerate() {
        let at = START.after(std::time::Duration::from_secs(number as u64));
        let mut new = package(world.alice, "foo", "x86_64", blob(version));
        new.version = Version::parse(version).unwrap();
        let recorded = world.metadata.record_package(&new, &crate::act(at)).await;
        repository = Some(recorded.unwrap().repository);
    }
    world.record("foo-doc", "x86_64").await.unwrap();
    let repository = repository.unwrap();
    let end = START.after(std::time::Duration::from_micros(1));
    let old = world
        .metadata
        .old_packages(repository, end, 2)
        .await
        .unwrap();
    assert_eq!(old.len(), 1);
    assert_eq!(old[0].name, PackageName::parse("foo").unwrap());
    assert_eq!(old[0].arch, Arch::parse("x86_64").unwrap());
    let versions = world.metadata.versions(&old[0]).await.unwrap();
    let versions: Vec<_> = versions.iter().map(|file| file.version.as_str()).collect();
    assert_eq!(versions, ["1.9-r0", "1.10-r0", "1.2-r0"]);
    for (end, keep) in [(START, 2), (end, 3)] {
        assert_eq!(
            world
                .metadata
                .old_packages(repository, end, keep)
                .await
                .unwrap(),
            []
        );
    }
}
