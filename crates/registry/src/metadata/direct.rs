//! SQLite on the calling thread.
//!
//! The pools of [`super::sqlite`] run each statement on the thread of its connection, so that a long one holds nobody up.
//! The way there and back wakes two sleeping threads, at 20 to 50 µs each, where a short statement itself takes some 10 µs.
//! So two things go past them: lookups, which an index answers with a few rows, and the transactions that record packages,
//! each as a whole on a thread that may wait.
//!
//! This is a second library for one database, but the SQLite under both is one: it has to be, for the locks of a file are the
//! process's ("How To Corrupt An SQLite Database File", section 2.2.1). Cargo lets nothing link it twice.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{
    CachedStatement, Connection, OpenFlags,
    types::{FromSqlError, FromSqlResult, ToSqlOutput, Value as Stored, ValueRef},
};

use super::{
    engine::{Statement, Value},
    sqlite::{BUSY_TIMEOUT, LOG_SIZE},
};

/// Statements that a connection keeps ready: more than there are texts of them.
const KEPT_STATEMENTS: usize = 64;

/// Connections that are kept for later. More are in use at once only where the disk is slow.
const KEPT_IDLE: usize = 16;

/// Connections to one database.
#[derive(Debug)]
pub(super) struct Connections {
    path: PathBuf,
    open: fn(&Path) -> rusqlite::Result<Connection>,
    /// Those that nobody uses now. None from [`Connections::close`] on.
    idle: Mutex<Option<Vec<Connection>>>,
}

impl Connections {
    /// To the database at that path, which somebody else keeps open in WAL mode; to make lookups with. They never wait for a
    /// lock.
    pub(super) fn that_look_up(path: PathBuf) -> Self {
        Self::new(path, |path| {
            // Used by one thread at a time, so SQLite need not see to that itself.
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(Duration::ZERO)?;
            Ok(connection)
        })
    }

    /// The same, to write with. They wait for locks that long, and are as durable as the pool's.
    pub(super) fn that_write(path: PathBuf) -> Self {
        Self::new(path, |path| {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            connection.pragma_update(None, "journal_size_limit", LOG_SIZE)?;
            Ok(connection)
        })
    }

    fn new(path: PathBuf, open: fn(&Path) -> rusqlite::Result<Connection>) -> Self {
        Self {
            path,
            open,
            idle: Mutex::new(Some(Vec::new())),
        }
    }

    /// Every row of the answer to a lookup. None where it is not to be had at once: the pool is to be asked then, which waits,
    /// and says what is wrong.
    pub(super) fn look_up(&self, statement: &Statement) -> Option<Vec<DirectRow>> {
        let looked_up = self.take()?.and_then(|connection| {
            let rows = rows(&mut prepare(&connection, statement)?)?;
            Ok((rows, connection))
        });
        match looked_up {
            Ok((rows, connection)) => {
                self.give_back(connection);
                Some(rows)
            }
            // What the connection is good for is not known, so it is not given back.
            Err(error) => {
                tracing::debug!(%error, "a lookup is left to the pool");
                None
            }
        }
    }

    /// Closes what nobody uses; the others close when they are given back.
    pub(super) fn close(&self) {
        drop(self.lock().take());
    }

    /// A connection that nobody else uses; None when all are closed for good.
    fn take(&self) -> Option<rusqlite::Result<Connection>> {
        let idle = self.lock().as_mut()?.pop();
        Some(idle.map_or_else(
            || {
                let connection = (self.open)(&self.path)?;
                connection.set_prepared_statement_cache_capacity(KEPT_STATEMENTS);
                Ok(connection)
            },
            Ok,
        ))
    }

