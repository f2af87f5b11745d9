//! What a package says of itself, in values that cannot be wrong.

use crate::{
    arch::Arch, dependency::Dependency, digest::Sha256Digest, name::PackageName, version::Version,
};

/// The metadata of a package, as read from `.PKGINFO` (v2).
///
/// A value of this type holds nothing that an apk client would choke on: whoever makes one checks the rules
/// (see [`crate::v2::pkginfo`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageInfo {
    /// `pkgname`.
    pub name: PackageName,
    /// `pkgver`, revision included.
    pub version: Version,
    /// `arch`; may be `noarch`.
    pub arch: Arch,
    /// `pkgdesc`; empty when absent.
    pub description: String,
    /// `url`; empty when absent.
    pub url: String,
    /// `license`; empty when absent.
    pub license: String,
    /// `origin`: the source package; empty when absent.
    pub origin: String,
    /// `maintainer`; empty when absent.
    pub maintainer: String,
    /// `packager`; empty when absent. Not in an index.
    pub packager: String,
    /// `commit`: of the source tree; empty when absent.
    pub commit: String,
    /// `builddate`, in seconds since 1970; 0 when absent.
    pub build_date: u64,
    /// `size`: bytes on disk once installed.
    pub installed_size: u64,
    /// `provider_priority`; 0 when absent.
    pub provider_priority: u64,
    /// `replaces_priority`; 0 when absent. Not in an index.
    pub replaces_priority: u64,
    /// Every `depend` line.
    pub depends: Vec<Dependency>,
    /// Every `provides` line.
    pub provides: Vec<Dependency>,
    /// `install_if`.
    pub install_if: Vec<Dependency>,
    /// Every `replaces` line. Not in an index.
    pub replaces: Vec<Dependency>,
    /// `triggers`: the directories whose change runs the trigger script. Not in an index.
    pub triggers: Vec<String>,
    /// `datahash`: SHA-256 of the data section as it is in the file, compressed.
    pub data_hash: Sha256Digest,
}
