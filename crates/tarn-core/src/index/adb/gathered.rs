//! The packages of an index that is derived from nothing.

use apk::v3::writer::Writer;
use bytes::Bytes;

use super::{layout, part::Source, state::State};
use crate::index::changes::{EngineError, Record};

/// Packages that come in batches. Their records are all in memory, uncompressed, until the index is written: sorted, and compressed once.
#[derive(Debug, Default)]
pub struct Gathered {
    sources: Vec<Source>,
}

impl Gathered {
    /// Takes further packages, in the order of their sequences.
    ///
    /// # Errors
    ///
    /// [`EngineError`]: one of them cannot be read.
    pub fn add(&mut self, records: &[Record]) -> Result<(), EngineError> {
        // Together they take less room.
        let mut writer = Writer::at(layout::HEADER);
        let mut places = Vec::with_capacity(records.len());
        for record in records {
            let source = Source::of(record)?;
            let value = writer.copy(source.payload(), source.value)?;
            places.push((record.sequence, value));
        }
        let bytes = Bytes::from(writer.bytes().to_vec());
        let source = |(sequence, value)| Source {
            sequence,
            value,
            bytes: bytes.clone(),
            base: layout::HEADER,
            is_new: true,
        };
        self.sources.extend(places.into_iter().map(source));
        Ok(())
    }

    /// The index of them.
    ///
    /// # Errors
    ///
    /// As [`State::apply`].
    pub fn index(self) -> Result<State, EngineError> {
        State::empty().after(&[].into(), self.sources)
    }
}