    fn give_back(&self, connection: Connection) {
        if let Some(idle) = self.lock().as_mut()
            && idle.len() < KEPT_IDLE
        {
            idle.push(connection);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transaction whose statements run on the thread that has them, and its commit too.
#[derive(Debug)]
pub(super) struct DirectTransaction {
    /// None once it is over.
    connection: Option<Connection>,
    home: Arc<Connections>,
}

impl DirectTransaction {
    /// Begins, with the write lock from the first. Waits for other processes, on this thread.
    ///
    /// # Errors
    ///
    /// When somebody else holds the lock for too long, the database was closed, or it fails.
    pub(super) fn begin(home: &Arc<Connections>) -> rusqlite::Result<Self> {
        let closed = || misuse("the database was closed");
        let connection = home.take().ok_or_else(closed)??;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        Ok(Self {
            connection: Some(connection),
            home: Arc::clone(home),
        })
    }

    /// All rows that a statement gives.
    pub(super) fn rows(&mut self, statement: &Statement) -> rusqlite::Result<Vec<DirectRow>> {
        rows(&mut prepare(self.connection()?, statement)?)
    }

    /// Runs a statement and gives the number of rows it changed.
    pub(super) fn run(&mut self, statement: &Statement) -> rusqlite::Result<u64> {
        let changed = prepare(self.connection()?, statement)?.raw_execute()?;
        Ok(u64::try_from(changed).unwrap_or(u64::MAX))
    }

    /// Makes it last.
    pub(super) fn commit(self) -> rusqlite::Result<()> {
        self.connection()?.execute_batch("COMMIT")
    }

    /// The connection, in its transaction. SQLite leaves that by itself on some errors, a full disk among them, and what
    /// came then would be a transaction of its own.
    fn connection(&self) -> rusqlite::Result<&Connection> {
        self.connection
            .as_ref()
            .filter(|connection| !connection.is_autocommit())
            .ok_or_else(|| misuse("the transaction is over"))
    }
}

fn misuse(what: &str) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_MISUSE);
    rusqlite::Error::SqliteFailure(code, Some(what.to_owned()))
}

impl Drop for DirectTransaction {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        let is_over = connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok();
        // One that is stuck in its transaction is closed, and with that rolled back.
        if is_over {
            self.home.give_back(connection);
        }
    }
}

/// The statement with its parameters, ready to run.
fn prepare<'c>(
    connection: &'c Connection,
    statement: &Statement,
) -> rusqlite::Result<CachedStatement<'c>> {
    let mut prepared = connection.prepare_cached(statement.text)?;
    for index in 1..=prepared.parameter_count() {
        // SQLite numbers `$5` by where it first stands in the text, not by its name.
        let value = prepared
            .parameter_name(index)
            .and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok())
            .and_then(|number| statement.values.get(number.checked_sub(1)?))
            .ok_or(rusqlite::Error::InvalidParameterCount(
                statement.values.len(),
                index,
            ))?;
        prepared.raw_bind_parameter(index, bound(value))?;
    }
    Ok(prepared)
}

fn rows(prepared: &mut CachedStatement<'_>) -> rusqlite::Result<Vec<DirectRow>> {
    let columns: Arc<[String]> = prepared
        .column_names()
        .into_iter()
        .map(Into::into)
        .collect();
    let mut rows = prepared.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (0..columns.len()).map(|column| row.get(column));
        found.push(DirectRow {
            values: values.collect::<rusqlite::Result<_>>()?,
            columns: Arc::clone(&columns),
        });
    }
    Ok(found)
}

fn bound(value: &Value) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(match value {
        Value::Integer(Some(number)) => ValueRef::Integer(*number),
        Value::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
        Value::Integer(None) | Value::Text(None) => ValueRef::Null,
        Value::Bytes(bytes) => ValueRef::Blob(bytes),
        Value::Flag(flag) => ValueRef::Integer(i64::from(*flag)),
    })
}

/// A row that was read on this thread.
#[derive(Debug)]
pub(super) struct DirectRow {
    columns: Arc<[String]>,
    values: Vec<Stored>,
}

impl DirectRow {
    /// The value in the column of that name, if there is such a column and the value is of that type.
    pub(super) fn value<'r, T: FromStored<'r>>(&'r self, column: &str) -> Option<T> {
        let index = self.columns.iter().position(|name| name == column)?;
        T::from_stored(self.values.get(index)?.into()).ok()
    }
}

/// What a value of such a row can be taken as.
pub(super) trait FromStored<'r>: Sized {
    fn from_stored(value: ValueRef<'r>) -> FromSqlResult<Self>;
}

impl<'r> FromStored<'r> for i64 {
    fn from_stored(value: ValueRef<'r>) -> FromSqlResult<Self> {
        value.as_i64()
    }
}

impl<'r> FromStored<'r> for u32 {
    fn from_stored(value: ValueRef<'r>) -> FromSqlResult<Self> {
        let number = value.as_i64()?;
        Self::try_from(number).map_err(|_| FromSqlError::OutOfRange(number))
    }
}

impl<'r> FromStored<'r> for bool {
    fn from_stored(value: ValueRef<'r>) -> FromSqlResult<Self> {
        Ok(value.as_i64()? != 0)
    }
}

impl<'r> FromStored<'r> for &'r str {
    fn from_stored(value: ValueRef<'r>) -> FromSqlResult<Self> {
        value.as_str()
    }
}

impl<'r> FromStored<'r> for String {
    fn from_stored(value: ValueRef<'r>) -> FromSqlResult<Self> {
        value.as_str().map(Self::from)
    }
}

impl<'r> FromStored<'r> for &'r [u8] {
    fn from_stored(value: ValueRef<'r>) -> FromSqlResult<Self> {
        value.as_blob()
    }
}

