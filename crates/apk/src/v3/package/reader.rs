//! Reads a package as its bytes arrive.

use aws_lc_rs::digest;

use super::{
    DataPlace, Package, PackageContents, PackageError,
    expected::{Expected, next_with_data},
    parse::{Parsed, parse},
};
use crate::{
    limits::Limits,
    memory::{Memory, MemoryTaken, Share},
    quoted::Quoted,
    v3::{
        block::{BlockKind, BlockReader, Event},
        container::{self, Compression},
        schema::Schema,
        unpack::Unpacker,
    },
};

/// Reads a package as its bytes arrive, and keeps what is in front of the files' data only: the ADB block, which
/// [`Limits::database`] bounds, and what it says. Data is hashed as it passes.
///
/// What it holds beyond [`Limits::package_memory`] for a large ADB block, and the window of zstd, it takes from a [`Memory`] that other
/// readers may share.
#[derive(Debug)]
pub struct PackageReader {
    /// Bytes that are not enough for a piece yet. A whole piece is read at a time, so that the pieces that the file arrives in
    /// make no difference.
    piece: Vec<u8>,
    size: u64,
    unpacker: Unpacker,
    file: OpenFile,
    memory: Share,
}

/// What is read at a time, in bytes.
const PIECE: usize = 32 << 10;

impl PackageReader {
    /// A reader of one package, which gives all that is in it.
    pub fn new(limits: Limits) -> Self {
        Self::of(limits, &Memory::unbounded(), true)
    }

    /// A reader of one package that looks at its paths and scripts, and doesn't give them: so it holds no memory for them.
    pub fn of_facts(limits: Limits, memory: &Memory) -> Self {
        Self::of(limits, memory, false)
    }

    fn of(limits: Limits, memory: &Memory, keeps: bool) -> Self {
        Self {
            piece: Vec::new(),
            size: 0,
            unpacker: Unpacker::within(limits.data_section, limits.zstd_window, memory.window()),
            memory: memory.share(limits.package_memory),
            file: OpenFile::new(limits, keeps),
        }
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    ///
    /// The first [`PackageError`] found, perhaps some 32 KiB after the byte that is wrong. The reader is of no use
    /// afterwards.
    pub fn push(&mut self, input: &[u8]) -> Result<(), PackageError> {
        self.size += input.len() as u64;
        let mut rest = input;
        while !rest.is_empty() {
            let missing = PIECE - self.piece.len();
            let (taken, after) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
            self.piece.extend_from_slice(taken);
            rest = after;
            if self.piece.len() == PIECE {
                self.take_piece()?;
            }
        }
        Ok(())
    }

    /// Says that the file ends here, and gives what was found in it.
    pub fn finish(mut self) -> Result<Package, PackageError> {
        if self.size == 0 {
            return Err(PackageError::Empty);
        }
        self.take_piece()?;
        self.unpacker.finish()?;
        let compression = self.unpacker.compression().unwrap_or_default();
        self.file
            .finish(self.size, self.unpacker.produced(), compression)
    }

    fn take_piece(&mut self) -> Result<(), PackageError> {
        let (file, memory) = (&mut self.file, &mut self.memory);
        self.unpacker.push(&self.piece, &mut |unpacked: &[u8]| {
            file.push(unpacked, &mut |database| memory.hold(database))
        })?;
        self.piece.clear();
        Ok(self.memory.hold(self.file.content.held())?)
    }
}

/// The file without its compression.
#[derive(Debug)]
pub(super) struct OpenFile {
    /// The first bytes, until they name the schema.
    head: Vec<u8>,
    blocks: BlockReader,
    content: FileContent,
}

impl OpenFile {
    pub(super) fn new(limits: Limits, keeps: bool) -> Self {
        Self {
            head: Vec::new(),
            blocks: BlockReader::new(container::HEAD as u64),
            content: FileContent {
                limits,
                keeps,
                stage: Stage::Database,
                number: 0,
                kind: BlockKind::Adb,
                length: 0,
                buffer: Vec::new(),
                parsed: None,
                database: Vec::new(),
                signatures: Vec::new(),
                signatures_size: 0,
                data: None,
                next: (0, 0),
            },
        }
    }

    /// What is in the package, the first time it is asked for after the ADB block was read.
    pub(super) fn take_contents(&mut self) -> Option<PackageContents> {
        self.content.parsed.as_mut()?.contents.take()
    }

