//! What an engine is given: records, and what happened to them between two generations.

use std::collections::BTreeSet;

use apk::v3::writer::{CopyError, PayloadFull};
use bytes::Bytes;

/// One package of an index, in the form it has there. Of v2 that is the lines up to and with the blank one; of v3 a payload of its
/// own, whose root is the package ([`apk::v3::index::record`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place: ever-growing within a repository.
    pub sequence: i64,
    /// The text, or the payload.
    pub bytes: Bytes,
}

/// What happened to an index between two generations.
#[derive(Debug, Default)]
pub struct Changes {
    /// Sequences of records that are gone.
    pub removed: BTreeSet<i64>,
    /// Records that are new, in the order of their sequences, each above all that are there.
    pub added: Vec<Record>,
}

/// Why there is no next state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The state contradicts itself or the changes. The index has to be derived from the database again.
    #[error("the state of the index is inconsistent: {0}")]
    Inconsistent(&'static str),
    /// A number of bytes does not fit the machine or the format.
    #[error("the index is too large")]
    TooLarge,
    /// The packages are too many for a v3 index.
    #[error(transparent)]
    Full(#[from] PayloadFull),
}

impl EngineError {
    /// A record to remove is none of those that are there.
    pub(super) const ABSENT: Self = Self::Inconsistent("a record to remove is not there");
}

impl From<CopyError> for EngineError {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Full(full) => Self::Full(full),
            CopyError::Unreadable(_) | CopyError::Nested => {
                Self::Inconsistent("a package of the index cannot be read again")
            }
        }
    }
}

/// Makes sure that the sequences `added` grow, from the `last` that is there on.
pub(super) fn check_order(
    last: Option<i64>,
    added: impl Iterator<Item = i64>,
) -> Result<(), EngineError> {
    if last.into_iter().chain(added).is_sorted_by(|a, b| a < b) {
        Ok(())
    } else {
        Err(EngineError::Inconsistent(
            "an added record is not above all others",
        ))
    }
}
