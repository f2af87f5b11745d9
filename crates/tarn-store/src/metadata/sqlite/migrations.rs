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

use super::{
    super::{
        MetadataError,
        migrations::{self, HISTORY},
    },
    Fault,
};

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
    migrations::refuse_newer(path.display(), newest_made(&transaction)?)?;
    let made = migrations::of_sqlite().and_then(|migrations| {
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
    match error.kind() {
        Kind::Connection(_, source) if is_full(source.as_ref()) => {
            MetadataError::Full(error.into())
        }
        _ => migrations::failed(path.display().to_string(), error),
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
                Ok(migrations::made(row.get(0)?, row.get(1)?, &at, &checksum))
            })?
            .collect()
    }
}

impl Migrate for Within<'_> {}
