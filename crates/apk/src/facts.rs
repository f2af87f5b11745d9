//! What a package says of itself, whatever its format, in values that cannot be wrong.

use serde::{Deserialize, Serialize};

use crate::{
    arch::Arch, dependency::Dependency, digest::Sha256Digest, limits::Limits, name::PackageName,
    script::Script, version::Version,
};

pub use error::FactsError;
pub(crate) use fit::{LARGEST_DATE, LARGEST_PRIORITY, LARGEST_SIZE, Length, Lengths};

mod error;
mod fit;
mod relations;
mod stored;
#[cfg(test)]
mod tests;

/// The format of a package, with what only that format has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Format {
    /// gzip and tar.
    V2 {
        /// `datahash`: SHA-256 of the data section as it is in the file, compressed.
        #[serde(with = "stored")]
        data_hash: Sha256Digest,
    },
    /// An ADB file.
    V3,
}

impl Format {
    /// `v2` or `v3`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2 { .. } => "v2",
            Self::V3 => "v3",
        }
    }

    const fn names(self) -> &'static Names {
        match self {
            Self::V2 { .. } => &IN_PKGINFO,
            Self::V3 => &IN_ADB,
        }
    }
}

/// The facts of one package, from which the record of a v2 index and the object of a v3 index are both made. Both readers give
/// it ([`crate::v2::pkginfo`], [`crate::v3::package`]), after [`PackageFacts::check`]: it holds nothing that an apk client
/// would choke on.
///
/// Texts are empty and numbers 0 where the package says nothing. Stored as JSON without empty fields (`facts/stored.rs`): a field added
/// later reads as empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageFacts {
    /// The format of the file.
    pub format: Format,
    /// The name.
    #[serde(with = "stored")]
    pub name: PackageName,
    /// The version, revision included.
    #[serde(with = "stored")]
    pub version: Version,
    /// The architecture; may be `noarch`.
    #[serde(with = "stored")]
    pub arch: Arch,
    /// One line of text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The home page.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// The license.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub license: String,
    /// The source package.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub origin: String,
    /// Who maintains it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub maintainer: String,
    /// Who built it. Never in v3, and not in an index.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub packager: String,
    /// The commit of the source tree: text in v2, lower-case hex digits in v3.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub commit: String,
    /// Seconds since 1970.
    #[serde(default, skip_serializing_if = "is_0")]
    pub build_date: u64,
    /// Bytes on disk once installed.
    #[serde(default, skip_serializing_if = "is_0")]
    pub installed_size: u64,
    /// Which of several providers comes first.
    #[serde(default, skip_serializing_if = "is_0")]
    pub provider_priority: u64,
    /// Which of several packages with the same file keeps it. Not in an index.
    #[serde(default, skip_serializing_if = "is_0")]
    pub replaces_priority: u64,
    /// What it depends on.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "stored::list")]
    pub depends: Vec<Dependency>,
    /// What it provides.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "stored::list")]
    pub provides: Vec<Dependency>,
    /// Whose files it may overwrite. Not in a v2 index.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "stored::list")]
    pub replaces: Vec<Dependency>,
    /// What makes apk install it unasked.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "stored::list")]
    pub install_if: Vec<Dependency>,
    /// What it recommends. Only in v3.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "stored::list")]
    pub recommends: Vec<Dependency>,
    /// The layer of the file system: 0 is the root, 1 OpenWrt's `uvol`. Only in v3.
    #[serde(default, skip_serializing_if = "is_0")]
    pub layer: u64,
    /// Tags. Only in v3.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The directories whose change runs the trigger script. Not in an index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<String>,
    /// Which scripts it brings. Not in an index. In v2 they stand beside `.PKGINFO`: the reader of the package adds them.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "stored::list")]
    pub scripts: Vec<Script>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference over"
)]
fn is_0(number: &u64) -> bool {
    *number == 0
}

impl PackageFacts {
    /// The facts of a package that says no more than this.
    pub fn new(format: Format, name: PackageName, version: Version, arch: Arch) -> Self {
        Self {
            format,
            name,
            version,
            arch,
            description: String::new(),
            url: String::new(),
            license: String::new(),
            origin: String::new(),
            maintainer: String::new(),
            packager: String::new(),
            commit: String::new(),
            build_date: 0,
            installed_size: 0,
            provider_priority: 0,
            replaces_priority: 0,
            depends: Vec::new(),
            provides: Vec::new(),
            replaces: Vec::new(),
            install_if: Vec::new(),
            recommends: Vec::new(),
            layer: 0,
            tags: Vec::new(),
            triggers: Vec::new(),
            scripts: Vec::new(),
        }
    }

    /// Its lists of dependencies, each with its name. The server stores the names: another name needs a migration.
    pub fn dependencies(&self) -> [(&'static str, &[Dependency]); 5] {
        [
            ("depends", &self.depends),
            ("provides", &self.provides),
            ("replaces", &self.replaces),
            ("install_if", &self.install_if),
            ("recommends", &self.recommends),
        ]
    }

    /// What the file of the package is called in the folder of its architecture (apk-tools `src/context.c`,
    /// `default_reponame_spec`).
    pub fn file_name(&self) -> String {
        format!("{}-{}.apk", self.name, self.version)
    }

    /// Whether it may be listed in an index: nothing in it breaks that index for a client, and an apk can install it.
    ///
    /// # Errors
    ///
    /// [`FactsError`], whose text begins with the field as the package's own format calls it.
    pub fn check(&self, limits: &Limits) -> Result<(), FactsError> {
        self.check_with(&Lengths::of(self), limits)
    }

    /// The same where the lists are longer than what was kept of them.
    pub(crate) fn check_with(&self, lengths: &Lengths, limits: &Limits) -> Result<(), FactsError> {
        fit::check(self, lengths, limits)?;
        relations::check(self)
    }
}

/// How indexes say what facts say: raised with each change of what [`crate::v2::record::render`], [`crate::v3::index::record`] or
/// [`crate::v3::index::JsonDump`] write of the same facts, and when facts that are stored are read again from the packages. Servers note it in
/// the database, so that clients that go by the date of an index get the new one.
pub const RENDERING: u32 = 1;

/// What formats call the fields, from one list: the keys of `.PKGINFO` (what v2 has not is called as in v3), and the fields as
/// `apk mkpkg --info` and `apk adbdump` call them (apk-tools `src/apk_adb.c`, `schema_pkginfo`).
macro_rules! names {
    ($($field:ident: $in_pkginfo:literal, $in_adb:literal;)+) => {
        /// What a format calls the fields.
        struct Names {
            $($field: &'static str,)+
        }

        const IN_PKGINFO: Names = Names {
            $($field: $in_pkginfo,)+
        };

        const IN_ADB: Names = Names {
            $($field: $in_adb,)+
        };
    };
}

names! {
    name: "pkgname", "name";
    description: "pkgdesc", "description";
    url: "url", "url";
    license: "license", "license";
    origin: "origin", "origin";
    maintainer: "maintainer", "maintainer";
    packager: "packager", "packager";
    commit: "commit", "repo-commit";
    build_date: "builddate", "build-time";
    installed_size: "size", "installed-size";
    provider_priority: "provider_priority", "provider-priority";
    replaces_priority: "replaces_priority", "replaces-priority";
    depends: "depend", "depends";
    provides: "provides", "provides";
    replaces: "replaces", "replaces";
    install_if: "install_if", "install-if";
    recommends: "recommends", "recommends";
    layer: "layer", "layer";
    tags: "tags", "tags";
    triggers: "triggers", "triggers";
}
