//! A map that forgets what was not used lately, so that its memory is bounded.

use std::{collections::HashMap, hash::Hash, mem};

/// Two generations of entries. What is used moves to the young one; when that is full, the old one is dropped whole.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// Keeps at most `capacity` entries, and at least the last half of that many that were used.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half: (capacity / 2).max(1),
        }
    }

    /// The entry, which counts as used.
    pub(super) fn entry(&mut self, key: &K) -> Option<&mut V>
    where
        K: Clone,
    {
        if let Some(value) = self.old.remove(key) {
            self.insert(key.clone(), value);
        }
        self.young.get_mut(key)
    }

    /// Puts an entry in the place of the one that was there.
    pub(super) fn insert(&mut self, key: K, value: V) {
        self.old.remove(&key);
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    /// Forgets an entry.
    pub(super) fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_holds_more_than_its_capacity() {
        let mut recent = Recent::new(10);
        for key in 0..1000 {
            recent.insert(key, key);
            assert!(recent.young.len() + recent.old.len() <= 10);
        }
    }

    #[test]
    fn keeps_what_is_used() {
        let mut recent = Recent::new(10);
        recent.insert(-1, "kept");
        for key in 0..1000 {
            recent.insert(key, "noise");
            assert_eq!(recent.entry(&-1).copied(), Some("kept"), "{key}");
        }
        assert_eq!(recent.entry(&0), None);
    }

    #[test]
    fn keeps_the_last_half_of_its_capacity_also_where_one_comes_again_and_again() {
        let mut recent = Recent::new(10);
        for key in 0..5 {
            recent.insert(key, key);
        }
        for _ in 0..10 {
            recent.insert(4, 4);
        }
        for key in 0..5 {
            assert_eq!(recent.entry(&key).copied(), Some(key));
        }
    }

    #[test]
    fn forgets_on_request_in_both_generations() {
        let mut recent = Recent::new(4);
        for key in 0..3 {
            recent.insert(key, ());
        }
        for key in 0..3 {
            recent.remove(&key);
            assert_eq!(recent.entry(&key), None);
        }
    }
}
