//! Connections to one server, and the statements that run on them.

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use deadpool_postgres::{
    Connect, Manager, ManagerConfig, Object, PoolError, RecyclingMethod, Runtime, TimeoutType,
    Timeouts,
    tokio_postgres::{self, Client, Config},
};
use tokio::{
    runtime::Handle,
    task::JoinHandle,
    time::{error::Elapsed, sleep, timeout},
};

use super::{
    super::{MetadataError, WRITE_WAIT, engine::Statement, error::Cause, given::Answer, rows::Row},
    address::PostgresAddress,
    statements::{self, Failed, Sent},
    tls::Tls,
};
use tarn_base::hint::with_causes;

/// How long a caller waits for its turn to read.
const TURN_TIMEOUT: Duration = Duration::from_secs(20);
/// How often it is looked whether all connections are back.
const LOOK: Duration = Duration::from_millis(5);
/// How long a connection may take to be made.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long a statement waits for a lock. A transaction that has waited for its turn before waits for less.
pub(super) const LOCK_TIMEOUT: Duration = WRITE_WAIT;
/// After how long a transaction ends whose process does nothing with it: it stops every other writer.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// How much later than the server a caller gives a statement up: a server that is gone ends none.
const GRACE: Duration = Duration::from_secs(5);

/// What holds for each statement of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    /// How long a statement may take.
    pub(super) deadline: Duration,
    /// A statement is planned once, without regard to its parameters.
    pub(super) same_plans: bool,
    /// The server would acknowledge commits before they are on its disk, and has to be asked not to.
    pub(super) commits_late: bool,
    /// Nothing is changed.
    pub(super) only_reads: bool,
    /// Rows are found by indexes and one after the other, as SQLite does it. A plan is made once, often for empty tables, where looking at
    /// all rows costs least; and they grow by thousands before the server has analysed them, after a minute or more.
    pub(super) by_indexes: bool,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(60),
            same_plans: false,
            commits_late: false,
            only_reads: false,
            by_indexes: false,
        }
    }
}

impl Session {
    /// As command-line options of the server's process for a connection ("libpq", `options`). What the URL has comes first, so that
    /// nothing in it takes away what transactions rely on.
    fn options(&self, given: Option<&str>) -> String {
        let mut options = given.map(|given| format!("{given} ")).unwrap_or_default();
        let settings = [
            ("statement_timeout", self.deadline.as_millis().to_string()),
            ("lock_timeout", LOCK_TIMEOUT.as_millis().to_string()),
            (
                "idle_in_transaction_session_timeout",
                IDLE_TIMEOUT.as_millis().to_string(),
            ),
            // Each statement sees what was committed before it: see `postgres.rs`.
            (
                "default_transaction_isolation",
                r"read\ committed".to_owned(),
            ),
            ("standard_conforming_strings", "on".to_owned()),
        ];
        for (name, value) in settings {
            options.push_str(&format!("-c {name}={value} "));
        }
        if self.same_plans {
            options.push_str("-c plan_cache_mode=force_generic_plan ");
        }
        if self.by_indexes {
            for way in [
                "enable_seqscan",
                "enable_hashjoin",
                "enable_mergejoin",
                "jit",
            ] {
                options.push_str(&format!("-c {way}=off "));
            }
        }
        if self.only_reads {
            options.push_str("-c default_transaction_read_only=on ");
        }
        if self.commits_late {
            options.push_str("-c synchronous_commit=on ");
        }
        options
    }
}

/// Makes connections. Their work is done on one runtime, whichever the caller's is: a server that stops ends its own first.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    config: Config,
    tls: Tls,
    runtime: Handle,
    pub(super) reached: Arc<Reached>,
}

/// Whether the server could be reached the last time, so that the log says once that it can't, and once that it can again.
#[derive(Debug)]
pub(super) struct Reached {
    /// The database, as the log names it.
    database: String,
    /// None until the first connection; the code that opens the database reports why that one failed.
    pub(super) last: Mutex<Option<bool>>,
}

