//! The blocks of an ADB file.

use thiserror::Error;

/// What a block holds (apk-tools `src/adb.h`, `ADB_BLOCK_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlockKind {
    /// The database itself. First, and once.
    Adb,
    /// A signature over it.
    Signature,
    /// The contents of one file of a package.
    Data,
}

/// One block of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    /// What it holds.
    pub kind: BlockKind,
    /// What is in it, without the head and the padding.
    pub payload: &'a [u8],
}

/// Why the blocks of a file cannot be read. Offsets are in bytes from the start of the uncompressed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BlockError {
    /// The file ends inside a block.
    #[error("the block at byte {0} is cut off: send the whole file")]
    Truncated(u64),
    /// The head states a size smaller than the head.
    #[error("the block at byte {0} says it is smaller than its own head")]
    Small(u64),
    /// The type bits of a block with a 64-bit length name no kind.
    #[error("the block at byte {offset} is of kind {kind}, which apk does not know")]
    Kind {
        /// Where the block starts.
        offset: u64,
        /// What it says.
        kind: u32,
    },
    /// The reserved bytes or the padding are not zero.
    #[error("the block at byte {0} has bytes other than zero where the format has nothing")]
    Padding(u64),
    /// The block is larger than a head can say.
    #[error("a block of {0} bytes is too large for an ADB file")]
    TooLarge(usize),
}

/// Blocks start at multiples of this, in bytes, counted from the end of the file's head (`ADB_BLOCK_ALIGNMENT`).
const ALIGNMENT: usize = 8;
/// The short head: two bits of kind, 30 bits of size.
const SHORT_HEAD: usize = 4;
/// The long head: kind, four reserved bytes, 64 bits of size.
const LONG_HEAD: usize = 16;
/// The kind bits that announce a long head (`ADB_BLOCK_EXT`).
const LONG: u32 = 3;
/// The bits of a short head that are the size.
const SIZE_MASK: u32 = 0x3fff_ffff;

/// The head of a block whose content has `length` bytes, for a content that is written elsewhere.
///
/// # Errors
///
/// As [`write()`].
pub fn head(kind: BlockKind, length: usize) -> Result<[u8; SHORT_HEAD], BlockError> {
    let size = u32::try_from(length + SHORT_HEAD).ok();
    let short = size.filter(|size| *size <= SIZE_MASK);
    let short = short.ok_or(BlockError::TooLarge(length))?;
    let bits: u32 = match kind {
        BlockKind::Adb => 0,
        BlockKind::Signature => 1,
        BlockKind::Data => 2,
    };
    Ok((bits << 30 | short).to_le_bytes())
}

/// How many zeros follow a content of `length` bytes behind a short head.
pub fn padding_after(length: usize) -> usize {
    padding(length + SHORT_HEAD)
}

/// Appends a block with its head and padding to `file`, whose length after the file's head is a multiple of eight.
///
/// # Errors
///
/// [`BlockError::TooLarge`] over 1 GiB: an index cannot grow so large, since values reach only 256 MiB.
pub fn write(file: &mut Vec<u8>, kind: BlockKind, payload: &[u8]) -> Result<(), BlockError> {
    file.extend_from_slice(&head(kind, payload.len())?);
    file.extend_from_slice(payload);
    file.resize(file.len() + padding_after(payload.len()), 0);
    Ok(())
}

fn padding(size: usize) -> usize {
    (ALIGNMENT - size % ALIGNMENT) % ALIGNMENT
}

/// What the head of a block says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    kind: BlockKind,
    /// Bytes of the head itself.
    size: usize,
    /// Bytes after the head.
    length: u64,
    /// Zeros after those.
    padding: usize,
}

impl Head {
    /// Reads the head that `bytes` start with, which stand at `offset` of the file. `None` when they are too few.
    fn read(bytes: &[u8], offset: u64) -> Result<Option<Self>, BlockError> {
        let Some(word) = bytes.first_chunk::<SHORT_HEAD>() else {
            return Ok(None);
        };
        let word = u32::from_le_bytes(*word);
        let (bits, head, size) = if word >> 30 == LONG {
            let Some(head) = bytes.first_chunk::<LONG_HEAD>() else {
                return Ok(None);
            };
            let [_, _, _, _, reserved @ .., a, b, c, d, e, f, g, h] = head;
            if reserved.iter().any(|byte| *byte != 0) {
                return Err(BlockError::Padding(offset));
            }
            let size = u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
            (word & SIZE_MASK, LONG_HEAD, size)
        } else {
            (word >> 30, SHORT_HEAD, u64::from(word & SIZE_MASK))
        };
        let kind = match bits {
            0 => BlockKind::Adb,
            1 => BlockKind::Signature,
            2 => BlockKind::Data,
            kind => return Err(BlockError::Kind { offset, kind }),
        };
        let length = size
            .checked_sub(head as u64)
            .ok_or(BlockError::Small(offset))?;
        let odd = usize::try_from(size % ALIGNMENT as u64).unwrap_or_default();
        Ok(Some(Self {
            kind,
            size: head,
            length,
            padding: padding(odd),
        }))
    }
}

