//! A whole v2 package: signature section, control section, data section, each of gzip and tar.
//!
//! The rules are those of `apk-tools` `src/extract_v2.c`, `src/io_gunzip.c` and `src/tar.c`, version 3: zero or more
//! signature members, one control member, one data member, not one byte more. One tar archive runs through all of them, so
//! only the data section has an end-of-archive (`abuild-tar --cut`), and it may lack it.

mod contents;
mod data;
mod error;
mod reader;

pub use error::{PackageError, Section};
pub use reader::PackageReader;

use super::signature::SignatureMember;
use crate::{
    digest::Identity,
    facts::PackageFacts,
    package_info::PackageInfo,
    sign::{KeyName, MessageDigests, PublicKey},
};

/// What a package says of itself, and what was measured on the way through it. All sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// `.PKGINFO`.
    pub info: PackageInfo,
    /// The text of `.PKGINFO`, as it stands there.
    pub pkginfo: String,
    /// SHA-1 of the control section as it is in the file: what `C:` in an index says.
    pub identity: Identity,
    /// The signatures in front, unverified, in the order of the file.
    pub signatures: Vec<SignatureMember>,
    /// Digests of the control section: what the signatures sign.
    pub control_digests: MessageDigests,
    /// Which scripts it brings, in the order of the file.
    pub scripts: Vec<Script>,
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
    /// What a registry needs to know of it, in the form that both formats share.
    pub fn facts(&self) -> PackageFacts {
        PackageFacts::of_v2(self)
    }

    /// Whether one of its signatures is by this key, under this name.
    pub fn is_signed_by(&self, name: &KeyName, key: &PublicKey) -> bool {
        self.signatures
            .iter()
            .any(|signature| signature.is_by(name, key, &self.control_digests))
    }
}

/// The scripts apk runs (`src/package.c`, `apk_script_types`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Script {
    /// Before the first installation.
    PreInstall,
    /// After the first installation.
    PostInstall,
    /// Before removal.
    PreDeinstall,
    /// After removal.
    PostDeinstall,
    /// Before an upgrade.
    PreUpgrade,
    /// After an upgrade.
    PostUpgrade,
    /// When a directory in `triggers` changed.
    Trigger,
}

impl Script {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::PreInstall,
        Self::PostInstall,
        Self::PreDeinstall,
        Self::PostDeinstall,
        Self::PreUpgrade,
        Self::PostUpgrade,
        Self::Trigger,
    ];

    /// The name without the dot in front that it has in the control section.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreInstall => "pre-install",
            Self::PostInstall => "post-install",
            Self::PreDeinstall => "pre-deinstall",
            Self::PostDeinstall => "post-deinstall",
            Self::PreUpgrade => "pre-upgrade",
            Self::PostUpgrade => "post-upgrade",
            Self::Trigger => "trigger",
        }
    }

    /// The kind for the name of an entry, e.g. `.post-install`.
    fn from_entry_name(name: &[u8]) -> Option<Self> {
        let name = name.strip_prefix(b".")?;
        Self::ALL
            .into_iter()
            .find(|script| script.as_str().as_bytes() == name)
    }
}

impl std::fmt::Display for Script {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}
