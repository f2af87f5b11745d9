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

/// The slots of an object, and how many it has: from one list, since a value in a slot behind the last is dropped.
macro_rules! slots {
    ($($(#[$doc:meta])* $slot:ident = $number:literal,)+) => {
        $($(#[$doc])* pub const $slot: usize = $number;)+
        /// All slots, the count included.
        pub const SLOTS: usize = {
            let mut last = 0;
            $(if $slot > last {
                last = $slot;
            })+
            last + 1
        };
    };
}

/// Slots of the root object of an index (`ADBI_NDX_*`).
pub mod index {
    slots! {
        /// A line of text on the whole index, which `apk update` prints.
        DESCRIPTION = 1,
        /// An array of [`super::package`] objects, sorted.
        PACKAGES = 2,
        /// Where the files of the packages are, below the URL of the repository, e.g. `${name}-${version}.apk`.
        PKGNAME_SPEC = 3,
    }
}

/// Slots of a package (`ADBI_PI_*`), in an index and at the head of a v3 package.
pub mod package {
    slots! {
        /// A blob.
        NAME = 1,
        /// A blob.
        VERSION = 2,
        /// A blob: SHA-1 of the control section (v2 package, 20 bytes), SHA-256 of the ADB block (v3 package, 32 bytes), or the
        /// first 20 bytes of that (`apk mkndx --hash sha256-160`).
        HASHES = 3,
        /// A blob.
        DESCRIPTION = 4,
        /// A blob.
        ARCH = 5,
        /// A blob.
        LICENSE = 6,
        /// A blob.
        ORIGIN = 7,
        /// A blob.
        MAINTAINER = 8,
        /// A blob.
        URL = 9,
        /// A blob: bytes, not their hex digits. 20 of them where apk made it from a v2 package.
        REPO_COMMIT = 10,
        /// A number: seconds since 1970.
        BUILD_TIME = 11,
        /// A number: bytes on disk.
        INSTALLED_SIZE = 12,
        /// A number: bytes of the package file.
        FILE_SIZE = 13,
        /// A number.
        PROVIDER_PRIORITY = 14,
        /// An array of [`super::dependency`] objects, sorted, no two the same. So are the four that follow.
        DEPENDS = 15,
        /// See [`DEPENDS`].
        PROVIDES = 16,
        /// See [`DEPENDS`].
        REPLACES = 17,
        /// See [`DEPENDS`].
        INSTALL_IF = 18,
        /// See [`DEPENDS`]. Only v3 packages have it.
        RECOMMENDS = 19,
        /// A number: which layer of the file system a package belongs to. Only v3 packages have it.
        LAYER = 20,
        /// An array of blobs. Only v3 packages have it.
        TAGS = 21,
    }
}

/// Slots of the root object of a package file (`ADBI_PKG_*`).
pub mod package_file {
    slots! {
        /// A [`super::package`] object.
        INFO = 1,
        /// An array of [`super::directory`] objects, sorted.
        PATHS = 2,
        /// A [`super::scripts`] object.
        SCRIPTS = 3,
        /// An array of blobs: the directories whose change runs the trigger script.
        TRIGGERS = 4,
        /// A number.
        REPLACES_PRIORITY = 5,
    }
}

/// Slots of a directory (`ADBI_DI_*`).
pub mod directory {
    slots! {
        /// A blob: the path without a slash in front or behind. Absent for the root.
        NAME = 1,
        /// An [`super::acl`] object.
        ACL = 2,
        /// An array of [`super::file`] objects, sorted.
        FILES = 3,
    }
}

/// Slots of a file (`ADBI_FI_*`).
pub mod file {
    slots! {
        /// A blob: the name within its directory.
        NAME = 1,
        /// An [`super::acl`] object.
        ACL = 2,
        /// A number: bytes.
        SIZE = 3,
        /// A number: seconds since 1970.
        MTIME = 4,
        /// A blob: a hash of the content, whose length says which.
        HASHES = 5,
        /// A blob, for what is not a regular file with its own content: two bytes of `st_mode`, then the target of a link as it is,
        /// or eight bytes of `st_rdev`.
        TARGET = 6,
    }
}

/// Slots of an owner with permissions (`ADBI_ACL_*`).
pub mod acl {
    slots! {
        /// A number: the lower twelve bits of `st_mode`.
        MODE = 1,
        /// A blob: the name of the user.
        USER = 2,
        /// A blob: the name of the group.
        GROUP = 3,
        /// An array of blobs, each a name, a zero, and a value.
        XATTRS = 4,
    }
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
    pub const SLOTS: usize = ORDER.len() + 1;
}

/// Slots of a dependency (`ADBI_DEP_*`).
pub mod dependency {
    slots! {
        /// A blob: the name, without `!`.
        NAME = 1,
        /// A blob: the version. Absent when any will do.
        VERSION = 2,
        /// A number: the sum of the bits below. Absent when it would be [`EQUAL`], and when any version will do.
        MATCH = 3,
    }

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
