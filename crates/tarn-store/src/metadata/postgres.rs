//! PostgreSQL 15 or newer: a server that any number of processes share.
//!
//! **One transaction writes at a time, in all processes together**, as on SQLite. A writing transaction begins with an advisory
//! lock that it holds until its end ([`transaction`]), and its statements come after it. At READ COMMITTED each of them sees
//! all that was committed before the lock was had. So whatever is checked in a transaction holds until its commit, identifiers
//! are in the order of the commits, and no two writers wait for each other. Locks on rows, taken in a sorted order, would let writers
//! of different repositories overlap; but it is the wait for the disk that costs, and publishes share one
//! ([`super::committer`]).
//!
//! The questions of each [`Purpose`] have connections of their own. A statement whose caller leaves is cancelled, and its connection
//! goes to the next one when it is over ([`connections`]).

pub(super) mod address;
mod connections;
mod elsewhere;
mod migrations;
mod statements;
mod tls;
mod transaction;
mod watch;

use std::time::{Duration, Instant};

use deadpool_postgres::tokio_postgres::{self, error::SqlState};
use tokio::{runtime::Handle, time::timeout};

pub use self::address::{BadAddress, PostgresAddress};
use self::{
    connections::{Connector, Held, Pool, Session},
    tls::Tls,
};
pub(super) use self::{
    transaction::Transaction,
    watch::{SnapshotVersion, SnapshotWatch},
};
use super::{
    MetadataError,
    db_version::Watch,
    engine::{Engine, Failure, Kind, Purpose, Statement},
    error::{Cause, TablesChanged},
    given::{Answer, Given},
    rows::Row,
};

/// The oldest version that is known to work, as `server_version_num` has it.
const OLDEST: i64 = 150_000;

/// What stops every other writer of this database: the key of `pg_advisory_xact_lock`.
const WRITERS: &str = "SELECT pg_advisory_xact_lock(6071310)";

/// A database, open.
#[derive(Debug, Clone)]
pub(super) struct Postgres {
    lookups: Pool,
    indexes: Pool,
    lists: Pool,
    others: Pool,
    writers: Pool,
}

impl Postgres {
    fn new(connector: &Connector, commits_late: bool) -> Result<Self, MetadataError> {
        let pool = |at_once, what, session: Session| Pool::new(connector, at_once, what, session);
        let reads = |seconds| Session {
            deadline: Duration::from_secs(seconds),
            same_plans: true,
            commits_late: false,
            only_reads: true,
            by_indexes: false,
        };
        Ok(Self {
            lookups: pool(4, "look something up", reads(10))?,
            indexes: pool(3, "read an index", reads(60))?,
            lists: pool(
                2,
                "read a list",
                Session {
                    // What is searched for decides how.
                    same_plans: false,
                    ..reads(10)
                },
            )?,
            others: pool(2, "read", reads(60))?,
            writers: pool(
                1,
                "write",
                Session {
                    commits_late,
                    only_reads: false,
                    by_indexes: true,
                    ..reads(60)
                },
            )?,
        })
    }

    const fn readers(&self, purpose: Purpose) -> &Pool {
        match purpose {
            Purpose::Lookup => &self.lookups,
            Purpose::Index => &self.indexes,
            Purpose::List => &self.lists,
            Purpose::Other => &self.others,
        }
    }

    /// Every row of the answer to a question: see [`Engine::ask`].
    pub(super) async fn ask(
        &self,
        purpose: Purpose,
        statement: Statement,
    ) -> Result<Vec<Row>, MetadataError> {
        let readers = self.readers(purpose);
        let mut held = readers.take().await?;
        match held.rows(&statement).await {
            // An idle connection is lost when the server starts anew, and that is noticed with its next use.
            Err(error) if held.is_lost() => {
                tracing::debug!(%error, "a connection was lost");
                drop(held);
                let mut held = readers.take().await?;
                let answer = held.rows(&statement).await;
                answer.inspect_err(|error| held.note(error))
            }
            answer => answer.inspect_err(|error| held.note(error)),
        }
    }

    /// A transaction that may write, and what it answers: see [`Engine::write_asking`]. It fails with `Busy` if it has not begun by `until`.
    pub(super) async fn write(
        &self,
        questions: &[Given],
        until: Instant,
    ) -> Result<(Transaction, Vec<Answer>), Failure> {
        let mut held = self.writer(until).await?;
        let begun = match Transaction::begin(&mut held, questions, until).await {
            Err(failure) if held.is_lost() => {
                tracing::debug!(error = %failure.error(), "a connection was lost");
                drop(held);
                held = self.writer(until).await?;
                Transaction::begin(&mut held, questions, until).await
            }
            begun => begun,
        };
        let begun = begun.inspect_err(|failure| held.note(failure.error()))?;
        let (before, answers) = begun;
        Ok((Transaction::over(held, before), answers))
    }

    async fn writer(&self, until: Instant) -> Result<Held, Failure> {
        let held = self.writers.take_until(until).await;
        held.map_err(Failure::Transaction)
    }

    /// Waits for what is under way and closes every connection.
    pub(super) async fn close(&self) {
        for pool in [
            &self.writers,
            &self.lookups,
            &self.indexes,
            &self.lists,
            &self.others,
        ] {
            pool.close().await;
        }
    }
}

