//! The chunk at the end, which grows: runs that are complete, and the packages since the last of them.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use apk::v3::{value::Value, writer::Writer};
use bytes::Bytes;

use super::{
    layout,
    part::{Entries, Part, Source},
};
use crate::index::{changes::EngineError, run::Run};

#[derive(Debug, Clone)]
pub(super) struct Open {
    /// Where the hole in front of the first run stands.
    pub(super) base: usize,
    pub(super) runs: Vec<Arc<Part>>,
    pub(super) last: Last,
}

/// The run that is not complete.
#[derive(Debug, Clone)]
pub(super) struct Last {
    /// Where its first byte stands, behind its hole.
    pub(super) base: usize,
    pub(super) writer: Writer,
    pub(super) entries: Entries,
    /// Where its pieces end, in bytes from the base.
    pub(super) ends: Vec<usize>,
    /// The pieces, compressed: each looks back at those before it. There may be fewer than ends until [`Open::compress`].
    pub(super) pieces: Vec<Run>,
    /// What is behind the last piece.
    pub(super) rest: Option<Run>,
}

impl Last {
    fn at(hole: usize) -> Self {
        let base = hole + layout::HOLE;
        Self {
            base,
            writer: Writer::at(base),
            entries: Entries::default(),
            ends: Vec::new(),
            pieces: Vec::new(),
            rest: None,
        }
    }

    /// The places that both have, when the other one goes on from this one.
    pub(super) fn is_start_of(&self, other: &Self) -> Option<Range<usize>> {
        let (ours, theirs) = (self.writer.bytes(), other.writer.bytes());
        let is_start = self.base == other.base && theirs.starts_with(ours);
        is_start.then(|| self.base..self.base + ours.len())
    }

    pub(super) fn compressed(&self) -> impl Iterator<Item = &Run> {
        self.pieces.iter().chain(&self.rest)
    }
}

impl Open {
    pub(super) fn at(base: usize) -> Self {
        Self {
            base,
            runs: Vec::new(),
            last: Last::at(base),
        }
    }

    /// How many packages are in it.
    pub(super) fn len(&self) -> usize {
        let runs = self.runs.iter().map(|run| run.entries.len());
        runs.sum::<usize>() + self.last.entries.len()
    }

    /// Where the root object stands: in the last hole.
    pub(super) fn root(&self) -> usize {
        self.last.base - layout::HOLE
    }

    pub(super) fn touches(&self, sequences: &BTreeSet<i64>) -> bool {
        let runs = self.runs.iter().map(|run| &run.entries);
        let mut all = runs.chain([&self.last.entries]);
        all.any(|entries| entries.touches(sequences))
    }

    /// Writes one more package, and gives the value that points at it.
    pub(super) fn push(&mut self, source: &Source) -> Result<Value, EngineError> {
        let last = &mut self.last;
        let value = last.writer.copy(source.payload(), source.value)?;
        last.entries.push(source.sequence, value, source.key()?);
        last.rest = None;
        if layout::ends_run(source.sequence) {
            // The hole behind it is aligned.
            last.writer.pad_to(8);
            let entries = std::mem::take(&mut last.entries);
            let run = Part::new(last.base, last.writer.bytes(), entries)?;
            self.last = Last::at(run.end()?);
            self.runs.push(Arc::new(run));
        } else if layout::ends_piece(source.sequence) {
            last.ends.push(last.writer.bytes().len());
        }
        Ok(value)
    }

    /// Compresses what is not yet.
    pub(super) fn compress(&mut self) -> Result<(), EngineError> {
        let Last {
            writer,
            ends,
            pieces,
            rest,
            ..
        } = &mut self.last;
        let bytes = writer.bytes();
        let between = |start: usize, end: usize| {
            let (before, from) = bytes.split_at_checked(start).unwrap_or_default();
            let piece = from.get(..end.saturating_sub(start)).unwrap_or_default();
            Run::new(piece, before)
        };
        let mut start = match pieces.len().checked_sub(1) {
            Some(index) => ends.get(index).copied().unwrap_or(0),
            None => 0,
        };
        for end in ends.iter().skip(pieces.len()) {
            pieces.push(between(start, *end)?);
            start = *end;
        }
        if rest.is_none() && start < bytes.len() {
            let (before, text) = bytes.split_at_checked(start).unwrap_or_default();
            let near = before.get(before.len().saturating_sub(layout::REST_LOOKS_BACK)..);
            *rest = Some(Run::new(text, near.unwrap_or_default())?);
        }
        Ok(())
    }

    /// Its packages in the order of their sequence.
    pub(super) fn sources(&self) -> Result<Vec<Source>, EngineError> {
        let mut sources = Vec::with_capacity(self.len());
        for run in &self.runs {
            sources.extend(run.sources()?);
        }
        let bytes = Bytes::copy_from_slice(self.last.writer.bytes());
        sources.extend(self.last.entries.sources(&bytes, self.last.base));
        Ok(sources)
    }

    pub(super) fn weight(&self) -> u64 {
        let last = &self.last;
        let runs = self.runs.iter().map(|run| run.weight());
        let pieces = last.compressed().map(|piece| piece.deflated.len() as u64);
        runs.chain(pieces).sum::<u64>() + last.entries.weight() + last.writer.weight() as u64
    }
}

#[cfg(test)]
mod tests {
    use apk::v3::{schema::package, writer::PayloadFull};

    use super::*;
    use crate::index::changes::Record;

    #[test]
    fn a_package_beyond_256_mib_is_refused() {
        let texts = [package::NAME, package::VERSION, package::HASHES].map(|slot| (slot, "text"));
        let record = Record {
            sequence: 1,
            bytes: apk_testkit::v3::record(&texts).unwrap().into(),
        };
        let source = Source::of(&record).unwrap();
        assert!(Open::at((256 << 20) - 64).push(&source).is_ok());
        let refused = Open::at((256 << 20) - 20).push(&source).unwrap_err();
        assert_eq!(refused, EngineError::Full(PayloadFull));
    }
}
