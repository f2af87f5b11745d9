//! Makes guessing passwords slow.
//!
//! Wrong passwords are counted for each source, and for each account as seen from one source. After a few that are free,
//! every further one doubles the wait before the next is looked at. An account is never locked for everybody: who asks from
//! elsewhere, by a token, or with a password that was checked a moment ago, is not held up.
//!
//! An attempt counts as wrong from the moment it begins until it proves right, so a thousand guesses at once get no further
//! than a thousand in a row. One that has to wait takes its turn when it comes, and counts from then on: each that comes after it
//! waits behind it. So a short wait can be spent inside of the request, and gains a guesser nothing.
//!
//! What counts is in the memory of this process. It is written down behind the requests, many changes at once, and read
//! again at the next start: a crash forgets a second of it at most. Servers that share a database count in its rows instead, in a
//! transaction for each attempt: what costs Argon2 anyway may cost that too, and asking several servers gains a guesser nothing. A name is written as a keyed hash, since people type
//! passwords where the name belongs.

use std::{
    collections::HashSet,
    mem,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::hmac;

use super::{AccessLimits, recent::Recent};
use tarn_base::clock::Timestamp;
use tarn_store::metadata::{GuessCount, Metadata, MetadataError};

/// How long to wait after so many wrong ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// So many are free.
    pub(super) free: u32,
    /// Each further one doubles the wait, up to this.
    pub(super) longest: Duration,
}

impl Patience {
    /// How long it is until the next one may be looked at, when the last of `count` wrong ones came at `last`.
    pub(super) fn wait(self, count: u32, last: Timestamp, now: Timestamp) -> Duration {
        let Some(over) = count.checked_sub(self.free) else {
            return Duration::ZERO;
        };
        // A clock that stood in the future once must not make anybody wait until then.
        if last.since(now) > self.longest {
            return Duration::ZERO;
        }
        let delay =
            Duration::from_secs(1_u64.checked_shl(over).unwrap_or(u64::MAX)).min(self.longest);
        delay.saturating_sub(now.since(last))
    }
}

/// The keyed hash of the name that was tried.
type Account = [u8; 32];

#[derive(Debug)]
pub(super) struct Guesses {
    state: Mutex<State>,
    key: hmac::Key,
    per_account: Patience,
    per_source: Patience,
    longest_delay: Duration,
    forget_after: Duration,
}

#[derive(Debug)]
struct State {
    accounts: Recent<(Account, IpAddr), Failures>,
    sources: Recent<IpAddr, Failures>,
    /// What has to be written down. `None` stands for the count of the source itself.
    changed: HashSet<(Option<Account>, IpAddr)>,
    /// Whether a task is about to write it down.
    writing: bool,
}

