//! Memory that readers share: each may hold a little by itself, and more only as long as all of them together hold no more than
//! there is.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use thiserror::Error;

/// So many bytes for all. Clones are one.
#[derive(Debug, Clone)]
pub struct Memory {
    left: Arc<AtomicU64>,
}

/// Others hold what is wanted.
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
    /// So many bytes.
    pub fn of(bytes: u64) -> Self {
        Self {
            left: Arc::new(AtomicU64::new(bytes)),
        }
    }

    /// More than any reader holds: for one reader alone.
    pub fn unbounded() -> Self {
        Self::of(u64::MAX)
    }

    /// Bytes that nobody holds.
    pub fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
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
        let left = &self.memory.left;
        let take = |left: u64| left.saturating_add(self.taken).checked_sub(wanted);
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .map_err(|_| MemoryTaken { wanted: bytes })?;
        self.taken = wanted;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.memory.left.fetch_add(self.taken, Ordering::Relaxed);
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
}
