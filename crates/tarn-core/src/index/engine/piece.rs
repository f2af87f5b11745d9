//! Records that are compressed together, and the filling behind them.

use std::sync::OnceLock;

use bytes::Bytes;

use crate::index::{
    changes::{EngineError, Record},
    run::Run,
};

/// Some records in one run.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) run: Run,
    pub(super) sequences: Box<[i64]>,
}

impl Piece {
    /// Compresses records, behind a stream that inflates to something that ends in `before`.
    pub(super) fn new(records: &[Record], before: &[u8]) -> Result<Self, EngineError> {
        Ok(Self {
            run: Run::new(&text_of(records), before)?,
            sequences: records.iter().map(|record| record.sequence).collect(),
        })
    }

    /// The records again, out of the text that its run inflates to.
    pub(super) fn records(&self, text: Vec<u8>) -> Result<Vec<Record>, EngineError> {
        let text = Bytes::from(text);
        let mut records = Vec::with_capacity(self.sequences.len());
        let mut start = 0;
        for sequence in &self.sequences {
            let rest = text.get(start..).unwrap_or_default();
            let end = start
                + rest
                    .windows(2)
                    .position(|pair| pair == b"\n\n")
                    .ok_or(EngineError::Inconsistent("a record has no end"))?
                + 2;
            records.push(Record {
                sequence: *sequence,
                bytes: text.slice(start..end),
            });
            start = end;
        }
        if start != text.len() {
            return Err(EngineError::Inconsistent(
                "a chunk has more records than sequences",
            ));
        }
        Ok(records)
    }

    pub(super) fn has(&self, sequence: i64) -> bool {
        self.sequences.binary_search(&sequence).is_ok()
    }

    /// Bytes it takes in memory.
    pub(super) fn weight(&self) -> u64 {
        self.run.deflated.len() as u64 + size_of_val(&*self.sequences) as u64 + 128
    }
}

/// The text of records one after the other.
pub(super) fn text_of(records: &[Record]) -> Vec<u8> {
    let texts = records.iter().flat_map(|record| record.bytes.iter());
    texts.copied().collect()
}

/// Runs that inflate to `count` line feeds, at most one for each power of two. They are compressed once a process.
pub(super) fn filling(count: u64) -> impl Iterator<Item = Result<Run, EngineError>> {
    static RUNS: [OnceLock<Run>; 32] = [const { OnceLock::new() }; 32];
    RUNS.iter()
        .enumerate()
        .rev()
        .filter(move |(power, _)| count >> power & 1 == 1)
        .map(|(power, run)| {
            if let Some(run) = run.get() {
                return Ok(run.clone());
            }
            let made = Run::new(&vec![b'\n'; 1 << power], &[])?;
            Ok(run.get_or_init(|| made).clone())
        })
}
