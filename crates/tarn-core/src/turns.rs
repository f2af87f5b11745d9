//! Turns: each owner, or each source of requests, has its own, and waits for the others only with its first few.

use std::{hash::Hash, sync::Arc, time::Duration};

use moka::future::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many keys are known at once. With more, one of them may have as many turns again.
const KEYS: u64 = 10_000;

/// How many things each key may have under way at once. Clones are one.
#[derive(Debug, Clone)]
pub struct TurnsOf<K: Hash + Eq + Send + Sync + 'static> {
    each: usize,
    keys: Cache<K, Arc<Semaphore>>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

impl<K: Hash + Eq + Send + Sync + 'static> TurnsOf<K> {
    /// At most `each` at once for every key.
    pub fn new(each: usize) -> Self {
        Self {
            each,
            keys: Cache::builder()
                .max_capacity(KEYS)
                .time_to_idle(Duration::from_secs(60))
                .build(),
        }
    }

    /// Waits for a turn of `key`, in the order of asking. Dropped, it no longer waits.
    pub async fn one(&self, key: K) -> Turn {
        let turns = async { Arc::new(Semaphore::new(self.each)) };
        let turns = self.keys.get_with(key, turns).await;
        // The semaphore is never closed.
        Turn {
            _permit: turns.acquire_owned().await.ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn each_key_has_its_own_turns() {
        let turns = TurnsOf::new(1);
        let held = turns.one("a").await;
        let mut second = Box::pin(turns.one("a"));
        assert!((&mut second).now_or_never().is_none());
        assert!(turns.one("b").now_or_never().is_some());
        drop(held);
        assert!(second.now_or_never().is_some());
    }
}
