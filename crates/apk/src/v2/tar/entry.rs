//! What a tar archive says of one file.

use super::header::text;
use crate::acl::Xattr;

/// The kinds of entry apk installs (`src/tar.c`, `apk_tar_parse`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// Type `0`, and `7` (contiguous), which apk takes for the same.
    File,
    /// Type `1`: another name of a file that came before.
    HardLink,
    /// Type `2`.
    SymbolicLink,
    /// Type `3`.
    CharacterDevice,
    /// Type `4`.
    BlockDevice,
    /// Type `5`.
    Directory,
    /// Type `6`.
    Fifo,
}

impl EntryKind {
    /// The kind for a type byte; `None` for what apk skips without a word.
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            b'0' | b'7' => Self::File,
            b'1' => Self::HardLink,
            b'2' => Self::SymbolicLink,
            b'3' => Self::CharacterDevice,
            b'4' => Self::BlockDevice,
            b'5' => Self::Directory,
            b'6' => Self::Fifo,
            _ => return None,
        })
    }

    /// The type byte that is written.
    pub(super) fn to_byte(self) -> u8 {
        match self {
            Self::File => b'0',
            Self::HardLink => b'1',
            Self::SymbolicLink => b'2',
            Self::CharacterDevice => b'3',
            Self::BlockDevice => b'4',
            Self::Directory => b'5',
            Self::Fifo => b'6',
        }
    }
}

/// One entry of an archive, all its headers taken together: what decides whether apk takes it, and what a list of the contents
/// shows. Times and devices are checked and not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path as written. Not always UTF-8.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of content that follow. 0 for everything but files.
    pub size: u64,
    /// `APK-TOOLS.checksum.SHA1`: what apk records as the checksum of the installed file.
    pub checksum: Option<[u8; 20]>,
    /// The path that a hard link is another name of; no bytes for everything else.
    pub hard_link_to: Vec<u8>,
    /// What a symbolic link points to; no bytes for everything else.
    pub symbolic_link_to: Vec<u8>,
    /// Permissions, with the set-user-id, set-group-id and sticky bits: the last twelve bits of the mode.
    pub mode: u16,
    /// Who it belongs to.
    pub owner: Owner,
    /// Extended attributes, in the order of the pax header.
    pub xattrs: Vec<Xattr>,
}

/// Who an entry belongs to, as its header says it. It takes no memory of its own: there is one for every entry of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) user: [u8; 32],
    pub(super) group: [u8; 32],
}

impl Owner {
    /// The name of the user, or the number where there is no name: so apk takes it (`src/tar.c`, `apk_tar_parse`).
    pub fn user(&self) -> String {
        named(&self.user, self.uid)
    }

    /// The name of the group, likewise.
    pub fn group(&self) -> String {
        named(&self.group, self.gid)
    }
}

fn named(field: &[u8], number: u64) -> String {
    match text(field) {
        [] => number.to_string(),
        name => String::from_utf8_lossy(name).into_owned(),
    }
}
