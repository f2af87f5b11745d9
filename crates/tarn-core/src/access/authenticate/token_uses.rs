//! When tokens were used last, written down now and then: many at once, and never while a request waits.
//!
//! One transaction for each use would be one wait of the disk for each, in the queue in which publishes wait.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::access::recent::Recent;
use tarn_base::clock::Timestamp;
use tarn_store::metadata::{Metadata, MetadataError, TokenId};

#[derive(Debug)]
pub(super) struct TokenUses {
    state: Mutex<State>,
    /// How far what is written may lie behind.
    interval: Duration,
}

#[derive(Debug)]
struct State {
    noted: Recent<TokenId, Timestamp>,
    /// What has to be written down.
    waiting: HashMap<TokenId, Timestamp>,
    /// Whether a task is about to.
    writing: bool,
}

impl TokenUses {
    /// Nothing noted yet. At most `remembered` tokens are, and each of them every `interval` at most.
    pub(super) fn new(remembered: usize, interval: Duration) -> Self {
        Self {
            state: Mutex::new(State {
                noted: Recent::new(remembered),
                waiting: HashMap::new(),
                writing: false,
            }),
            interval,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a token is used now, and was last at the time of its row. Whether the caller is the one who has to see to it that this
    /// is written down.
    #[must_use]
    pub(super) fn note(
        &self,
        token: TokenId,
        last_used_at: Option<Timestamp>,
        now: Timestamp,
    ) -> bool {
        let lately = |at: Timestamp| now.since(at) < self.interval;
        if last_used_at.is_some_and(lately) {
            return false;
        }
        let mut state = self.lock();
        if state.noted.entry(&token).copied().is_some_and(lately) {
            return false;
        }
        state.noted.insert(token, now);
        state.waiting.insert(token, now);
        !mem::replace(&mut state.writing, true)
    }

    /// Whether more has come to be written down meanwhile. If not, the next use calls for another writer.
    pub(super) fn goes_on(&self) -> bool {
        let mut state = self.lock();
        state.writing = !state.waiting.is_empty();
        state.writing
    }

    /// Writes down what waits to be. What the database does not take is not tried again: the next use is.
    ///
    /// # Errors
    ///
    /// When the database does not take it.
    pub(super) async fn write(&self, metadata: &Metadata) -> Result<(), MetadataError> {
        let waiting = mem::take(&mut self.lock().waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        let uses: Vec<_> = waiting.into_iter().collect();
        metadata.touch_tokens(&uses).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(60);

    #[test]
    fn a_use_is_noted_once_in_an_interval_and_one_writer_is_called() {
        let uses = TokenUses::new(10, INTERVAL);
        let at = Timestamp::from_seconds;
        let [one, two, three] = [1, 2, 3].map(TokenId::from_row);
        assert!(uses.note(one, None, at(100)), "this one has to write");
        assert!(!uses.note(two, None, at(101)), "a task already writes");
        assert!(!uses.note(one, None, at(102)));
        assert!(!uses.note(three, Some(at(90)), at(103)));
        let waiting = |uses: &TokenUses| {
            let mut waiting: Vec<_> = uses.lock().waiting.drain().collect();
            waiting.sort_unstable_by_key(|(_, at)| *at);
            waiting
        };
        assert!(uses.goes_on());
        assert_eq!(waiting(&uses), [(one, at(100)), (two, at(101))]);
        assert!(!uses.goes_on());
        assert!(!uses.note(one, None, at(159)));
        assert!(uses.note(one, None, at(160)), "an interval later");
        assert_eq!(waiting(&uses), [(one, at(160))]);
    }
}
