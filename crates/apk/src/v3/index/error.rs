//! What can be wrong with an index.

use thiserror::Error;

use crate::{
    arch::ArchError,
    dependency::DependencyError,
    name::NameError,
    quoted::Quoted,
    v3::{block::BlockError, container::ContainerError, reader::PayloadError},
    version::VersionError,
};

/// Why an index is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IndexError {
    /// It is no ADB file, or not one that unpacks.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// Its blocks cannot be told apart.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// Another kind of ADB file.
    #[error("this is an apk v3 package, not an index: send a Packages.adb")]
    NotAnIndex,
    /// The database block is missing.
    #[error("this index has no database in it")]
    Empty,
    /// A block that does not belong there.
    #[error("block {0} of this index is neither the one database at its start nor a signature")]
    BlockOrder(usize),
    /// One signature, or all of them, are over the limit.
    #[error("the signatures of this index are larger than {0} bytes")]
    SignatureSize(u64),
    /// No signature by a trusted key.
    #[error(
        "no trusted key signed this index: give the public key of who made it, or sign it again"
    )]
    Untrusted,
    /// More packages than the limit.
    #[error("this index lists {found} packages, and at most {limit} are read")]
    Packages {
        /// Packages found.
        found: usize,
        /// Packages allowed.
        limit: u64,
    },
    /// Something about the index as a whole.
    #[error("{field}: {problem}")]
    Root {
        /// The field, as `apk adbdump` calls it.
        field: &'static str,
        /// What is wrong with it.
        problem: FieldError,
    },
    /// Something about one package.
    #[error("package {number}, {field}: {problem}")]
    Package {
        /// Which one, from 1 on.
        number: usize,
        /// The field, as `apk adbdump` calls it.
        field: &'static str,
        /// What is wrong with it.
        problem: FieldError,
    },
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FieldError {
    /// Its value cannot be read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// It has to be there.
    #[error("it is missing")]
    Missing,
    /// A slot that no field is known for.
    #[error("there is a slot {0}, and no field of this number is known")]
    Unknown(usize),
    /// Bytes that are not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// A control character, which would break apk's own database of what is installed.
    #[error("it has the control character U+{0:04X} in it")]
    Control(u32),
    /// Over the limit.
    #[error("it is {length} bytes long, and at most {limit} are read")]
    TooLong {
        /// Bytes found.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Everything up to here is over the limit of the whole.
    #[error("up to here this index is larger than {0} bytes when it is spelled out")]
    Budget(u64),
    /// Neither 20 bytes nor 32.
    #[error("a hash of {0} bytes is none that names a package: those have 20 or 32")]
    Hash(usize),
    /// Not sorted.
    #[error("{0} is not in its place: apk needs this list sorted, without repetitions")]
    Order(Quoted),
    /// The version and the match bits do not go together.
    #[error("the dependency on {name} has a match of {bits} that means nothing there")]
    Match {
        /// The name in it.
        name: Quoted,
        /// The bits.
        bits: u64,
    },
    /// No package name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No version.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// No architecture.
    #[error(transparent)]
    Arch(#[from] ArchError),
    /// No dependency.
    #[error(transparent)]
    Dependency(#[from] DependencyError),
}
