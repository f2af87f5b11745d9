//! A transaction that may write, on whichever database.

use std::sync::Arc;

use tokio::sync::Notify;

use super::{
    super::{
        MetadataError,
        given::Given,
        postgres,
        rows::{FromRow, Row, read_all},
        sqlite,
    },
    Statement,
};

/// Why a transaction came to nothing.
#[derive(Debug)]
pub(in crate::metadata) enum Failure {
    /// It did not begin, or its commit failed: whether that happened is not known.
    Transaction(MetadataError),
    /// A statement failed, and nothing was done.
    Statement(MetadataError),
}

impl Failure {
    pub(in crate::metadata) const fn error(&self) -> &MetadataError {
        let (Self::Transaction(error) | Self::Statement(error)) = self;
        error
    }
}

impl From<Failure> for MetadataError {
    fn from(failure: Failure) -> Self {
        let (Failure::Transaction(error) | Failure::Statement(error)) = failure;
        error
    }
}

/// A transaction that may write.
#[derive(Debug)]
pub(in crate::metadata) struct Transaction {
    pub(in crate::metadata) on: On,
    /// Is notified after a commit of what fills the outbox.
    outbox: Arc<Notify>,
    fills_outbox: bool,
}

/// The database that it is on.
#[derive(Debug)]
pub(in crate::metadata) enum On {
    Sqlite(sqlite::Transaction),
    Postgres(postgres::Transaction),
}

impl Transaction {
    pub(super) fn new(on: On, outbox: &Arc<Notify>) -> Self {
        Self {
            on,
            outbox: Arc::clone(outbox),
            fills_outbox: false,
        }
    }

    /// Notes that it puts messages into the outbox: what sends them is woken after the commit.
    pub(in crate::metadata) const fn fills_outbox(&mut self) {
        self.fills_outbox = true;
    }

    /// The first row that a statement gives.
    pub(in crate::metadata) async fn row<T: FromRow>(
        &mut self,
        statement: Statement,
    ) -> Result<Option<T>, MetadataError> {
        // All rows are fetched, also where one is wanted: a statement that is not run to its end has not done its work.
        Ok(self.rows(statement).await?.into_iter().next())
    }

    /// The first row that a statement gives.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] with `what` when it gives none.
    pub(in crate::metadata) async fn one<T: FromRow>(
        &mut self,
        what: &'static str,
        statement: Statement,
    ) -> Result<T, MetadataError> {
        let row = self.row(statement).await?;
        row.ok_or(MetadataError::Missing(what))
    }

    /// Whether a statement gives a row.
    pub(in crate::metadata) async fn any(
        &mut self,
        statement: Statement,
    ) -> Result<bool, MetadataError> {
        Ok(!self.answer(statement).await?.is_empty())
    }

    /// All rows that a statement gives.
    pub(in crate::metadata) async fn rows<T: FromRow>(
        &mut self,
        statement: Statement,
    ) -> Result<Vec<T>, MetadataError> {
        read_all(self.answer(statement).await?)
    }

    async fn answer(&mut self, statement: Statement) -> Result<Vec<Row>, MetadataError> {
        match &mut self.on {
            On::Sqlite(transaction) => transaction.rows(statement).await,
            On::Postgres(transaction) => transaction.rows(statement).await,
        }
    }

    /// Runs a statement and gives the number of rows it changed.
    pub(in crate::metadata) async fn run(
        &mut self,
        statement: Statement,
    ) -> Result<u64, MetadataError> {
        match &mut self.on {
            On::Sqlite(transaction) => transaction.run(statement).await,
            On::Postgres(transaction) => transaction.run(statement).await,
        }
    }

    /// Runs a statement that must change one row.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] with `what` when it changes none.
    pub(in crate::metadata) async fn run_one(
        &mut self,
        what: &'static str,
        statement: Statement,
    ) -> Result<(), MetadataError> {
        match self.run(statement).await? {
            1 => Ok(()),
            0 => Err(MetadataError::Missing(what)),
            _ => Err(MetadataError::Corrupt {
                what,
                value: "more than one".to_owned(),
            }),
        }
    }

    /// Makes it last. When this gives back an error, whether it did is not known. Dropped, it still commits.
    pub(in crate::metadata) async fn commit(self) -> Result<(), MetadataError> {
        self.commit_with(Vec::new()).await?;
        Ok(())
    }

    /// Runs statements about many rows and commits. On PostgreSQL that is one round trip, which also returns the snapshot after the commit.
    pub(in crate::metadata) async fn commit_with(
        mut self,
        mut statements: Vec<Given>,
    ) -> Result<Option<String>, Failure> {
        if let On::Sqlite(_) = self.on
            && !statements.is_empty()
        {
            self.all(std::mem::take(&mut statements))
                .await
                .map_err(Failure::Statement)?;
        }
        let snapshot = match self.on {
            On::Sqlite(transaction) => {
                transaction.commit().await.map_err(Failure::Transaction)?;
                None
            }
            On::Postgres(transaction) => transaction.commit(&statements).await?,
        };
        if self.fills_outbox {
            self.outbox.notify_one();
        }
        Ok(snapshot)
    }

    /// The snapshot before it; only PostgreSQL has one.
    pub(in crate::metadata) fn snapshot(&self) -> Option<&str> {
        match &self.on {
            On::Sqlite(_) => None,
            On::Postgres(transaction) => transaction.before(),
        }
    }
}
