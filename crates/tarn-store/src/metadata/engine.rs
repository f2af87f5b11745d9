//! The one place that knows which database runs underneath.
//!
//! Everything beside it in `metadata/` speaks in [`Statement`]s (one SQL text for every engine, parameters as `$1`,
//! `$2`, …) and [`Row`]s (`rows.rs`), in none of which is a type of an engine's library. An engine is an arm in each `match` here, and a
//! module: `sqlite.rs`, `postgres.rs`. What a text may say is what both understand; [`Engine::text`] is for the rest.

mod transaction;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, sync::Notify, task::JoinHandle};

pub(super) use self::transaction::{Failure, On, Transaction};
use super::{
    MetadataError, WRITE_WAIT,
    given::{Answer, Given},
    postgres,
    rows::{FromRow, Row, read_all},
    sqlite,
};
use tarn_base::{clock::Timestamp, counter::Counter};

/// A parameter of a statement, or a value of a row.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Integer(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Flag(Option<bool>),
}

impl Value {
    pub(super) const fn is_null(&self) -> bool {
        matches!(
            self,
            Self::Integer(None) | Self::Text(None) | Self::Bytes(None) | Self::Flag(None)
        )
    }
}

/// What a value is made of.
macro_rules! values {
    ($($type:ty: |$from:ident| $value:expr;)+) => {$(
        impl From<$type> for Value {
            fn from($from: $type) -> Self {
                $value
            }
        }
    )+};
}

values! {
    i64: |number| Self::Integer(Some(number));
    Option<i64>: |number| Self::Integer(number);
    u32: |number| i64::from(number).into();
    Timestamp: |at| at.micros().into();
    Option<Timestamp>: |at| at.map(Timestamp::micros).into();
    String: |text| Self::Text(Some(text));
    Option<String>: |text| Self::Text(text);
    &str: |text| text.to_owned().into();
    Option<&str>: |text| text.map(str::to_owned).into();
    &[u8]: |bytes| Self::Bytes(Some(bytes.to_vec()));
    Option<&[u8]>: |bytes| Self::Bytes(bytes.map(<[u8]>::to_vec));
    &[u8; 32]: |bytes| bytes.as_slice().into();
    bool: |flag| Self::Flag(Some(flag));
    Option<bool>: |flag| Self::Flag(flag);
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

/// What a question is for. The questions of each purpose have connections of their own, so that however many there are
/// of one, and however long they take, the others are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A few rows that an index of the database finds: what most requests begin with.
    Lookup,
    /// The rows of a package index.
    Index,
    /// Lists and searches: any caller may ask for them, and they may look at many rows.
    List,
    /// Housekeeping and administration.
    Other,
}

/// The database, open. No statement holds up the thread that calls: on SQLite they run on threads that may wait.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    kind: Kind,
    /// How long a transaction waits for its turn and for other processes, together.
    write_wait: Duration,
    questions: Arc<Counter>,
    outbox: Arc<Notify>,
}

