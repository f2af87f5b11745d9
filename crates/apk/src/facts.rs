//! What a registry knows of a package, whatever its format.

use crate::{
    arch::Arch,
    dependency::Dependency,
    digest::Sha256Digest,
    name::PackageName,
    package_info::PackageInfo,
    v2,
    v2::package::Script,
    v3::index::{IndexedPackage, PackageHash},
    version::Version,
};

/// The format of a package, with what only that format has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// gzip and tar.
    V2 {
        /// `datahash`: SHA-256 of the data section, compressed.
        data_hash: Sha256Digest,
    },
    /// An ADB file.
    V3,
}

/// The facts of one package, from which the record of a v2 index and the object of a v3 index are both made. Both readers give
/// it: [`v2::package::Package::facts`], and [`crate::v3::package::Package::facts`].
///
/// Texts are empty and numbers 0 where the package says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFacts {
    /// The format of the file.
    pub format: Format,
    /// What apk checks a download with.
    pub hash: PackageHash,
    /// Bytes of the whole file.
    pub size: u64,
    /// The name.
    pub name: PackageName,
    /// The version, revision included.
    pub version: Version,
    /// The architecture; may be `noarch`.
    pub arch: Arch,
    /// One line of text.
    pub description: String,
    /// The home page.
    pub url: String,
    /// The license.
    pub license: String,
    /// The source package.
    pub origin: String,
    /// Who maintains it.
    pub maintainer: String,
    /// Who built it. Never in v3.
    pub packager: String,
    /// The commit of the source tree: text in v2, lower-case hex digits in v3.
    pub commit: String,
    /// Seconds since 1970.
    pub build_date: u64,
    /// Bytes on disk once installed.
    pub installed_size: u64,
    /// Which of several providers comes first.
    pub provider_priority: u64,
    /// Who of several packages with the same file owns it. Not in an index.
    pub replaces_priority: u64,
    /// What it depends on.
    pub depends: Vec<Dependency>,
    /// What it provides.
    pub provides: Vec<Dependency>,
    /// Whose files it may overwrite. Not in a v2 index.
    pub replaces: Vec<Dependency>,
    /// What makes apk install it unasked.
    pub install_if: Vec<Dependency>,
    /// What it recommends. Only in v3.
    pub recommends: Vec<Dependency>,
    /// The layer of the file system. Only in v3.
    pub layer: u64,
    /// Tags. Only in v3.
    pub tags: Vec<String>,
    /// The directories whose change runs the trigger script. Not in an index.
    pub triggers: Vec<String>,
    /// Which scripts it brings. Not in an index.
    pub scripts: Vec<Script>,
}

impl PackageFacts {
    /// The facts of a v2 package.
    pub(crate) fn of_v2(package: &v2::package::Package) -> Self {
        // Taken apart without `..`: a new field has to be thought of here.
        let PackageInfo {
            name,
            version,
            arch,
            description,
            url,
            license,
            origin,
            maintainer,
            packager,
            commit,
            build_date,
            installed_size,
            provider_priority,
            replaces_priority,
            depends,
            provides,
            install_if,
            replaces,
            triggers,
            data_hash,
        } = package.info.clone();
        Self {
            format: Format::V2 { data_hash },
            hash: PackageHash::Identity(package.identity),
            size: package.size,
            name,
            version,
            arch,
            description,
            url,
            license,
            origin,
            maintainer,
            packager,
            commit,
            build_date,
            installed_size,
            provider_priority,
            replaces_priority,
            depends,
            provides,
            replaces,
            install_if,
            recommends: Vec::new(),
            layer: 0,
            tags: Vec::new(),
            triggers,
            scripts: package.scripts.clone(),
        }
    }

    /// The facts of a v3 package: `info` is the object that an index would have too, `size` the size of the file.
    pub(crate) fn of_v3(info: IndexedPackage, size: u64, more: V3Facts) -> Self {
        let IndexedPackage {
            name,
            version,
            hash,
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
        } = info;
        let V3Facts {
            replaces_priority,
            triggers,
            scripts,
        } = more;
        Self {
            format: Format::V3,
            hash,
            size,
            name,
            version,
            arch,
            description,
            url,
            license,
            origin,
            maintainer,
            packager: String::new(),
            commit,
            build_date,
            installed_size,
            provider_priority,
            replaces_priority,
            depends,
            provides,
            replaces,
            install_if,
            recommends,
            layer,
            tags,
            triggers,
            scripts,
        }
    }
}

/// What a v3 package says of itself that an index has no place for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct V3Facts {
    pub(crate) replaces_priority: u64,
    pub(crate) triggers: Vec<String>,
    pub(crate) scripts: Vec<Script>,
}
