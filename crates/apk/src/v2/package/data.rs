//! The entries of the data section: whether apk installs each of them.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

use super::{PackageError, Script, contents::Fault};
use crate::{
    limits::Limits,
    quoted::Quoted,
    v2::tar::{Entry, EntryKind, Event, TarError},
};

/// What was seen of the data section so far.
pub(super) struct DataEntries {
    limit: u64,
    paths: Paths,
    /// The checksum that the current file should have, its path, and the hash of its bytes so far.
    current: Option<([u8; 20], Quoted, Context)>,
    pub(super) count: u64,
    /// Whether one of them is installed: not those with a dot in front.
    pub(super) installs_something: bool,
}

impl DataEntries {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limit: limits.data_entries,
            paths: Paths {
                limit: limits.paths,
                seen: HashSet::new(),
                links: HashSet::new(),
            },
            current: None,
            count: 0,
            installs_something: false,
        }
    }

    pub(super) fn event(&mut self, event: Event<'_>) -> Result<(), Fault> {
        match event {
            Event::Entry(entry) => self.add(entry)?,
            Event::Content(content) => {
                if let Some((_, _, hash)) = &mut self.current {
                    hash.update(content);
                }
            }
            Event::EntryEnd => {
                if let Some((expected, name, hash)) = self.current.take()
                    && hash.finish().as_ref() != expected
                {
                    return Err(PackageError::WrongChecksum { name }.into());
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, entry: &Entry) -> Result<(), Fault> {
        self.count += 1;
        if self.count > self.limit {
            return Err(TarError::TooManyEntries { limit: self.limit }.into());
        }
        let name = || Quoted::new(&entry.name);
        // apk reads over whatever has a dot in front (`src/extract_v2.c`, `apk_extract_v2_entry`), from 2.12 on. apk 2.10
        // takes these few for the control section's own (`src/database.c`, `apk_db_install_archive_entry`).
        if entry.name.starts_with(b".") {
            if entry.name == b".PKGINFO" || Script::from_entry_name(&entry.name).is_some() {
                return Err(PackageError::ControlInData { name: name() }.into());
            }
            return Ok(());
        }
        self.installs_something = true;
        match entry.kind {
            EntryKind::Directory => {
                let path = entry.name.strip_suffix(b"/").unwrap_or(&entry.name);
                return Ok(self.paths.add_directory(path)?);
            }
            EntryKind::File => {
                // apk 3 does not unpack a file without it: "file format is obsolete" (`src/fs_fsys.c`, `need_checksum`).
                let checksum = entry
                    .checksum
                    .ok_or_else(|| PackageError::NoChecksum { name: name() })?;
                let hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
                self.current = Some((checksum, name(), hash));
            }
            EntryKind::HardLink => self.paths.check_target(entry)?,
            EntryKind::SymbolicLink => self.paths.add_link(&entry.name),
            EntryKind::CharacterDevice | EntryKind::BlockDevice | EntryKind::Fifo => {}
        }
        self.paths.add_file(&entry.name)?;
        // apk 2.12 and 2.14 install such a link, then fail this command and each one that follows: "support for packages without
        // embedded checksums will be dropped" (`src/database.c`, `apk_db_install_archive_entry`). 2.12 wants one of devices too.
        if entry.checksum.is_none() && entry.kind != EntryKind::HardLink {
            return Err(PackageError::NoChecksum { name: name() }.into());
        }
        Ok(())
    }
}

/// What stands at a path.
#[derive(Clone, Copy, Hash)]
enum Kind {
    /// A directory with an entry of its own.
    Directory,
    /// A directory that something is in.
    Parent,
    /// Anything else.
    File,
}

/// The paths so far, as hashes: the paths themselves could take gigabytes. At a million paths the odds that two have one
/// hash, and a good package is refused, are one in thirty million.
struct Paths {
    limit: usize,
    seen: HashSet<u64>,
    /// Of these, the symbolic links.
    links: HashSet<u64>,
}

impl Paths {
    fn add_directory(&mut self, path: &[u8]) -> Result<(), PackageError> {
        if self.has(path, Kind::File) {
            return Err(PackageError::FileAndDirectory {
                name: Quoted::new(path),
            });
        }
        // A directory may be listed again: apk sets its mode again, and no more.
        self.remember(path, Kind::Directory)?;
        let mut below = path;
        while let Some(parent) = parent(below) {
            if self.has(parent, Kind::File) {
                return Err(PackageError::FileAndDirectory {
                    name: Quoted::new(parent),
                });
            }
            if self.has(parent, Kind::Directory) || !self.remember(parent, Kind::Parent)? {
                break;
            }
            below = parent;
        }
        Ok(())
    }

    /// Adds what is no directory. apk unpacks it under a temporary name, the second one in place of the first, and can't
    /// rename both: "failed to rename", or "failed to commit" (`src/database.c`, `apk_db_migrate_files`). Nor does it put a
    /// file where a directory is.
    fn add_file(&mut self, path: &[u8]) -> Result<(), PackageError> {
        let name = || Quoted::new(path);
        if self.has(path, Kind::Directory) || self.has(path, Kind::Parent) {
            return Err(PackageError::FileAndDirectory { name: name() });
        }
        if !self.remember(path, Kind::File)? {
            return Err(PackageError::PathTwice { name: name() });
        }
        // apk looks for the directory of a file among those of the archive so far, for that one and none above it, and
        // leaves the file out when it is not there: "no dirent in archive" (`src/database.c`, `apk_db_install_file`).
        match parent(path) {
            Some(parent) if !self.has(parent, Kind::Directory) => {
                Err(PackageError::NoDirectory { name: name() })
            }
            _ => Ok(()),
        }
    }

    /// Notes that this path is a symbolic link.
    fn add_link(&mut self, path: &[u8]) {
        self.links.insert(hash(path, Kind::File));
    }

    /// The target of a hard link has to be a file that was unpacked before: "no hard link target in archive" (as above). One to a
    /// symbolic link is made, and then apk 2.10 to 2.14 set the times of what that points to: "Failed to preserve modification time".
    fn check_target(&self, link: &Entry) -> Result<(), PackageError> {
        let (name, target) = (|| Quoted::new(&link.name), Quoted::new(&link.hard_link_to));
        if self.links.contains(&hash(&link.hard_link_to, Kind::File)) {
            return Err(PackageError::HardLinkToLink {
                name: name(),
                target,
            });
        }
        if self.has(&link.hard_link_to, Kind::File) {
            return Ok(());
        }
        Err(PackageError::NoHardLinkTarget {
            name: name(),
            target,
        })
    }

    fn has(&self, path: &[u8], kind: Kind) -> bool {
        self.seen.contains(&hash(path, kind))
    }

    /// Whether it is new.
    fn remember(&mut self, path: &[u8], kind: Kind) -> Result<bool, PackageError> {
        let is_new = self.seen.insert(hash(path, kind));
        if self.seen.len() > self.limit {
            return Err(PackageError::TooManyPaths { limit: self.limit });
        }
        Ok(is_new)
    }
}

fn parent(path: &[u8]) -> Option<&[u8]> {
    let at = path.iter().rposition(|byte| *byte == b'/')?;
    path.get(..at)
}

/// The same for the same path every time, so that the same file always gives the same result.
fn hash(path: &[u8], kind: Kind) -> u64 {
    let mut hasher = DefaultHasher::new();
    kind.hash(&mut hasher);
    hasher.write(path);
    hasher.finish()
}
