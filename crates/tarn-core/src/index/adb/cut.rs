//! Which packages make which parts.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use apk::v3::value::Value;

use super::{
    layout,
    open::Open,
    part::{Key, Part, Source},
};
use crate::index::changes::EngineError;

/// Packages on their way into parts.
pub(super) struct Cut<'a> {
    removed: &'a BTreeSet<i64>,
    closed: Vec<Arc<Part>>,
    /// Packages behind the last chunk. They are written when the chunk closes, or at the end.
    pending: Vec<Source>,
    /// In place of those, a chunk that was open and goes on as it is.
    open: Option<Open>,
    moves: Moves,
}

/// What became of the places of packages.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// Of those that were written anew: where they were, and which they are.
    pub(super) moved: HashMap<Value, i64>,
    /// Where those were that are gone.
    pub(super) gone: BTreeSet<Value>,
    /// Those that are new.
    pub(super) added: Vec<i64>,
    /// Where everything is that was written.
    pub(super) written: HashMap<i64, Value>,
}

impl<'a> Cut<'a> {
    pub(super) fn new(removed: &'a BTreeSet<i64>) -> Self {
        Self {
            removed,
            closed: Vec::new(),
            pending: Vec::new(),
            open: None,
            moves: Moves::default(),
        }
    }

    /// Where the next part begins.
    fn base(&self) -> Result<usize, EngineError> {
        self.closed
            .last()
            .map_or(Ok(layout::HEADER), |part| part.end())
    }

    /// Whether nothing waits for its part, and the next one begins at `base`.
    pub(super) fn is_in_step(&self, base: usize) -> bool {
        self.pending.is_empty() && self.base() == Ok(base)
    }

    /// Writes the packages that are settled: those in `parts` up to the sequence `last`, and those that join them. Gives how many chunks
    /// they are, and those of `parts` that are settled no more.
    pub(super) fn settle(
        &mut self,
        parts: &[Arc<Part>],
        last: i64,
        joining: &[Source],
    ) -> Result<(usize, Vec<Source>), EngineError> {
        let joining = joining.iter().map(|source| Ok((source.key()?, source)));
        let mut joining = joining.collect::<Result<Vec<(Key<'_>, &Source)>, EngineError>>()?;
        joining.sort_by(|(one, _), (other, _)| one.compare(other));
        let mut joining = joining.as_slice();
        let mut leaving = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let is_in_it = |key: &Key<'_>| {
                let end = part.entries.last_key();
                end.is_some_and(|end| key.compare(&end).is_lt())
            };
            let inside = joining.partition_point(|(key, _)| is_in_it(key));
            let (inside, behind) = joining.split_at_checked(inside).unwrap_or((joining, &[]));
            joining = behind;
            let ends = part.ends_by_itself() || (index + 1 == parts.len() && behind.is_empty());
            let stays = ends && inside.is_empty() && self.is_in_step(part.base);
            if stays && part.entries.are_up_to(last) && !part.entries.touches(self.removed) {
                self.closed.push(Arc::clone(part));
                continue;
            }
            self.merge(part, inside, last, &mut leaving)?;
        }
        for (_, joins) in joining {
            self.take((*joins).clone())?;
        }
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            self.close(&pending)?;
        }
        Ok((self.closed.len(), leaving))
    }

    /// Takes the packages of a chunk up to the sequence `last`, and those that come between them. The others are `leaving`.
    fn merge(
        &mut self,
        part: &Part,
        joining: &[(Key<'_>, &Source)],
        last: i64,
        leaving: &mut Vec<Source>,
    ) -> Result<(), EngineError> {
        let mut joining = joining.iter().peekable();
        for source in part.sources()? {
            if source.sequence > last {
                leaving.push(source);
                continue;
            }
            while let Some((key, joins)) = joining.peek()
                && key.compare(&source.key()?).is_lt()
            {
                self.take((*joins).clone())?;
                joining.next();
            }
            self.take(source)?;
        }
        joining.try_for_each(|(_, joins)| self.take((*joins).clone()))
    }

    /// Takes a closed chunk behind those: as it is, where nothing before it or in it changed.
    pub(super) fn keep_or_take(&mut self, part: &Arc<Part>) -> Result<(), EngineError> {
        if self.is_in_step(part.base) && !part.entries.touches(self.removed) {
            self.closed.push(Arc::clone(part));
            return Ok(());
        }
        let mut sources = part.sources()?;
        sources.sort_by_key(|source| source.sequence);
        sources.into_iter().try_for_each(|source| self.take(source))
    }

    /// Goes on with the chunk that was open.
    pub(super) fn go_on(&mut self, open: Open) {
        self.open = Some(open);
    }

    /// Takes the next package, unless it is removed.
    pub(super) fn take(&mut self, source: Source) -> Result<(), EngineError> {
        if source.is_new {
            self.moves.added.push(source.sequence);
        } else if self.removed.contains(&source.sequence) {
            self.moves.gone.insert(source.value);
            return Ok(());
        } else {
            self.moves.moved.insert(source.value, source.sequence);
        }
        let ends_run = layout::ends_run(source.sequence);
        let Some(open) = &mut self.open else {
            self.pending.push(source);
            if ends_run && self.pending.len() >= layout::LEAST {
                let pending = std::mem::take(&mut self.pending);
                self.close(&pending)?;
            }
            return Ok(());
        };
        let value = open.push(&source)?;
        self.moves.written.insert(source.sequence, value);
        if ends_run && open.len() >= layout::LEAST {
            let sources = open.sources()?;
            let moves = &mut self.moves;
            let added: BTreeSet<i64> = moves.added.iter().copied().collect();
            for source in &sources {
                if !added.contains(&source.sequence) {
                    moves.moved.insert(source.value, source.sequence);
                }
            }
            self.close(&sources)?;
            self.open = Some(Open::at(self.base()?));
        }
        Ok(())
    }

    fn close(&mut self, sources: &[Source]) -> Result<(), EngineError> {
        let part = Part::close(self.base()?, sources)?;
        let written = part.entries.sequences().zip(part.entries.values());
        self.moves.written.extend(written);
        self.closed.push(Arc::new(part));
        Ok(())
    }

    /// Writes what still waits.
    pub(super) fn finish(mut self) -> Result<(Vec<Arc<Part>>, Open, Moves), EngineError> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => {
                let mut open = Open::at(self.base()?);
                for source in &self.pending {
                    let value = open.push(source)?;
                    self.moves.written.insert(source.sequence, value);
                }
                open
            }
        };
        open.compress()?;
        Ok((self.closed, open, self.moves))
    }
}