    /// `hold` is asked before what is kept takes so many bytes of memory.
    pub(super) fn push(
        &mut self,
        unpacked: &[u8],
        hold: &mut impl FnMut(u64) -> Result<(), MemoryTaken>,
    ) -> Result<(), PackageError> {
        let missing = container::HEAD - self.head.len();
        let (head, rest) = unpacked
            .split_at_checked(missing)
            .unwrap_or((unpacked, &[]));
        if !head.is_empty() {
            self.head.extend_from_slice(head);
            if self.head.len() == container::HEAD {
                self.check_head()?;
            }
        }
        let content = &mut self.content;
        self.blocks
            .push(rest, &mut |event| content.event(event, hold))
    }

    fn check_head(&self) -> Result<(), PackageError> {
        match container::open(&self.head)? {
            (Schema::Package, _) => Ok(()),
            (Schema::Index, _) => Err(PackageError::Index),
        }
    }

    fn finish(
        self,
        size: u64,
        unpacked_size: u64,
        compression: Compression,
    ) -> Result<Package, PackageError> {
        if self.head.len() < container::HEAD {
            self.check_head()?;
        }
        self.blocks.finish()?;
        self.content.finish(size, unpacked_size, compression)
    }
}

/// Which blocks may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Database,
    Signatures,
    Data,
}

/// The data block at hand.
struct Data {
    length: u64,
    head: Vec<u8>,
    hasher: digest::Context,
    /// The file that has to come next.
    expected: Expected,
}

impl std::fmt::Debug for Data {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Data")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl Data {
    /// Whether a block with this head is the one that comes next. apk: "ADB block error" (`apk_extract_v3_data_block`).
    fn check_place(&self, head: [u8; DATA_HEAD], block: u64) -> Result<(), PackageError> {
        let [a, b, c, d, e, f, g, h] = head;
        let found = DataPlace {
            directory: u32::from_le_bytes([a, b, c, d]),
            file: u32::from_le_bytes([e, f, g, h]),
        };
        let expected = &self.expected;
        let path = || Quoted::new(&expected.path);
        if found != expected.place {
            return Err(PackageError::DataOrder {
                block,
                found,
                expected: expected.place,
                path: path(),
            });
        }
        if self.length != expected.size {
            return Err(PackageError::DataSize {
                path: path(),
                expected: expected.size,
                found: self.length,
            });
        }
        Ok(())
    }
}

/// Bytes in front of the data: the numbers of the directory and of the file (`src/apk_adb.h`, `struct adb_data_package`).
const DATA_HEAD: usize = 8;

/// What is in the blocks.
#[derive(Debug)]
struct FileContent {
    limits: Limits,
    keeps: bool,
    stage: Stage,
    /// The number of the block at hand, from 1 on.
    number: u64,
    kind: BlockKind,
    /// How many bytes it has, where it is kept.
    length: u64,
    /// The content so far of a block that is kept.
    buffer: Vec<u8>,
    parsed: Option<Parsed>,
    /// The ADB block, once it was read: it says which data comes next.
    database: Vec<u8>,
    signatures: Vec<Vec<u8>>,
    signatures_size: u64,
    data: Option<Data>,
    /// The directory and the file in it where the next one with data is looked for, from 0 on.
    next: (usize, usize),
}

impl FileContent {
    /// Bytes of memory that the database takes.
    fn held(&self) -> u64 {
        (self.buffer.len() + self.database.len()) as u64
    }

    fn event(
        &mut self,
        event: Event<'_>,
        hold: &mut impl FnMut(u64) -> Result<(), MemoryTaken>,
    ) -> Result<(), PackageError> {
        match event {
            Event::Start { kind, length } => self.start(kind, length),
            Event::Content(bytes) if self.kind == BlockKind::Data => self.data(bytes),
            Event::Content(bytes) => {
                self.make_room(bytes.len(), hold)?;
                self.buffer.extend_from_slice(bytes);
                Ok(())
            }
            Event::End => self.end(),
        }
    }

