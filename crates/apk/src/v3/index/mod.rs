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
pub use read::{read, read_unverified, visit, visit_part, visit_unverified};
pub use write::{WriteError, payload, record, write};

pub use crate::digest::PackageHash;
use crate::{
    arch::Arch,
    dependency::Dependency,
    facts::{Format, PackageFacts},
    name::PackageName,
    version::Version,
};

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

/// A package as an index lists it. Texts are empty and numbers 0 where the index has no such field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedPackage {
    /// `name`.
    pub name: PackageName,
    /// `version`.
    pub version: Version,
    /// `hashes`.
    pub hash: PackageHash,
    /// `description`.
    pub description: String,
    /// `arch`; may be `noarch`.
    pub arch: Arch,
    /// `license`.
    pub license: String,
    /// `origin`.
    pub origin: String,
    /// `maintainer`.
    pub maintainer: String,
    /// `url`.
    pub url: String,
    /// `repo-commit`, as lower-case hex digits; 40 of them for a commit of git.
    pub commit: String,
    /// `build-time`, in seconds since 1970.
    pub build_date: u64,
    /// `installed-size`, in bytes.
    pub installed_size: u64,
    /// `file-size`, in bytes.
    pub size: u64,
    /// `provider-priority`.
    pub provider_priority: u64,
    /// `depends`. This list and the others are sorted by name.
    pub depends: Vec<Dependency>,
    /// `provides`.
    pub provides: Vec<Dependency>,
    /// `replaces`.
    pub replaces: Vec<Dependency>,
    /// `install-if`.
    pub install_if: Vec<Dependency>,
    /// `recommends`, which only v3 packages have.
    pub recommends: Vec<Dependency>,
    /// `layer`, which only v3 packages have.
    pub layer: u64,
    /// `tags`, which only v3 packages have.
    pub tags: Vec<String>,
}

impl IndexedPackage {
    /// The facts of a v3 package that says the same of itself, without what an index has no place for.
    pub(crate) fn into_facts(self) -> PackageFacts {
        // Taken apart without `..`: a new field has to be thought of here.
        let Self {
            name,
            version,
            hash: _,
            description,
            arch,
            license,
            origin,
            maintainer,
            url,
            commit,
            build_date,
            installed_size,
            // A file can't say how large it is itself.
            size: _,
            provider_priority,
            depends,
            provides,
            replaces,
            install_if,
            recommends,
            layer,
            tags,
        } = self;
        PackageFacts {
            format: Format::V3,
            name,
            version,
            arch,
            description,
            license,
            origin,
            maintainer,
            url,
            commit,
            build_date,
            installed_size,
            provider_priority,
            depends,
            provides,
            replaces,
            install_if,
            recommends,
            layer,
            tags,
            // Not in an index.
            packager: String::new(),
            replaces_priority: 0,
            triggers: Vec::new(),
            scripts: Vec::new(),
        }
    }
}
