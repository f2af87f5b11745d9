//! A transaction that may write, on the one connection that does.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::{runtime::Handle, sync::OwnedSemaphorePermit};

use super::{
    super::{
        MetadataError,
        engine::Statement,
        given::{Answer, Given},
        rows::Row,
    },
    connections::{Connections, Stop, explained, given, rows, run},
    on_thread,
};

/// How long one statement of a transaction may take: others wait to write meanwhile.
const DEADLINE: Duration = Duration::from_secs(60);

/// A transaction that may write. Its connection goes to a thread that may wait with each statement, and comes back with
/// the result; so the statements between two of which the caller waits for something else hold up no thread.
#[derive(Debug)]
pub(in crate::metadata) struct Transaction {
    /// None while a statement is under way, and when the transaction is over.
    open: Option<Open>,
    /// Where statements run. None: on the thread that calls, which may wait.
    runtime: Option<Handle>,
}

impl Transaction {
    pub(super) const fn new(open: Open, runtime: Option<Handle>) -> Self {
        Self {
            open: Some(open),
            runtime,
        }
    }

    /// All rows that a statement gives.
    pub(in crate::metadata) async fn rows(
        &mut self,
        statement: Statement,
    ) -> Result<Vec<Row>, MetadataError> {
        self.with(move |connection| rows(connection, &statement))
            .await
    }

    /// Runs a statement and gives the number of rows it changed.
    pub(in crate::metadata) async fn run(
        &mut self,
        statement: Statement,
    ) -> Result<u64, MetadataError> {
        self.with(move |connection| run(connection, &statement))
            .await
    }

    /// Runs statements about many rows.
    pub(in crate::metadata) async fn all(
        &mut self,
        statements: Vec<Given>,
    ) -> Result<Vec<Answer>, MetadataError> {
        self.with(move |connection| {
            let answers = statements
                .iter()
                .map(|statement| given(connection, statement));
            answers.collect()
        })
        .await
    }

    async fn with<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, MetadataError> {
        let open = self.open.take().ok_or_else(over)?;
        let (stop, _caller) = Stop::within(DEADLINE);
        let work = move || {
            let done = open
                .connection()
                .and_then(|connection| stop.run(connection, work));
            (open, done)
        };
        let (open, done) = match &self.runtime {
            None => work(),
            Some(runtime) => on_thread(runtime, work).await?,
        };
        self.open = Some(open);
        done
    }

    /// Makes it last. Dropped, it still commits.
    pub(in crate::metadata) async fn commit(mut self) -> Result<(), MetadataError> {
        let open = self.open.take().ok_or_else(over)?;
        let commit = move || {
            let connection = open.connection()?;
            let done = connection.execute_batch("COMMIT");
            done.map_err(|error| explained(connection, error))
        };
        match &self.runtime {
            None => commit(),
            Some(runtime) => on_thread(runtime, commit).await?,
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(open) = self.open.take()
            && let Some(runtime) = &self.runtime
        {
            // It ends with a ROLLBACK, which is a statement too.
            drop(runtime.spawn_blocking(move || drop(open)));
        }
    }
}

fn over() -> MetadataError {
    MetadataError::Failed("the transaction is over".into())
}

/// What a transaction holds until it is over: the connection, and its turn to write.
#[derive(Debug)]
pub(super) struct Open {
    /// None once it is over.
    connection: Option<Connection>,
    home: Arc<Connections>,
    // Dropped last: the connection is back before the next one wants it.
    _turn: OwnedSemaphorePermit,
}

impl Open {
    /// Begins, with the write lock from the first. Waits for other processes, on this thread; at `until` it asks once more.
    ///
    /// # Errors
    ///
    /// When another process holds the lock for too long, the database was closed, or it fails.
    pub(super) fn begin(
        home: Arc<Connections>,
        turn: OwnedSemaphorePermit,
        until: Instant,
    ) -> Result<Self, MetadataError> {
        let connection = home.take()?;
        connection.busy_timeout(until.saturating_duration_since(Instant::now()))?;
        let begun = connection.execute_batch("BEGIN IMMEDIATE");
        let begun = begun.map_err(|error| explained(&connection, error));
        let open = Self {
            connection: Some(connection),
            home,
            _turn: turn,
        };
        begun?;
        Ok(open)
    }

    /// The connection, in its transaction. SQLite leaves that by itself on some errors, a full disk among them
    /// (<https://sqlite.org/lang_transaction.html>, "Response To Errors Within A Transaction"), and what came then would be
    /// a transaction of its own.
    fn connection(&self) -> Result<&Connection, MetadataError> {
        self.connection
            .as_ref()
            .filter(|connection| !connection.is_autocommit())
            .ok_or_else(over)
    }
}

impl Drop for Open {
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