/// Opens the database and brings its tables up to date.
pub(super) async fn open(address: &PostgresAddress) -> Result<(Engine, Watch), MetadataError> {
    let connector = Connector::new(address, Tls::new(address).await?, Handle::current());
    let commits_late = first_connection(address, &connector).await?;
    migrations::migrate(address, &connector).await?;
    let postgres = Postgres::new(&connector, commits_late)?;
    let watch = Watch::Postgres(SnapshotWatch::start(connector));
    Ok((Engine::new(Kind::Postgres(postgres)), watch))
}

/// Opens the database to look at it: its tables stay as they are.
pub(super) async fn open_unchanged(address: &PostgresAddress) -> Result<Engine, MetadataError> {
    let connector = Connector::new(address, Tls::new(address).await?, Handle::current());
    first_connection(address, &connector).await?;
    migrations::refuse_newer(address, &connector).await?;
    let postgres = Postgres::new(&connector, false)?;
    Ok(Engine::new(Kind::Postgres(postgres)))
}

/// Connects for the first time, and sees whether this is a database that can be used. Gives whether the server acknowledges commits before
/// they are on its disk, unless it is asked not to.
async fn first_connection(
    address: &PostgresAddress,
    connector: &Connector,
) -> Result<bool, MetadataError> {
    let open_error = |hint: &str, source| MetadataError::Open {
        database: address.to_string(),
        hint: hint.to_owned(),
        source,
    };
    let (client, _task) = connector
        .connect(Session::default())
        .await
        .map_err(|error| open_error(&hint(&error, address), error.into()))?;
    let settings = "SELECT CAST(current_setting('server_version_num') AS BIGINT), \
                    current_setting('server_encoding'), pg_is_in_recovery(), current_setting('synchronous_commit')";
    let row = timeout(connections::CONNECT_WITHIN, client.query_one(settings, &[]))
        .await
        .map_err(|_| MetadataError::Busy("it did not answer in time".into()))??;
    let version: i64 = row.try_get(0)?;
    let encoding: String = row.try_get(1)?;
    if version < OLDEST {
        let found = format!("it is version {}", version / 10_000);
        return Err(open_error(
            "Tarn needs PostgreSQL 15 or newer",
            found.into(),
        ));
    }
    if encoding != "UTF8" {
        let found = format!("its encoding is {encoding}");
        return Err(open_error(
            "make it anew with the encoding UTF8: createdb --encoding=UTF8 --template=template0",
            found.into(),
        ));
    }
    if row.try_get(2)? {
        return Err(open_error(
            "name the primary server, or several with target_session_attrs=read-write",
            "it is a standby, which can't be written to".into(),
        ));
    }
    Ok(row.try_get::<_, String>(3)? == "off")
}

/// What to do about a connection that could not be made.
fn hint(error: &tokio_postgres::Error, address: &PostgresAddress) -> String {
    const PASSWORD: &[SqlState] = &[
        SqlState::INVALID_PASSWORD,
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
    ];
    match error.code() {
        Some(code) if *code == SqlState::INVALID_CATALOG_NAME => format!(
            "make it first, with the encoding UTF8: createdb --encoding=UTF8 --template=template0 {}",
            address.name()
        ),
        Some(code) if PASSWORD.contains(code) => {
            "check the user and the password in the URL, and the server's pg_hba.conf".to_owned()
        }
        Some(code) if *code == SqlState::TOO_MANY_CONNECTIONS => {
            "raise max_connections of the server: each Tarn process takes up to 13".to_owned()
        }
        Some(_) => "look at the cause below".to_owned(),
        None => match address.tls_hint(error) {
            Some(hint) => hint,
            None => "check that PostgreSQL runs there and that the address in the URL is right"
                .to_owned(),
        },
    }
}

impl From<tokio_postgres::Error> for MetadataError {
    fn from(error: tokio_postgres::Error) -> Self {
        // What a statement gives is not what it gave when it was prepared. The message is in the server's language.
        let asked_for = error.as_db_error().and_then(|said| said.routine());
        match error.code() {
            Some(_) if asked_for == Some("RevalidateCachedQuery") => {
                Self::Busy(TablesChanged(error.into()).into())
            }
            Some(code) => meaning(code)(error.into()),
            None if is_lost(&error) => Self::Unreachable(error.into()),
            None => Self::Failed(error.into()),
        }
    }
}

/// What a code says ("PostgreSQL Error Codes" in its documentation).
fn meaning(code: &SqlState) -> fn(Cause) -> MetadataError {
    const BUSY: &[SqlState] = &[
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::QUERY_CANCELED,
        SqlState::OBJECT_IN_USE,
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::OUT_OF_MEMORY,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        // The server became a standby.
        SqlState::READ_ONLY_SQL_TRANSACTION,
    ];
    const AWAY: &[SqlState] = &[
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
    ];
    match code {
        code if BUSY.contains(code) => MetadataError::Busy,
        code if AWAY.contains(code) => MetadataError::Unreachable,
        code if *code == SqlState::DISK_FULL => MetadataError::Full,
        code if *code == SqlState::UNIQUE_VIOLATION => MetadataError::Duplicate,
        code if *code == SqlState::FOREIGN_KEY_VIOLATION => MetadataError::Dangling,
        _ => MetadataError::Failed,
    }
}

/// Whether there is no connection, or no more: no answer of the server's.
fn is_lost(error: &tokio_postgres::Error) -> bool {
    use std::error::Error as _;
    error.is_closed()
        || error
            .source()
            .is_some_and(|source| source.is::<std::io::Error>())
}

#[cfg(test)]
mod tests;
