//! Records that are compressed together, and the filling behind them.

use std::sync::OnceLock;

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::EngineError;

/// One record of an index: the lines up to and with the blank one, in the form they have there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place: ever-growing within a repository.
    pub sequence: i64,
    /// The text.
    pub text: Bytes,
}

/// How far back a deflate stream can look, in bytes (RFC 1951, section 2).
const WINDOW: usize = 32 << 10;

/// The end of `text` that what follows it can look back at.
pub(super) fn window(text: &[u8]) -> &[u8] {
    text.get(text.len().saturating_sub(WINDOW)..)
        .unwrap_or(text)
}

/// A run of bytes in a deflate stream that begins and ends at a byte boundary. It looks back at the text before it, as
/// far as it was given when it was made, and no further.
#[derive(Debug, Clone)]
pub(in crate::index) struct Run {
    /// Compressed, not the last block of its stream.
    pub(in crate::index) deflated: Bytes,
    /// CRC-32 and length of what it inflates to.
    pub(super) crc: crc32fast::Hasher,
    /// Bytes it inflates to.
    pub(in crate::index) length: u64,
}

impl Run {
    /// Compresses `text`, behind a stream that inflates to something that ends in `before`.
    pub(in crate::index) fn new(text: &[u8], before: &[u8]) -> Result<Self, EngineError> {
        Ok(Self {
            deflated: deflate_after(before, text, FlushCompress::Full)?.into(),
            crc: crc(text),
            length: text.len() as u64,
        })
    }

    /// The text again, given the end of what is before it.
    pub(in crate::index) fn inflate(&self, before: &[u8]) -> Result<Vec<u8>, EngineError> {
        let length = usize::try_from(self.length).map_err(|_| EngineError::TooLarge)?;
        let mut text = Vec::with_capacity(length + 1);
        let mut decompress = Decompress::new(false);
        let before = window(before);
        if !before.is_empty() {
            decompress
                .set_dictionary(before)
                .map_err(|_| EngineError::Inconsistent("the decompressor failed"))?;
        }
        let status = decompress.decompress_vec(&self.deflated, &mut text, FlushDecompress::Sync);
        match status {
            Ok(Status::Ok | Status::BufError)
                if text.len() == length && crc(&text).finalize() == self.crc.clone().finalize() =>
            {
                Ok(text)
            }
            _ => Err(EngineError::Inconsistent(
                "a chunk does not inflate to what it was made from",
            )),
        }
    }
}

/// Compresses `text` by itself. `flush` says whether the stream goes on behind it.
pub(super) fn deflate(text: &[u8], flush: FlushCompress) -> Result<Vec<u8>, EngineError> {
    deflate_after(&[], text, flush)
}

fn deflate_after(before: &[u8], text: &[u8], flush: FlushCompress) -> Result<Vec<u8>, EngineError> {
    let mut compress = Compress::new(Compression::new(LEVEL), false);
    let before = window(before);
    if !before.is_empty() {
        compress
            .set_dictionary(before)
            .map_err(|_| EngineError::Inconsistent("the compressor failed"))?;
    }
    let mut deflated = Vec::with_capacity(text.len() / 3 + 64);
    loop {
        let consumed = usize::try_from(compress.total_in()).map_err(|_| EngineError::TooLarge)?;
        let rest = text.get(consumed..).unwrap_or_default();
        let status = compress
            .compress_vec(rest, &mut deflated, flush)
            .map_err(|_| EngineError::Inconsistent("the compressor failed"))?;
        let consumed_all = compress.total_in() == text.len() as u64;
        let done = match flush {
            FlushCompress::Finish => status == Status::StreamEnd,
            // A flush is complete when it left room in the output.
            _ => consumed_all && deflated.len() < deflated.capacity(),
        };
        if done {
            // Kept for long, and the room was a guess.
            deflated.shrink_to_fit();
            return Ok(deflated);
        }
        deflated.reserve(deflated.capacity().max(1 << 10));
    }
}

/// The level at which this data comes out smallest; higher ones are slower, and larger.
const LEVEL: u32 = 6;

pub(super) fn crc(bytes: &[u8]) -> crc32fast::Hasher {
    let mut crc = crc32fast::Hasher::new();
    crc.update(bytes);
    crc
}

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
                text: text.slice(start..end),
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
    let texts = records.iter().flat_map(|record| record.text.iter());
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
