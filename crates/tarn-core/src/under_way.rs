//! Counts what is under way for each owner, each blob and so on, with a value that all of it shares.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How many things are under way for each key, and what those of one key share. Clones are one.
#[derive(Debug)]
pub(crate) struct UnderWay<K, V = ()>(Arc<Mutex<HashMap<K, (usize, V)>>>);

/// One of those things, until it is dropped.
#[derive(Debug)]
pub(crate) struct Begun<K: Eq + Hash, V = ()> {
    key: K,
    all: UnderWay<K, V>,
    /// What it shares with the others of its key.
    pub(crate) shared: V,
}

impl<K: Copy + Eq + Hash, V: Clone> UnderWay<K, V> {
    /// Begins one thing more of that key, unless there are `most` of them. The first gets what all of them share from `share`.
    pub(crate) fn begin(
        &self,
        key: K,
        most: usize,
        share: impl FnOnce() -> V,
    ) -> Option<Begun<K, V>> {
        if most == 0 {
            return None;
        }
        let mut counts = self.counts();
        let (count, shared) = counts.entry(key).or_insert_with(|| (0, share()));
        if *count >= most {
            return None;
        }
        *count += 1;
        let (shared, all) = (shared.clone(), self.clone());
        drop(counts);
        Some(Begun { key, all, shared })
    }

    /// Whether something of that key is under way.
    pub(crate) fn has(&self, key: &K) -> bool {
        self.counts().contains_key(key)
    }
}

impl<K, V> UnderWay<K, V> {
    fn counts(&self) -> MutexGuard<'_, HashMap<K, (usize, V)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of keys with something under way.
    #[cfg(test)]
    pub(crate) fn keys(&self) -> usize {
        self.counts().len()
    }
}

impl<K: Eq + Hash, V> Drop for Begun<K, V> {
    fn drop(&mut self) {
        let mut counts = self.all.counts();
        if let Some((count, _)) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

impl<K, V> Clone for UnderWay<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K, V> Default for UnderWay<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

#[cfg(test)]
mod tests {
    use apk::memory::Memory;

    use super::*;

    #[test]
    fn where_one_of_two_ends_one_more_may_begin_and_no_key_is_remembered_after_its_last() {
        let (under_way, memory) = (UnderWay::default(), Memory::of(1000));
        let begin = |key| under_way.begin(key, 2, || memory.part());
        let (first, second) = (begin(1).unwrap(), begin(1).unwrap());
        assert!(begin(1).is_none());
        drop(first);
        let third = begin(1).unwrap();
        assert!(begin(1).is_none() && under_way.has(&1) && !under_way.has(&2));
        // Those of one key leave as much memory to others as they hold together.
        let mut held = second.shared.share(0);
        held.hold(500).unwrap();
        third.shared.share(0).hold(1).unwrap_err();
        let other = begin(2).unwrap();
        other.shared.share(0).hold(250).unwrap();
        drop((second, third));
        assert!(!under_way.has(&1));
        drop(other);
        assert!(under_way.begin(3, 0, || memory.part()).is_none());
        assert_eq!(under_way.keys(), 0);
    }
}
