//! Counts of wrong passwords, kept for the next start.

use std::time::Duration;

use tarn_base::clock::Timestamp;
use tarn_store::metadata::GuessCount;

use crate::{START, World};

const LONG_AGO: Timestamp = Timestamp::from_seconds(0);

fn count(source: &str, count: u32, seconds: u64) -> GuessCount {
    GuessCount {
        account: vec![7; 32],
        source: source.to_owned(),
        count,
        last_at: START.after(Duration::from_secs(seconds)),
    }
}

#[tokio::test]
async fn the_newest_count_stays_and_zero_is_forgotten() {
    let world = World::new().await;
    let metadata = &world.metadata;
    let (first, other) = (count("192.0.2.1", 3, 1), count("192.0.2.2", 1, 2));
    let of_the_source = GuessCount {
        account: Vec::new(),
        ..count("192.0.2.1", 9, 3)
    };
    let all = [first, other.clone(), of_the_source.clone()];
    metadata.keep_guesses(&all, LONG_AGO, 10).await.unwrap();
    let later = count("192.0.2.1", 4, 4);
    let changes = [later.clone(), count("192.0.2.2", 0, 0)];
    metadata.keep_guesses(&changes, LONG_AGO, 10).await.unwrap();
    let kept = metadata.guesses(LONG_AGO, 10).await.unwrap();
    assert_eq!(kept, [later.clone(), of_the_source]);
    assert_eq!(metadata.guesses(LONG_AGO, 1).await.unwrap(), [later]);
}

#[tokio::test]
async fn what_is_too_old_goes_and_so_do_the_oldest_of_too_many() {
    let world = World::new().await;
    let metadata = &world.metadata;
    let all: Vec<_> = (1..=9)
        .map(|number| count(&format!("192.0.2.{number}"), 1, number))
        .collect();
    let since = START.after(Duration::from_secs(2));
    metadata.keep_guesses(&all, since, 5).await.unwrap();
    let kept = metadata.guesses(LONG_AGO, 100).await.unwrap();
    let expected: Vec<_> = all[4..].iter().rev().cloned().collect();
    assert_eq!(kept, expected);
    let none = [];
    let since = START.after(Duration::from_secs(7));
    metadata.keep_guesses(&none, since, 5).await.unwrap();
    assert_eq!(
        metadata.guesses(LONG_AGO, 100).await.unwrap(),
        expected[..2]
    );
}

#[tokio::test]
async fn many_of_one_moment_are_bounded_too() {
    let world = World::new().await;
    let metadata = &world.metadata;
    let all: Vec<_> = (0..50)
        .map(|number| count(&format!("192.0.2.{number}"), 1, 1))
        .collect();
    metadata.keep_guesses(&all, LONG_AGO, 10).await.unwrap();
    assert!(metadata.guesses(LONG_AGO, 100).await.unwrap().len() <= 10);
}
