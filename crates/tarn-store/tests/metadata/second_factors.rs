//! Second factors and their recovery codes: what is kept, what is used up, what is written in the audit log.

use tarn_store::metadata::{CodeClaim, CodeOutcome, SecondFactor};

use crate::{ACT, START, World};

const SEALED: &[u8] = b"sealed by the test";
const RECOVERY: [[u8; 32]; 2] = [[1; 32], [2; 32]];

fn at_once(_: &SecondFactor) -> bool {
    false
}

/// The actions in the audit log that were done to an owner, oldest first.
fn actions(world: &World) -> Vec<String> {
    let rows = world.sql(&format!(
        "SELECT action FROM audit_log WHERE owner_id = {} AND action <> 'user.add' ORDER BY id",
        world.alice
    ));
    rows.concat()
}

async fn version(world: &World) -> i64 {
    let user = world.metadata.user_by_id(world.alice).await.unwrap();
    user.unwrap().credential_version
}

async fn factor(world: &World) -> SecondFactor {
    let factor = world.metadata.second_factor(world.alice).await.unwrap();
    factor.unwrap()
}

async fn begin(world: &World, sealed: &[u8]) -> bool {
    let begun = world
        .metadata
        .begin_second_factor(world.alice, sealed, &ACT);
    begun.await.unwrap()
}

/// What was begun.
async fn begun(world: &World, sealed: &[u8]) -> SecondFactor {
    assert!(begin(world, sealed).await);
    factor(world).await
}

async fn confirm(world: &World, begun: &SecondFactor, claim: CodeClaim<'_>) -> CodeOutcome {
    let metadata = &world.metadata;
    let confirm =
        metadata.confirm_second_factor(world.alice, begun, claim, &RECOVERY, &ACT, at_once);
    confirm.await.unwrap()
}

async fn confirmed(world: &World) -> SecondFactor {
    let begun = begun(world, SEALED).await;
    let outcome = confirm(world, &begun, CodeClaim::Step(100)).await;
    assert_eq!(outcome, CodeOutcome::Taken);
    factor(world).await
}

async fn remove(world: &World, in_force: bool) -> bool {
    let removed = world
        .metadata
        .remove_second_factor(world.alice, in_force, &ACT);
    removed.await.unwrap()
}

async fn use_code(world: &World, factor: &SecondFactor, claim: CodeClaim<'_>) -> CodeOutcome {
    let outcome = world
        .metadata
        .use_code(world.alice, factor, claim, &ACT, at_once);
    outcome.await.unwrap()
}

#[tokio::test]
async fn every_change_is_noted_and_forgets_what_was_verified() {
    let world = World::new().await;
    let metadata = &world.metadata;
    let mut versions = vec![version(&world).await];
    confirmed(&world).await;
    versions.push(version(&world).await);
    let renewed = metadata.renew_recovery_codes(world.alice, &[[3; 32]], &ACT);
    assert!(renewed.await.unwrap());
    versions.push(version(&world).await);
    let factor = factor(&world).await;
    let outcome = use_code(&world, &factor, CodeClaim::Recovery(&[3; 32])).await;
    assert_eq!(outcome, CodeOutcome::Taken);
    assert!(remove(&world, true).await);
    versions.push(version(&world).await);
    assert!(
        versions.windows(2).all(|pair| pair[0] < pair[1]),
        "{versions:?}"
    );
    assert_eq!(
        actions(&world),
        [
            "factor.begin",
            "factor.enable",
            "recovery-codes.renew",
            "recovery-code.use",
            "factor.disable"
        ]
    );
}

#[tokio::test]
async fn what_changes_nothing_is_not_noted() {
    let world = World::new().await;
    let metadata = &world.metadata;
    let before = version(&world).await;
    assert!(!remove(&world, true).await);
    let renewed = metadata.renew_recovery_codes(world.alice, &RECOVERY, &ACT);
    assert!(!renewed.await.unwrap());
    assert_eq!(version(&world).await, before);
    assert!(actions(&world).is_empty());

    let factor = confirmed(&world).await;
    let noted = actions(&world);
    assert!(!begin(&world, b"another").await);
    for claim in [
        CodeClaim::Wrong,
        CodeClaim::Step(100),
        CodeClaim::Recovery(&[9; 32]),
    ] {
        let outcome = use_code(&world, &factor, claim).await;
        assert_eq!(outcome, CodeOutcome::Refused, "{claim:?}");
    }
    assert_eq!(actions(&world), noted);
}

