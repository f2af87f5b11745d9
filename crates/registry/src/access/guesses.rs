//! Makes guessing passwords slow.
//!
//! Wrong passwords are counted for each source, and for each account as seen from one source. After a few that are free,
//! every further one doubles the wait before the next is looked at. An account is never locked for everybody: who asks from
//! elsewhere, by a token, or with a password that was checked a moment ago, is not held up.
//!
//! An attempt counts as wrong from the moment it begins until it proves right, so a thousand guesses at once get no further
//! than a thousand in a row.

use std::{
    hash::{BuildHasher as _, RandomState},
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{AccessLimits, recent::Recent};
use crate::clock::Timestamp;

#[derive(Debug)]
pub(super) struct Guesses {
    state: Mutex<State>,
    hasher: RandomState,
    free_per_account: u32,
    free_per_source: u32,
    longest_wait: Duration,
    forget_after: Duration,
}

#[derive(Debug)]
struct State {
    accounts: Recent<(u64, IpAddr), Failures>,
    sources: Recent<IpAddr, Failures>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Timestamp,
}

/// One attempt under way; it stays counted as wrong unless it is handed to [`Guesses::forgive`].
#[derive(Debug)]
pub(super) struct Attempt {
    account: (u64, IpAddr),
}

impl Guesses {
    pub(super) fn new(limits: &AccessLimits) -> Self {
        Self {
            state: Mutex::new(State {
                accounts: Recent::new(limits.remembered_guessers),
                sources: Recent::new(limits.remembered_guessers),
            }),
            hasher: RandomState::new(),
            free_per_account: limits.free_guesses_per_account,
            free_per_source: limits.free_guesses_per_source,
            longest_wait: limits.longest_wait,
            forget_after: limits.forget_guesses_after,
        }
    }

    /// Counts an attempt on `account` (any text) from `source`.
    ///
    /// # Errors
    ///
    /// How long to wait, when there were too many wrong ones; then nothing is counted.
    pub(super) fn begin(
        &self,
        account: &str,
        source: IpAddr,
        now: Timestamp,
    ) -> Result<Attempt, Duration> {
        let source = network(source);
        let account = (
            self.hasher
                .hash_one(account.to_ascii_lowercase().as_bytes()),
            source,
        );
        let mut state = self.lock();
        let account_failures = self.current(state.accounts.entry(&account).copied(), now);
        let source_failures = self.current(state.sources.entry(&source).copied(), now);
        let wait = self
            .wait(account_failures, self.free_per_account, now)
            .max(self.wait(source_failures, self.free_per_source, now));
        if !wait.is_zero() {
            return Err(wait);
        }
        let counted = |failures: Option<Failures>| Failures {
            count: failures.map_or(0, |f| f.count).saturating_add(1),
            last: now,
        };
        state.accounts.insert(account, counted(account_failures));
        state.sources.insert(source, counted(source_failures));
        Ok(Attempt { account })
    }

    /// The attempt was right. The account's failures are forgotten; of the source's, this one alone, or an attacker with
    /// an account of their own would wipe the slate clean between guesses.
    pub(super) fn forgive(&self, attempt: &Attempt) {
        let mut state = self.lock();
        state.accounts.remove(&attempt.account);
        let (_, source) = attempt.account;
        let left = state.sources.entry(&source).map_or(0, |failures| {
            failures.count = failures.count.saturating_sub(1);
            failures.count
        });
        if left == 0 {
            state.sources.remove(&source);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Counters cannot be left half written, so a panic elsewhere does not spoil them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self, failures: Option<Failures>, now: Timestamp) -> Option<Failures> {
        failures.filter(|failures| now.since(failures.last) < self.forget_after)
    }

    fn wait(&self, failures: Option<Failures>, free: u32, now: Timestamp) -> Duration {
        let Some(Failures { count, last }) = failures else {
            return Duration::ZERO;
        };
        let Some(over) = count.checked_sub(free) else {
            return Duration::ZERO;
        };
        let delay =
            Duration::from_secs(1_u64.checked_shl(over).unwrap_or(u64::MAX)).min(self.longest_wait);
        delay.saturating_sub(now.since(last))
    }
}

/// What one person can ask from: an IPv4 address, or an IPv6 network of 64 bits, since every host has 2^64 addresses of it.
pub(super) fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn guesses() -> Guesses {
        Guesses::new(&AccessLimits {
            free_guesses_per_account: 3,
            free_guesses_per_source: 6,
            longest_wait: Duration::from_secs(60),
            forget_guesses_after: Duration::from_secs(600),
            remembered_guessers: 100,
            ..AccessLimits::default()
        })
    }

    fn source(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_wait_doubles_after_the_free_ones() {
        let guesses = guesses();
        let here = source("192.0.2.1");
        let mut now = START;
        for _ in 0..3 {
            guesses.begin("alice", here, now).unwrap();
        }
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(
                guesses.begin("Alice", here, now).unwrap_err(),
                seconds(wait)
            );
            let almost = now.after(seconds(wait) - Duration::from_millis(1));
            assert_eq!(
                guesses.begin("alice", here, almost).unwrap_err(),
                Duration::from_millis(1)
            );
            now = now.after(seconds(wait));
            guesses.begin("alice", here, now).unwrap();
        }
    }

    #[test]
    fn other_accounts_and_other_sources_are_not_held_up() {
        let guesses = guesses();
        for _ in 0..3 {
            guesses.begin("alice", source("192.0.2.1"), START).unwrap();
        }
        assert!(guesses.begin("alice", source("192.0.2.1"), START).is_err());
        assert!(guesses.begin("bob", source("192.0.2.1"), START).is_ok());
        assert!(guesses.begin("alice", source("192.0.2.2"), START).is_ok());
    }

    #[test]
    fn a_source_that_tries_many_accounts_is_slowed_down() {
        let guesses = guesses();
        let here = source("192.0.2.1");
        for account in ["a", "b", "c", "d", "e", "f"] {
            guesses.begin(account, here, START).unwrap();
        }
        assert_eq!(guesses.begin("g", here, START).unwrap_err(), seconds(1));
    }

    #[test]
    fn a_right_password_forgives_the_account_but_not_the_source() {
        let guesses = guesses();
        let here = source("192.0.2.1");
        for _ in 0..5 {
            let guess = guesses.begin("mallory", here, START).unwrap();
            guesses.forgive(&guess);
        }
        guesses.begin("victim", here, START).unwrap();
        guesses.begin("victim", here, START).unwrap();
        let own = guesses.begin("mallory", here, START).unwrap();
        guesses.forgive(&own);
        guesses.begin("victim", here, START).unwrap();
        assert!(guesses.begin("victim", here, START).is_err());
        for other in ["x", "y", "z"] {
            guesses.begin(other, here, START).unwrap();
        }
        assert!(guesses.begin("mallory", here, START).is_err());
    }

    #[test]
    fn quiet_time_forgets() {
        let guesses = guesses();
        let here = source("192.0.2.1");
        for _ in 0..3 {
            guesses.begin("alice", here, START).unwrap();
        }
        let later = START.after(seconds(600));
        for _ in 0..3 {
            guesses.begin("alice", here, later).unwrap();
        }
    }

    #[test]
    fn a_clock_that_steps_back_never_waits_longer_than_the_delay() {
        let guesses = guesses();
        let here = source("192.0.2.1");
        for _ in 0..3 {
            guesses.begin("alice", here, START).unwrap();
        }
        let earlier = Timestamp::from_seconds(1_700_000_000);
        assert_eq!(
            guesses.begin("alice", here, earlier).unwrap_err(),
            seconds(1)
        );
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
        assert_eq!(network(source("::ffff:192.0.2.1")), source("192.0.2.1"));
    }
}
