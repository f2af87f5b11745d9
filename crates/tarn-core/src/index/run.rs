//! A run of a deflate stream, compressed by itself.

use bytes::Bytes;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::changes::EngineError;

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
pub(super) struct Run {
    /// Compressed, not the last block of its stream.
    pub(super) deflated: Bytes,
    /// CRC-32 and length of what it inflates to.
    pub(super) crc: crc32fast::Hasher,
    /// Bytes it inflates to.
    pub(super) length: u64,
}

impl Run {
    /// Compresses `text`, behind a stream that inflates to something that ends in `before`.
    pub(super) fn new(text: &[u8], before: &[u8]) -> Result<Self, EngineError> {
        Ok(Self {
            deflated: deflate_after(before, text, FlushCompress::Full)?.into(),
            crc: crc(text),
            length: text.len() as u64,
        })
    }

    /// The text again, given the end of what is before it.
    pub(super) fn inflate(&self, before: &[u8]) -> Result<Vec<u8>, EngineError> {
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
