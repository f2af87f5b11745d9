//! Reading a package, fed in pieces.

use aws_lc_rs::digest;

use super::{
    Package, PackageError, Section,
    contents::{Contents, Fault},
    data::DataEntries,
};
use crate::{
    digest::{Identity, Sha256Digest},
    facts::{Format, PackageFacts},
    limits::Limits,
    quoted::Quoted,
    sign::{MessageDigests, MessageHasher},
    v2::{
        gzip::{self, GzipError, MemberReader},
        tar::{TarError, TarReader},
    },
};

/// Input is worked on in pieces of this size, cut at the same places however it arrives. So the same file always gives the
/// same result, down to which of two faults is named.
const PIECE: usize = 32 << 10;
/// Inflated bytes at a time.
const BUFFER: usize = 64 << 10;

/// Reads a package piece by piece, holding some 200 KiB besides the `.PKGINFO`, the signatures, and 10 to 30 bytes for each
/// path.
///
/// # Examples
///
/// ```
/// # use apk::{limits::Limits, v2::package::PackageReader};
/// # use apk_testkit::v2::PackageBuilder;
/// let file = PackageBuilder::new("hello", "1.0-r0").build();
/// let mut reader = PackageReader::new(Limits::default());
/// for piece in file.chunks(1000) {
///     reader.push(piece)?;
/// }
/// let package = reader.finish()?;
/// assert_eq!(package.facts.name.as_str(), "hello");
/// assert_eq!(package.size, file.len() as u64);
/// # Ok::<(), apk::v2::package::PackageError>(())
/// ```
pub struct PackageReader {
    limits: Limits,
    size: u64,
    piece: Vec<u8>,
    buffer: Vec<u8>,
    started: bool,
    stage: Stage,
    member: MemberReader,
    tar: TarReader,
    hasher: MessageHasher,
    data_hasher: digest::Context,
    /// Compressed and inflated bytes of the current member so far.
    section_size: (u64, u64),
    contents: Contents,
    signature_size: u64,
    signature_tar_size: u64,
    control: Option<Control>,
    data_size: u64,
    data_tar_size: u64,
    entries: DataEntries,
}

impl std::fmt::Debug for PackageReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PackageReader")
            .field("size", &self.size)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// In a member, or between two, of which the last was no control section.
    BeforeData,
    Data,
    Done,
}

#[derive(Debug)]
struct Control {
    facts: PackageFacts,
    digests: MessageDigests,
    size: u64,
}

impl PackageReader {
    /// A reader before the first byte.
    pub fn new(limits: Limits) -> Self {
        Self {
            size: 0,
            piece: Vec::with_capacity(PIECE),
            buffer: vec![0; BUFFER],
            started: false,
            stage: Stage::BeforeData,
            member: MemberReader::new(),
            // Entries are counted by section; those before the data section are bounded by its bytes.
            tar: TarReader::new(&limits, u64::MAX),
            hasher: MessageHasher::new(),
            data_hasher: digest::Context::new(&digest::SHA256),
            section_size: (0, 0),
            contents: Contents::new(&limits),
            signature_size: 0,
            signature_tar_size: 0,
            control: None,
            data_size: 0,
            data_tar_size: 0,
            entries: DataEntries::new(&limits),
            limits,
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
            if self.piece.is_empty()
                && let Some((piece, after)) = rest.split_at_checked(PIECE)
            {
                self.take_piece(piece)?;
                rest = after;
                continue;
            }
            let missing = PIECE - self.piece.len();
            let (taken, after) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
            self.piece.extend_from_slice(taken);
            rest = after;
            if self.piece.len() == PIECE {
                self.take_buffered()?;
            }
        }
        Ok(())
    }

    /// Says that the file ends here, and gives what was found in it.
    pub fn finish(mut self) -> Result<Package, PackageError> {
        if self.size == 0 {
            return Err(PackageError::Empty);
        }
        self.take_buffered()?;
        let control = match self.control {
            Some(control) if self.stage == Stage::Done => control,
            Some(_) if self.member.is_at_start() => return Err(PackageError::NoData),
            None if self.member.is_at_start() => return Err(PackageError::NoPkginfo),
            _ => {
                let section = self.section();
                return Err(PackageError::Gzip {
                    section,
                    problem: GzipError::Truncated,
                });
            }
        };
        let mut identity = [0; 20];
        identity.copy_from_slice(control.digests.sha1());
        Ok(Package {
            facts: PackageFacts {
                scripts: self.contents.scripts,
                ..control.facts
            },
            identity: Identity::from_bytes(identity),
            signatures: self.contents.signatures.finish(),
            control_digests: control.digests,
            size: self.size,
            signature_size: self.signature_size,
            control_size: control.size,
            data_size: self.data_size,
            data_tar_size: self.data_tar_size,
            data_entries: self.entries.count,
        })
    }

    fn section(&self) -> Section {
        if self.stage == Stage::BeforeData {
            self.contents.section
        } else {
            Section::Data
        }
    }

    fn take_buffered(&mut self) -> Result<(), PackageError> {
        let mut piece = std::mem::take(&mut self.piece);
        let result = self.take_piece(&piece);
        piece.clear();
        self.piece = piece;
        result
    }

    fn take_piece(&mut self, piece: &[u8]) -> Result<(), PackageError> {
        if !std::mem::replace(&mut self.started, true) {
            check_magic(piece)?;
        }
        let mut rest = piece;
        while !rest.is_empty() {
            if self.stage == Stage::Done {
                return Err(PackageError::TrailingData);
            }
            let (used, ended) = self.inflate(rest)?;
            rest = rest.get(used..).unwrap_or_default();
            if ended {
                self.member_end()?;
            }
        }
        Ok(())
    }

