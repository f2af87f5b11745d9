//! What can be wrong with an index.

use thiserror::Error;

use crate::v3::{block::BlockError, container::ContainerError, error::FieldError};

/// Why an index is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IndexError {
    /// It is no ADB file, or not one that unpacks.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// Its blocks are malformed.
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
