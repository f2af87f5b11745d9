//! What a package says of itself, as its page shows it.

use super::super::shown::FullTime;
use crate::error::ApiError;
use apk::facts::{Format, PackageFacts};
use tarn_base::clock::Timestamp;
use tarn_store::metadata::{CatalogFile, PackageSigner, StoredFactsError};

/// The facts of a file. All texts are the package's own, and not to be trusted.
pub(super) struct Facts {
    /// What it says of itself.
    pub(super) said: PackageFacts,
    /// What an index says that apk checks a download with.
    pub(super) identity: String,
    /// Who signed it: so far as was known when it came.
    pub(super) signers: Vec<PackageSigner>,
}

impl Facts {
    /// Those of a stored file.
    ///
    /// # Errors
    ///
    /// When they can't be read, which only what was put into the database by other hands can't.
    pub(super) fn of(file: &CatalogFile) -> Result<Self, ApiError> {
        let unreadable = |error: StoredFactsError| {
            let id = file.id;
            ApiError::Internal(format!("the facts of package file {id:?}: {error}").into())
        };
        Ok(Self {
            said: file.facts.read().map_err(unreadable)?,
            identity: file.identity.to_string(),
            signers: file.signers.read().map_err(unreadable)?,
        })
    }

    /// When it was built, where it says so.
    pub(super) fn built(&self) -> Option<FullTime> {
        let built = i64::try_from(self.said.build_date)
            .ok()
            .filter(|at| *at > 0);
        built.map(|at| FullTime(Timestamp::from_seconds(at)))
    }

    /// Of v2 only.
    pub(super) fn data_hash(&self) -> Option<String> {
        match self.said.format {
            Format::V2 { data_hash } => Some(data_hash.to_hex()),
            Format::V3 => None,
        }
    }

    /// The home page, where a browser may be sent to it: a package can say anything.
    pub(super) fn safe_url(&self) -> Option<&str> {
        let is_web = |url: &&str| {
            let url = url.to_ascii_lowercase();
            url.starts_with("https://") || url.starts_with("http://")
        };
        Some(self.said.url.as_str()).filter(is_web)
    }
}
