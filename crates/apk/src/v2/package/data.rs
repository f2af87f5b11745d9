//! The entries of the data section: whether apk installs each of them.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hasher},
};

use super::{PackageError, contents::Fault};
use crate::{
    limits::Limits,
    quoted::Quoted,
    v2::tar::{Entry, EntryKind, TarError},
};

/// What was seen of the data section so far.
#[derive(Debug)]
pub(super) struct DataEntries {
    limit: u64,
    directory_limit: usize,
    /// Hashes of the paths of directories: the paths themselves could take gigabytes. Two paths of one hash would let a
    /// file pass that apk leaves out, and no more.
    directories: HashSet<u64>,
    pub(super) count: u64,
    /// Whether one of them is installed: not those with a dot in front.
    pub(super) installs_something: bool,
}

impl DataEntries {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limit: limits.data_entries,
            directory_limit: limits.directories,
            directories: HashSet::new(),
            count: 0,
            installs_something: false,
        }
    }

    pub(super) fn add(&mut self, entry: &Entry) -> Result<(), Fault> {
        self.count += 1;
        if self.count > self.limit {
            return Err(TarError::TooManyEntries { limit: self.limit }.into());
        }
        // apk reads over whatever has a dot in front (`src/extract_v2.c`, `apk_extract_v2_entry`).
        if entry.name.starts_with(b".") {
            return Ok(());
        }
        self.installs_something = true;
        if entry.kind == EntryKind::Directory {
            self.add_directory(entry.name.strip_suffix(b"/").unwrap_or(&entry.name))?;
            return Ok(());
        }
        // apk 3 does not unpack a file without it: "file format is obsolete" (`src/fs_fsys.c`, `need_checksum`).
        if entry.kind == EntryKind::File && entry.checksum.is_none() {
            return Err(PackageError::NoChecksum {
                name: Quoted::new(&entry.name),
            }
            .into());
        }
        self.check_parent(&entry.name)?;
        Ok(())
    }

    fn add_directory(&mut self, path: &[u8]) -> Result<(), PackageError> {
        self.directories.insert(hash(path));
        if self.directories.len() > self.directory_limit {
            return Err(PackageError::TooManyDirectories {
                limit: self.directory_limit,
            });
        }
        Ok(())
    }

    /// apk looks for the directory of a file among those of the archive so far, for that one and none above it, and leaves
    /// the file out when it is not there: "no dirent in archive" (`src/database.c`, `apk_db_install_file`).
    fn check_parent(&self, path: &[u8]) -> Result<(), PackageError> {
        let Some(at) = path.iter().rposition(|byte| *byte == b'/') else {
            return Ok(());
        };
        let parent = path.get(..at).unwrap_or_default();
        if self.directories.contains(&hash(parent)) {
            Ok(())
        } else {
            Err(PackageError::NoDirectory {
                name: Quoted::new(path),
            })
        }
    }
}

/// The same for the same path every time, so that the same file always gives the same result.
fn hash(path: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(path);
    hasher.finish()
}
