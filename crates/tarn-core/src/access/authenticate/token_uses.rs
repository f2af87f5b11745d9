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
use tarn_store::metadata::{Metadata, MetadataError, Token, TokenId};

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

    /// Notes that a token is used now. Whether the caller is the one who has to see to it that this is written down.
    #[must_use]
    pub(super) fn note(&self, token: &Token, now: Timestamp) -> bool {
        let lately = |at: Timestamp| now.since(at) < self.interval;
        if token.last_used_at.is_some_and(lately) {
            return false;
        }
        let mut state = self.lock();
        if state.noted.entry(&token.id).copied().is_some_and(lately) {
            return false;
        }
        state.noted.insert(token.id, now);
        state.waiting.insert(token.id, now);
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
    use tarn_store::metadata::{OwnerId, TokenId};

    const INTERVAL: Duration = Duration::from_secs(60);

    fn token(number: i64, last_used_at: Option<Timestamp>) -> Token {
        Token {
            id: TokenId::from_row(number),
            owner: OwnerId::from_row(1),
            label: String::new(),
            scopes: String::new(),
            limits: String::new(),
            networks: String::new(),
            created_at: Timestamp::from_seconds(0),
            expires_at: None,
            last_used_at,
        }
    }

    #[test]
    fn a_use_is_noted_once_in_an_interval_and_one_writer_is_called() {
        let uses = TokenUses::new(10, INTERVAL);
        let at = Timestamp::from_seconds;
        assert!(uses.note(&token(1, None), at(100)), "this one has to write");
        assert!(
            !uses.note(&token(2, None), at(101)),
            "a task already writes"
        );
        assert!(!uses.note(&token(1, None), at(102)));
        assert!(!uses.note(&token(3, Some(at(90))), at(103)));
        let waiting = |uses: &TokenUses| {
            let mut waiting: Vec<_> = uses.lock().waiting.drain().collect();
            waiting.sort_unstable_by_key(|(_, at)| *at);
            waiting
        };
        assert!(uses.goes_on());
        let (one, two) = (TokenId::from_row(1), TokenId::from_row(2));
        assert_eq!(waiting(&uses), [(one, at(100)), (two, at(101))]);
        assert!(!uses.goes_on());
        assert!(!uses.note(&token(1, None), at(159)));
        assert!(uses.note(&token(1, None), at(160)), "an interval later");
        assert_eq!(waiting(&uses), [(one, at(160))]);
    }
}