/// The blocks of a file, in their order. After an error there are no more.
#[derive(Debug, Clone)]
pub struct Blocks<'a> {
    rest: &'a [u8],
    offset: u64,
}

impl<'a> Blocks<'a> {
    /// Reads `blocks`: what follows the head of a file, which ends at byte `offset` of it.
    pub fn new(blocks: &'a [u8], offset: u64) -> Self {
        Self {
            rest: blocks,
            offset,
        }
    }

    fn read(&mut self) -> Result<Block<'a>, BlockError> {
        let truncated = BlockError::Truncated(self.offset);
        let head = Head::read(self.rest, self.offset)?.ok_or(truncated)?;
        let length = usize::try_from(head.length).map_err(|_| truncated)?;
        let (_, rest) = self.rest.split_at_checked(head.size).ok_or(truncated)?;
        let (payload, rest) = rest.split_at_checked(length).ok_or(truncated)?;
        let (padding, rest) = rest.split_at_checked(head.padding).ok_or(truncated)?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(BlockError::Padding(self.offset));
        }
        self.offset += (self.rest.len() - rest.len()) as u64;
        self.rest = rest;
        Ok(Block {
            kind: head.kind,
            payload,
        })
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Result<Block<'a>, BlockError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let block = self.read();
        if block.is_err() {
            self.rest = &[];
        }
        Some(block)
    }
}

/// What a [`BlockReader`] finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A block starts.
    Start {
        /// What it holds.
        kind: BlockKind,
        /// How many bytes of content follow, if the file is whole.
        length: u64,
    },
    /// The next bytes of the block.
    Content(&'a [u8]),
    /// The block is complete.
    End,
}

/// Reads the blocks of a file that arrives in pieces. It holds a head of 16 bytes at most.
#[derive(Debug)]
pub struct BlockReader {
    /// Where the block at hand starts.
    start: u64,
    offset: u64,
    head: Vec<u8>,
    /// What is left of the block at hand: content, and zeros.
    left: Option<(u64, usize)>,
}

