//! Uploads under way, counted for each account: each takes memory, a connection and a temporary file.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::PublishError;
use apk::memory::Memory;
use tarn_store::metadata::OwnerId;

/// How many uploads each account has, and its part of the memory; `None` are the uploads of no account.
type Counts = HashMap<Option<OwnerId>, (usize, Memory)>;

/// How many uploads each account has under way. Clones are one.
#[derive(Debug, Clone)]
pub(super) struct UnderWay {
    limit: usize,
    memory: Memory,
    counts: Arc<Mutex<Counts>>,
}

/// One upload under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    account: Option<OwnerId>,
    under_way: UnderWay,
    /// What the account's uploads may hold together.
    pub(super) memory: Memory,
}

impl UnderWay {
    /// At most `limit` for each account, and for all of them `memory` for what v3 packages have in front of their files'
    /// data and for windows of zstd. One account never holds more of that than it leaves to the others, but for large windows.
    pub(super) fn new(limit: usize, memory: Memory) -> Self {
        Self {
            limit,
            memory,
            counts: Arc::default(),
        }
    }

    /// Begins an upload of that account.
    ///
    /// # Errors
    ///
    /// [`PublishError::TooManyAtOnce`].
    pub(super) fn begin(&self, account: Option<OwnerId>) -> Result<Turn, PublishError> {
        let mut counts = self.counts();
        let (count, memory) = counts
            .entry(account)
            .or_insert_with(|| (0, self.memory.part()));
        if *count >= self.limit {
            return Err(PublishError::TooManyAtOnce { limit: self.limit });
        }
        *count += 1;
        let memory = memory.clone();
        drop(counts);
        Ok(Turn {
            account,
            under_way: self.clone(),
            memory,
        })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut counts = self.under_way.counts();
        if let Some((count, _)) = counts.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_one_of_two_ends_one_more_may_begin_and_no_account_is_remembered_after_its_last() {
        let under_way = UnderWay::new(2, Memory::of(1000));
        let begin = || under_way.begin(None);
        let (first, second) = (begin().unwrap(), begin().unwrap());
        begin().unwrap_err();
        drop(first);
        let third = begin().unwrap();
        begin().unwrap_err();
        // The uploads of an account leave as much memory to others as they hold together.
        let mut held = second.memory.share(0);
        held.hold(500).unwrap();
        third.memory.share(0).hold(1).unwrap_err();
        let other = under_way.begin(Some(OwnerId::from_row(1))).unwrap();
        other.memory.share(0).hold(250).unwrap();
        drop((second, third, other));
        assert!(under_way.counts().is_empty());
    }
}
