//! What Tarn takes over from a Forgejo or a Gitea: accounts with what they sign in with, organisations and teams, signing keys,
//! Alpine packages, cleanup rules and webhooks.
//!
//! The tables read here are another program's. Its schema is in `models/` of Forgejo and of Gitea, and both have nearly the same one,
//! for Forgejo began as a copy of Gitea. So the SQL here is apart from that of `tarn-store`, and every statement only reads:
//!
//! 1. [`app_ini`] reads the forge's settings: where its database and its packages are, and its secret key.
//! 2. [`source`] opens the database read-only and reads all it needs in one transaction; [`forge`] has the rows.
//! 3. [`plan`] says what becomes of each row: what is carried over, as what, and what isn't and why. It knows nothing of a registry,
//!    so a dry run is the plan and a look at the packages.
//! 4. [`carry`] carries a plan out, by the services of `tarn-core`. What is there already stays as it is, so an import that was cut off
//!    is run again.
//! 5. [`report`] is what the administrator reads in the end.

pub mod app_ini;
pub mod carry;
mod files;
pub mod forge;
mod generator;
mod packages;
mod passwords;
pub mod plan;
pub mod report;
mod run;
pub mod source;

use tarn_core::{access::AccountError, keys::KeyError, publish::PublishError};
use tarn_store::metadata::MetadataError;

pub use self::{
    app_ini::{AppIniError, ForgeSettings, Storage},
    forge::Forge,
    packages::try_packages,
    plan::Plan,
    report::{Kind, Report},
    source::SourceError,
};

/// Which program the forge is. They differ in the names of files and in how they keep the secrets of code generators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// Forgejo.
    Forgejo,
    /// Gitea.
    Gitea,
}

/// What hears of the progress: one line for people at a time.
pub type Progress<'a> = &'a (dyn Fn(&str) + Sync);

/// Why an import stopped. What was imported until then stays, and is there already when the import is run again.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The forge's settings.
    #[error(transparent)]
    AppIni(#[from] AppIniError),
    /// The forge's database.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// An owner was asked for that the forge doesn't have.
    #[error("the forge has no user or organisation called `{0}`")]
    NoOwner(String),
    /// The registry did not take an account.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The registry did not take a key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The registry could not keep a package, whatever it was.
    #[error("the package {file} could not be kept")]
    Publish {
        /// Which.
        file: String,
        /// Why.
        source: Box<PublishError>,
    },
    /// The registry's database failed.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}