impl BlockReader {
    /// Reads what follows the head of a file, which ends at byte `offset` of it.
    pub fn new(offset: u64) -> Self {
        Self {
            start: offset,
            offset,
            head: Vec::with_capacity(LONG_HEAD),
            left: None,
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    ///
    /// [`BlockError`], or what `sink` gives.
    pub fn push<E: From<BlockError>>(
        &mut self,
        input: &[u8],
        sink: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = input;
        loop {
            let Some((content, padding)) = &mut self.left else {
                let Some((byte, after)) = rest.split_first() else {
                    return Ok(());
                };
                self.head.push(*byte);
                self.offset += 1;
                rest = after;
                if let Some(head) = Head::read(&self.head, self.start)? {
                    self.head.clear();
                    self.left = Some((head.length, head.padding));
                    let (kind, length) = (head.kind, head.length);
                    sink(Event::Start { kind, length })?;
                }
                continue;
            };
            let here = usize::try_from(*content).map_or(rest.len(), |left| left.min(rest.len()));
            let (taken, after) = rest.split_at_checked(here).unwrap_or((rest, &[]));
            if !taken.is_empty() {
                *content -= taken.len() as u64;
                sink(Event::Content(taken))?;
            }
            let zeros = if *content == 0 { *padding } else { 0 };
            let (skipped, after) = after
                .split_at_checked(zeros.min(after.len()))
                .unwrap_or((after, &[]));
            if skipped.iter().any(|byte| *byte != 0) {
                return Err(BlockError::Padding(self.start).into());
            }
            *padding -= skipped.len();
            self.offset += (taken.len() + skipped.len()) as u64;
            rest = after;
            if (*content, *padding) != (0, 0) {
                return Ok(());
            }
            self.left = None;
            self.start = self.offset;
            sink(Event::End)?;
        }
    }

    /// Says that the file ends here.
    ///
    /// # Errors
    ///
    /// [`BlockError::Truncated`].
    pub fn finish(&self) -> Result<(), BlockError> {
        if self.left.is_some() || !self.head.is_empty() {
            return Err(BlockError::Truncated(self.start));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Block<'_>>, BlockError> {
        Blocks::new(bytes, 8).collect()
    }

    #[test]
    fn writes_the_kind_in_the_top_bits_and_pads_to_eight() {
        let mut file = Vec::new();
        write(&mut file, BlockKind::Signature, b"abcde").unwrap();
        assert_eq!(file, b"\x09\x00\x00\x40abcde\0\0\0\0\0\0\0");
        write(&mut file, BlockKind::Adb, b"four").unwrap();
        assert_eq!(file.get(16..), Some(b"\x08\0\0\0four".as_slice()));
    }

    #[test]
    fn reads_what_it_writes() {
        let mut file = Vec::new();
        let kinds = [BlockKind::Adb, BlockKind::Signature, BlockKind::Data];
        let payload = [7_u8; 40];
        for (kind, length) in kinds.into_iter().zip([0, 9, 40]) {
            write(&mut file, kind, &payload[..length]).unwrap();
        }
        let blocks = read(&file).unwrap();
        assert_eq!(
            blocks.iter().map(|block| block.kind).collect::<Vec<_>>(),
            kinds
        );
        assert_eq!(blocks[2].payload, payload);
    }

    #[test]
    fn reads_a_head_with_a_64_bit_length() {
        let file = b"\x02\0\0\xc0\0\0\0\0\x13\0\0\0\0\0\0\0abc\0\0\0\0\0";
        let block = Block {
            kind: BlockKind::Data,
            payload: b"abc",
        };
        assert_eq!(read(file), Ok(vec![block]));
    }

    /// What [`BlockReader`] makes of bytes in pieces of this size: the kind, the stated length and the content of each block.
    fn stream(bytes: &[u8], piece: usize) -> Result<Vec<(BlockKind, u64, Vec<u8>)>, BlockError> {
        let mut reader = BlockReader::new(8);
        let (mut blocks, mut ended) = (Vec::new(), 0);
        for piece in bytes.chunks(piece) {
            reader.push(piece, &mut |event| {
                match event {
                    Event::Start { kind, length } => blocks.push((kind, length, Vec::new())),
                    Event::Content(bytes) => blocks.last_mut().unwrap().2.extend_from_slice(bytes),
                    Event::End => ended += 1,
                }
                Ok::<(), BlockError>(())
            })?;
        }
        reader.finish()?;
        assert_eq!(ended, blocks.len());
        Ok(blocks)
    }

    #[test]
    fn a_file_in_pieces_gives_the_blocks_or_the_error_of_the_whole() {
        let mut file = Vec::new();
        for length in [0, 9, 40, 12] {
            write(&mut file, BlockKind::Data, &vec![7; length]).unwrap();
        }
        file.extend_from_slice(b"\x02\0\0\xc0\0\0\0\0\x13\0\0\0\0\0\0\0abc\0\0\0\0\0");
        let mut cases: Vec<Vec<u8>> = (0..=file.len()).map(|end| file[..end].to_vec()).collect();
        cases.extend((0..file.len()).map(|place| {
            let mut changed = file.clone();
            changed[place] ^= 0x81;
            changed
        }));
        for case in cases {
            let whole = read(&case).map(|blocks| {
                let blocks = blocks.iter();
                blocks
                    .map(|block| {
                        (
                            block.kind,
                            block.payload.len() as u64,
                            block.payload.to_vec(),
                        )
                    })
                    .collect::<Vec<_>>()
            });
            for piece in [1, 5, 1 << 20] {
                assert_eq!(stream(&case, piece), whole, "{case:?}");
            }
        }
    }

    #[test]
    fn rejects_a_block_cut_off_anywhere() {
        let mut file = Vec::new();
        write(&mut file, BlockKind::Adb, b"abcdefgh").unwrap();
        for length in 1..file.len() {
            assert_eq!(read(&file[..length]), Err(BlockError::Truncated(8)));
        }
    }

    #[test]
    fn rejects_a_64_bit_length_that_reaches_far_beyond_the_file() {
        let file = b"\0\0\0\xc0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xffabc";
        assert_eq!(read(file), Err(BlockError::Truncated(8)));
    }

    #[test]
    fn rejects_a_size_smaller_than_the_head() {
        assert_eq!(read(b"\x03\0\0\0\0\0\0\0"), Err(BlockError::Small(8)));
        assert_eq!(
            read(b"\0\0\0\xc0\0\0\0\0\x0f\0\0\0\0\0\0\0"),
            Err(BlockError::Small(8))
        );
    }

    #[test]
    fn rejects_padding_that_is_not_zero() {
        assert_eq!(read(b"\x05\0\0\0a\0\x01\0"), Err(BlockError::Padding(8)));
    }

    #[test]
    fn rejects_a_kind_that_apk_does_not_know() {
        let error = BlockError::Kind { offset: 8, kind: 3 };
        assert_eq!(read(b"\x03\0\0\xc0\0\0\0\0\x10\0\0\0\0\0\0\0"), Err(error));
    }
}
