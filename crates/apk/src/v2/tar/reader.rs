//! Reading an archive, fed in pieces.

use crate::{limits::Limits, quoted::Quoted};

use super::{
    BLOCK, Entry, EntryKind,
    error::TarError,
    header::Header,
    path::{check_link_target, check_path},
    pax::{self, Extended},
};

/// What [`TarReader::push`] hands to its visitor, in the order of the archive.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// An entry starts.
    Entry(&'a Entry),
    /// Some of the content of the last entry.
    Content(&'a [u8]),
    /// The content of the last entry is complete. Comes for each entry.
    EntryEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extension {
    LongName,
    Pax,
    GlobalPax,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Extension { kind: Extension, left: u64 },
    Content { left: u64 },
}

/// Reads a tar archive, fed in pieces of any size. Holds one block, one extended header and nothing else that grows.
#[derive(Debug)]
pub struct TarReader {
    path_limit: usize,
    pax_limit: u64,
    entry_limit: u64,
    state: State,
    block: [u8; BLOCK],
    filled: usize,
    /// Bytes of padding to skip before the next state.
    padding: u64,
    /// Bytes of padding after the content of the current entry.
    content_padding: u64,
    extension: Vec<u8>,
    long_name: Option<Vec<u8>>,
    extended: Option<Extended>,
    entries: u64,
    zero_blocks: u8,
}

impl TarReader {
    /// A reader before the first header. Names and extended headers are bounded by `limits`, and at most `entries` are
    /// taken.
    pub fn new(limits: &Limits, entries: u64) -> Self {
        Self {
            path_limit: limits.path,
            pax_limit: limits.pax_header,
            entry_limit: entries,
            state: State::Header,
            block: [0; BLOCK],
            filled: 0,
            padding: 0,
            content_padding: 0,
            extension: Vec::new(),
            long_name: None,
            extended: None,
            entries: 0,
            zero_blocks: 0,
        }
    }

    /// Entries so far.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Whether the archive may end here: between entries, with no extended header waiting for one.
    pub fn is_between_entries(&self) -> bool {
        self.state == State::Header
            && self.filled == 0
            && self.padding == 0
            && self.long_name.is_none()
            && self.extended.is_none()
    }

    /// Whether the end-of-archive was read. As apk does, the second block of zeros counts, wherever the first was.
    pub fn is_ended(&self) -> bool {
        self.zero_blocks >= 2
    }

    /// Reads on.
    ///
    /// # Errors
    ///
    /// [`TarError`], and what the visitor returns. The reader is of no use afterwards.
    pub fn push<E: From<TarError>>(
        &mut self,
        input: &[u8],
        visit: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = input;
        while !rest.is_empty() {
            if self.padding > 0 {
                let (skipped, after) = split_at_most(rest, self.padding);
                self.padding -= skipped.len() as u64;
                rest = after;
                continue;
            }
            match self.state {
                State::Header => {
                    let (taken, after) = split_at_most(rest, (BLOCK - self.filled) as u64);
                    if let Some(target) = self.block.get_mut(self.filled..self.filled + taken.len())
                    {
                        target.copy_from_slice(taken);
                    }
                    self.filled += taken.len();
                    rest = after;
                    if self.filled == BLOCK {
                        self.filled = 0;
                        self.header(visit)?;
                    }
                }
                State::Extension { kind, left } => {
                    let (taken, after) = split_at_most(rest, left);
                    self.extension.extend_from_slice(taken);
                    rest = after;
                    let left = left - taken.len() as u64;
                    self.state = State::Extension { kind, left };
                    if left == 0 {
                        self.extension_end(kind)?;
                    }
                }
                State::Content { left } => {
                    let (taken, after) = split_at_most(rest, left);
                    visit(Event::Content(taken))?;
                    rest = after;
                    let left = left - taken.len() as u64;
                    self.state = State::Content { left };
                    if left == 0 {
                        self.state = State::Header;
                        self.padding = self.content_padding;
                        visit(Event::EntryEnd)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Says that the archive ends here. An end-of-archive is not needed, as apk does not need one.
    ///
    /// # Errors
    ///
    /// [`TarError::Truncated`] inside a block or an entry, [`TarError::DanglingHeader`] after an extended header.
    pub fn finish(&self) -> Result<(), TarError> {
        if self.is_between_entries() {
            Ok(())
        } else if self.state == State::Header && self.filled == 0 && self.padding == 0 {
            Err(TarError::DanglingHeader)
        } else {
            Err(TarError::Truncated)
        }
    }

    fn header<E: From<TarError>>(
        &mut self,
        visit: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.block.iter().all(|byte| *byte == 0) {
            if self.extended.is_some() || self.long_name.is_some() {
                return Err(TarError::DanglingHeader.into());
            }
            self.zero_blocks = self.zero_blocks.saturating_add(1);
            return Ok(());
        }
        if self.is_ended() {
            return Err(TarError::AfterEnd.into());
        }
        let block = self.block;
        let header = Header::parse(&block)?;
        match header.type_byte {
            b'L' => {
                self.extension_start(Extension::LongName, header.size, self.path_limit as u64 + 1)?;
            }
            b'x' => self.extension_start(Extension::Pax, header.size, self.pax_limit)?,
            b'g' => self.extension_start(Extension::GlobalPax, header.size, self.pax_limit)?,
            b'K' => return Err(TarError::LongLink.into()),
            _ => {
                let entry = self.entry(&header)?;
                self.entries += 1;
                if self.entries > self.entry_limit {
                    return Err(TarError::TooManyEntries {
                        limit: self.entry_limit,
                    }
                    .into());
                }
                visit(Event::Entry(&entry))?;
                if entry.size == 0 {
                    visit(Event::EntryEnd)?;
                } else {
                    self.content_padding = padding_after(entry.size);
                    self.state = State::Content { left: entry.size };
                }
            }
        }
        Ok(())
    }

    fn extension_start(&mut self, kind: Extension, size: u64, limit: u64) -> Result<(), TarError> {
        let twice = match kind {
            Extension::LongName => self.long_name.is_some(),
            Extension::Pax => self.extended.is_some(),
            Extension::GlobalPax => false,
        };
        if twice {
            return Err(TarError::TwoNames("two extended headers of one kind"));
        }
        if size > limit {
            return Err(TarError::ExtendedTooLong { size, limit });
        }
        self.extension.clear();
        self.state = State::Extension { kind, left: size };
        if size == 0 {
            self.extension_end(kind)
        } else {
            Ok(())
        }
    }

    fn extension_end(&mut self, kind: Extension) -> Result<(), TarError> {
        let content = std::mem::take(&mut self.extension);
        self.padding = padding_after(content.len() as u64);
        self.state = State::Header;
        match kind {
            Extension::LongName => {
                // Writers end it with a NUL, apk's own does not count that NUL in (`apk_tar_write_longname_entry`).
                let name = content.strip_suffix(b"\0").unwrap_or(&content);
                if name.is_empty() || name.contains(&0) {
                    return Err(TarError::LongName);
                }
                self.long_name = Some(name.to_vec());
            }
            Extension::Pax => self.extended = Some(pax::parse(&content)?),
            Extension::GlobalPax => pax::check_global(&content)?,
        }
        Ok(())
    }

    /// Puts the headers of one entry together, in the way of `apk_tar_parse`.
    fn entry(&mut self, header: &Header<'_>) -> Result<Entry, TarError> {
        let extended = self.extended.take().unwrap_or_default();
        let name = match (extended.path, self.long_name.take()) {
            (Some(_), Some(_)) => {
                return Err(TarError::TwoNames("a pax header and a GNU long name"));
            }
            // apk takes the ustar name here, other readers the long one.
            (None, Some(_)) if header.has_prefix() => {
                return Err(TarError::TwoNames("a GNU long name and a ustar prefix"));
            }
            (Some(name), None) | (None, Some(name)) => name,
            (None, None) => header.path(),
        };
        let shown = || Quoted::new(&name);
        let Some(kind) = EntryKind::from_byte(header.type_byte) else {
            let type_byte = Quoted::new(&[header.type_byte]);
            return Err(TarError::UnknownType {
                name: shown(),
                type_byte,
            });
        };
        if let Err(problem) = check_path(&name, kind == EntryKind::Directory, self.path_limit) {
            return Err(TarError::Path {
                name: shown(),
                problem,
            });
        }
        if let Some(pax) = extended.size.filter(|size| *size != header.size) {
            return Err(TarError::SizesDiffer {
                name: shown(),
                pax,
                ustar: header.size,
            });
        }
        if kind != EntryKind::File && header.size != 0 {
            return Err(TarError::UnexpectedContent {
                name: shown(),
                size: header.size,
            });
        }
        let is_hard_link = kind == EntryKind::HardLink;
        let (mut hard_link_to, mut symbolic_link_to) = (Vec::new(), Vec::new());
        if is_hard_link || kind == EntryKind::SymbolicLink {
            let target = extended
                .link_target
                .as_deref()
                .unwrap_or(header.link_target);
            if let Err(problem) = check_link_target(target, is_hard_link, self.path_limit) {
                return Err(TarError::LinkTarget {
                    name: shown(),
                    problem,
                });
            }
            let link_to = if is_hard_link {
                &mut hard_link_to
            } else {
                &mut symbolic_link_to
            };
            *link_to = target.to_vec();
        } else if extended.link_target.is_some() {
            // apk would take the file for a hard link.
            return Err(TarError::Pax("`linkpath` is given for what is not a link"));
        }
        Ok(Entry {
            name,
            kind,
            size: header.size,
            checksum: extended.checksum,
            hard_link_to,
            symbolic_link_to,
            mode: u16::try_from(header.mode & 0o7777).unwrap_or_default(),
            owner: header.owner,
            xattrs: extended.xattrs,
        })
    }
}

/// Bytes that fill the last block of `size` bytes.
fn padding_after(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

fn split_at_most(input: &[u8], count: u64) -> (&[u8], &[u8]) {
    let count = usize::try_from(count)
        .unwrap_or(usize::MAX)
        .min(input.len());
    input.split_at_checked(count).unwrap_or((input, &[]))
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
