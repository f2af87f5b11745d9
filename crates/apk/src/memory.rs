//! Memory that readers share: each may hold a little by itself, and more only as long as all of them together hold no more than
//! there is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

/// The largest window of zstd that is memory like any other, in bytes. The levels up to 19 ask for no more (`ZSTD_defaultCParameters`
/// in zstd's `lib/compress/clevels.h`).
const USUAL_WINDOW: u64 = 8 << 20;
/// What zstd takes beside a window, in bytes: its state, and three blocks of 128 KiB for what comes and what is given.
const BESIDE_WINDOW: u64 = 512 << 10;

/// A budget of bytes that several readers share. Clones share it too.
#[derive(Debug, Clone)]
pub struct Memory {
    left: Arc<Mutex<u64>>,
    /// What some of the readers hold together, where those have a bound of their own.
    of_part: Option<Arc<Mutex<u64>>>,
    /// What is left for the larger windows of zstd.
    windows: Arc<Mutex<u64>>,
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
    /// A budget of `bytes`, which has nothing for windows of zstd over 8 MiB.
    pub fn of(bytes: u64) -> Self {
        Self {
            left: Arc::new(Mutex::new(bytes)),
            of_part: None,
            windows: Arc::default(),
        }
    }

    /// The same, and so many bytes beside it for windows of zstd over 8 MiB. Parts share them all.
    #[must_use]
    pub fn with_windows(self, bytes: u64) -> Self {
        Self {
            windows: Arc::new(Mutex::new(bytes)),
            ..self
        }
    }

    /// A share of this budget for one group of readers. The first such group may hold at most half, the next half of the rest, and so
    /// on, so some is always left.
    pub fn part(&self) -> Self {
        Self {
            left: Arc::clone(&self.left),
            of_part: Some(Arc::default()),
            windows: Arc::clone(&self.windows),
        }
    }

    /// More than any reader holds: for one reader alone.
    pub fn unbounded() -> Self {
        Self::of(u64::MAX).with_windows(u64::MAX)
    }

    /// Bytes that are free.
    pub fn left(&self) -> u64 {
        *locked(&self.left)
    }

    /// Gives `held` back and takes `wanted` at once. `false`: there is not so much, and nothing changes.
    fn exchange(&self, held: u64, wanted: u64) -> bool {
        let mut left = locked(&self.left);
        let mut part = self.of_part.as_deref().map(locked);
        let together = part
            .as_deref()
            .map_or(0, |part| part.saturating_sub(held).saturating_add(wanted));
        let Some(rest) = left.saturating_add(held).checked_sub(wanted) else {
            return false;
        };
        if wanted > held && together > rest {
            return false;
        }
        *left = rest;
        if let Some(part) = &mut part {
            **part = together;
        }
        true
    }

    /// A share of nothing yet, for a reader that may hold `free` bytes without asking.
    pub fn share(&self, free: u64) -> Share {
        Share {
            memory: self.clone(),
            free,
            taken: 0,
        }
    }

    /// No window yet, for a reader that may need one.
    pub fn window(&self) -> WindowShare {
        let large = Self {
            left: Arc::clone(&self.windows),
            of_part: None,
            windows: Arc::clone(&self.windows),
        };
        WindowShare {
            usual: self.share(0),
            large: large.share(0),
            window: 0,
        }
    }
}

fn locked(number: &Mutex<u64>) -> MutexGuard<'_, u64> {
    number.lock().unwrap_or_else(PoisonError::into_inner)
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

/// The memory for the window of zstd that one reader holds, until it is dropped.
#[derive(Debug)]
pub struct WindowShare {
    usual: Share,
    large: Share,
    /// Bytes of the largest window so far.
    window: u64,
}

impl WindowShare {
    /// Holds what zstd needs to unpack with a window of so many bytes. It keeps the largest window that it was asked for.
    ///
    /// # Errors
    ///
    /// [`MemoryTaken`], and it holds what it held before.
    pub fn hold(&mut self, window: u64) -> Result<(), MemoryTaken> {
        if window <= self.window {
            return Ok(());
        }
        let share = if window <= USUAL_WINDOW {
            &mut self.usual
        } else {
            &mut self.large
        };
        share.hold(window.saturating_add(BESIDE_WINDOW))?;
        self.window = window;
        Ok(())
    }

    /// What to say where the machine itself does not have what was held.
    pub fn lacking(&self) -> MemoryTaken {
        MemoryTaken {
            wanted: self.window.saturating_add(BESIDE_WINDOW),
        }
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
    fn a_part_never_takes_more_than_it_leaves_to_the_others() {
        let memory = Memory::of(1000);
        let part = memory.part();
        let mut one = part.share(0);
        assert!(one.hold(501).is_err());
        one.hold(300).unwrap();
        // What its readers hold counts together.
        let mut another = part.share(0);
        assert!(another.hold(201).is_err());
        another.hold(200).unwrap();
        assert_eq!(memory.left(), 500);
        let other = memory.part();
        let mut two = other.share(0);
        assert!(two.hold(251).is_err());
        two.hold(250).unwrap();
        let third = memory.part();
        let mut three = third.share(0);
        three.hold(125).unwrap();
        assert!(memory.part().share(0).hold(62).is_ok());
        // Less may be held at any time, and what is given back is there for all.
        assert!(one.hold(301).is_err() && one.hold(299).is_ok());
        drop((one, another));
        two.hold(437).unwrap();
        drop((two, three));
        assert_eq!(memory.left(), 1000);
        part.share(0).hold(500).unwrap();
    }

    #[test]
    fn large_windows_have_memory_of_their_own() {
        let memory = Memory::of(20 << 20).with_windows(129 << 20);
        let (part, other) = (memory.part(), memory.part());
        let mut large = part.window();
        large.hold(128 << 20).unwrap();
        large.hold(64 << 20).unwrap();
        assert_eq!(memory.left(), 20 << 20);
        let mut another = other.window();
        let wanted = (32 << 20) + BESIDE_WINDOW;
        assert_eq!(another.hold(32 << 20), Err(MemoryTaken { wanted }));
        another.hold(8 << 20).unwrap();
        assert_eq!(memory.left(), (12 << 20) - BESIDE_WINDOW);
        drop(large);
        another.hold(32 << 20).unwrap();
        part.window().hold(64 << 20).unwrap();
        part.window().hold(128 << 20).unwrap_err();
        drop(another);
        assert_eq!(memory.left(), 20 << 20);
        part.window().hold(128 << 20).unwrap();
        Memory::of(u64::MAX).window().hold(9 << 20).unwrap_err();
    }
}
