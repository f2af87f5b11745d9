//! Which packages make which parts.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use apk::v3::value::Value;

use super::{
    layout,
    open::Open,
    part::{Part, Source},
};
use crate::index::engine::EngineError;

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
    pub(super) added: BTreeSet<i64>,
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

    /// Takes a closed chunk: as it is, where nothing before it or in it changed.
    pub(super) fn keep_or_take(&mut self, part: &Arc<Part>) -> Result<(), EngineError> {
        if self.is_in_step(part.base) && !part.entries.touches(self.removed) {
            self.closed.push(Arc::clone(part));
            return Ok(());
        }
        for source in part.sources()? {
            self.take(source)?;
        }
        Ok(())
    }

    /// Takes a package that was there.
    pub(super) fn take(&mut self, source: Source) -> Result<(), EngineError> {
        if self.removed.contains(&source.sequence) {
            self.moves.gone.insert(source.value);
            return Ok(());
        }
        self.moves.moved.insert(source.value, source.sequence);
        self.push(source)
    }

    /// Takes a package that is new.
    pub(super) fn add(&mut self, source: Source) -> Result<(), EngineError> {
        self.moves.added.insert(source.sequence);
        self.push(source)
    }

    /// Goes on with the chunk that was open.
    pub(super) fn go_on(&mut self, open: Open) {
        self.open = Some(open);
    }

    fn push(&mut self, source: Source) -> Result<(), EngineError> {
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
            for source in &sources {
                if !self.moves.added.contains(&source.sequence) {
                    self.moves.moved.insert(source.value, source.sequence);
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
