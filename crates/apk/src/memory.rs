//! Memory that readers share: each may hold a little by itself, and more only as long as all of them together hold no more than
//! there is.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use thiserror::Error;

/// A budget of bytes that several readers share. Clones share it too.
#[derive(Debug, Clone)]
pub struct Memory {
    left: Arc<AtomicU64>,
    whole: Option<Arc<Self>>,
}

/// The budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "{wanted} bytes of memory are needed to read this package, and other large v3 packages hold them at the moment: send it again \
     in a few seconds"
)]
pub struct MemoryTaken {
    /// Bytes that were wanted.
    pub wanted: u64,
}

impl Memory {
    /// A budget of `bytes`.
    pub fn of(bytes: u64) -> Self {
        Self {
            left: Arc::new(AtomicU64::new(bytes)),
            whole: None,
        }
    }

    /// A budget of `bytes` for some of the readers of this one. What they hold counts in both.
    pub fn part(&self, bytes: u64) -> Self {
        Self {
            whole: Some(Arc::new(self.clone())),
            ..Self::of(bytes)
        }
    }

    /// More than any reader holds: for one reader alone.
    pub fn unbounded() -> Self {
        Self::of(u64::MAX)
    }

    /// Bytes that are free.
    pub fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// Gives `held` back and takes `wanted` at once. `false`: there is not so much, and nothing changes.
    fn exchange(&self, held: u64, wanted: u64) -> bool {
        let change = |left: u64| left.saturating_add(held).checked_sub(wanted);
        let changed = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
        let Some(whole) = self.whole.as_ref().filter(|_| changed.is_ok()) else {
            return changed.is_ok();
        };
        let is_there = whole.exchange(held, wanted);
        if !is_there {
            self.left.fetch_add(wanted, Ordering::Relaxed);
            self.left.fetch_sub(held, Ordering::Relaxed);
        }
        is_there
    }

    /// A share of nothing yet, for a reader that may hold `free` bytes without asking.
    pub fn share(&self, free: u64) -> Share {
        Share {
            memory: self.clone(),
            free,
            taken: 0,
        }
    }
}

/// What one reader holds, until it is dropped.
#[derive(Debug)]
pub struct Share {
    memory: Memory,
    free: u64,
    taken: u64,
}

impl Share {
    /// Holds `bytes` in all from now on.
    ///
    /// # Errors
    ///
    /// [`MemoryTaken`], and it holds what it held before.
    pub fn hold(&mut self, bytes: u64) -> Result<(), MemoryTaken> {
        let wanted = bytes.saturating_sub(self.free);
        if !self.memory.exchange(self.taken, wanted) {
            return Err(MemoryTaken { wanted: bytes });
        }
        self.taken = wanted;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.memory.exchange(self.taken, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_hold_no_more_than_there_is_and_give_it_back() {
        let memory = Memory::of(1000);
        let mut one = memory.share(100);
        one.hold(100).unwrap();
        assert_eq!(memory.left(), 1000);
        one.hold(900).unwrap();
        assert_eq!(memory.left(), 200);
        one.hold(700).unwrap();
        assert_eq!(memory.left(), 400);
        let mut other = memory.share(100);
        assert_eq!(other.hold(501), Err(MemoryTaken { wanted: 501 }));
        other.hold(500).unwrap();
        assert_eq!(memory.left(), 0);
        // It holds what it held.
        assert!(one.hold(701).is_err() && one.hold(700).is_ok());
        drop(one);
        assert_eq!(memory.left(), 600);
        other.hold(1100).unwrap();
        other.hold(50).unwrap();
        assert_eq!(memory.left(), 1000);
        other.hold(1100).unwrap();
        drop(other);
        assert_eq!(memory.left(), 1000);
    }

    #[test]
    fn a_part_holds_no_more_than_its_own_and_than_the_whole_has() {
        let memory = Memory::of(1000);
        let part = memory.part(600);
        let mut one = part.share(0);
        assert!(one.hold(601).is_err());
        one.hold(600).unwrap();
        assert_eq!((part.left(), memory.left()), (0, 400));
        assert!(part.share(0).hold(1).is_err());
        let other = memory.part(600);
        let mut two = other.share(0);
        assert!(two.hold(401).is_err());
        assert_eq!((other.left(), memory.left()), (600, 400));
        two.hold(400).unwrap();
        drop(one);
        two.hold(500).unwrap();
        assert_eq!((part.left(), other.left(), memory.left()), (600, 100, 500));
    }
}
