//! What a package says of itself, as its page shows it.

use super::super::shown::{Bytes, FullTime};
use crate::error::ApiError;
use apk::{dependency::Dependency, facts::Format, script::Script};
use tarn_base::clock::Timestamp;
use tarn_store::metadata::CatalogFile;

/// Every field. Texts are empty where the package says nothing; all of them are the package's own, and not to be trusted.
pub(super) struct Facts {
    pub(super) description: String,
    pub(super) url: String,
    pub(super) license: String,
    pub(super) origin: String,
    pub(super) maintainer: String,
    pub(super) packager: String,
    pub(super) commit: String,
    pub(super) built: Option<FullTime>,
    pub(super) installed_size: Bytes,
    pub(super) provider_priority: u64,
    pub(super) replaces_priority: u64,
    pub(super) depends: Vec<Dependency>,
    pub(super) provides: Vec<Dependency>,
    pub(super) install_if: Vec<Dependency>,
    pub(super) replaces: Vec<Dependency>,
    pub(super) recommends: Vec<Dependency>,
    pub(super) tags: Vec<String>,
    pub(super) triggers: Vec<String>,
    pub(super) scripts: Vec<Script>,
    /// `v2` or `v3`.
    pub(super) format: &'static str,
    /// What an index says that apk checks a download with.
    pub(super) identity: String,
    /// Of v2 only.
    pub(super) data_hash: Option<String>,
}

impl Facts {
    /// Those of a stored file.
    ///
    /// # Errors
    ///
    /// When they can't be read, which only what was put into the database by other hands can't.
    pub(super) fn of(file: &CatalogFile) -> Result<Self, ApiError> {
        let facts = file.facts.read().map_err(|error| {
            let id = file.id;
            ApiError::Internal(format!("the facts of package file {id:?}: {error}").into())
        })?;
        let built = i64::try_from(facts.build_date).ok().filter(|at| *at > 0);
        Ok(Self {
            description: facts.description,
            url: facts.url,
            license: facts.license,
            origin: facts.origin,
            maintainer: facts.maintainer,
            packager: facts.packager,
            commit: facts.commit,
            built: built.map(|at| FullTime(Timestamp::from_seconds(at))),
            installed_size: Bytes(facts.installed_size),
            provider_priority: facts.provider_priority,
            replaces_priority: facts.replaces_priority,
            depends: facts.depends,
            provides: facts.provides,
            install_if: facts.install_if,
            replaces: facts.replaces,
            triggers: facts.triggers,
            scripts: facts.scripts,
            recommends: facts.recommends,
            tags: facts.tags,
            format: facts.format.as_str(),
            identity: file.identity.to_string(),
            data_hash: match facts.format {
                Format::V2 { data_hash } => Some(data_hash.to_hex()),
                Format::V3 => None,
            },
        })
    }

    /// The home page, where a browser may be sent to it: a package can say anything.
    pub(super) fn safe_url(&self) -> Option<&str> {
        let is_web = |url: &&str| {
            let url = url.to_ascii_lowercase();
            url.starts_with("https://") || url.starts_with("http://")
        };
        Some(self.url.as_str()).filter(is_web)
    }
}
