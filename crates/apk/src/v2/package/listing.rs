//! What is in a v2 package: its scripts and the files that it installs, read from a file that was accepted before.
//!
//! Nothing is judged here: [`PackageReader`](super::PackageReader) did that when the package came. A list can be cut, so that it
//! costs no more than it should, however large the package is.

use std::sync::Arc;

use thiserror::Error;

use super::Script;
use crate::{
    acl::Acl,
    limits::Limits,
    v2::{
        gzip::{GzipError, MemberReader},
        tar::{Entry, EntryKind, Event, TarError, TarReader},
    },
};

/// Inflated bytes at a time.
const BUFFER: usize = 64 << 10;

/// Where a list is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListingLimits {
    /// Entries of the data section.
    pub entries: usize,
    /// Bytes of all sections, inflated.
    pub bytes: u64,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The scripts with their texts, in the order of the file.
    pub scripts: Vec<(Script, Vec<u8>)>,
    /// Files, directories, links and devices, in the order of the file. Those with a dot in front, which apk reads over, are not
    /// among them.
    pub entries: Vec<ListedEntry>,
    /// Whether there may be more.
    pub is_cut: bool,
}

/// One entry of the data section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedEntry {
    /// The path as written. Not always UTF-8.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Who it belongs to, and who may do what. Entries that have the same may share it.
    pub acl: Arc<Acl>,
    /// Bytes of a file; 0 for everything else.
    pub size: u64,
    /// What a link points to; no bytes for everything else.
    pub link_to: Vec<u8>,
}

/// Why there is no list: the file is damaged, or no v2 package.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ListingError {
    /// A section is no gzip.
    #[error(transparent)]
    Gzip(#[from] GzipError),
    /// A section is no tar.
    #[error(transparent)]
    Tar(#[from] TarError),
}

/// Reads a package in pieces of any size. Holds the deflate window and the list.
#[derive(Debug)]
pub struct ListingReader {
    limits: ListingLimits,
    member: MemberReader,
    tar: TarReader,
    buffer: Vec<u8>,
    found: Found,
    inflated: u64,
    is_done: bool,
}

/// What was found so far.
#[derive(Debug)]
struct Found {
    listing: Listing,
    most: usize,
    in_data: bool,
    has_pkginfo: bool,
    /// Whether the content that comes is that of the last script.
    in_script: bool,
}

impl ListingReader {
    /// A reader before the first byte. `limits` are those that the package was accepted with.
    pub fn new(limits: &Limits, cut: ListingLimits) -> Self {
        Self {
            limits: cut,
            member: MemberReader::new(),
            tar: TarReader::new(limits, u64::MAX),
            buffer: vec![0; BUFFER],
            found: Found {
                listing: Listing::default(),
                most: cut.entries,
                in_data: false,
                has_pkginfo: false,
                in_script: false,
            },
            inflated: 0,
            is_done: false,
        }
    }

    /// Whether the list is complete, or cut: no more bytes are needed.
    pub const fn is_done(&self) -> bool {
        self.is_done
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    ///
    /// [`ListingError`]. The reader is of no use afterwards.
    pub fn push(&mut self, input: &[u8]) -> Result<(), ListingError> {
        let mut rest = input;
        while !self.is_done {
            let progress = self.member.push(rest, &mut self.buffer)?;
            let inflated = self.buffer.get(..progress.produced).unwrap_or_default();
            rest = rest.get(progress.consumed..).unwrap_or_default();
            self.inflated += inflated.len() as u64;
            let found = &mut self.found;
            self.tar.push(inflated, &mut |event| {
                found.event(event);
                Ok::<(), ListingError>(())
            })?;
            if progress.ended {
                self.is_done = self.found.in_data;
                self.found.member_end();
                self.member.reset();
                self.tar.finish()?;
            } else if progress.consumed == 0 && progress.produced == 0 {
                break;
            }
            let is_long = self.inflated > self.limits.bytes;
            if is_long && !self.is_done {
                self.found.listing.is_cut = true;
            }
            self.is_done |= self.found.listing.is_cut;
        }
        Ok(())
    }

    /// What was found. Where the file ended early, so does the list.
    pub fn finish(mut self) -> Listing {
        self.found.listing.is_cut |= !self.is_done;
        self.found.listing
    }
}

impl Found {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Entry(entry) if self.in_data => self.add(entry),
            Event::Entry(entry) => {
                self.has_pkginfo |= entry.name == b".PKGINFO";
                if let Some(script) = Script::from_entry_name(&entry.name) {
                    self.listing.scripts.push((script, Vec::new()));
                    self.in_script = true;
                }
            }
            Event::Content(content) => {
                if self.in_script
                    && let Some((_, text)) = self.listing.scripts.last_mut()
                {
                    text.extend_from_slice(content);
                }
            }
            Event::EntryEnd => self.in_script = false,
        }
    }

    fn add(&mut self, entry: &Entry) {
        if entry.name.starts_with(b".") {
            return;
        }
        if self.listing.entries.len() >= self.most {
            self.listing.is_cut = true;
            return;
        }
        self.listing.entries.push(ListedEntry {
            path: entry.name.clone(),
            kind: entry.kind,
            acl: self.acl(entry),
            size: entry.size,
            link_to: [entry.hard_link_to.as_slice(), &entry.symbolic_link_to].concat(),
        });
    }

    /// That of the entry before where it is the same: in most packages all files are of root.
    fn acl(&self, entry: &Entry) -> Arc<Acl> {
        let acl = Acl {
            mode: entry.mode,
            user: entry.owner.user(),
            group: entry.owner.group(),
            xattrs: entry.xattrs.clone(),
        };
        let mut before = self.listing.entries.iter().rev().take(2);
        let same = before.find(|before| *before.acl == acl);
        same.map_or_else(|| Arc::new(acl), |same| Arc::clone(&same.acl))
    }

    /// The member with `.PKGINFO` is the control section; the one behind it has the data.
    fn member_end(&mut self) {
        self.in_data |= self.has_pkginfo;
    }
}