impl Reached {
    /// Notes that there is a new connection or an answer, or why there is none.
    fn note(&self, failed: Option<&dyn Error>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let database = &self.database;
        match (*last, failed) {
            (None | Some(false), Some(_)) => return,
            (Some(true), Some(error)) => {
                tracing::error!(
                    database,
                    error = with_causes(error),
                    "the database can't be reached"
                );
            }
            (Some(false), None) => tracing::warn!(database, "the database can be reached again"),
            (None | Some(true), None) => {}
        }
        *last = Some(failed.is_none());
    }
}

impl Connector {
    pub(super) fn new(address: &PostgresAddress, tls: Tls, runtime: Handle) -> Self {
        Self {
            config: address.config().clone(),
            tls,
            runtime,
            reached: Arc::new(Reached {
                database: address.to_string(),
                last: Mutex::default(),
            }),
        }
    }

    pub(super) const fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// A new connection, and the task that does its work.
    pub(super) async fn connect(
        &self,
        session: Session,
    ) -> Result<(Client, Task), tokio_postgres::Error> {
        let (client, task) = self.connected(self.config_for(session)).await?;
        Ok((client, Task(task)))
    }

    fn config_for(&self, session: Session) -> Config {
        let mut config = self.config.clone();
        let options = session.options(config.get_options());
        config.options(options);
        config
    }

    async fn connected(
        &self,
        config: Config,
    ) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        let connected = config.connect(self.tls.clone()).await;
        let failed = connected.as_ref().err().map(|error| error as &dyn Error);
        self.reached.note(failed);
        let (client, connection) = connected?;
        let task = self.runtime.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the database ended");
            }
        });
        Ok((client, task))
    }
}

impl Connect for Connector {
    fn connect(
        &self,
        config: &Config,
    ) -> Pin<
        Box<
            dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>>
                + Send
                + '_,
        >,
    > {
        let config = config.clone();
        Box::pin(self.connected(config))
    }
}

/// Does the work of a connection until it is dropped.
#[derive(Debug)]
pub(super) struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Connections for one purpose, as many as may be in use at once.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    pool: deadpool_postgres::Pool,
    connector: Arc<Connector>,
    /// What each is for.
    what: &'static str,
    deadline: Duration,
}

impl Pool {
    pub(super) fn new(
        connector: &Connector,
        at_once: usize,
        what: &'static str,
        session: Session,
    ) -> Result<Self, MetadataError> {
        let manager = Manager::from_connect(
            connector.config_for(session),
            connector.clone(),
            ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            },
        );
        let pool = deadpool_postgres::Pool::builder(manager)
            .max_size(at_once)
            .runtime(Runtime::Tokio1)
            .create_timeout(Some(CONNECT_WITHIN))
            .build()
            .map_err(|error| MetadataError::Failed(error.into()))?;
        Ok(Self {
            pool,
            connector: Arc::new(connector.clone()),
            what,
            deadline: session.deadline,
        })
    }

    /// A connection that nothing else uses, when its turn comes.
    pub(super) async fn take(&self) -> Result<Held, MetadataError> {
        self.take_until(Instant::now() + TURN_TIMEOUT).await
    }

    /// The same, if its turn comes by then.
    pub(super) async fn take_until(&self, until: Instant) -> Result<Held, MetadataError> {
        let what = self.what;
        let timeouts = Timeouts {
            wait: Some(until.saturating_duration_since(Instant::now())),
            ..self.pool.timeouts()
        };
        let client = self
            .pool
            .timeout_get(&timeouts)
            .await
            .map_err(|error| match error {
                PoolError::Timeout(TimeoutType::Wait) => {
                    MetadataError::Busy(format!("timed out waiting to {what}").into())
                }
                PoolError::Timeout(_) => {
                    let error: Cause = "timed out connecting".into();
                    self.connector.reached.note(Some(&*error));
                    MetadataError::Unreachable(error)
                }
                PoolError::Closed => MetadataError::Failed("the database was closed".into()),
                // Whatever the reason is, it worked when the database was opened.
                PoolError::Backend(error) => match MetadataError::from(error) {
                    MetadataError::Failed(error) => MetadataError::Unreachable(error),
                    error => error,
                },
                error => MetadataError::Failed(error.into()),
            })?;
        Ok(Held {
            client: Some(client),
            connector: Arc::clone(&self.connector),
            deadline: self.deadline + GRACE,
            is_running: false,
            in_transaction: false,
            is_committing: false,
        })
    }

    /// Waits for those in use, or until they take far too long; there are none from then on.
    pub(super) async fn close(&self) {
        let all = async {
            while self.pool.status().size > self.pool.status().available {
                sleep(LOOK).await;
            }
        };
        drop(timeout(TURN_TIMEOUT, all).await);
        self.pool.close();
    }
}

