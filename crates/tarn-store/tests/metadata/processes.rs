//! Several processes on one database: each has connections of its own, and a memory of its own.

use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;
use tarn_base::clock::Timestamp;
use tarn_store::metadata::{
    AuditFilter, CodeClaim, Guessed, Lease, LeaseAnswer, Metadata, NewPackageFile, Quota,
    RecordError, SecondFactor, Visibility,
};
use tarn_testkit::on_postgres;

use crate::{ACT, START, World, act, blob, name, open, package, record, webhook};

/// How often two race. A round costs SQLite a wait for the disk.
fn rounds() -> usize {
    if on_postgres() { 300 } else { 30 }
}

/// How often two race for what only the lock of the one who writes keeps apart.
fn races() -> usize {
    if on_postgres() { 1_000 } else { 30 }
}

/// A world, and the database as another process has it.
async fn two() -> (World, Metadata) {
    let world = World::new().await;
    let other = open(&world.folder).await;
    (world, other)
}

/// One process publishes a file for `x86_64`, another one the same name for `arch`: one of them gets the place, every time.
async fn race_for_a_name(arch: &str, refusal: impl Fn(&RecordError) -> bool) {
    let (world, other) = two().await;
    for round in 0..races() {
        let name = format!("race{round}");
        let (one, two) = tokio::join!(
            record(&world.metadata, world.alice, &name, "x86_64", START),
            record(&other, world.alice, &name, arch, START)
        );
        assert!(one.is_ok() ^ two.is_ok(), "{name}: {one:?} {two:?}");
        let refused = one.err().or(two.err()).unwrap();
        assert!(refusal(&refused), "{refused}");
    }
    let next = world.record("next", "x86_64").await.unwrap();
    let generations = races() as i64 + 1;
    assert_eq!((next.generation, next.sequence), (generations, generations));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_publish_the_same_file_one_is_refused() {
    race_for_a_name("x86_64", |refused| {
        matches!(refused, RecordError::AlreadyExists)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_noarch_file_and_one_of_an_architecture_one_is_refused() {
    race_for_a_name("noarch", |refused| {
        matches!(refused, RecordError::NoarchClash { .. })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_deleted_while_it_is_published_again_is_there_or_not() {
    let (world, other) = two().await;
    world.record("zlib", "x86_64").await.unwrap();
    let (mut is_there, mut generation) = (true, 1);
    for round in 0..races() {
        let publish = record(&other, world.alice, "zlib", "x86_64", START);
        let (removed, published) = tokio::join!(world.remove("zlib", "x86_64", START), publish);
        let is_published = match published {
            Ok(recorded) => {
                assert!(recorded.generation > generation, "{recorded:?}");
                true
            }
            Err(RecordError::AlreadyExists) => false,
            Err(error) => panic!("round {round}: {error}"),
        };
        // Whichever was first: what is gone can't be deleted, and what is there can't be published.
        assert!(removed || (!is_there && is_published), "round {round}");
        assert!(is_published || (is_there && removed), "round {round}");
        generation += i64::from(removed) + i64::from(is_published);
        is_there = if is_there { is_published } else { !removed };
        let found = world.file("x86_64", "zlib-1.0-r0.apk").await;
        assert_eq!(found.is_some(), is_there, "round {round}");
    }
    let next = world.record("next", "x86_64").await.unwrap();
    assert_eq!(next.generation, generation + 1);
    let (usage, _) = other.usage(world.alice).await.unwrap();
    assert_eq!(usage.packages, 1 + u64::from(is_there));
    assert_eq!(usage, other.counted_usage(world.alice).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_place_in_a_quota_is_taken_once() {
    let (world, other) = two().await;
    for round in 0..races() as u64 {
        let publish = async |metadata: &Metadata, letter: char| {
            let name = format!("p{round}{letter}");
            let new = NewPackageFile {
                default_quota: Quota {
                    packages: Some(round + 1),
                    ..Quota::default()
                },
                ..package(world.alice, &name, "x86_64", blob(&name))
            };
            metadata.record_package(&new, &act(START)).await
        };
        let results = tokio::join!(
            publish(&world.metadata, 'a'),
            publish(&other, 'b'),
            publish(&world.metadata, 'c'),
            publish(&other, 'd')
        );
        let results = [results.0, results.1, results.2, results.3];
        let taken = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(taken, 1, "{results:?}");
    }
    let (usage, _) = world.metadata.usage(world.alice).await.unwrap();
    assert_eq!(usage.packages, races() as u64);
    assert_eq!(usage, other.counted_usage(world.alice).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_was_told_is_done_the_other_sees_at_once() {
    let (world, other) = two().await;
    let name = name("alice");
    let seen = async |metadata: &Metadata| metadata.owner(&name).await.unwrap().unwrap().visibility;
    for round in 0..rounds() {
        let (changes, looks) = match round % 2 {
            0 => (&world.metadata, &other),
            _ => (&other, &world.metadata),
        };
        // Known to both, and asked again and again while it changes.
        let (_, _) = tokio::join!(seen(changes), seen(looks));
        let wanted = match round % 4 {
            0 | 1 => Visibility::Private,
            _ => Visibility::Public,
        };
        let change = async {
            changes
                .set_visibility(world.alice, wanted, &ACT)
                .await
                .unwrap();
            seen(looks).await
        };
        let asked = async {
            for _ in 0..5 {
                seen(looks).await;
            }
        };
        let (after, ()) = tokio::join!(change, asked);
        assert_eq!(after, wanted, "round {round}");
        assert_eq!(seen(changes).await, wanted, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_is_taken_by_one_of_them() {
    let (world, other) = two().await;
    let new = webhook(world.alice, &[1; 16]);
    let added = world.metadata.add_webhook(new, "", &ACT).await;
    let webhook = added.unwrap().id;
    let messages = rounds() / 3;
    for number in 0..messages {
        world.record(&format!("p{number}"), "x86_64").await.unwrap();
    }
    let (now, until) = (START.after(Duration::from_secs(60)), START);
    let until = until.after(Duration::from_secs(3_600));
    let take = async |metadata: &Metadata| {
        let mut taken = Vec::new();
        while let Some(delivery) = metadata.take_delivery(webhook, now, until).await.unwrap() {
            taken.push(delivery.id);
        }
        taken
    };
    let taken = tokio::join!(
        take(&world.metadata),
        take(&other),
        take(&world.metadata),
        take(&other)
    );
    let all = [taken.0, taken.1, taken.2, taken.3].concat();
    let once: HashSet<_> = all.iter().collect();
    assert_eq!((all.len(), once.len()), (messages, messages));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identifiers_come_in_the_order_of_commits() {
    let (world, other) = two().await;
    let third = open(&world.folder).await;
    let count = races() / 2;
    let write = async |metadata: &Metadata, letter: char| {
        for number in 0..count {
            let name = format!("{letter}{number}");
            record(metadata, world.alice, &name, "x86_64", START)
                .await
                .unwrap();
        }
    };
    // A reader that goes on from the last one it saw misses none.
    let read = async {
        let (mut seen, mut last) = (0, 0);
        while seen < 2 * count {
            let entries = third
                .audit_entries(&AuditFilter::default(), None, 1_000)
                .await
                .unwrap();
            let new: Vec<i64> = entries
                .iter()
                .filter(|entry| entry.action == "package.publish" && entry.id > last)
                .map(|entry| entry.id)
                .collect();
            seen += new.len();
            last = new.into_iter().max().unwrap_or(last);
            tokio::task::yield_now().await;
        }
        seen
    };
    let ((), (), seen) = tokio::join!(write(&world.metadata, 'a'), write(&other, 'b'), read);
    assert_eq!(seen, 2 * count);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_codes_are_counted_together() {
    let (world, other) = two().await;
    let begun = world
        .metadata
        .begin_second_factor(world.alice, b"sealed by the test", &ACT);
    assert!(begun.await.unwrap());
    let factor = world.metadata.second_factor(world.alice).await.unwrap();
    let factor: SecondFactor = factor.unwrap();
    let guesses = (0..20).map(|number| {
        let metadata = if number % 2 == 0 {
            &world.metadata
        } else {
            &other
        };
        metadata.use_code(world.alice, &factor, CodeClaim::Wrong, &ACT, |_| false)
    });
    for outcome in join_all(guesses).await {
        outcome.unwrap();
    }
    let counted = other.second_factor(world.alice).await.unwrap().unwrap();
    assert_eq!(counted.wrong_codes, 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_held_by_one_and_its_old_holder_changes_nothing() {
    let (world, other) = two().await;
    let long = Duration::from_secs(3_600);
    // Always due.
    let due = (START, Duration::ZERO);
    for round in 0..rounds() / 3 {
        let (one, two) = tokio::join!(
            world.metadata.take_lease("work", long, due),
            other.take_lease("work", long, due)
        );
        let held = match (one.unwrap(), two.unwrap()) {
            (LeaseAnswer::Taken(held), LeaseAnswer::Busy)
            | (LeaseAnswer::Busy, LeaseAnswer::Taken(held)) => held,
            both => panic!("round {round}: {both:?}"),
        };
        assert!(other.renew_lease(&held, long).await.unwrap());
        let refused = world.metadata.take_lease("work", long, due).await.unwrap();
        assert_eq!(refused, LeaseAnswer::Busy);
        let elsewhere = world.metadata.take_lease("other work", long, due);
        let is_taken = matches!(elsewhere.await.unwrap(), LeaseAnswer::Taken(_));
        assert_eq!(is_taken, round == 0);
        other.release_lease(&held, START).await.unwrap();
    }
    // One that ended is taken by another, and neither prolonged nor given back by the one who slept.
    let slept = taken(&world.metadata, Duration::ZERO, due).await;
    let held = taken(&other, long, due).await;
    assert!(!world.metadata.renew_lease(&slept, long).await.unwrap());
    world.metadata.release_lease(&slept, START).await.unwrap();
    let refused = world.metadata.take_lease("work", long, due).await.unwrap();
    assert_eq!(refused, LeaseAnswer::Busy);
    assert!(other.renew_lease(&held, long).await.unwrap());
}

async fn taken(metadata: &Metadata, for_: Duration, due: (Timestamp, Duration)) -> Lease {
    let lease = match metadata.take_lease("work", for_, due).await.unwrap() {
        LeaseAnswer::Taken(lease) => Some(lease),
        LeaseAnswer::Busy | LeaseAnswer::NotDue(_) => None,
    };
    lease.unwrap()
}

#[tokio::test]
async fn what_one_has_done_is_due_for_none_until_its_time_has_passed() {
    let (world, other) = two().await;
    let (long, day) = (Duration::from_secs(3_600), Duration::from_secs(86_400));
    let (second, no_time) = (Duration::from_secs(1), Duration::ZERO);
    let asked = async |metadata: &Metadata, now| {
        let answer = metadata.take_lease("work", no_time, (now, day));
        answer.await.unwrap()
    };
    // Work that was begun and never finished is not done.
    taken(&world.metadata, no_time, (START, day)).await;
    let held = taken(&other, long, (START, day)).await;
    other.release_lease(&held, START).await.unwrap();
    let due = START.after(day);
    for metadata in [&world.metadata, &other] {
        // Also for a server whose clock is a little behind.
        for now in [START, START.before(second), due.before(second)] {
            assert_eq!(asked(metadata, now).await, LeaseAnswer::NotDue(due));
        }
    }
    // It is for one that does it more often, and for all when the one that did it was a day ahead of them.
    for wanted in [
        (due.before(second), long),
        (due, day),
        (START.before(day), day),
    ] {
        taken(&world.metadata, no_time, wanted).await;
    }
    // While another does what is due, it is not done.
    taken(&other, long, (due, day)).await;
    assert_eq!(asked(&world.metadata, due).await, LeaseAnswer::Busy);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_passwords_are_counted_together_and_a_refused_one_is_not() {
    let (world, other) = two().await;
    let (account, source) = (&[7; 32], "192.0.2.1");
    let before = START.after(Duration::from_secs(1)).micros() - 3_600_000_000;
    let since = Timestamp::from_micros(before);
    let most = 10;
    let guess = async |metadata: &Metadata| {
        let decide = |of_account: Guessed, of_source: Guessed| {
            let counted = of_account.map_or(0, |(count, _)| count);
            assert_eq!(of_source.map_or(0, |(count, _)| count), counted);
            if counted < most {
                Ok((START, counted))
            } else {
                Err("too many")
            }
        };
        metadata
            .count_guess((account, source), (since, 1_000), decide)
            .await
    };
    let guesses = (0..30).map(|number| match number % 2 {
        0 => guess(&world.metadata),
        _ => guess(&other),
    });
    let results: Vec<_> = join_all(guesses)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let mut taken: Vec<u32> = results.iter().filter_map(|result| result.ok()).collect();
    taken.sort_unstable();
    assert_eq!(taken, (0..most).collect::<Vec<_>>());

    world
        .metadata
        .forgive_guess((account, source))
        .await
        .unwrap();
    let left = other.guesses(since, 10).await.unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!((left[0].account.len(), left[0].count), (0, most - 1));
}