    fn start(&mut self, kind: BlockKind, length: u64) -> Result<(), PackageError> {
        self.number += 1;
        self.kind = kind;
        let (is_allowed, next) = match kind {
            BlockKind::Adb => (self.stage == Stage::Database, Stage::Signatures),
            BlockKind::Signature => (self.stage == Stage::Signatures, Stage::Signatures),
            BlockKind::Data => (self.stage >= Stage::Signatures, Stage::Data),
        };
        if !is_allowed {
            return Err(PackageError::BlockOrder(self.number));
        }
        self.stage = next;
        match kind {
            BlockKind::Adb if length > self.limits.database => {
                Err(PackageError::DatabaseTooLarge {
                    size: length,
                    limit: self.limits.database,
                })
            }
            BlockKind::Adb => {
                self.length = length;
                Ok(())
            }
            BlockKind::Signature => {
                self.length = length;
                if length > self.limits.signature_entry {
                    return Err(PackageError::SignatureSize(self.limits.signature_entry));
                }
                self.signatures_size += length;
                if self.signatures_size > self.limits.signature_section {
                    return Err(PackageError::SignatureSize(self.limits.signature_section));
                }
                Ok(())
            }
            BlockKind::Data => self.start_data(length),
        }
    }

    /// Room for so many more bytes of the block. It is reserved once, and what is not written yet takes no memory; what is held is
    /// rounded up to a power of two.
    fn make_room(
        &mut self,
        bytes: usize,
        hold: &mut impl FnMut(u64) -> Result<(), MemoryTaken>,
    ) -> Result<(), PackageError> {
        let whole = usize::try_from(self.length).unwrap_or(usize::MAX);
        let filled = (self.buffer.len() + bytes).next_power_of_two().min(whole);
        hold((self.database.len() + filled) as u64)?;
        if self.buffer.capacity() == 0 {
            self.buffer.reserve_exact(whole);
        }
        Ok(())
    }

    /// The file that the next data has to be of.
    fn next_file(&mut self) -> Result<Option<Expected>, PackageError> {
        next_with_data(&self.database, &mut self.next).map_err(|problem| PackageError::Field {
            field: "paths",
            problem,
        })
    }

    fn start_data(&mut self, length: u64) -> Result<(), PackageError> {
        let number = self.number;
        let length = length
            .checked_sub(DATA_HEAD as u64)
            .ok_or(PackageError::DataHead(number))?;
        let expected = self.next_file()?.ok_or(PackageError::DataLeft(number))?;
        self.data = Some(Data {
            length,
            head: Vec::with_capacity(DATA_HEAD),
            hasher: expected.hash.hasher(),
            expected,
        });
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), PackageError> {
        let Some(data) = &mut self.data else {
            return Ok(());
        };
        let missing = DATA_HEAD - data.head.len();
        let (head, rest) = bytes.split_at_checked(missing).unwrap_or((bytes, &[]));
        data.hasher.update(rest);
        if !head.is_empty() {
            data.head.extend_from_slice(head);
            if let Ok(head) = <[u8; DATA_HEAD]>::try_from(data.head.as_slice()) {
                data.check_place(head, self.number)?;
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), PackageError> {
        match self.kind {
            BlockKind::Adb => {
                self.database = std::mem::take(&mut self.buffer);
                let parsed = parse(&self.database, &self.limits, self.keeps)?;
                self.parsed = Some(parsed);
                Ok(())
            }
            BlockKind::Signature => {
                self.signatures.push(std::mem::take(&mut self.buffer));
                Ok(())
            }
            BlockKind::Data => self.end_data(),
        }
    }

    fn end_data(&mut self) -> Result<(), PackageError> {
        let Some(data) = self.data.take() else {
            return Ok(());
        };
        let found = data.hasher.finish();
        if data.expected.hash.as_bytes() != found.as_ref() {
            let path = Quoted::new(&data.expected.path);
            return Err(PackageError::Hash { path });
        }
        self.next.1 += 1;
        Ok(())
    }

    fn finish(
        mut self,
        size: u64,
        unpacked_size: u64,
        compression: Compression,
    ) -> Result<Package, PackageError> {
        let parsed = self.parsed.take().ok_or(PackageError::NoDatabase)?;
        if let Some(missing) = self.next_file()? {
            return Err(PackageError::DataMissing(Quoted::new(&missing.path)));
        }
        Ok(Package {
            facts: parsed.facts,
            hash: parsed.hash,
            size,
            contents: parsed.contents,
            entries: parsed.entries,
            digest: parsed.digest,
            compression,
            database_size: parsed.size,
            unpacked_size,
            signatures: self.signatures,
        })
    }
}