impl State {
    /// What was counted for an account as seen from a source, or without one for the source itself.
    fn counted(&mut self, account: Option<Account>, source: IpAddr) -> Option<&mut Failures> {
        match account {
            Some(account) => self.accounts.entry(&(account, source)),
            None => self.sources.entry(&source),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Timestamp,
    /// Whether the database may have heard of it.
    written: bool,
}

/// One attempt under way; it stays counted as wrong unless it is handed to [`Guesses::forgive`].
#[derive(Debug)]
pub(super) struct Attempt {
    account: (Account, IpAddr),
    /// How long it is until the password may be looked at.
    pub(super) delay: Duration,
    /// It is counted in the database, not here.
    pub(super) in_the_database: bool,
}

impl Guesses {
    /// Nothing counted yet. `key` hashes the names; the counts of another process with another key mean nothing here.
    pub(super) fn new(limits: &AccessLimits, key: hmac::Key) -> Self {
        let patience = |free| Patience {
            free,
            longest: limits.longest_wait,
        };
        Self {
            state: Mutex::new(State {
                accounts: Recent::new(limits.remembered_guessers),
                sources: Recent::new(limits.remembered_guessers),
                changed: HashSet::new(),
                writing: false,
            }),
            key,
            per_account: patience(limits.free_guesses_per_account),
            per_source: patience(limits.free_guesses_per_source),
            longest_delay: limits.longest_delay,
            forget_after: limits.forget_guesses_after,
        }
    }

    /// Counts an attempt on `account` (any text) from `source`. `may_wait`: the caller can let it wait for its turn, within
    /// [`AccessLimits::longest_delay`].
    ///
    /// # Errors
    ///
    /// How long it would have to wait, when that is longer; then nothing is counted.
    pub(super) fn begin(
        &self,
        account: &str,
        source: IpAddr,
        now: Timestamp,
        may_wait: bool,
    ) -> Result<Attempt, Duration> {
        let account = self.seen(account, source);
        let (_, source) = account;
        let mut state = self.lock();
        let account_failures = self.current(state.accounts.entry(&account).copied(), now);
        let source_failures = self.current(state.sources.entry(&source).copied(), now);
        let delay = self.delay(account_failures, source_failures, now, may_wait)?;
        let counted = |failures: Option<Failures>| Failures {
            count: failures.map_or(0, |f| f.count).saturating_add(1),
            last: now.after(delay),
            written: failures.is_some_and(|f| f.written),
        };
        state.accounts.insert(account, counted(account_failures));
        state.sources.insert(source, counted(source_failures));
        Ok(Attempt {
            account,
            delay,
            in_the_database: false,
        })
    }

    /// The same, where several servers count together: in the rows of the database, in one transaction.
    pub(super) async fn begin_together(
        &self,
        (metadata, most): (&Metadata, u32),
        account: &str,
        source: IpAddr,
        now: Timestamp,
        may_wait: bool,
    ) -> Result<Result<Attempt, Duration>, MetadataError> {
        let account = self.seen(account, source);
        let (name, source) = (&account.0, account.1.to_string());
        let begun = metadata
            .count_guess(
                (name, &source),
                (self.horizon(now), most),
                |account, source| {
                    let failures = |(count, last)| Failures {
                        count,
                        last,
                        written: true,
                    };
                    let delay =
                        self.delay(account.map(failures), source.map(failures), now, may_wait)?;
                    Ok((now.after(delay), delay))
                },
            )
            .await?;
        Ok(begun.map(|delay| Attempt {
            account,
            delay,
            in_the_database: true,
        }))
    }

    /// The attempt of [`Guesses::begin_together`] was right.
    pub(super) async fn forgive_together(
        &self,
        metadata: &Metadata,
        attempt: &Attempt,
    ) -> Result<(), MetadataError> {
        let (account, source) = &attempt.account;
        metadata.forgive_guess((account, &source.to_string())).await
    }

    /// How long an attempt has to wait for its turn.
    ///
    /// # Errors
    ///
    /// The same, where that is too long.
    fn delay(
        &self,
        account_failures: Option<Failures>,
        source_failures: Option<Failures>,
        now: Timestamp,
        may_wait: bool,
    ) -> Result<Duration, Duration> {
        let wait = |patience: Patience, failures: Option<Failures>| {
            let Some(failures) = failures else {
                return Duration::ZERO;
            };
            let wait = patience.wait(failures.count, failures.last, now);
            // The turn of the one before may lie ahead. Further ahead is only what a clock left that was wrong.
            let ahead = failures.last.since(now);
            if wait.is_zero() || ahead > self.longest_delay {
                wait
            } else {
                wait + ahead
            }
        };
        let delay =
            wait(self.per_account, account_failures).max(wait(self.per_source, source_failures));
        let longest = if may_wait {
            self.longest_delay
        } else {
            Duration::ZERO
        };
        if delay > longest {
            Err(delay)
        } else {
            Ok(delay)
        }
    }

    /// An account as seen from a source.
    fn seen(&self, account: &str, source: IpAddr) -> (Account, IpAddr) {
        (self.hash(account), network(source))
    }

    /// The attempt was wrong. Whether the caller is the one who has to see to it that this is written down.
    #[must_use]
    pub(super) fn confirm(&self, attempt: &Attempt) -> bool {
        let (account, source) = attempt.account;
        let mut state = self.lock();
        state.changed.insert((Some(account), source));
        state.changed.insert((None, source));
        !mem::replace(&mut state.writing, true)
    }

    /// The attempt was right. The account's failures are forgotten; of the source's, this one alone, or an attacker with
    /// an account of their own would wipe the slate clean between guesses.
    /// Whether the caller is the one who has to see to it that this is written down.
    #[must_use]
    pub(super) fn forgive(&self, attempt: &Attempt) -> bool {
        let (account, source) = attempt.account;
        let mut state = self.lock();
        if let Some(failures) = state.accounts.entry(&attempt.account).copied() {
            state.accounts.remove(&attempt.account);
            if failures.written {
                state.changed.insert((Some(account), source));
            }
        }
        if let Some(failures) = state.sources.entry(&source) {
            failures.count = failures.count.saturating_sub(1);
            let left = *failures;
            if left.count == 0 {
                state.sources.remove(&source);
            }
            if left.written {
                state.changed.insert((None, source));
            }
        }
        !state.changed.is_empty() && !mem::replace(&mut state.writing, true)
    }

    /// What has to be written down, once. A count of zero is one to be forgotten.
    pub(super) fn changes(&self) -> Vec<GuessCount> {
        let mut state = self.lock();
        let changed = mem::take(&mut state.changed);
        let mut counts = Vec::with_capacity(changed.len());
        for (account, source) in changed {
            let failures = state.counted(account, source).map(|failures| {
                failures.written = true;
                *failures
            });
            counts.push(GuessCount {
                account: account.map_or_else(Vec::new, Vec::from),
                source: source.to_string(),
                count: failures.map_or(0, |failures| failures.count),
                last_at: failures.map_or(Timestamp::from_seconds(0), |failures| failures.last),
            });
        }
        counts
    }

    /// The database did not take these changes: they are taken along with the next. Of those that are remembered no more, nothing
    /// is left to be written.
    pub(super) fn put_back(&self, counts: &[GuessCount]) {
        let mut state = self.lock();
        for count in counts {
            let Ok(source) = count.source.parse() else {
                continue;
            };
            let account = Account::try_from(count.account.as_slice()).ok();
            // What came to nothing has a row to lose.
            if state.counted(account, source).is_some() || count.count == 0 {
                state.changed.insert((account, source));
            }
        }
    }

    /// Whether more has come to be written down meanwhile. If not, the next wrong password calls for another writer.
    pub(super) fn goes_on(&self) -> bool {
        let mut state = self.lock();
        state.writing = !state.changed.is_empty();
        state.writing
    }

    /// Counts what the database has from an earlier process, where nothing was counted since.
    pub(super) fn recall(&self, counts: &[GuessCount], now: Timestamp) {
        let mut state = self.lock();
        // The newest come first, and what is put in last is kept longest.
        for count in counts.iter().rev() {
            let Ok(source) = count.source.parse() else {
                continue;
            };
            let failures = Failures {
                count: count.count,
                last: count.last_at.min(now),
                written: true,
            };
            if count.account.is_empty() {
                if state.sources.entry(&source).is_none() {
                    state.sources.insert(source, failures);
                }
            } else if let Ok(account) = Account::try_from(count.account.as_slice()) {
                let account = (account, source);
                if state.accounts.entry(&account).is_none() {
                    state.accounts.insert(account, failures);
                }
            }
        }
    }

    /// Before when nothing counts any more.
    pub(super) fn horizon(&self, now: Timestamp) -> Timestamp {
        now.before(self.forget_after)
    }

    fn hash(&self, account: &str) -> Account {
        let name = account.to_ascii_lowercase();
        bytes_of(hmac::sign(&self.key, name.as_bytes()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Counters cannot be left half written, so a panic elsewhere does not spoil them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self, failures: Option<Failures>, now: Timestamp) -> Option<Failures> {
        failures.filter(|failures| now.since(failures.last) < self.forget_after)
    }
}

/// The bytes of an HMAC-SHA256.
pub(super) fn bytes_of(tag: hmac::Tag) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (byte, value) in bytes.iter_mut().zip(tag.as_ref()) {
        *byte = *value;
    }
    bytes
}

/// What one person can ask from: an IPv4 address, or an IPv6 network of 64 bits, since every host has 2^64 addresses of it.
pub fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests;
