//! A whole v3 package: an ADB block with the schema `pckg`, signatures, and the contents of its files.
//!
//! The rules are those of apk-tools `src/extract_v3.c` and `src/adb.c` (`__adb_m_stream`): every regular file with a size and
//! without a target has a data block, in the order of the paths, and there are no others. A block starts with the
//! numbers of its directory and of the file in it, both from 1 on.

mod content_hash;
mod contents;
mod error;
mod expected;
mod front;
mod parse;
mod reader;

pub use content_hash::ContentHash;
pub use contents::{Directory, File, FileKind};
pub use error::{DataPlace, PackageError};
pub use front::ContentsReader;
pub use reader::PackageReader;

use super::{
    container::Compression,
    signature::{KeyId, PayloadDigest, Signature},
};
use crate::{digest::PackageHash, facts::PackageFacts, script::Script, sign::PublicKey};

/// What a package says of itself, and what was measured on the way through it. All sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// What it says of itself.
    pub facts: PackageFacts,
    /// SHA-256 of the ADB block: what `hashes` in an index says.
    pub hash: PackageHash,
    /// Bytes of the whole file.
    pub size: u64,
    /// What is in it, where the reader was to keep that.
    pub contents: Option<PackageContents>,
    /// Files, links, devices and directories in it.
    pub entries: u64,
    /// What its signatures sign.
    pub digest: PayloadDigest,
    /// How the file is compressed.
    pub compression: Compression,
    /// Bytes of the ADB block.
    pub database_size: u64,
    /// Bytes of the whole file without compression.
    pub unpacked_size: u64,
    /// Signature blocks, in the order of the file.
    signatures: Vec<Vec<u8>>,
}

/// What is in a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageContents {
    /// Its directories, sorted, with the files in each. One that has the permissions 755, belongs to `root` and has only
    /// directories in it may be left out.
    pub directories: Vec<Directory>,
    /// Its scripts, in the order of the format.
    pub scripts: Vec<(Script, Vec<u8>)>,
}

impl Package {
    /// The keys that its signatures say they are by. Those of a version or a hash that apk does not write are left out.
    pub fn signed_by(&self) -> impl Iterator<Item = KeyId> {
        self.signatures().map(|signature| signature.key)
    }

    /// Whether one of its signatures is by this key.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        self.signatures()
            .any(|signature| signature.is_by(key, &self.digest))
    }

    /// Its signatures, unverified, in the order of the file. Those of a version or a hash that apk does not write are left out.
    pub fn signatures(&self) -> impl Iterator<Item = Signature<'_>> {
        let blocks = self.signatures.iter();
        blocks.filter_map(|block| Signature::parse(block))
    }
}