impl<'r> FromStored<'r> for Vec<u8> {
    fn from_stored(value: ValueRef<'r>) -> FromSqlResult<Self> {
        value.as_blob().map(Self::from)
    }
}

impl<'r, T: FromStored<'r>> FromStored<'r> for Option<T> {
    fn from_stored(value: ValueRef<'r>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Null => Ok(None),
            value => T::from_stored(value).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            engine::{Engine, Row, sql},
            sqlite,
        },
        *,
    };

    async fn open() -> (Engine, Arc<Connections>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let (engine, _) = sqlite::open(&folder.path().join("tarn.db")).await.unwrap();
        let Engine::Sqlite { direct, .. } = &engine;
        let lookups = Arc::clone(&direct.as_ref().unwrap().lookups);
        (engine, lookups, folder)
    }

    /// A value of each kind, the second before the first, and one of them twice.
    fn of_every_kind() -> Statement {
        sql!(
            "SELECT $2 AS text, $1 AS number, $1 + 1 AS next, $3 AS flag, $4 AS bytes, $5 AS absent",
            41,
            "größe",
            true,
            [7_u8, 0, 255].as_slice(),
            None::<i64>
        )
    }

    fn read(row: &Row) -> (String, i64, u32, bool, Vec<u8>, Option<i64>, Option<String>) {
        let text: &str = row.value("text").unwrap();
        let bytes: &[u8] = row.value("bytes").unwrap();
        assert_eq!(text, row.value::<String>("text").unwrap());
        assert_eq!(bytes, row.value::<Vec<u8>>("bytes").unwrap());
        (
            text.to_owned(),
            row.value("number").unwrap(),
            row.value("next").unwrap(),
            row.value("flag").unwrap(),
            bytes.to_owned(),
            row.value("absent").unwrap(),
            row.value("text").unwrap(),
        )
    }

    #[tokio::test]
    async fn what_is_looked_up_is_what_the_pool_answers() {
        let (engine, lookups, _folder) = open().await;
        let looked_up = lookups.look_up(&of_every_kind()).unwrap();
        let [looked_up] = <[DirectRow; 1]>::try_from(looked_up).unwrap();
        let looked_up = Row::Direct(looked_up);
        let asked = engine.row(of_every_kind()).await.unwrap().unwrap();
        assert!(matches!(asked, Row::Sqlite(_)));
        assert_eq!(read(&looked_up), read(&asked));
        // The pool would make a zero of it.
        assert!(looked_up.value::<i64>("absent").is_err());
        for row in [looked_up, asked] {
            assert!(row.value::<i64>("text").is_err());
            assert!(row.value::<i64>("unheard").is_err());
        }
    }

    #[tokio::test]
    async fn a_commit_is_seen_at_once_and_never_held_up() {
        let (engine, lookups, _folder) = open().await;
        let count = || {
            let rows = lookups.look_up(&sql!("SELECT COUNT(*) AS count FROM blobs"));
            let row = Row::Direct(rows.unwrap().pop().unwrap());
            row.value::<i64>("count").unwrap()
        };
        for made in 1..=3 {
            let row =
                sql!("INSERT INTO blobs (sha256, size, created_at) VALUES (randomblob(32), 1, 1)");
            engine.run(row).await.unwrap();
            assert_eq!(count(), made);
            // A lookup that went on reading would keep the log from being cut back (SQLite answers `busy` = 1).
            let Engine::Sqlite { writer, .. } = &engine;
            let cut: (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
                .fetch_one(writer)
                .await
                .unwrap();
            assert_eq!(cut, (0, 0, 0));
        }
        let idle = lookups.lock().as_ref().unwrap().len();
        assert_eq!(idle, 1, "one thread needs one connection");
    }

    #[tokio::test]
    async fn what_cannot_be_looked_up_is_left_to_the_pool() {
        let (engine, lookups, _folder) = open().await;
        let unfit = [
            sql!("SELECT 1 FROM unheard"),
            sql!("SELECT $1 AS first, $2 AS second", 1),
            sql!("DELETE FROM owners"),
        ];
        for unfit in unfit {
            assert!(lookups.look_up(&unfit).is_none(), "{}", unfit.text);
        }
        let error = engine
            .look_up(sql!("SELECT 1 FROM unheard"))
            .await
            .err()
            .unwrap();
        assert!(matches!(error, super::super::MetadataError::Failed(_)));

        lookups.close();
        assert!(lookups.look_up(&of_every_kind()).is_none());
        let row = engine.look_up(of_every_kind()).await.unwrap().unwrap();
        assert!(matches!(row, Row::Sqlite(_)));
    }
}