/// Which database it is.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Engine {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            write_wait: WRITE_WAIT,
            questions: Arc::default(),
            outbox: Arc::default(),
        }
    }

    /// Every row of the answer to a question.
    ///
    /// When the caller drops the future, the statement is interrupted; its connection is for others once it has ended.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Busy`] when its turn does not come in time, or the statement takes too long.
    pub(super) async fn ask<T: FromRow>(
        &self,
        purpose: Purpose,
        statement: Statement,
    ) -> Result<Vec<T>, MetadataError> {
        read_all(self.answer(purpose, statement).await?)
    }

    async fn answer(
        &self,
        purpose: Purpose,
        statement: Statement,
    ) -> Result<Vec<Row>, MetadataError> {
        self.questions.one();
        match &self.kind {
            Kind::Sqlite(sqlite) => sqlite.ask(purpose, statement).await,
            Kind::Postgres(postgres) => postgres.ask(purpose, statement).await,
        }
    }

    /// The same, where a transaction waits for so long until no other writes.
    pub(super) fn with_write_wait(mut self, wait: Duration) -> Self {
        self.write_wait = wait;
        self
    }

    /// How many questions were asked so far, outside of transactions that write.
    pub(super) fn questions(&self) -> &Counter {
        &self.questions
    }

    /// Is notified once this process has put something into the outbox of the webhooks.
    pub(super) fn outbox(&self) -> &Notify {
        &self.outbox
    }

    fn begun(&self, on: On) -> Transaction {
        Transaction::new(on, &self.outbox)
    }

    /// The row that answers a question which an index answers, if there is one.
    pub(super) async fn look_up<T: FromRow>(
        &self,
        statement: Statement,
    ) -> Result<Option<T>, MetadataError> {
        Ok(self.look_up_all(statement).await?.into_iter().next())
    }

    /// The rows that answer a question which an index answers by few of them.
    pub(super) async fn look_up_all<T: FromRow>(
        &self,
        statement: Statement,
    ) -> Result<Vec<T>, MetadataError> {
        self.ask(Purpose::Lookup, statement).await
    }

    /// Every row of a list or of a search.
    pub(super) async fn list<T: FromRow>(
        &self,
        statement: Statement,
    ) -> Result<Vec<T>, MetadataError> {
        self.ask(Purpose::List, statement).await
    }

    /// Every row of the answer to a question.
    pub(super) async fn rows<T: FromRow>(
        &self,
        statement: Statement,
    ) -> Result<Vec<T>, MetadataError> {
        self.ask(Purpose::Other, statement).await
    }

    /// The row that answers a question, if there is one.
    pub(super) async fn row<T: FromRow>(
        &self,
        statement: Statement,
    ) -> Result<Option<T>, MetadataError> {
        Ok(self.rows(statement).await?.into_iter().next())
    }

    /// Whether there is a row that answers a question.
    pub(super) async fn any(&self, statement: Statement) -> Result<bool, MetadataError> {
        let rows = self.answer(Purpose::Other, statement).await?;
        Ok(!rows.is_empty())
    }

    /// A transaction that may write. Dropped before [`Transaction::commit`], it never happened. One in which a statement failed is to
    /// be dropped: PostgreSQL does nothing more in it.
    ///
    /// It holds the lock of the one who writes from the first. On SQLite (BEGIN IMMEDIATE) a transaction that read first and asked
    /// for the lock later would be refused with "busy" whenever another wrote in between, however long it waited. On
    /// PostgreSQL it would have seen what others changed meanwhile as it was before.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Busy`] when others write for too long. It waits for its turn in this process and for the lock of the database
    /// no longer than [`super::WRITE_WAIT`] together.
    pub(super) async fn write(&self) -> Result<Transaction, MetadataError> {
        let until = Instant::now() + self.write_wait;
        Ok(self.begun(match &self.kind {
            Kind::Sqlite(sqlite) => On::Sqlite(sqlite.write(until).await?),
            Kind::Postgres(postgres) => On::Postgres(postgres.write(&[], until).await?.0),
        }))
    }

    /// The same as [`Engine::write_here`], with the answers to questions about many rows. On PostgreSQL that is one round trip. The caller
    /// has waited `since` then already, which counts.
    pub(super) async fn write_asking(
        &self,
        questions: Vec<Given>,
        since: Instant,
    ) -> Result<(Transaction, Vec<Answer>), Failure> {
        let until = since + self.write_wait;
        match &self.kind {
            Kind::Sqlite(sqlite) => {
                let begun = sqlite.write_here(until).await;
                let begun = begun.map_err(Failure::Transaction)?;
                let mut transaction = self.begun(On::Sqlite(begun));
                let answers = transaction.all(questions).await;
                Ok((transaction, answers.map_err(Failure::Statement)?))
            }
            Kind::Postgres(postgres) => {
                let (transaction, answers) = postgres.write(&questions, until).await?;
                Ok((self.begun(On::Postgres(transaction)), answers))
            }
        }
    }

    /// The same, for a thread that may wait: its statements and its commit run there, which saves each of them the way to
    /// another thread and back.
    pub(super) async fn write_here(&self) -> Result<Transaction, MetadataError> {
        match &self.kind {
            Kind::Sqlite(sqlite) => {
                let begun = sqlite.write_here(Instant::now() + self.write_wait).await?;
                Ok(self.begun(On::Sqlite(begun)))
            }
            Kind::Postgres(_) => self.write().await,
        }
    }

    /// Starts work that writes by [`Engine::write_here`] on a runtime: on a thread that may wait, where statements do.
    pub(super) fn start_writing(
        &self,
        runtime: &Handle,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        match &self.kind {
            Kind::Sqlite(_) => {
                let here = runtime.clone();
                runtime.spawn_blocking(move || here.block_on(work))
            }
            Kind::Postgres(_) => runtime.spawn(work),
        }
    }

    /// One statement in a transaction of its own. Gives the number of rows it changed.
    pub(super) async fn run(&self, statement: Statement) -> Result<u64, MetadataError> {
        let mut transaction = self.write().await?;
        let changed = transaction.run(statement).await?;
        transaction.commit().await?;
        Ok(changed)
    }

    /// The one of two texts that this engine understands: for the few questions that can't be one text.
    pub(super) const fn text(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match &self.kind {
            Kind::Sqlite(_) => sqlite,
            Kind::Postgres(_) => postgres,
        }
    }

    /// Whether servers may share the database.
    pub(super) const fn is_shared(&self) -> bool {
        match &self.kind {
            Kind::Sqlite(_) => false,
            Kind::Postgres(_) => true,
        }
    }

    /// Waits for what is under way and closes every connection.
    pub(super) async fn close(&self) {
        match &self.kind {
            Kind::Sqlite(sqlite) => sqlite.close().await,
            Kind::Postgres(postgres) => postgres.close().await,
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
