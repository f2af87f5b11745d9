//! Reading one gzip member, fed in pieces.

use flate2::{Crc, Decompress, FlushDecompress, Status};
use thiserror::Error;

use super::MAGIC;

/// The bytes of a member's header: extra field (at most 65,535), file name and comment. None is needed for anything.
const HEADER_LIMIT: u32 = 72 << 10;

const FLAG_HEADER_CRC: u8 = 2;
const FLAG_EXTRA: u8 = 4;
const FLAG_NAME: u8 = 8;
const FLAG_COMMENT: u8 = 16;
const FLAGS_RESERVED: u8 = 0xe0;

/// Why bytes are no gzip member.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GzipError {
    /// The first two bytes are not `1f 8b`.
    #[error("no gzip data starts here (the first two bytes must be 1f 8b)")]
    NotGzip,
    /// Compression method other than 8, the only one there is.
    #[error("the gzip header names compression method {0}; only 8, deflate, exists")]
    UnknownMethod(u8),
    /// A reserved flag bit is set.
    #[error("the gzip header sets reserved flags (flag byte {0:#04x})")]
    ReservedFlags(u8),
    /// The header is longer than any use of it needs.
    #[error("the gzip header is longer than {HEADER_LIMIT} bytes; compress again with `gzip -n`")]
    HeaderTooLong,
    /// The header's own check value is wrong.
    #[error("the gzip header does not match its checksum; the file is damaged")]
    HeaderChecksum,
    /// The deflate stream is not one.
    #[error("the compressed data is damaged (invalid deflate stream)")]
    Deflate,
    /// CRC-32 of the content differs.
    #[error("the content does not match its CRC-32; the file is damaged")]
    Checksum,
    /// The length of the content differs.
    #[error("the content does not have the length its gzip trailer says; the file is damaged")]
    Length,
    /// The member stops in the middle.
    #[error("the gzip data stops in the middle; the file is truncated")]
    Truncated,
}

/// What one call of [`MemberReader::push`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the input that belong to this member and were used.
    pub consumed: usize,
    /// Bytes written to the start of the output.
    pub produced: usize,
    /// The member ended, and its trailer holds. Input beyond `consumed` belongs to what follows.
    pub ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fixed { at: u8 },
    ExtraLength { at: u8, length: u16 },
    Extra { left: u16 },
    Name,
    Comment,
    HeaderCrc { at: u8, found: u16 },
    Body,
    Trailer { at: u8, found: u64 },
    Ended,
}

/// Reads one gzip member, fed in pieces of any size. Holds the deflate window (32 KiB) and nothing that grows.
#[derive(Debug)]
pub struct MemberReader {
    state: State,
    flags: u8,
    header_crc: Crc,
    header_size: u32,
    inflate: Decompress,
    crc: Crc,
    produced: u64,
}

impl Default for MemberReader {
    fn default() -> Self {
        Self::new()
    }
}

impl MemberReader {
    /// A reader before the first byte of a member.
    pub fn new() -> Self {
        Self {
            state: State::Fixed { at: 0 },
            flags: 0,
            header_crc: Crc::new(),
            header_size: 0,
            inflate: Decompress::new(false),
            crc: Crc::new(),
            produced: 0,
        }
    }

    /// Goes back to before the first byte of a member, keeping the memory.
    pub fn reset(&mut self) {
        self.state = State::Fixed { at: 0 };
        self.flags = 0;
        self.header_crc.reset();
        self.header_size = 0;
        self.inflate.reset(false);
        self.crc.reset();
        self.produced = 0;
    }

    /// Whether no byte was read since [`MemberReader::new`] or [`MemberReader::reset`].
    pub fn is_at_start(&self) -> bool {
        self.state == State::Fixed { at: 0 }
    }

    /// Bytes of content so far.
    pub fn produced(&self) -> u64 {
        self.produced
    }

