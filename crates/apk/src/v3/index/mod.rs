//! The index of an architecture, `Packages.adb`.
//!
//! Where apk looks for the file of a package depends on how the repository is written in `/etc/apk/repositories`
//! (apk-tools `src/database.c`, `add_repository_component`; `src/context.c`):
//!
//! - `v3 URL`: the index is `URL/x86_64/Packages.adb`, a package `URL/${arch}/${name}-${version}.apk`, where the
//!   architecture is the one that the index states for the package. A noarch package is fetched from `URL/noarch/`.
//! - `URL/x86_64/Packages.adb`: a package is beside the index, `${name}-${version}.apk`.
//!
//! Both work with an index that states no `pkgname-spec`, and no `pkgname-spec` works with both, since it is taken from `URL` in
//! one and from the index's folder in the other. So the index states none, and a noarch package keeps its
//! architecture, as `apk mkndx` has it: apk takes noarch packages on every architecture.

mod error;
mod json;
mod read;
mod write;

pub use super::error::FieldError;
pub use error::IndexError;
pub use json::JsonDump;
pub use read::{read, read_unverified, visit, visit_part};
pub use write::{WriteError, payload, record, write};

pub use crate::digest::PackageHash;
use crate::facts::PackageFacts;

use super::signature::KeyId;

/// One package of either format, as an index is made from it.
#[derive(Debug, Clone, Copy)]
pub struct IndexEntry<'a> {
    /// What it says of itself.
    pub facts: &'a PackageFacts,
    /// What apk checks the download with.
    pub hash: PackageHash,
    /// Bytes of the whole file.
    pub size: u64,
}

/// An index as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// A line of text on the whole; empty when absent.
    pub description: String,
    /// Where the files are; empty when absent, which is how [`write()`] makes it.
    pub pkgname_spec: String,
    /// In the order of the file, which is sorted by name, version and hash.
    pub packages: Vec<IndexedPackage>,
    /// The keys that the signatures say they are by, whether trusted or not.
    pub signed_by: Vec<KeyId>,
    /// Every trusted key whose signature is right, in the order in which they were given: at least one after [`read()`], and
    /// none after [`read_unverified`].
    pub verified_by: Vec<KeyId>,
}

/// A package as an index lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedPackage {
    /// What it says of itself, as far as an index has a place for it; texts are empty and numbers 0 where this one has no such field.
    /// The lists are sorted by name. An index does not say which format the file of a package has: this is always that of the index.
    pub facts: PackageFacts,
    /// `hashes`.
    pub hash: PackageHash,
    /// `file-size`, in bytes.
    pub size: u64,
}
