//! How long a guesser waits, and what a restart leaves of that.

use std::net::Ipv4Addr;

use super::*;

const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn guesses() -> Guesses {
    let limits = AccessLimits {
        free_guesses_per_account: 3,
        free_guesses_per_source: 6,
        longest_wait: Duration::from_secs(60),
        longest_delay: Duration::from_secs(15),
        forget_guesses_after: Duration::from_secs(600),
        remembered_guessers: 100,
        ..AccessLimits::default()
    };
    Guesses::new(&limits, hmac::Key::new(hmac::HMAC_SHA256, b"of the test"))
}

fn source(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Where most come from.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// An attempt from there that does not wait.
fn begin(guesses: &Guesses, account: &str, now: Timestamp) -> Result<Attempt, Duration> {
    guesses.begin(account, HERE, now, false)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_wait_doubles_after_the_free_ones() {
    let guesses = guesses();
    let mut now = START;
    for _ in 0..3 {
        begin(&guesses, "alice", now).unwrap();
    }
    for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(begin(&guesses, "Alice", now).unwrap_err(), seconds(wait));
        let almost = now.after(seconds(wait) - Duration::from_millis(1));
        assert_eq!(
            begin(&guesses, "alice", almost).unwrap_err(),
            Duration::from_millis(1)
        );
        now = now.after(seconds(wait));
        begin(&guesses, "alice", now).unwrap();
    }
}

#[test]
fn those_who_wait_have_their_turns_one_after_the_other() {
    let guesses = guesses();
    let delay = |now| {
        let attempt = guesses.begin("alice", HERE, now, true);
        attempt.map(|attempt| attempt.delay)
    };
    // All at once: three are free, then each waits behind the one before, and the longest wait is refused.
    let delays: Vec<_> = (0..9).map(|_| delay(START)).collect();
    let turns = [0, 0, 0, 1, 3, 7, 15].map(|turn| Ok(seconds(turn)));
    assert_eq!(delays[..7], turns);
    assert_eq!(delays[7..], [Err(seconds(31)), Err(seconds(31))]);
    // Who does not wait gets no further, whenever it is.
    assert!(begin(&guesses, "alice", START).is_err());
    let later = START.after(seconds(20));
    assert_eq!(delay(later), Ok(seconds(11)));
    assert_eq!(delay(later), Err(seconds(43)));
}

#[test]
fn a_right_password_that_waited_ends_the_wait_of_all() {
    let guesses = guesses();
    for _ in 0..5 {
        guesses.begin("alice", HERE, START, true).unwrap();
    }
    let right = guesses.begin("alice", HERE, START, true).unwrap();
    assert_eq!(right.delay, seconds(7));
    let _ = guesses.forgive(&right);
    let next = guesses.begin("alice", HERE, START.after(seconds(7)), true);
    assert_eq!(next.unwrap().delay, seconds(0));
}

#[test]
fn other_accounts_and_other_sources_are_not_held_up() {
    let guesses = guesses();
    for _ in 0..3 {
        begin(&guesses, "alice", START).unwrap();
    }
    assert!(begin(&guesses, "alice", START).is_err());
    assert!(begin(&guesses, "bob", START).is_ok());
    assert!(
        guesses
            .begin("alice", source("192.0.2.2"), START, false)
            .is_ok()
    );
}

#[test]
fn a_source_that_tries_many_accounts_is_slowed_down() {
    let guesses = guesses();
    for account in ["a", "b", "c", "d", "e", "f"] {
        begin(&guesses, account, START).unwrap();
    }
    assert_eq!(begin(&guesses, "g", START).unwrap_err(), seconds(1));
}

#[test]
fn a_right_password_forgives_the_account_but_not_the_source() {
    let guesses = guesses();
    for _ in 0..5 {
        let guess = begin(&guesses, "mallory", START).unwrap();
        let _ = guesses.forgive(&guess);
    }
    begin(&guesses, "victim", START).unwrap();
    begin(&guesses, "victim", START).unwrap();
    let own = begin(&guesses, "mallory", START).unwrap();
    let _ = guesses.forgive(&own);
    begin(&guesses, "victim", START).unwrap();
    assert!(begin(&guesses, "victim", START).is_err());
    for other in ["x", "y", "z"] {
        begin(&guesses, other, START).unwrap();
    }
    assert!(begin(&guesses, "mallory", START).is_err());
}

#[test]
fn quiet_time_forgets() {
    let guesses = guesses();
    for _ in 0..3 {
        begin(&guesses, "alice", START).unwrap();
    }
    let later = START.after(seconds(600));
    for _ in 0..3 {
        begin(&guesses, "alice", later).unwrap();
    }
}

#[test]
fn a_clock_that_steps_back_never_waits_longer_than_the_delay() {
    let guesses = guesses();
    for _ in 0..3 {
        begin(&guesses, "alice", START).unwrap();
    }
    let earlier = Timestamp::from_seconds(START.seconds() - 50);
    assert_eq!(begin(&guesses, "alice", earlier).unwrap_err(), seconds(1));
    // A clock that was wrong for a while makes no caller wait for years.
    let much_earlier = Timestamp::from_seconds(1_700_000_000);
    begin(&guesses, "alice", much_earlier).unwrap();
}

#[test]
fn one_ipv6_host_is_one_source() {
    assert_eq!(
        network(source("2001:db8:1:2:3:4:5:6")),
        source("2001:db8:1:2::")
    );
    assert_ne!(
        network(source("2001:db8:1:2::1")),
        network(source("2001:db8:1:3::1"))
    );
    assert_eq!(network(source("::ffff:192.0.2.1")), HERE);
}

#[test]
fn what_was_counted_counts_after_a_restart() {
    let (before, after) = (guesses(), guesses());
    for _ in 0..3 {
        let attempt = begin(&before, "alice", START).unwrap();
        let _ = before.confirm(&attempt);
    }
    let counts = before.changes();
    assert_eq!(counts.len(), 2);
    assert!(counts.iter().all(|count| count.count == 3), "{counts:?}");
    assert!(before.changes().is_empty());
    after.recall(&counts, START);
    assert_eq!(begin(&after, "Alice", START).unwrap_err(), seconds(1));
    let elsewhere = source("192.0.2.2");
    assert!(after.begin("alice", elsewhere, START, false).is_ok());
    for other in ["a", "b", "c"] {
        begin(&after, other, START).unwrap();
    }
    assert!(begin(&after, "d", START).is_err());
}

#[test]
fn what_is_forgiven_is_written_down_as_forgotten_if_it_was_written_at_all() {
    let guesses = guesses();
    let right = begin(&guesses, "alice", START).unwrap();
    assert!(!guesses.forgive(&right), "nothing to write down");
    assert!(guesses.changes().is_empty());
    let wrong = begin(&guesses, "alice", START).unwrap();
    let _ = guesses.confirm(&wrong);
    assert_eq!(guesses.changes().len(), 2);
    assert!(!guesses.goes_on(), "all is written");
    let right = begin(&guesses, "alice", START).unwrap();
    assert!(guesses.forgive(&right), "this one has to write");
    let mut counts: Vec<_> = guesses
        .changes()
        .into_iter()
        .map(|count| (count.account.is_empty(), count.count))
        .collect();
    counts.sort_unstable();
    // The account's are forgotten, and the one wrong guess of the source is still there.
    assert_eq!(counts, [(false, 0), (true, 1)]);
}

#[test]
fn one_writer_is_called_for_at_a_time() {
    let guesses = guesses();
    let attempt = begin(&guesses, "alice", START).unwrap();
    assert!(guesses.confirm(&attempt));
    assert!(!guesses.confirm(&attempt));
    assert!(guesses.goes_on());
    guesses.changes();
    assert!(!guesses.goes_on());
    assert!(guesses.confirm(&attempt));
}

#[test]
fn a_name_is_not_kept_in_the_clear() {
    let guesses = guesses();
    let attempt = begin(&guesses, "hunter2", START).unwrap();
    let _ = guesses.confirm(&attempt);
    let plain = <sha2::Sha256 as sha2::Digest>::digest(b"hunter2");
    for count in guesses.changes() {
        assert_ne!(count.account, plain.as_slice());
        assert!(!count.account.windows(7).any(|part| part == b"hunter2"));
    }
}

#[test]
fn what_the_database_did_not_take_is_written_the_next_time() {
    let guesses = guesses();
    let elsewhere = source("192.0.2.2");
    let wrong = begin(&guesses, "alice", START).unwrap();
    assert!(guesses.confirm(&wrong), "this one has to write");
    let failed = guesses.changes();
    guesses.put_back(&failed);
    let other = guesses.begin("bob", elsewhere, START, false).unwrap();
    assert!(!guesses.confirm(&other), "the writer goes on");
    assert!(guesses.goes_on());
    let counts = guesses.changes();
    assert_eq!(counts.len(), 4);
    for count in failed {
        assert!(counts.contains(&count), "{count:?}");
    }

    // What is to be forgotten, too; and nothing that is remembered no more.
    let right = begin(&guesses, "alice", START).unwrap();
    let _ = guesses.forgive(&right);
    let failed = guesses.changes();
    assert!(failed.iter().any(|count| count.count == 0), "{failed:?}");
    let mut with_old = failed.clone();
    with_old.push(GuessCount {
        account: vec![9; 32],
        source: HERE.to_string(),
        count: 3,
        last_at: START,
    });
    guesses.put_back(&with_old);
    let counts = guesses.changes();
    assert_eq!(counts.len(), failed.len());
    for count in failed {
        assert!(counts.contains(&count), "{count:?}");
    }
}