#[tokio::test]
async fn a_step_is_used_up_with_all_before_it() {
    let world = World::new().await;
    let factor = confirmed(&world).await;
    for (step, outcome) in [
        (100, CodeOutcome::Refused),
        (99, CodeOutcome::Refused),
        (102, CodeOutcome::Taken),
        (101, CodeOutcome::Refused),
        (102, CodeOutcome::Refused),
        (103, CodeOutcome::Taken),
    ] {
        assert_eq!(
            use_code(&world, &factor, CodeClaim::Step(step)).await,
            outcome,
            "{step}"
        );
    }
}

#[tokio::test]
async fn a_recovery_code_is_used_once_and_left_over_codes_are_counted() {
    let world = World::new().await;
    let factor = confirmed(&world).await;
    let left = async || {
        let left = world.metadata.recovery_codes_left(world.alice).await;
        left.unwrap()
    };
    assert_eq!(left().await, 2);
    let claim = CodeClaim::Recovery(&RECOVERY[0]);
    assert_eq!(use_code(&world, &factor, claim).await, CodeOutcome::Taken);
    assert_eq!(use_code(&world, &factor, claim).await, CodeOutcome::Refused);
    assert_eq!(left().await, 1);
}

#[tokio::test]
async fn who_may_remove_what_was_begun_leaves_one_that_came_into_force() {
    let world = World::new().await;
    confirmed(&world).await;
    assert!(!remove(&world, false).await);
    factor(&world).await;
    assert!(remove(&world, true).await);
    assert!(begin(&world, b"another").await);
    assert!(remove(&world, false).await);
}

#[tokio::test]
async fn a_code_for_a_factor_that_is_gone_counts_for_nothing() {
    let world = World::new().await;
    let old = confirmed(&world).await;
    let metadata = &world.metadata;
    assert!(remove(&world, true).await);
    let claim = CodeClaim::Step(200);
    assert_eq!(use_code(&world, &old, claim).await, CodeOutcome::Gone);
    // Another in its place, begun and not in force: the old one's codes do not confirm it.
    assert!(begin(&world, b"another").await);
    assert_eq!(use_code(&world, &old, claim).await, CodeOutcome::Gone);
    assert_eq!(confirm(&world, &old, claim).await, CodeOutcome::Gone);
    assert_eq!(factor(&world).await.confirmed_at, None);
    assert_eq!(metadata.recovery_codes_left(world.alice).await.unwrap(), 0);
}

#[tokio::test]
async fn wrong_codes_are_counted_until_a_right_one_and_none_is_while_waiting() {
    let world = World::new().await;
    let factor = confirmed(&world).await;
    for _ in 0..3 {
        use_code(&world, &factor, CodeClaim::Wrong).await;
    }
    let counted = async || {
        let factor = self::factor(&world).await;
        (factor.wrong_codes, factor.last_wrong_at)
    };
    assert_eq!(counted().await, (3, START));
    for claim in [CodeClaim::Wrong, CodeClaim::Step(500)] {
        let outcome = world
            .metadata
            .use_code(world.alice, &factor, claim, &ACT, |current| {
                current.wrong_codes >= 3
            })
            .await
            .unwrap();
        assert_eq!(outcome, CodeOutcome::TooEarly);
    }
    assert_eq!(counted().await, (3, START));
    // Nor was the right one used up.
    let outcome = use_code(&world, &factor, CodeClaim::Step(500)).await;
    assert_eq!(outcome, CodeOutcome::Taken);
    assert_eq!(counted().await.0, 0);
}

#[tokio::test]
async fn beginning_again_gives_no_further_guesses() {
    let world = World::new().await;
    let first = begun(&world, SEALED).await;
    let outcome = confirm(&world, &first, CodeClaim::Wrong).await;
    assert_eq!(outcome, CodeOutcome::Refused);
    assert_eq!(begun(&world, b"another").await.wrong_codes, 1);
}

#[tokio::test]
async fn a_code_counts_only_for_the_secret_that_it_was_checked_with() {
    let world = World::new().await;
    let (first, second) = (
        begun(&world, b"first").await,
        begun(&world, b"second").await,
    );
    let claim = CodeClaim::Step(100);
    assert_eq!(confirm(&world, &first, claim).await, CodeOutcome::Gone);
    assert_eq!(confirm(&world, &second, claim).await, CodeOutcome::Taken);
    // Nor twice, when two requests have read the same.
    assert_eq!(confirm(&world, &second, claim).await, CodeOutcome::Gone);
}
