//! The state of an index, from which the next one is made.

use std::{collections::BTreeSet, sync::Arc};

use apk::v3::value::Value;

use super::{
    array::{self, Sorted},
    cut::Cut,
    layout,
    open::Open,
    part::{Entries, Key, Part, Source},
};
use crate::index::changes::{Changes, EngineError, check_order};

/// With more new packages than this, what is open is written once at the end, and not as if they had come one by one.
const FEW: usize = 64;

/// All of an index but its hash and its signatures.
#[derive(Debug, Clone)]
pub struct State {
    /// First those of settled packages, then those of newer ones.
    pub(super) closed: Vec<Arc<Part>>,
    /// How many of these are of settled packages.
    pub(super) settled: usize,
    /// The last settled package.
    pub(super) last_settled: Option<i64>,
    pub(super) open: Open,
    /// The values of all packages, sorted by name, version and hash.
    pub(super) sorted: Sorted,
}

impl State {
    /// An index without packages.
    pub fn empty() -> Self {
        Self {
            closed: Vec::new(),
            settled: 0,
            last_settled: None,
            open: Open::at(layout::HEADER),
            sorted: Sorted::default(),
        }
    }

    /// The index after `changes`.
    ///
    /// # Errors
    ///
    /// [`EngineError::Inconsistent`] when a removed package is not there, or an added one is not above all others;
    /// [`EngineError::Full`] over 256 MiB.
    pub fn apply(&self, changes: &Changes) -> Result<Self, EngineError> {
        let added = changes.added.iter().map(Source::of);
        let added = added.collect::<Result<_, _>>()?;
        self.after(&changes.removed, added)
    }

    pub(super) fn after(
        &self,
        removed: &BTreeSet<i64>,
        added: Vec<Source>,
    ) -> Result<Self, EngineError> {
        let there = self.newer().flat_map(Entries::sequences);
        let last = there.chain(self.last_settled).max();
        check_order(last, added.iter().map(|source| source.sequence))?;
        let last_settled = self.last_settled_after(removed, &added);
        let (settled, newer) = self
            .closed
            .split_at_checked(self.settled)
            .unwrap_or_default();
        let mut cut = Cut::new(removed);
        let chunks = if last_settled == self.last_settled {
            let (chunks, _) = cut.settle(settled, i64::MAX, &[])?;
            for part in newer {
                cut.keep_or_take(part)?;
            }
            let stays =
                cut.is_in_step(self.open.base) && added.len() <= FEW && !self.open.touches(removed);
            if stays {
                cut.go_on(self.open.clone());
            } else {
                self.open
                    .sources()?
                    .into_iter()
                    .try_for_each(|source| cut.take(source))?;
            }
            added.into_iter().try_for_each(|source| cut.take(source))?;
            chunks
        } else {
            let last = last_settled.unwrap_or(i64::MIN);
            let mut joining = self.open.sources()?;
            for part in newer {
                joining.extend(part.sources()?);
            }
            joining.extend(added);
            let newer = joining.extract_if(.., |source| source.sequence > last);
            let mut newer: Vec<Source> = newer.collect();
            let (chunks, leaving) = cut.settle(settled, last, &joining)?;
            newer.extend(leaving);
            newer.sort_by_key(|source| source.sequence);
            newer.into_iter().try_for_each(|source| cut.take(source))?;
            chunks
        };
        let (closed, open, moves) = cut.finish()?;
        if moves.gone.len() != removed.len() {
            return Err(EngineError::ABSENT);
        }
        let mut state = Self {
            closed,
            settled: chunks,
            last_settled,
            open,
            sorted: Sorted::default(),
        };
        state.sorted = array::after(&self.sorted, &moves, |value| state.key_of(value))?;
        Ok(state)
    }

    /// Which package is the last settled one afterwards.
    fn last_settled_after(&self, removed: &BTreeSet<i64>, added: &[Source]) -> Option<i64> {
        let count = (self.sorted.len() + added.len()).saturating_sub(removed.len());
        let added = added.iter().map(|source| source.sequence);
        let newer: usize = self.newer().map(Entries::len).sum();
        match self.last_settled {
            // Packages that only come push others out of the newest, and bring none of the old ones back.
            Some(last) if removed.is_empty() && newer + added.len() < layout::newest(count) => {
                layout::last_settled(count, added.chain([last]).collect())
            }
            _ => {
                let there = self.entries().flat_map(Entries::sequences);
                let there = there.filter(|sequence| !removed.contains(sequence));
                layout::last_settled(count, there.chain(added).collect())
            }
        }
    }

    /// How many packages are in it.
    pub fn packages(&self) -> u64 {
        self.sorted.len() as u64
    }

    /// Bytes that it and its file take in memory, roughly.
    pub fn weight(&self) -> u64 {
        let closed = self.closed.iter().map(|part| part.weight());
        closed.sum::<u64>() + self.open.weight() + self.sorted.weight() + 1024
    }

    /// Every part that is complete, in the order of the payload.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Arc<Part>> {
        self.closed.iter().chain(&self.open.runs)
    }

    /// What is in the parts, in the order of the payload; those without packages are left out.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entries> {
        let parts = self.parts().map(|part| &part.entries);
        let all = parts.chain([&self.open.last.entries]);
        all.filter(|entries| entries.len() > 0)
    }

    /// What is in the parts behind those of settled packages.
    fn newer(&self) -> impl Iterator<Item = &Entries> {
        let closed = self.closed.iter().skip(self.settled);
        let parts = closed.chain(&self.open.runs).map(|part| &part.entries);
        parts.chain([&self.open.last.entries])
    }

    /// What the package that `value` points at is sorted by.
    pub(super) fn key_of(&self, value: Value) -> Option<Key<'_>> {
        let place = value.content() as usize;
        if place >= self.open.last.base {
            return self.open.last.entries.key_of(value);
        }
        let parts = if place < self.open.base {
            &self.closed
        } else {
            &self.open.runs
        };
        let before = parts.partition_point(|part| part.base <= place);
        parts.get(before.checked_sub(1)?)?.entries.key_of(value)
    }
}
