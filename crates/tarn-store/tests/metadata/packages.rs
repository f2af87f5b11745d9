//! Recording, removing and finding package files.

use std::time::Duration;

use apk::{arch::Arch, name::PackageName, version::Version};
use futures_util::{FutureExt as _, future::join_all};
use tarn_store::metadata::{
    Act, Actor, BlobStanding, FileAddress, Metadata, MetadataError, OwnerId, PackageAddress,
    RecordError,
};

use crate::{
    ACT, START, World, Writer, actor, add_user, blob, branch, digest, main_repository, open,
    package, record, webhook,
};

#[tokio::test]
async fn one_of_two_that_record_the_same_file_at_once_is_refused() {
    let world = World::new().await;
    let (one, other) = tokio::join!(
        world.record("busybox", "x86_64"),
        world.record("busybox", "x86_64")
    );
    assert!(one.is_ok() ^ other.is_ok());
    let refused = one.err().or(other.err()).unwrap();
    assert!(matches!(refused, RecordError::AlreadyExists), "{refused}");
    assert_eq!(refused.to_string(), "package file already exists");

    // What was refused moved nothing on.
    let next = world.record("zlib", "x86_64").await.unwrap();
    assert_eq!((next.generation, next.sequence), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_that_record_at_once_get_a_generation_and_a_sequence_each() {
    let world = World::new().await;
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (metadata, alice) = (world.metadata.clone(), world.alice);
            tokio::spawn(async move {
                let mut recorded = Vec::new();
                for number in 0..25 {
                    let name = format!("package{task}x{number}");
                    recorded.push(
                        record(&metadata, alice, &name, "x86_64", START)
                            .await
                            .unwrap(),
                    );
                }
                recorded
            })
        })
        .collect();
    let mut sequences = Vec::new();
    let mut generations = Vec::new();
    for task in tasks {
        for recorded in task.await.unwrap() {
            sequences.push(recorded.sequence);
            generations.push(recorded.generation);
        }
    }
    sequences.sort_unstable();
    generations.sort_unstable();
    assert_eq!(sequences, (1..=200).collect::<Vec<_>>());
    assert_eq!(generations, (1..=200).collect::<Vec<_>>());
    let head = world.head("x86_64").await;
    assert_eq!((head.generation, head.live), (200, 200));
}

#[tokio::test]
async fn one_that_is_refused_in_a_shared_transaction_undoes_nothing_of_the_others() {
    let world = World::new().await;
    let names = ["there", "a", "b", "there", "c", "d", "d", "e"];
    let (recorded, transactions) = world.record_together(&names).await;
    assert_eq!(transactions, 2);
    for (place, (name, result)) in names.iter().zip(&recorded).enumerate() {
        let refused = matches!(result, Err(RecordError::AlreadyExists));
        assert_eq!(refused, [3, 6].contains(&place), "{name}: {result:?}");
    }
    // What was refused moved nothing on.
    let next = world.record("next", "x86_64").await.unwrap();
    assert_eq!((next.generation, next.sequence), (7, 7));
}

#[tokio::test]
async fn one_that_fails_in_a_shared_transaction_fails_alone() {
    let world = World::new().await;
    // It fails in the middle of what is written of it, which nothing that is asked before can tell.
    world.sql(if tarn_testkit::on_postgres() {
        "CREATE FUNCTION fail() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN RAISE 'as the test wants it'; END $$;
         CREATE TRIGGER fails AFTER INSERT ON package_files FOR EACH ROW WHEN (NEW.name = 'fails') EXECUTE FUNCTION fail()"
    } else {
        "CREATE TRIGGER fails AFTER INSERT ON package_files WHEN NEW.name = 'fails'
         BEGIN SELECT RAISE(ABORT, 'as the test wants it'); END"
    });
    let names = ["first", "a", "fails", "b", "c"];
    let (recorded, transactions) = world.record_together(&names).await;
    for (name, result) in names.iter().zip(&recorded) {
        let failed = matches!(result, Err(RecordError::Metadata(MetadataError::Failed(_))));
        assert_eq!(failed, *name == "fails", "{name}: {result:?}");
    }
    assert_eq!(transactions, 4, "each of the others has one of its own");
    let next = world.record("next", "x86_64").await.unwrap();
    assert_eq!((next.generation, next.sequence), (5, 5));
    let listed = world.index_at(next, "x86_64", next.generation).await;
    assert_eq!(listed.len(), 5, "{listed:?}");
}