    /// Reads from `input` and writes content to `output`, which must not be empty, until one of them is used up or the
    /// member ends. Call it again while it produces; when it neither consumes nor produces it waits for more input.
    ///
    /// # Errors
    ///
    /// Every variant of [`GzipError`] but `Truncated`. The reader is of no use afterwards.
    pub fn push(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, GzipError> {
        let mut rest = input;
        while !matches!(self.state, State::Body | State::Ended) {
            let Some((byte, after)) = rest.split_first() else {
                return Ok(Progress {
                    consumed: input.len(),
                    produced: 0,
                    ended: false,
                });
            };
            rest = after;
            self.step(*byte)?;
        }
        let mut progress = Progress {
            consumed: input.len() - rest.len(),
            produced: 0,
            ended: false,
        };
        if self.state == State::Body {
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(rest, output, FlushDecompress::None)
                .map_err(|_| GzipError::Deflate)?;
            let used = usize::try_from(self.inflate.total_in() - before_in).unwrap_or(rest.len());
            let made =
                usize::try_from(self.inflate.total_out() - before_out).unwrap_or(output.len());
            self.crc.update(output.get(..made).unwrap_or_default());
            self.produced += made as u64;
            progress.consumed += used;
            progress.produced = made;
            rest = rest.get(used..).unwrap_or_default();
            if status == Status::StreamEnd {
                self.state = State::Trailer { at: 0, found: 0 };
                for byte in rest {
                    if self.state == State::Ended {
                        break;
                    }
                    self.step(*byte)?;
                    progress.consumed += 1;
                }
            }
        }
        progress.ended = self.state == State::Ended;
        Ok(progress)
    }

    /// Says that no input is left.
    ///
    /// # Errors
    ///
    /// [`GzipError::Truncated`] unless the member ended.
    pub fn finish(&self) -> Result<(), GzipError> {
        if self.state == State::Ended {
            Ok(())
        } else {
            Err(GzipError::Truncated)
        }
    }

    /// Takes one byte of the header or the trailer (RFC 1952, 2.3).
    fn step(&mut self, byte: u8) -> Result<(), GzipError> {
        let in_trailer = matches!(self.state, State::Trailer { .. });
        let in_header_crc = matches!(self.state, State::HeaderCrc { .. });
        if !in_trailer {
            self.header_size += 1;
            if self.header_size > HEADER_LIMIT {
                return Err(GzipError::HeaderTooLong);
            }
            if !in_header_crc {
                self.header_crc.update(&[byte]);
            }
        }
        self.state = match self.state {
            State::Fixed { at } => self.fixed_header(at, byte)?,
            State::ExtraLength { at: 0, .. } => State::ExtraLength {
                at: 1,
                length: u16::from(byte),
            },
            State::ExtraLength { length, .. } => match length | u16::from(byte) << 8 {
                0 => self.after_extra(),
                left => State::Extra { left },
            },
            State::Extra { left: 1 } => self.after_extra(),
            State::Extra { left } => State::Extra { left: left - 1 },
            State::Name if byte == 0 => self.after_name(),
            State::Name => State::Name,
            State::Comment if byte == 0 => self.after_comment(),
            State::Comment => State::Comment,
            State::HeaderCrc { at: 0, .. } => State::HeaderCrc {
                at: 1,
                found: u16::from(byte),
            },
            State::HeaderCrc { found, .. } => {
                let found = found | u16::from(byte) << 8;
                if u32::from(found) != self.header_crc.sum() & 0xffff {
                    return Err(GzipError::HeaderChecksum);
                }
                State::Body
            }
            State::Trailer { at, found } => {
                self.trailer(at, found | u64::from(byte) << (u32::from(at) * 8))?
            }
            State::Body | State::Ended => self.state,
        };
        Ok(())
    }

    fn fixed_header(&mut self, at: u8, byte: u8) -> Result<State, GzipError> {
        let [first, second] = MAGIC;
        match at {
            0 if byte != first => Err(GzipError::NotGzip),
            1 if byte != second => Err(GzipError::NotGzip),
            2 if byte != 8 => Err(GzipError::UnknownMethod(byte)),
            3 if byte & FLAGS_RESERVED != 0 => Err(GzipError::ReservedFlags(byte)),
            3 => {
                self.flags = byte;
                Ok(State::Fixed { at: 4 })
            }
            9 if self.flags & FLAG_EXTRA != 0 => Ok(State::ExtraLength { at: 0, length: 0 }),
            9 => Ok(self.after_extra()),
            _ => Ok(State::Fixed { at: at + 1 }),
        }
    }

    fn after_extra(&self) -> State {
        if self.flags & FLAG_NAME != 0 {
            State::Name
        } else {
            self.after_name()
        }
    }

    fn after_name(&self) -> State {
        if self.flags & FLAG_COMMENT != 0 {
            State::Comment
        } else {
            self.after_comment()
        }
    }

    fn after_comment(&self) -> State {
        if self.flags & FLAG_HEADER_CRC != 0 {
            State::HeaderCrc { at: 0, found: 0 }
        } else {
            State::Body
        }
    }

    /// The trailer: CRC-32 of the content, then its length modulo 2^32, both little-endian.
    fn trailer(&self, at: u8, found: u64) -> Result<State, GzipError> {
        if at < 7 {
            return Ok(State::Trailer { at: at + 1, found });
        }
        if found & 0xffff_ffff != u64::from(self.crc.sum()) {
            return Err(GzipError::Checksum);
        }
        if found >> 32 != self.produced & 0xffff_ffff {
            return Err(GzipError::Length);
        }
        Ok(State::Ended)
    }
}
