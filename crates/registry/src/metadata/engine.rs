//! The one place that knows which database runs underneath.
//!
//! Everything beside it in `metadata/` speaks in [`Statement`]s (one SQL text for every engine, parameters as `$1`,
//! `$2`, …) and [`Row`]s. A second engine is a second arm in each `match` here, and a file like `sqlite.rs` that
//! opens it.

use std::{path::Path, sync::Arc};

use apk::digest::Sha256Digest;
use sqlx::{
    Decode, Row as _, Sqlite, SqlitePool, Type, query::Query, sqlite::SqliteArguments,
    sqlite::SqliteRow,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    MetadataError,
    direct::{Connections, DirectRow, DirectTransaction, FromStored},
    sqlite::TURN_TIMEOUT,
};
use crate::clock::Timestamp;

/// A parameter of a statement.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Integer(Option<i64>),
    Text(Option<String>),
    Bytes(Vec<u8>),
    Flag(bool),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(Some(value))
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::Integer(Some(value.micros()))
    }
}

impl From<Option<Timestamp>> for Value {
    fn from(value: Option<Timestamp>) -> Self {
        Self::Integer(value.map(Timestamp::micros))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<Option<&str>> for Value {
    fn from(value: Option<&str>) -> Self {
        Self::Text(value.map(str::to_owned))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Integer(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl From<&[u8; 32]> for Value {
    fn from(value: &[u8; 32]) -> Self {
        Self::Bytes(value.to_vec())
    }
}

impl From<Option<super::OwnerId>> for Value {
    fn from(value: Option<super::OwnerId>) -> Self {
        Self::Integer(value.map(super::OwnerId::number))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

/// One SQL text with its parameters. Made by [`sql!`]; the text is always a literal.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) text: &'static str,
    pub(super) values: Vec<Value>,
}

/// Makes a [`Statement`]: `sql!("SELECT … WHERE id = $1", id)`.
macro_rules! sql {
    ($text:expr $(, $value:expr)* $(,)?) => {
        $crate::metadata::engine::Statement {
            text: $text,
            values: vec![$($crate::metadata::engine::Value::from($value)),*],
        }
    };
}
pub(super) use sql;

impl Statement {
    fn for_sqlite(self) -> Query<'static, Sqlite, SqliteArguments> {
        let mut query = sqlx::query(self.text);
        for value in self.values {
            query = match value {
                Value::Integer(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
                Value::Flag(value) => query.bind(value),
            };
        }
        query
    }
}

/// One row of an answer.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Direct(DirectRow),
}

/// What a value of a row can be taken as.
pub(super) trait Column<'r>: Decode<'r, Sqlite> + Type<Sqlite> + FromStored<'r> {}

impl<'r, T: Decode<'r, Sqlite> + Type<Sqlite> + FromStored<'r>> Column<'r> for T {}

impl Row {
    /// The value in the column of that name.
    pub(super) fn value<'r, T>(&'r self, column: &'static str) -> Result<T, MetadataError>
    where
        T: Column<'r>,
    {
        match self {
            Self::Sqlite(row) => Ok(row.try_get(column)?),
            Self::Direct(row) => row.value(column).ok_or_else(|| MetadataError::Nonsense {
                what: column,
                value: "of another type, or not asked for".to_owned(),
            }),
        }
    }

    /// The time in the column of that name.
    pub(super) fn time(&self, column: &'static str) -> Result<Timestamp, MetadataError> {
        self.value(column).map(Timestamp::from_micros)
    }

    /// The time in the column of that name, or nothing.
    pub(super) fn time_if_any(
        &self,
        column: &'static str,
    ) -> Result<Option<Timestamp>, MetadataError> {
        Ok(self
            .value::<Option<i64>>(column)?
            .map(Timestamp::from_micros))
    }

    /// The size or number in the column of that name, which is never negative.
    pub(super) fn size(&self, column: &'static str) -> Result<u64, MetadataError> {
        let size: i64 = self.value(column)?;
        u64::try_from(size).map_err(|_| MetadataError::Nonsense {
            what: "size",
            value: size.to_string(),
        })
    }

    /// The size or number in the column of that name, which is never negative, or nothing.
    pub(super) fn size_if_any(&self, column: &'static str) -> Result<Option<u64>, MetadataError> {
        match self.value::<Option<i64>>(column)? {
            Some(_) => self.size(column).map(Some),
            None => Ok(None),
        }
    }

    /// The digest in the column of that name.
    pub(super) fn digest(&self, column: &'static str) -> Result<Sha256Digest, MetadataError> {
        let bytes: &[u8] = self.value(column)?;
        match <[u8; 32]>::try_from(bytes) {
            Ok(bytes) => Ok(Sha256Digest::from_bytes(bytes)),
            Err(_) => Err(MetadataError::Nonsense {
                what: "digest",
                value: format!("{} bytes", bytes.len()),
            }),
        }
    }

    /// The word in the column of that name, as what it stands for.
    pub(super) fn word<T: std::str::FromStr>(
        &self,
        what: &'static str,
        column: &'static str,
    ) -> Result<T, MetadataError> {
        let word: &str = self.value(column)?;
        word.parse().map_err(|_| MetadataError::Nonsense {
            what,
            value: word.chars().take(64).collect(),
        })
    }
}

/// The database, open.
#[derive(Debug, Clone)]
pub(super) enum Engine {
    Sqlite {
        /// One connection: writers wait here in turn, not for each other's locks.
        writer: SqlitePool,
        readers: SqlitePool,
        /// None where the database is only looked at.
        direct: Option<Direct>,
    },
}

/// What goes past the pools of SQLite: see [`super::direct`].
#[derive(Debug, Clone)]
pub(super) struct Direct {
    pub(super) lookups: Arc<Connections>,
    pub(super) writer: Arc<Connections>,
    /// Whose turn it is to write, here or by the pool. In turns nobody waits for the lock of the database but for another
    /// process, and SQLite waits for it in sleeps.
    turn: Arc<Semaphore>,
}

impl Direct {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            lookups: Arc::new(Connections::that_look_up(path.to_path_buf())),
            writer: Arc::new(Connections::that_write(path.to_path_buf())),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, MetadataError> {
        let turn = timeout(TURN_TIMEOUT, Arc::clone(&self.turn).acquire_owned());
        // It is never closed.
        let waited = |_| MetadataError::Busy("others went on writing for too long".into());
        turn.await
            .map_err(waited)?
            .map_err(|closed| MetadataError::Failed(closed.into()))
    }
}

impl Engine {
    /// The row that answers a question which an index answers, if there is one. Like [`Engine::row`], but quicker.
    pub(super) async fn look_up(&self, statement: Statement) -> Result<Option<Row>, MetadataError> {
        match self.looked_up(&statement).await {
            Some(rows) => Ok(rows.into_iter().next()),
            None => self.row(statement).await,
        }
    }

    /// The rows that answer a question which an index answers by few of them. Like [`Engine::rows`], but quicker.
    pub(super) async fn look_up_all(
        &self,
        statement: Statement,
    ) -> Result<Vec<Row>, MetadataError> {
        match self.looked_up(&statement).await {
            Some(rows) => Ok(rows),
            None => self.rows(statement).await,
        }
    }

    async fn looked_up(&self, statement: &Statement) -> Option<Vec<Row>> {
        // A lookup never waits, so a loop of them would never let another task have the thread.
        tokio::task::coop::consume_budget().await;
        match self {
            Self::Sqlite { direct, .. } => {
                let rows = direct.as_ref()?.lookups.look_up(statement)?;
                Some(rows.into_iter().map(Row::Direct).collect())
            }
        }
    }

    /// Every row of the answer to a question.
    pub(super) async fn rows(&self, statement: Statement) -> Result<Vec<Row>, MetadataError> {
        match self {
            Self::Sqlite { readers, .. } => {
                let rows = statement.for_sqlite().fetch_all(readers).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
        }
    }

    /// The row that answers a question, if there is one.
    pub(super) async fn row(&self, statement: Statement) -> Result<Option<Row>, MetadataError> {
        match self {
            Self::Sqlite { readers, .. } => {
                let row = statement.for_sqlite().fetch_optional(readers).await?;
                Ok(row.map(Row::Sqlite))
            }
        }
    }

    /// A transaction that may write. Dropped before [`Transaction::commit`], it never happened.
    ///
    /// On SQLite it holds the write lock from the first (BEGIN IMMEDIATE): a transaction that read first and asked
    /// for the lock later would be refused with "busy" whenever somebody wrote in between, however long it waited.
    pub(super) async fn write(&self) -> Result<Transaction, MetadataError> {
        match self {
            Self::Sqlite { writer, direct, .. } => {
                let turn = match direct {
                    Some(direct) => Some(direct.turn().await?),
                    None => None,
                };
                let transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
                Ok(Transaction::Sqlite { transaction, turn })
            }
        }
    }

    /// The same, for a thread that may wait: its statements and its commit run there, which saves each of them the way to
    /// the thread of the connection and back.
    pub(super) async fn write_here(&self) -> Result<Transaction, MetadataError> {
        match self {
            Self::Sqlite {
                writer,
                direct: Some(direct),
                ..
            } => {
                let turn = direct.turn().await?;
                // A transaction of the pool that was dropped is over when its connection is back, not before.
                if writer.num_idle() == 0 {
                    drop(writer.acquire().await?);
                }
                let transaction = DirectTransaction::begin(&direct.writer)?;
                Ok(Transaction::Direct { transaction, turn })
            }
            Self::Sqlite { direct: None, .. } => self.write().await,
        }
    }

    /// One statement in a transaction of its own. Gives the number of rows it changed.
    pub(super) async fn run(&self, statement: Statement) -> Result<u64, MetadataError> {
        let mut transaction = self.write().await?;
        let changed = transaction.run(statement).await?;
        transaction.commit().await?;
        Ok(changed)
    }

    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite {
                writer,
                readers,
                direct,
            } => {
                if let Some(direct) = direct {
                    // Once what is being written is written, or has taken far too long.
                    let _turn = direct.turn().await;
                    direct.lookups.close();
                    direct.writer.close();
                }
                readers.close().await;
                writer.close().await;
            }
        }
    }
}

/// A transaction that may write.
pub(super) enum Transaction {
    // Fields are dropped in their order: a transaction that ends here is over before its turn is.
    Sqlite {
        transaction: sqlx::Transaction<'static, Sqlite>,
        turn: Option<OwnedSemaphorePermit>,
    },
    Direct {
        transaction: DirectTransaction,
        turn: OwnedSemaphorePermit,
    },
}

impl Transaction {
    /// The first row that a statement gives.
    pub(super) async fn row(&mut self, statement: Statement) -> Result<Option<Row>, MetadataError> {
        Ok(self.rows(statement).await?.into_iter().next())
    }

    /// All rows that a statement gives.
    pub(super) async fn rows(&mut self, statement: Statement) -> Result<Vec<Row>, MetadataError> {
        match self {
            // All rows are fetched, also where one is wanted: a statement that is not run to its end has not done its
            // work.
            Self::Sqlite { transaction, .. } => {
                let rows = statement.for_sqlite().fetch_all(&mut **transaction).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            Self::Direct { transaction, .. } => {
                let rows = transaction.rows(&statement)?;
                Ok(rows.into_iter().map(Row::Direct).collect())
            }
        }
    }

    /// Runs a statement and gives the number of rows it changed.
    pub(super) async fn run(&mut self, statement: Statement) -> Result<u64, MetadataError> {
        match self {
            Self::Sqlite { transaction, .. } => Ok(statement
                .for_sqlite()
                .execute(&mut **transaction)
                .await?
                .rows_affected()),
            Self::Direct { transaction, .. } => Ok(transaction.run(&statement)?),
        }
    }

    /// Runs a statement that must change one row.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] with `what` when it changes none.
    pub(super) async fn run_one(
        &mut self,
        what: &'static str,
        statement: Statement,
    ) -> Result<(), MetadataError> {
        match self.run(statement).await? {
            1 => Ok(()),
            0 => Err(MetadataError::Missing(what)),
            _ => Err(MetadataError::Nonsense {
                what,
                value: "more than one".to_owned(),
            }),
        }
    }

    /// Makes it last. When this gives back an error, whether it did is not known.
    pub(super) async fn commit(self) -> Result<(), MetadataError> {
        match self {
            Self::Sqlite { transaction, turn } => {
                let committed = transaction.commit().await;
                drop(turn);
                Ok(committed?)
            }
            Self::Direct { transaction, turn } => {
                let committed = transaction.commit();
                drop(turn);
                Ok(committed?)
            }
        }
    }
}

#[cfg(test)]
mod tests;
