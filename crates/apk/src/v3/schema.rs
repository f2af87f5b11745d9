//! What the slots of objects mean (apk-tools `src/apk_adb.h`, and the schemas at the end of `src/apk_adb.c`).

/// The four bytes after `ADB.` as a number: what the root object of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Schema {
    /// `indx`: an index of packages.
    Index,
    /// `pckg`: a package.
    Package,
}

impl Schema {
    /// As in the head of a file and in front of what a signature covers.
    pub fn to_bytes(self) -> [u8; 4] {
        match self {
            Self::Index => *b"indx",
            Self::Package => *b"pckg",
        }
    }

    /// The schema with this name, if it is known. apk's installed database has one too, which is never in a file that
    /// a registry sees.
    pub fn from_bytes(bytes: [u8; 4]) -> Option<Self> {
        match &bytes {
            b"indx" => Some(Self::Index),
            b"pckg" => Some(Self::Package),
            _ => None,
        }
    }
}

/// Slots of the root object of an index (`ADBI_NDX_*`).
pub mod index {
    /// A line of text on the whole index, which `apk update` prints.
    pub const DESCRIPTION: usize = 1;
    /// An array of [`super::package`] objects, sorted.
    pub const PACKAGES: usize = 2;
    /// Where the files of the packages are, below the URL of the repository, e.g. `${name}-${version}.apk`.
    pub const PKGNAME_SPEC: usize = 3;
    /// All slots, the count included.
    pub const SLOTS: usize = 4;
}

/// Slots of a package (`ADBI_PI_*`), in an index and at the head of a v3 package.
pub mod package {
    /// A blob.
    pub const NAME: usize = 1;
    /// A blob.
    pub const VERSION: usize = 2;
    /// A blob: SHA-1 of the control section (v2 package, 20 bytes), SHA-256 of the ADB block (v3 package, 32 bytes), or the
    /// first 20 bytes of that (`apk mkndx --hash sha256-160`).
    pub const HASHES: usize = 3;
    /// A blob.
    pub const DESCRIPTION: usize = 4;
    /// A blob.
    pub const ARCH: usize = 5;
    /// A blob.
    pub const LICENSE: usize = 6;
    /// A blob.
    pub const ORIGIN: usize = 7;
    /// A blob.
    pub const MAINTAINER: usize = 8;
    /// A blob.
    pub const URL: usize = 9;
    /// A blob: bytes, not their hex digits. 20 of them where apk made it from a v2 package.
    pub const REPO_COMMIT: usize = 10;
    /// A number: seconds since 1970.
    pub const BUILD_TIME: usize = 11;
    /// A number: bytes on disk.
    pub const INSTALLED_SIZE: usize = 12;
    /// A number: bytes of the package file.
    pub const FILE_SIZE: usize = 13;
    /// A number.
    pub const PROVIDER_PRIORITY: usize = 14;
    /// An array of [`super::dependency`] objects, sorted, no two the same. So are the four that follow.
    pub const DEPENDS: usize = 15;
    /// See [`DEPENDS`].
    pub const PROVIDES: usize = 16;
    /// See [`DEPENDS`].
    pub const REPLACES: usize = 17;
    /// See [`DEPENDS`].
    pub const INSTALL_IF: usize = 18;
    /// See [`DEPENDS`]. Only v3 packages have it.
    pub const RECOMMENDS: usize = 19;
    /// A number: which layer of the file system a package belongs to. Only v3 packages have it.
    pub const LAYER: usize = 20;
    /// An array of blobs. Only v3 packages have it.
    pub const TAGS: usize = 21;
    /// All slots, the count included.
    pub const SLOTS: usize = 22;
}

/// Slots of the root object of a package file (`ADBI_PKG_*`).
pub mod package_file {
    /// A [`super::package`] object.
    pub const INFO: usize = 1;
    /// An array of [`super::directory`] objects, sorted.
    pub const PATHS: usize = 2;
    /// A [`super::scripts`] object.
    pub const SCRIPTS: usize = 3;
    /// An array of blobs: the directories whose change runs the trigger script.
    pub const TRIGGERS: usize = 4;
    /// A number.
    pub const REPLACES_PRIORITY: usize = 5;
    /// All slots, the count included.
    pub const SLOTS: usize = 6;
}

/// Slots of a directory (`ADBI_DI_*`).
pub mod directory {
    /// A blob: the path without a slash in front or behind. Absent for the root.
    pub const NAME: usize = 1;
    /// An [`super::acl`] object.
    pub const ACL: usize = 2;
    /// An array of [`super::file`] objects, sorted.
    pub const FILES: usize = 3;
    /// All slots, the count included.
    pub const SLOTS: usize = 4;
}

/// Slots of a file (`ADBI_FI_*`).
pub mod file {
    /// A blob: the name within its directory.
    pub const NAME: usize = 1;
    /// An [`super::acl`] object.
    pub const ACL: usize = 2;
    /// A number: bytes.
    pub const SIZE: usize = 3;
    /// A number: seconds since 1970.
    pub const MTIME: usize = 4;
    /// A blob: a hash of the content, whose length says which.
    pub const HASHES: usize = 5;
    /// A blob, for what is not a regular file with its own content: two bytes of `st_mode`, then the target of a link as it is,
    /// or eight bytes of `st_rdev`.
    pub const TARGET: usize = 6;
    /// All slots, the count included.
    pub const SLOTS: usize = 7;
}

/// Slots of an owner with permissions (`ADBI_ACL_*`).
pub mod acl {
    /// A number: the lower twelve bits of `st_mode`.
    pub const MODE: usize = 1;
    /// A blob: the name of the user.
    pub const USER: usize = 2;
    /// A blob: the name of the group.
    pub const GROUP: usize = 3;
    /// An array of blobs, each a name, a zero, and a value.
    pub const XATTRS: usize = 4;
    /// All slots, the count included.
    pub const SLOTS: usize = 5;
}

/// Slots of the scripts (`ADBI_SCRPT_*`), each a blob.
pub mod scripts {
    use crate::script::Script;

    /// What is in the slots from 1 on.
    pub const ORDER: [Script; 7] = [
        Script::Trigger,
        Script::PreInstall,
        Script::PostInstall,
        Script::PreDeinstall,
        Script::PostDeinstall,
        Script::PreUpgrade,
        Script::PostUpgrade,
    ];
    /// All slots, the count included.
    pub const SLOTS: usize = 8;
}

/// Slots of a dependency (`ADBI_DEP_*`).
pub mod dependency {
    /// A blob: the name, without `!`.
    pub const NAME: usize = 1;
    /// A blob: the version. Absent when any will do.
    pub const VERSION: usize = 2;
    /// A number: the sum of the bits below. Absent when it would be [`EQUAL`], and when any version will do.
    pub const MATCH: usize = 3;
    /// All slots, the count included.
    pub const SLOTS: usize = 4;

    /// `=` (apk-tools `src/apk_version.h`, `APK_VERSION_*`).
    pub const EQUAL: u64 = 1;
    /// `<`.
    pub const LESS: u64 = 2;
    /// `>`.
    pub const GREATER: u64 = 4;
    /// `~`, always with [`EQUAL`].
    pub const FUZZY: u64 = 8;
    /// A leading `!`.
    pub const CONFLICT: u64 = 16;
    /// No operator.
    pub const ANY: u64 = EQUAL | LESS | GREATER;
    /// `><`: the version is a checksum.
    pub const CHECKSUM: u64 = LESS | GREATER;
}
