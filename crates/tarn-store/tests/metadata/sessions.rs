//! Sessions of browsers: which count, which are listed, which go.

use std::time::Duration;

use tarn_base::clock::Timestamp;
use tarn_store::metadata::{MetadataError, NewSession, OwnerId, SessionId, UserChange};

use crate::{ACT, START, World, act, disabled, open};

const DAY: Duration = Duration::from_secs(86_400);

/// A session of alice that begins at that time and lasts a day.
async fn begin(world: &World, number: u8, at: Timestamp) -> SessionId {
    let user = world.metadata.user_by_id(world.alice).await.unwrap();
    let new = NewSession {
        user: world.alice,
        credential_version: user.unwrap().credential_version,
        hash: &[number; 32],
        expires_at: at.after(DAY),
        address: "192.0.2.1",
        agent: "a browser",
        at_most: 3,
    };
    world.metadata.add_session(new, &act(at)).await.unwrap()
}

async fn counts(world: &World, number: u8) -> bool {
    let found = world.metadata.session(&[number; 32]).await.unwrap();
    found.is_some()
}

async fn listed(world: &World, now: Timestamp) -> Vec<SessionId> {
    let sessions = world.metadata.sessions(world.alice, now).await.unwrap();
    sessions.iter().map(|session| session.id).collect()
}

#[tokio::test]
async fn a_session_counts_with_the_credentials_it_began_with() {
    let world = World::new().await;
    let id = begin(&world, 1, START).await;
    let (session, user) = world.metadata.session(&[1; 32]).await.unwrap().unwrap();
    assert_eq!(
        (session.id, session.user, user.id),
        (id, user.id, world.alice)
    );
    assert_eq!(session.proved_at, START);
    assert_eq!(session.expires_at, START.after(DAY));
    assert!(!counts(&world, 2).await);

    let change = UserChange {
        password_hash: Some(Some("another")),
        ..UserChange::default()
    };
    let changed = world.metadata.change_user(world.alice, change, &ACT);
    assert!(changed.await.unwrap());
    assert!(!counts(&world, 1).await);
    assert_eq!(listed(&world, START).await, []);

    begin(&world, 2, START).await;
    let changed = world
        .metadata
        .change_user(world.alice, disabled(true), &ACT);
    assert!(changed.await.unwrap());
    assert!(!counts(&world, 2).await);
}

#[tokio::test]
async fn another_process_sees_at_once_that_a_session_ended() {
    let world = World::new().await;
    let elsewhere = open(&world.folder).await;
    let id = begin(&world, 1, START).await;
    let there = async || elsewhere.session(&[1; 32]).await.unwrap().is_some();
    // Twice: the second answer is from memory.
    assert!(there().await && there().await);
    let ended = world.metadata.end_session(world.alice, id, &ACT);
    assert!(ended.await.unwrap());
    assert!(!there().await);
    let again = world.metadata.end_session(world.alice, id, &ACT);
    assert!(!again.await.unwrap());
}

#[tokio::test]
async fn sessions_are_listed_and_end_without_the_one_that_is_kept() {
    let world = World::new().await;
    let at = |hours: u64| START.after(Duration::from_secs(hours * 3_600));
    let one = begin(&world, 1, at(0)).await;
    let two = begin(&world, 2, at(1)).await;
    let three = begin(&world, 3, at(2)).await;
    assert_eq!(listed(&world, at(3)).await, [three, two, one]);
    let metadata = &world.metadata;
    metadata.touch_session(one, at(4), at(30)).await.unwrap();
    // A use that is written down late changes nothing.
    metadata.touch_session(one, at(3), at(27)).await.unwrap();
    assert_eq!(listed(&world, at(4)).await, [one, three, two]);
    assert_eq!(listed(&world, at(29)).await, [one], "the others expired");
    assert_eq!(listed(&world, at(30)).await, []);
    let later = act(at(5));
    let kept = metadata.end_sessions(world.alice, Some(two), &later);
    assert_eq!(kept.await.unwrap(), 2);
    assert_eq!(listed(&world, at(5)).await, [two]);
    assert!(!counts(&world, 1).await);
    assert!(metadata.prove_session(two, &act(at(6))).await.unwrap());
    assert!(!metadata.prove_session(one, &act(at(6))).await.unwrap());
    let (session, _) = metadata.session(&[2; 32]).await.unwrap().unwrap();
    assert_eq!(session.proved_at, at(6));
}

#[tokio::test]
async fn of_too_many_the_one_that_was_used_longest_ago_goes() {
    let world = World::new().await;
    let at = |minutes: u64| START.after(Duration::from_secs(minutes * 60));
    let mut ids = Vec::new();
    for number in 1..=3 {
        ids.push(begin(&world, number, at(number.into())).await);
    }
    let used = world.metadata.touch_session(ids[0], at(10), at(100));
    used.await.unwrap();
    let newest = begin(&world, 4, at(11)).await;
    assert_eq!(listed(&world, at(11)).await, [newest, ids[0], ids[2]]);
    assert!(!counts(&world, 2).await);
}

#[tokio::test]
async fn what_expired_is_deleted_and_nothing_begins_for_a_user_who_is_gone() {
    let world = World::new().await;
    begin(&world, 1, START).await;
    let forget = async |at: Timestamp| world.metadata.forget_expired_sessions(at, 10).await;
    assert_eq!(forget(START.after(DAY)).await.unwrap(), 0);
    assert_eq!(forget(START.after(2 * DAY)).await.unwrap(), 1);
    assert!(!counts(&world, 1).await);
    let new = NewSession {
        user: OwnerId::from_row(99),
        credential_version: 1,
        hash: &[9; 32],
        expires_at: START,
        address: "",
        agent: "",
        at_most: 3,
    };
    let refused = world.metadata.add_session(new, &ACT).await.unwrap_err();
    assert!(
        matches!(refused, MetadataError::Missing("user")),
        "{refused}"
    );
}
