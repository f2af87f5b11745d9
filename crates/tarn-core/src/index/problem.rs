//! What is wrong with an index that was made.

use std::fmt::Display;

use super::changes::EngineError;
use tarn_store::metadata::StoredFactsError;

/// What is wrong with an index that was made.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It could not be put together.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It could not be signed, or a signature is wrong.
    #[error("signing failed: {0}")]
    Signature(String),
    /// A package that it lists is not stored as it should be.
    #[error(transparent)]
    Stored(#[from] StoredFactsError),
    /// The independent reader refuses it.
    #[error("verification failed: {0}")]
    Verification(String),
}

impl Problem {
    pub(super) fn signature(error: impl Display) -> Self {
        Self::Signature(error.to_string())
    }

    pub(super) fn verification(error: impl Display) -> Self {
        Self::Verification(error.to_string())
    }

    /// Makes sure that an index lists as many packages as are `live`.
    pub(super) fn unless_complete(found: u64, live: u64) -> Result<(), Self> {
        if found == live {
            return Ok(());
        }
        Err(Self::Verification(format!(
            "it lists {found} packages, and the database has {live}"
        )))
    }
}