/// A connection in use. Dropped in the middle of a statement or of a transaction, it goes to the next one once that has ended.
#[derive(Debug)]
pub(super) struct Held {
    /// None once it was dropped.
    client: Option<Object>,
    connector: Arc<Connector>,
    /// How long a statement may take until the server is thought gone.
    pub(super) deadline: Duration,
    /// A statement was sent whose end was not seen.
    is_running: bool,
    pub(super) in_transaction: bool,
    /// It is a COMMIT: that is not called back.
    pub(super) is_committing: bool,
}

impl Held {
    /// Every row that a statement gives.
    pub(super) async fn rows(&mut self, statement: &Statement) -> Result<Vec<Row>, MetadataError> {
        let (client, deadline) = self.start()?;
        let done = timeout(deadline, statements::rows(client, statement)).await;
        self.ended(done)
    }

    /// Runs a statement and gives the number of rows it changed.
    pub(super) async fn run(&mut self, statement: &Statement) -> Result<u64, MetadataError> {
        let (client, deadline) = self.start()?;
        let done = timeout(deadline, statements::run(client, statement)).await;
        self.ended(done)
    }

    /// Sends all in one round trip.
    pub(super) async fn all(&mut self, all: &[Sent<'_>]) -> Result<Vec<Answer>, Failed> {
        let unsent = |error| Failed { at: 0, error };
        let (client, deadline) = self.start().map_err(unsent)?;
        let done = timeout(deadline, statements::all(client, all)).await;
        self.ended(done.map(Ok)).map_err(unsent)?
    }

    fn start(&mut self) -> Result<(&Object, Duration), MetadataError> {
        if self.is_running {
            let text = "the statement before this one was left in its middle";
            return Err(MetadataError::Failed(text.into()));
        }
        self.is_running = true;
        let client = self.client.as_ref().ok_or_else(gone)?;
        Ok((client, self.deadline))
    }

    fn ended<T>(
        &mut self,
        done: Result<Result<T, MetadataError>, Elapsed>,
    ) -> Result<T, MetadataError> {
        let done = done.map_err(|_| gone())?;
        self.is_running = false;
        if done.is_ok() {
            self.connector.reached.note(None);
        }
        done
    }

    /// Notes an error that a caller gets, where it is that the server can't be reached.
    pub(super) fn note(&self, error: &MetadataError) {
        if let MetadataError::Unreachable(cause) = error {
            self.connector.reached.note(Some(&**cause));
        }
    }

    /// Whether something was sent whose answer did not come, and will not.
    pub(super) fn is_unanswered(&self) -> bool {
        self.is_running || self.is_lost()
    }

    /// Whether its connection has ended.
    pub(super) fn is_lost(&self) -> bool {
        self.client.as_ref().is_none_or(|client| client.is_closed())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else {
            return;
        };
        if client.is_closed() || !(self.is_running || self.in_transaction) {
            return;
        }
        let must_stop = self.is_running && !self.is_committing;
        let tls = self.connector.tls.clone();
        self.connector.runtime.spawn(async move {
            let ended = timeout(TURN_TIMEOUT, end(&client, must_stop, tls)).await;
            if !matches!(ended, Ok(true)) {
                // Its connection is closed, and with that what it had begun is undone.
                drop(Object::take(client));
            }
        });
    }
}

fn gone() -> MetadataError {
    MetadataError::Unreachable("it does not answer".into())
}

/// Ends what a connection does, and gives whether that is known to have ended.
async fn end(client: &Object, must_stop: bool, tls: Tls) -> bool {
    if must_stop {
        // The server has had its signal when this comes back: what it stops late is one of those that follow here.
        let _ = client.cancel_token().cancel_query(tls).await;
    }
    for _ in 0..3 {
        // Outside of a transaction it does nothing but warn.
        match client.batch_execute("ROLLBACK").await {
            Ok(()) => return true,
            Err(error) if super::is_lost(&error) => return false,
            Err(_) => {}
        }
    }
    false
}
