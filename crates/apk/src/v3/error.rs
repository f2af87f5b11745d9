//! What can be wrong with a field of an ADB file.

use thiserror::Error;

use super::reader::PayloadError;
use crate::{
    arch::ArchError, dependency::DependencyError, name::NameError, quoted::Quoted,
    v2::tar::PathProblem, version::VersionError,
};

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
    #[error("up to here this file is larger than {0} bytes when it is spelled out")]
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
    /// Bits of a mode beyond the permissions.
    #[error("{0:o} is not a file mode: it has bits beyond 7777")]
    Mode(u64),
    /// A path that apk would not unpack.
    #[error("it {0}")]
    Path(#[from] PathProblem),
    /// A name of a file with a slash in it.
    #[error("it has a slash in it: a file stands in its own directory's list")]
    Slash,
    /// A length that no hash of apk has.
    #[error("a hash of {0} bytes is none that apk knows: those have 20, 32 or 64")]
    Digest(usize),
    /// The kind of a link or device.
    #[error("it starts with {0:o}, which is neither a link nor a device nor a pipe")]
    Kind(u16),
    /// A target without its kind, or a device without its number.
    #[error("{0} bytes are not what stands there for this kind of file")]
    Target(usize),
    /// A hard link to what is not a file that stands before it.
    #[error("the link target {0} is not an earlier file of this package")]
    HardLink(Quoted),
    /// An xattr without a name.
    #[error("an extended attribute has no name, or no zero after it")]
    Xattr,
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