#[tokio::test]
async fn no_transaction_records_more_than_64_packages() {
    let world = World::new().await;
    let names: Vec<String> = (0..66).map(|number| format!("p{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (recorded, transactions) = world.record_together(&names).await;
    assert!(recorded.iter().all(Result::is_ok));
    // The first has one of its own, and of the 65 others one waits once more.
    assert_eq!(transactions, 3);
}

#[tokio::test]
async fn what_fills_the_outbox_announces_it_also_beside_others_in_a_transaction() {
    let world = World::new().await;
    let new = webhook(world.alice, &[1; 16]);
    let added = world.metadata.add_webhook(new, "", &ACT).await;
    added.unwrap();
    let bob = add_user(&world.metadata, "bob").await;
    let is_filled = || world.metadata.outbox_filled().now_or_never().is_some();
    let record = |owner, name| record(&world.metadata, owner, name, "x86_64", START);
    record(bob, "a").await.unwrap();
    assert!(!is_filled(), "nothing is to be sent");
    record(world.alice, "b").await.unwrap();
    assert!(is_filled());
    let writer = Writer::of(&world.folder);
    let together = [(bob, "c"), (bob, "d"), (world.alice, "e"), (bob, "f")];
    let together = together.map(|(owner, name)| record(owner, name));
    let (recorded, ()) = tokio::join!(join_all(together), async { drop(writer) });
    assert!(recorded.iter().all(Result::is_ok));
    assert!(is_filled());
    assert!(world.remove("e", "x86_64", START).await);
    assert!(is_filled());

    // One of several has a webhook, and is not the last of them.
    let (branch, repository) = (branch(), main_repository());
    let arch = Arch::parse("x86_64").unwrap();
    let version = Version::parse("1.0-r0").unwrap();
    let named = [(world.alice, "b"), (bob, "a")]
        .map(|(owner, name)| (owner, PackageName::parse(name).unwrap()));
    let mut files = Vec::new();
    for (owner, name) in &named {
        let file_name = format!("{name}-1.0-r0.apk");
        let at = FileAddress {
            owner: *owner,
            branch: &branch,
            repository: &repository,
            arch: &arch,
            file_name: &file_name,
        };
        let file = world.metadata.package_file(&at).await.unwrap().unwrap();
        let address = PackageAddress {
            owner: *owner,
            branch: &branch,
            repository: &repository,
            arch: &arch,
            name,
            version: &version,
        };
        files.push((address, file.id));
    }
    let removed = world.metadata.remove_package_files(&files, &ACT).await;
    assert_eq!(removed.unwrap(), 2);
    assert!(is_filled());

    // As rules of expiry remove them.
    let repository = record(world.alice, "g").await.unwrap().repository;
    assert!(is_filled());
    let files = world.metadata.live_files(repository, 0, 10).await.unwrap();
    let removed = world.metadata.remove_batch(world.alice, files, &ACT).await;
    assert_eq!(removed.unwrap().gone.len(), 1);
    assert!(is_filled());
}

#[tokio::test]
async fn a_noarch_file_and_one_of_an_architecture_exclude_each_other() {
    let world = World::new().await;
    let first = world.record("tzdata", "noarch").await.unwrap();
    let refused = world.record("tzdata", "x86_64").await.unwrap_err();
    assert!(
        matches!(&refused, RecordError::NoarchClash { existing } if existing.is_noarch()),
        "{refused}"
    );

    // The same file again is the reason even where noarch would clash too.
    let again = world.record("tzdata", "noarch").await.unwrap_err();
    assert!(matches!(again, RecordError::AlreadyExists), "{again}");

    world.record("zlib", "aarch64").await.unwrap();
    let refused = world.record("zlib", "noarch").await.unwrap_err();
    assert!(
        matches!(&refused, RecordError::NoarchClash { existing } if existing.as_str() == "aarch64"),
        "{refused}"
    );
    // Two architectures do not exclude each other, and a noarch file that is gone excludes nothing.
    world.record("zlib", "x86_64").await.unwrap();
    assert!(world.remove("tzdata", "noarch", START).await);
    let later = world.record("tzdata", "x86_64").await.unwrap();
    assert_eq!((first.generation, later.generation), (1, 5));
}

#[tokio::test]
async fn a_refused_file_leaves_no_trace() {
    let world = World::new().await;
    let recorded = world.record("tzdata", "noarch").await.unwrap();
    let before = world.index_at(recorded, "x86_64", i64::MAX).await;

    let new = package(world.alice, "tzdata", "x86_64", blob("other bytes"));
    world.metadata.record_package(&new, &ACT).await.unwrap_err();

    assert_eq!(world.index_at(recorded, "x86_64", i64::MAX).await, before);
    assert_eq!(world.blob("other bytes").await, None);
}

#[tokio::test]
async fn a_file_name_is_compared_exactly() {
    let world = World::new().await;
    let name = "py3_x.y+z";
    world.record(name, "x86_64").await.unwrap();
    let found = world.file("x86_64", "py3_x.y+z-1.0-r0.apk").await.unwrap();
    assert_eq!(found.name.as_str(), name);
    assert_eq!(found.version.as_str(), "1.0-r0");
    assert_eq!((found.sha256, found.size), (digest(name), 7));
    assert_eq!(found.created_at, START);
    for wrong in [
        "py3_x.y+z-1.0-r0",
        "py3_x.y+z-1.0-r0.apk ",
        "py3_x.y+z-1.0-r%.apk",
        "py3%-1.0-r0.apk",
        "py3-x.y+z-1.0-r0.apk",
        "PY3_x.y+z-1.0-r0.apk",
        "py3_x.y+z-1.0.apk",
        "%",
        "",
        "'; DROP TABLE package_files; --",
        "py3_x.y+z-1.0-r0.apk\0",
    ] {
        assert!(world.file("x86_64", wrong).await.is_none(), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_noarch_file_is_served_for_every_architecture_and_another_one_only_for_its_own() {
    let world = World::new().await;
    world.record("tzdata", "noarch").await.unwrap();
    world.record("zlib", "x86_64").await.unwrap();
    for arch in ["noarch", "x86_64", "loongarch64"] {
        let file = world.file(arch, "tzdata-1.0-r0.apk").await.unwrap();
        assert!(file.arch.is_noarch());
    }
    assert!(world.file("x86_64", "zlib-1.0-r0.apk").await.is_some());
    assert!(world.file("aarch64", "zlib-1.0-r0.apk").await.is_none());
    assert!(world.file("noarch", "zlib-1.0-r0.apk").await.is_none());
}

#[tokio::test]
async fn a_removed_file_is_gone_from_now_on_and_can_be_recorded_again() {
    let world = World::new().await;
    let first = world.record("zlib", "x86_64").await.unwrap();
    assert!(world.remove("zlib", "x86_64", START).await);
    assert!(world.file("x86_64", "zlib-1.0-r0.apk").await.is_none());
    assert!(!world.remove("zlib", "x86_64", START).await);

    let again = world.record("zlib", "x86_64").await.unwrap();
    // The removal that found nothing moved nothing on.
    assert_eq!((first.generation, again.generation), (1, 3));
    assert_eq!((first.sequence, again.sequence), (1, 2));
    assert!(world.file("x86_64", "zlib-1.0-r0.apk").await.is_some());
}

#[tokio::test]
async fn a_removal_minds_the_exact_architecture() {
    let world = World::new().await;
    assert!(!world.remove("tzdata", "noarch", START).await);
    world.record("tzdata", "noarch").await.unwrap();
    assert!(!world.remove("tzdata", "x86_64", START).await);
    assert!(world.file("x86_64", "tzdata-1.0-r0.apk").await.is_some());
}

#[tokio::test]
async fn an_owner_or_uploader_that_is_gone_is_reported() {
    let world = World::new().await;
    let bob = {
        // An identifier of another database, which this one does not have.
        let other = World::new().await;
        add_user(&other.metadata, "bob").await;
        add_user(&other.metadata, "carol").await
    };
    let record = |owner, uploader: Option<OwnerId>| {
        let new = package(owner, "zlib", "x86_64", blob("zlib"));
        let metadata: Metadata = world.metadata.clone();
        let by = uploader.map_or(Actor::COMMAND_LINE, actor);
        async move {
            metadata
                .record_package(&new, &Act { by: &by, at: START })
                .await
        }
    };
    let error = record(bob, None).await.unwrap_err();
    assert!(matches!(error, RecordError::OwnerGone), "{error}");
    let error = record(world.alice, Some(bob)).await.unwrap_err();
    assert!(matches!(error, RecordError::UploaderGone), "{error}");
    // Without an uploader it is fine, and the repository had not been made by what failed.
    let recorded = record(world.alice, None).await.unwrap();
    assert_eq!(recorded.generation, 1);
}

#[tokio::test]
async fn a_server_and_a_command_line_share_the_database() {
    let world = World::new().await;
    let other = open(&world.folder).await;
    // Each sees at once what the other did.
    let recorded = world.record("zlib", "x86_64").await.unwrap();
    let bob = add_user(&other, "bob").await;
    assert_eq!(
        world.metadata.user_by_id(bob).await.unwrap().unwrap().name,
        "bob"
    );
    let files = other.live_files(recorded.repository, 0, 10).await;
    assert_eq!(files.unwrap().len(), 1);

    // Both write at once, and neither is refused.
    let one = async {
        for number in 0..30 {
            world
                .record(&format!("one{number}"), "x86_64")
                .await
                .unwrap();
        }
    };
    let two = async {
        for number in 0..30 {
            record(
                &other,
                world.alice,
                &format!("two{number}"),
                "x86_64",
                START,
            )
            .await
            .unwrap();
        }
    };
    tokio::join!(one, two);
    assert_eq!(
        world.index_at(recorded, "x86_64", 61).await.len(),
        61,
        "nothing was lost between the two"
    );
}

#[tokio::test]
async fn a_caller_that_gives_up_leaves_a_whole_file_or_none() {
    let world = World::new().await;
    let first = world.record("first", "x86_64").await.unwrap();
    for number in 0..60 {
        let name = format!("package{number}");
        let given_up = tokio::time::timeout(
            Duration::from_micros(number * 25),
            world.record(&name, "x86_64"),
        );
        drop(given_up.await);
    }
    // Nothing is stuck, and the generation counts exactly what is there.
    let last = world.record("last", "x86_64").await.unwrap();
    let rows = world.index_at(first, "x86_64", last.generation).await;
    assert_eq!(i64::try_from(rows.len()).unwrap(), last.generation);
    assert_eq!(last.sequence, last.generation);
    for number in 0..60 {
        let blob = world.blob(&format!("package{number}")).await;
        assert!(
            matches!(blob, None | Some((0, BlobStanding::Live))),
            "package{number}: {blob:?}"
        );
    }
}

#[tokio::test]
async fn a_file_that_came_after_the_one_that_was_judged_is_not_removed_for_it() {
    let world = World::new().await;
    world.record("zlib", "x86_64").await.unwrap();
    let judged = world.file("x86_64", "zlib-1.0-r0.apk").await.unwrap();
    let (branch, repository) = (branch(), main_repository());
    let address = PackageAddress {
        owner: world.alice,
        branch: &branch,
        repository: &repository,
        arch: &judged.arch,
        name: &judged.name,
        version: &judged.version,
    };
    // Built anew and published again meanwhile.
    assert!(world.remove("zlib", "x86_64", START).await);
    let again = world.record("zlib", "x86_64").await.unwrap();
    let (metadata, id) = (&world.metadata, judged.id);
    let removed = metadata.remove_package_file(&address, id, &ACT).await;
    assert!(!removed.unwrap());
    let rebuilt = world.file("x86_64", "zlib-1.0-r0.apk").await.unwrap();
    assert_ne!(rebuilt.id, id);
    let next = world.record("next", "x86_64").await.unwrap();
    assert_eq!(next.generation, again.generation + 1, "nothing moved on");
    let removed = metadata
        .remove_package_file(&address, rebuilt.id, &ACT)
        .await;
    assert!(removed.unwrap());
    assert!(world.file("x86_64", "zlib-1.0-r0.apk").await.is_none());
}

#[tokio::test]
async fn of_several_files_those_that_are_still_there_go_and_nothing_else_moves_on() {
    let world = World::new().await;
    let mut judged = Vec::new();
    for arch in ["aarch64", "riscv64", "x86_64"] {
        world.record("zlib", arch).await.unwrap();
        judged.push(world.file(arch, "zlib-1.0-r0.apk").await.unwrap());
    }
    let (branch, repository) = (branch(), main_repository());
    let files: Vec<_> = judged
        .iter()
        .map(|file| {
            let address = PackageAddress {
                owner: world.alice,
                branch: &branch,
                repository: &repository,
                arch: &file.arch,
                name: &file.name,
                version: &file.version,
            };
            (address, file.id)
        })
        .collect();
    // One is built anew meanwhile.
    assert!(world.remove("zlib", "riscv64", START).await);
    let again = world.record("zlib", "riscv64").await.unwrap();
    let metadata = &world.metadata;
    let remove = async || metadata.remove_package_files(&files, &ACT).await.unwrap();
    assert_eq!(remove().await, 2);
    assert_eq!(remove().await, 0);
    for (arch, left) in [("aarch64", false), ("riscv64", true), ("x86_64", false)] {
        let file = world.file(arch, "zlib-1.0-r0.apk").await;
        assert_eq!(file.is_some(), left, "{arch}");
    }
    let next = world.record("next", "x86_64").await.unwrap();
    assert_eq!(next.generation, again.generation + 3);
}
