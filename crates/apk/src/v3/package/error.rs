//! Why bytes are no v3 package.

use thiserror::Error;

use crate::{
    facts::FactsError,
    memory::MemoryTaken,
    quoted::Quoted,
    script::Script,
    v3::{block::BlockError, container::ContainerError, error::FieldError},
};

/// Why bytes are no package that apk would install.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PackageError {
    /// Not one byte.
    #[error("the file is empty; send an .apk")]
    Empty,
    /// Neither `ADB` nor anything else known.
    #[error(
        "this is not a v3 package: it does not begin with `ADB.`, `ADBd` or `ADBc`; build one with `apk mkpkg`"
    )]
    NotAPackage,
    /// It does not unpack.
    #[error("{0}")]
    Container(ContainerError),
    /// Its blocks are malformed.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// Another kind of ADB file.
    #[error("this is an index of packages, and no package; send an .apk")]
    Index,
    /// No ADB block.
    #[error("this package has no database in it; build it with `apk mkpkg`")]
    NoDatabase,
    /// A block where it may not stand.
    #[error(
        "block {0} of this package is out of place: first comes the one database, then signatures, then the data of files"
    )]
    BlockOrder(u64),
    /// Over [`crate::limits::Limits::database`].
    #[error(
        "the database of this package is {size} bytes long, and at most {limit} are read; split it into packages with fewer files"
    )]
    DatabaseTooLarge {
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// It needs more memory than there is for it at the moment.
    #[error(transparent)]
    Memory(#[from] MemoryTaken),
    /// One signature, or all of them, are over the limit.
    #[error("the signatures of this package are larger than {0} bytes")]
    SignatureSize(u64),
    /// Something about the package as a whole.
    #[error("{field}: {problem}")]
    Field {
        /// The field, as `apk adbdump` calls it.
        field: &'static str,
        /// What is wrong with it.
        problem: FieldError,
    },
    /// Something about one path in it.
    #[error("{path}, {field}: {problem}")]
    Path {
        /// The path, as far as it is known.
        path: Quoted,
        /// The field, as `apk adbdump` calls it.
        field: &'static str,
        /// What is wrong with it.
        problem: FieldError,
    },
    /// Over [`crate::limits::Limits::script`].
    #[error(
        "{name} is {size} bytes long, and at most {limit} are taken; make it shorter, or let it call a file of the package"
    )]
    ScriptTooLarge {
        /// The script.
        name: Script,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Some apk could not list or install it.
    #[error(transparent)]
    Facts(#[from] FactsError),
    /// Over [`crate::limits::Limits::data_entries`] or [`crate::limits::Limits::paths`].
    #[error("this package has more than {limit} {what}")]
    TooMany {
        /// Files or directories.
        what: &'static str,
        /// How many are read.
        limit: u64,
    },
    /// A directory where a file, a link or a device is.
    #[error(
        "{path} is a directory and something else, and no apk installs that; leave one of the entries"
    )]
    FileAndDirectory {
        /// The path.
        path: Quoted,
    },
    /// `installed-size` is 0, and there are files or scripts.
    #[error(
        "installed-size is 0, but the package has files or scripts, and apk would skip them; set it to the bytes the files take, at least 1"
    )]
    NoInstalledSize,
    /// The data of a file that is not the next one with data.
    #[error(
        "block {block} is the data of file {found}, and that of file {expected} has to come next ({path}); build the package again"
    )]
    DataOrder {
        /// The number of the block.
        block: u64,
        /// Directory and file that it says it is of.
        found: DataPlace,
        /// Directory and file that come next.
        expected: DataPlace,
        /// The path of that file.
        path: Quoted,
    },
    /// The data of a file is longer or shorter than its size.
    #[error(
        "the data of {path} is {found} bytes long, and its size says {expected}; build the package again"
    )]
    DataSize {
        /// The path.
        path: Quoted,
        /// Its size.
        expected: u64,
        /// Bytes in the block.
        found: u64,
    },
    /// A data block of less than its head.
    #[error("block {0} is too short to say which file it is of")]
    DataHead(u64),
    /// A data block, and every file has got its own.
    #[error("block {0} holds data that is of no file; build the package again")]
    DataLeft(u64),
    /// The file ends, and data is missing.
    #[error("the data of {0} is missing; the file is truncated, or was built wrongly")]
    DataMissing(Quoted),
    /// A hash differs.
    #[error(
        "the data of {path} does not have the hash that the package states; the file is damaged, or was changed after it was built"
    )]
    Hash {
        /// The path.
        path: Quoted,
    },
}

impl PackageError {
    /// See [`crate::package::PackageError::is_over_limit`].
    pub const fn is_over_limit(&self) -> bool {
        match self {
            Self::DatabaseTooLarge { .. } | Self::SignatureSize(_) | Self::TooMany { .. } => true,
            Self::Container(problem) => matches!(problem, ContainerError::TooLarge(_)),
            Self::Field { problem, .. } | Self::Path { problem, .. } => {
                matches!(problem, FieldError::Budget(_))
            }
            Self::Facts(facts) => facts.is_over_limit(),
            _ => false,
        }
    }
}

/// The place of a file: the number of its directory, and its number in there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataPlace {
    /// From 1 on.
    pub directory: u32,
    /// From 1 on.
    pub file: u32,
}

impl std::fmt::Display for DataPlace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.directory, self.file)
    }
}

impl From<ContainerError> for PackageError {
    fn from(error: ContainerError) -> Self {
        match error {
            ContainerError::Magic => Self::NotAPackage,
            ContainerError::Memory(taken) => Self::Memory(taken),
            other => Self::Container(other),
        }
    }
}
