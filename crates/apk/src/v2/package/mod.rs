//! A whole v2 package: signature section, control section, data section, each of gzip and tar.
//!
//! The rules are those of `apk-tools` `src/extract_v2.c`, `src/io_gunzip.c` and `src/tar.c`, version 3: zero or more
//! signature members, one control member, one data member, not one byte more. One tar archive runs through all of them, so
//! only the data section has an end-of-archive (`abuild-tar --cut`), and it may lack it.

mod contents;
mod data;
mod error;
mod listing;
mod reader;

pub use error::{PackageError, Section};
pub use listing::{ListedEntry, Listing, ListingError, ListingLimits, ListingReader};
pub use reader::PackageReader;

use super::signature::SignatureMember;
pub use crate::script::Script;
use crate::{
    digest::Identity,
    facts::PackageFacts,
    sign::{KeyName, MessageDigests, PublicKey},
};

/// What a package says of itself, and what was measured on the way through it. All sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// What `.PKGINFO` says, and the scripts beside it.
    pub facts: PackageFacts,
    /// SHA-1 of the control section as it is in the file: what `C:` in an index says.
    pub identity: Identity,
    /// The signatures in front, unverified, in the order of the file.
    pub signatures: Vec<SignatureMember>,
    /// Digests of the control section: what the signatures sign.
    pub control_digests: MessageDigests,
    /// The whole file.
    pub size: u64,
    /// The signature section, compressed; 0 when there is none.
    pub signature_size: u64,
    /// The control section, compressed.
    pub control_size: u64,
    /// The data section, compressed.
    pub data_size: u64,
    /// The data section as tar.
    pub data_tar_size: u64,
    /// Files, directories, links and devices in the data section.
    pub data_entries: u64,
}

impl Package {
    /// Whether one of its signatures is by this key, under this name.
    pub fn is_signed_by(&self, name: &KeyName, key: &PublicKey) -> bool {
        self.signatures
            .iter()
            .any(|signature| signature.is_by(name, key, &self.control_digests))
    }
}
