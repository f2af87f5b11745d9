//! Why a registry can't be opened.

use tarn_base::{hint::Hint, random::RandomError, sealer::SealerError};
use tarn_store::{blobs::BlobError, metadata::MetadataError};

/// Why a registry could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database.
    #[error("cannot open the database")]
    Metadata(#[from] MetadataError),
    /// The store of the blobs.
    #[error("cannot open the store of the packages")]
    Blobs(#[from] BlobError),
    /// There are packages, and a database that has no account.
    #[error(
        "{blobs} has the files of packages, and the database {database} is new: is it the right one, and the right data folder? Nothing was changed"
    )]
    StrangeBlobs {
        /// Where the blobs are.
        blobs: String,
        /// The database.
        database: String,
    },
    /// The key that seals private keys.
    #[error(transparent)]
    Sealer(#[from] SealerError),
    /// Random bytes.
    #[error("the operating system has no random bytes")]
    Random(#[from] RandomError),
}

impl Hint for OpenError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::StrangeBlobs { .. } => {
                "restore the database from the backup, or to begin anew move the files away"
                    .to_owned()
            }
            Self::Sealer(error) => return error.hint(),
            _ => return None,
        })
    }
}
