//! The tables, brought up to date by refinery: all migrations in one transaction, or none.
//!
//! refinery's own driver for rusqlite begins transactions of its own, one to look and one to change, between which another
//! process may come; so this is a driver that works inside of the one that [`migrate`] holds.

use std::path::Path;

use refinery_core::{
    Migrate, Migration, Runner,
    error::Kind,
    traits::sync::{Query, Transaction},
};
use rusqlite::{Connection, TransactionBehavior};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{super::MetadataError, Fault};

macro_rules! migrations {
    ($($name:literal from $file:literal),+ $(,)?) => {
        /// In the order of their numbers. refinery wants the names so.
        const MIGRATIONS: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../migrations/sqlite/", $file)))),+
        ];
    };
}

migrations! {
    "V1__registry" from "0001_registry.sql",
    "V2__audit" from "0002_audit.sql",
    "V3__access" from "0003_access.sql",
    "V4__second_factors" from "0004_second_factors.sql",
    "V5__quotas" from "0005_quotas.sql",
    "V6__webhooks" from "0006_webhooks.sql",
    "V7__catalog" from "0007_catalog.sql",
    "V8__sessions" from "0008_sessions.sql",
    "V9__certificates" from "0009_certificates.sql",
}

/// Where refinery writes down which migrations were made.
const HISTORY: &str = "refinery_schema_history";

/// The number of the newest migration that this program has.
pub(super) fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// The number of the newest migration that was made in a database; None when none ever was.
pub(super) fn newest_made(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let is_there = "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = $1";
    match connection.query_one(is_there, [HISTORY], |row| row.get::<_, i64>(0))? {
        0 => Ok(None),
        _ => {
            let newest = format!("SELECT MAX(version) FROM {HISTORY}");
            connection.query_one(&newest, [], |row| row.get(0))
        }
    }
}

/// Brings the tables up to date in one transaction. A second process that starts at the same time waits, and then finds
/// them made.
pub(super) fn migrate(path: &Path, connection: &Connection) -> Result<(), MetadataError> {
    let transaction =
        rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let known = newest();
    if let Some(found) = newest_made(&transaction)?.filter(|found| *found > known) {
        return Err(MetadataError::Newer {
            database: path.display().to_string(),
            found,
            known,
        });
    }
    let migrations: Result<Vec<Migration>, _> = MIGRATIONS
        .iter()
        .map(|(name, text)| Migration::unapplied(name, text))
        .collect();
    let made = migrations.and_then(|migrations| {
        Runner::new(&migrations)
            .set_grouped(true)
            .run(&mut Within(&transaction))
    });
    match made {
        Ok(_) => Ok(transaction.commit()?),
        Err(error) => Err(explained(path, error)),
    }
}

fn explained(path: &Path, error: refinery_core::Error) -> MetadataError {
    let database = path.display().to_string();
    match error.kind() {
        Kind::DivergentVersion(made, _) => MetadataError::Unreleased {
            database,
            migration: made.version().into(),
        },
        Kind::Connection(_, source) if is_full(source.as_ref()) => {
            MetadataError::Full(error.into())
        }
        _ => MetadataError::Migrate {
            database,
            source: error.into(),
        },
    }
}

fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let said = error.downcast_ref().and_then(rusqlite::Error::sqlite_error);
    said.is_some_and(|said| super::fault(said.extended_code) == Fault::Full)
}

/// A connection in a transaction.
struct Within<'c>(&'c Connection);

impl Transaction for Within<'_> {
    type Error = rusqlite::Error;

    fn execute<'a, T: Iterator<Item = &'a str>>(
        &mut self,
        statements: T,
    ) -> rusqlite::Result<usize> {
        let mut count = 0;
        for statement in statements {
            self.0.execute_batch(statement)?;
            count += 1;
        }
        Ok(count)
    }
}

impl Query<Vec<Migration>> for Within<'_> {
    fn query(&mut self, query: &str) -> rusqlite::Result<Vec<Migration>> {
        self.0
            .prepare(query)?
            .query_map([], |row| {
                let (at, checksum): (String, String) = (row.get(2)?, row.get(3)?);
                // What can't be read is no migration of this program: its checksum differs.
                let at = OffsetDateTime::parse(&at, &Rfc3339).unwrap_or(OffsetDateTime::UNIX_EPOCH);
                let checksum = checksum.parse().unwrap_or(0);
                Ok(Migration::applied(row.get(0)?, row.get(1)?, at, checksum))
            })?
            .collect()
    }
}

impl Migrate for Within<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_a_migration() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
            .collect();
        let mut known: Vec<&str> = MIGRATIONS.iter().map(|(_, text)| *text).collect();
        files.sort();
        known.sort_unstable();
        assert_eq!(files, known);
        for (number, (name, _)) in MIGRATIONS.iter().enumerate() {
            assert!(name.starts_with(&format!("V{}__", number + 1)), "{name}");
        }
    }
}