    /// Inflates until the input is used up or the member ends. Gives the bytes used, and whether it ended.
    fn inflate(&mut self, input: &[u8]) -> Result<(usize, bool), PackageError> {
        let mut used = 0;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            let progress = self
                .member
                .push(rest, &mut self.buffer)
                .map_err(|problem| PackageError::Gzip {
                    section: self.section(),
                    problem,
                })?;
            let compressed = rest.get(..progress.consumed).unwrap_or_default();
            if self.stage == Stage::Data {
                self.data_hasher.update(compressed);
            } else {
                self.hasher.update(compressed);
            }
            used += progress.consumed;
            self.section_size.0 += progress.consumed as u64;
            self.section_size.1 += progress.produced as u64;
            self.read_tar(progress.produced)?;
            self.check_section_size()?;
            if progress.ended || (progress.consumed == 0 && progress.produced == 0) {
                return Ok((used, progress.ended));
            }
        }
    }

    fn read_tar(&mut self, produced: usize) -> Result<(), PackageError> {
        let content = self.buffer.get(..produced).unwrap_or_default();
        let contents = &mut self.contents;
        let in_data = self.stage == Stage::Data;
        let entries = &mut self.entries;
        let result = self.tar.push(content, &mut |event| {
            if in_data {
                entries.event(event)
            } else {
                contents.event(event)
            }
        });
        result.map_err(|fault| self.name_fault(fault))
    }

    fn name_fault(&self, fault: Fault) -> PackageError {
        match fault {
            Fault::Package(error) => error,
            Fault::Tar(TarError::NotUstar | TarError::HeaderChecksum)
                if self.tar.entries() == 0 =>
            {
                PackageError::NotTar
            }
            // opkg and ipkg-build put it first, in a tar of its own kind.
            Fault::Tar(TarError::Path { name, .. }) if name == Quoted::new("./debian-binary") => {
                PackageError::OtherPackage
            }
            Fault::Tar(problem) => PackageError::Tar {
                section: self.section(),
                problem,
            },
        }
    }

    fn check_section_size(&self) -> Result<(), PackageError> {
        let section = self.section();
        let (compressed, inflated) = self.section_size;
        let (size, limit) = match section {
            // Several signature members count together.
            Section::Signature => (
                (self.signature_size + compressed).max(self.signature_tar_size + inflated),
                self.limits.signature_section,
            ),
            Section::First | Section::Control => {
                (compressed.max(inflated), self.limits.control_section)
            }
            Section::Data => (inflated, self.limits.data_section),
        };
        if size > limit {
            Err(PackageError::SectionTooLarge { section, limit })
        } else {
            Ok(())
        }
    }

    fn member_end(&mut self) -> Result<(), PackageError> {
        self.tar
            .finish()
            .map_err(|problem| self.name_fault(Fault::Tar(problem)))?;
        self.member.reset();
        let (compressed, inflated) = self.section_size;
        match self.section() {
            Section::First => return Err(PackageError::EmptySection(Section::First)),
            Section::Signature => {
                self.signature_size += compressed;
                self.signature_tar_size += inflated;
                self.section_size = (0, 0);
                self.contents.section = Section::First;
                self.hasher = MessageHasher::new();
            }
            Section::Control => {
                let digests = std::mem::take(&mut self.hasher).finish();
                let facts = self.contents.facts.take().ok_or(PackageError::NoPkginfo)?;
                self.control = Some(Control {
                    facts,
                    digests,
                    size: compressed,
                });
                self.section_size = (0, 0);
                self.stage = Stage::Data;
            }
            Section::Data => {
                self.data_size = compressed;
                self.data_tar_size = inflated;
                self.check_data()?;
                self.stage = Stage::Done;
            }
        }
        Ok(())
    }

    fn check_data(&mut self) -> Result<(), PackageError> {
        let hasher =
            std::mem::replace(&mut self.data_hasher, digest::Context::new(&digest::SHA256));
        let mut found = [0; 32];
        found.copy_from_slice(hasher.finish().as_ref());
        let found = Sha256Digest::from_bytes(found);
        let Some(Control { facts, .. }) = &self.control else {
            return Err(PackageError::NoPkginfo);
        };
        if let Format::V2 { data_hash } = facts.format
            && data_hash != found
        {
            return Err(PackageError::DataHash {
                expected: data_hash,
                found,
            });
        }
        // Such a package counts as virtual, none of its files would be unpacked, no script run (`src/commit.c`, `src/database.c`).
        if facts.installed_size == 0
            && (self.entries.installs_something || !self.contents.scripts.is_empty())
        {
            return Err(PackageError::NoInstalledSize);
        }
        Ok(())
    }
}

/// What the file begins with, where that is no gzip.
fn check_magic(piece: &[u8]) -> Result<(), PackageError> {
    // A Unix archive, as `ar` makes it (deb(5)).
    if piece.starts_with(b"!<arch>") {
        return Err(PackageError::OtherPackage);
    }
    if piece.trim_ascii_start().starts_with(b"<") {
        return Err(PackageError::Markup);
    }
    let is_start_of_gzip = piece.starts_with(&gzip::MAGIC) || gzip::MAGIC.starts_with(piece);
    if is_start_of_gzip {
        Ok(())
    } else {
        Err(PackageError::NotAPackage)
    }
}
