//! Uploads under way, counted for each account: each takes memory, a connection and a temporary file.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::PublishError;
use tarn_store::metadata::OwnerId;

/// How many uploads each account has under way. Clones are one.
#[derive(Debug, Clone)]
pub(super) struct UnderWay {
    limit: usize,
    counts: Arc<Mutex<HashMap<Option<OwnerId>, usize>>>,
}

/// One upload under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    account: Option<OwnerId>,
    under_way: UnderWay,
}

impl UnderWay {
    /// At most `limit` for each account.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
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
        let count = counts.entry(account).or_default();
        if *count >= self.limit {
            return Err(PublishError::TooManyAtOnce { limit: self.limit });
        }
        *count += 1;
        drop(counts);
        Ok(Turn {
            account,
            under_way: self.clone(),
        })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Option<OwnerId>, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut counts = self.under_way.counts();
        if let Some(count) = counts.get_mut(&self.account) {
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
        let under_way = UnderWay::new(2);
        let begin = || under_way.begin(None);
        let (first, second) = (begin().unwrap(), begin().unwrap());
        begin().unwrap_err();
        drop(first);
        let third = begin().unwrap();
        begin().unwrap_err();
        drop((second, third));
        assert!(under_way.counts().is_empty());
    }
}
