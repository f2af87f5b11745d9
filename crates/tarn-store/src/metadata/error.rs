//! What can go wrong with the database, by what a caller can do about it.

use super::sqlite::{Fault, fault};

/// Why a question to the database, or a change of it, failed. A change that failed was not made.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// Others hold the database for too long, or a statement took too long and was stopped. Trying again later helps.
    #[error("the database is busy")]
    Busy(#[source] Cause),

    /// There is no connection to the database, or no more. Trying again helps once it is back.
    #[error("the database can't be reached")]
    Unreachable(#[source] Cause),

    /// The disk of the database is full. Nothing helps but space.
    #[error("the disk that holds the database is full")]
    Full(#[source] Cause),

    /// The row that was to be changed is not there.
    #[error("there is no such {0}")]
    Missing(&'static str),

    /// A row holds what this program never writes.
    #[error("the database holds a {what} that makes no sense: `{value}`")]
    Corrupt {
        /// What it should be.
        what: &'static str,
        /// What it is.
        value: String,
    },

    /// A newer version of the program made the database.
    #[error(
        "the database {database} was made by a newer version of Tarn (its migration {found}, this version knows up to {known}): \
         install that version again, or restore the backup made before the upgrade"
    )]
    Newer {
        /// The database.
        database: String,
        /// The newest migration the database has.
        found: i64,
        /// The newest migration this program has.
        known: i64,
    },

    /// A version of the program made the database that was never released: its tables are not those that a migration of
    /// that number makes.
    #[error(
        "the database {database} was made by a version of Tarn between releases, with other tables at migration {migration}: start \
         that version again, or begin with a new data folder and publish your packages there"
    )]
    Unreleased {
        /// The database.
        database: String,
        /// The migration that is another one here.
        migration: i64,
    },

    /// The tables could not be brought up to date.
    #[error("cannot bring the tables of the database {database} up to date")]
    Migrate {
        /// The database.
        database: String,
        /// What the migration said.
        #[source]
        source: Cause,
    },

    /// The database can't be opened.
    #[error("cannot open the database {database}: {hint}")]
    Open {
        /// The database.
        database: String,
        /// What to do.
        hint: String,
        /// What the operating system or the database said.
        #[source]
        source: Cause,
    },

    /// Anything else: a bug here, or a damaged database.
    #[error("the database failed")]
    Failed(#[source] Cause),

    /// A row was refused because there is an equal one. Where that is expected, the caller says what it means.
    #[error("the database has a row like this already")]
    Duplicate(#[source] Cause),

    /// A row was refused because one that it names is not there. Where that is expected, the caller says what it means.
    #[error("the database has no row that this one names")]
    Dangling(#[source] Cause),
}

/// The tables are other ones than when a statement was prepared: a newer version of the program migrated them meanwhile.
#[derive(Debug, thiserror::Error)]
#[error("the tables of the database were changed meanwhile")]
pub(super) struct TablesChanged(#[source] pub(super) Cause);

/// What the library of the database said.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

impl From<rusqlite::Error> for MetadataError {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error().map(|said| said.extended_code);
        let meaning = match code.map_or(Fault::Other, fault) {
            Fault::Busy => Self::Busy,
            Fault::Full => Self::Full,
            Fault::Duplicate => Self::Duplicate,
            Fault::Dangling => Self::Dangling,
            Fault::Unwritten | Fault::Other => Self::Failed,
        };
        meaning(error.into())
    }
}

impl MetadataError {
    /// The same error for another caller who waited for the same transaction. Of its cause it has the text.
    pub(super) fn for_another(&self) -> Self {
        match self {
            Self::Busy(cause) => Self::Busy(cause.to_string().into()),
            Self::Unreachable(cause) => Self::Unreachable(cause.to_string().into()),
            Self::Full(cause) => Self::Full(cause.to_string().into()),
            Self::Failed(cause) => Self::Failed(cause.to_string().into()),
            other => Self::Failed(other.to_string().into()),
        }
    }

    /// Whether a statement would have been done had it been prepared anew.
    pub(super) fn is_of_changed_tables(&self) -> bool {
        matches!(self, Self::Busy(cause) if cause.is::<TablesChanged>())
    }

    /// The same, or [`Self::Missing`] where a row was refused because the `what` that it names is not there.
    pub(super) fn or_missing(self, what: &'static str) -> Self {
        match self {
            Self::Dangling(_) => Self::Missing(what),
            error => error,
        }
    }

    /// Whether a row was refused because there is an equal one.
    pub(super) const fn is_duplicate(&self) -> bool {
        matches!(self, Self::Duplicate(_))
    }
}
