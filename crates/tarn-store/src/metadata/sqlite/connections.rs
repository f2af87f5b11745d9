//! Connections to one database, and the statements that run on them.

use std::{
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::{
    CachedStatement, Connection,
    types::{ToSqlOutput, Type, ValueRef},
};
use rustix::{
    fs::{Mode, OFlags},
    process::{Resource, getrlimit},
};

use super::{
    super::{
        MetadataError,
        engine::{Statement, Value},
        given::{Answer, Given},
        rows::Row,
    },
    Fault, fault,
};

/// Statements that a connection keeps ready.
const KEPT_STATEMENTS: usize = 128;

/// Connections that are kept for later.
const KEPT_IDLE: usize = 16;

/// How many operations of its virtual machine SQLite does before it asks whether to go on: some 10 to 50 µs of work.
const OPERATIONS: i32 = 1_000;

/// Connections of one kind to one database.
#[derive(Debug)]
pub(super) struct Connections {
    path: PathBuf,
    open: fn(&Path) -> rusqlite::Result<Connection>,
    /// Those not in use. None from [`Connections::close`] on.
    idle: Mutex<Option<Vec<Connection>>>,
}

impl Connections {
    /// To the database at that path, as `open` opens it.
    pub(super) fn new(path: PathBuf, open: fn(&Path) -> rusqlite::Result<Connection>) -> Self {
        Self {
            path,
            open,
            idle: Mutex::new(Some(Vec::new())),
        }
    }

    /// A connection that nothing else uses.
    pub(super) fn take(&self) -> Result<Connection, MetadataError> {
        let idle = self.lock().as_mut().ok_or_else(closed)?.pop();
        match idle {
            Some(connection) => Ok(connection),
            None => {
                let connection = (self.open)(&self.path)?;
                connection.set_prepared_statement_cache_capacity(KEPT_STATEMENTS);
                Ok(connection)
            }
        }
    }

    pub(super) fn give_back(&self, connection: Connection) {
        if let Some(idle) = self.lock().as_mut()
            && idle.len() < KEPT_IDLE
        {
            idle.push(connection);
        }
    }

    /// Closes the idle ones; the others close when they are given back.
    pub(super) fn close(&self) {
        let idle = self.lock().take();
        drop(idle);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is said once the database was closed.
pub(super) fn closed() -> MetadataError {
    MetadataError::Failed("the database was closed".into())
}

/// When a statement has to end before it is done: its caller went away, or it has taken too long.
#[derive(Debug)]
pub(super) struct Stop {
    caller_left: Arc<AtomicBool>,
    within: Duration,
    deadline: Instant,
}

/// Held by the caller of a statement: dropped, it ends the statement.
#[derive(Debug)]
pub(super) struct Caller(Arc<AtomicBool>);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Stop {
    /// After that time, or when the caller is dropped.
    pub(super) fn within(within: Duration) -> (Self, Caller) {
        let caller_left = Arc::new(AtomicBool::new(false));
        let caller = Caller(Arc::clone(&caller_left));
        let stop = Self {
            caller_left,
            within,
            deadline: Instant::now() + within,
        };
        (stop, caller)
    }

    /// Runs what needs the connection until it is done or has to end.
    pub(super) fn run<T>(
        self,
        connection: &Connection,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, MetadataError> {
        let Self {
            caller_left,
            within,
            deadline,
        } = self;
        let is_due = move || caller_left.load(Ordering::Relaxed) || Instant::now() >= deadline;
        connection.progress_handler(OPERATIONS, Some(is_due))?;
        let done = work(connection);
        connection.progress_handler(0, None::<fn() -> bool>)?;
        done.map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::OperationInterrupted) => MetadataError::Busy(
                format!(
                    "a statement was stopped: its caller left, or it took longer than {within:?}"
                )
                .into(),
            ),
            _ => explained(connection, error),
        })
    }
}

/// What an error means that a statement or a commit ended with. SQLite tells a full disk apart by `ENOSPC`; a quota that is used up, a
/// limit on the size of files and a broken disk are one code to it (`unixWrite` in `os_unix.c`). So it is looked up what it was.
pub(super) fn explained(connection: &Connection, error: rusqlite::Error) -> MetadataError {
    let code = error.sqlite_error().map(|said| said.extended_code);
    let is_unwritten = code.is_some_and(|code| fault(code) == Fault::Unwritten);
    match connection.path() {
        Some(path) if is_unwritten && !has_room(Path::new(path)) => {
            MetadataError::Full(error.into())
        }
        _ => error.into(),
    }
}

/// Whether the files of that database may grow a little, as far as that can be found out.
fn has_room(database: &Path) -> bool {
    const LITTLE: usize = 64 << 10;
    let largest = getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX);
    let may_grow = ["", "-wal"].iter().all(|suffix| {
        let mut path = database.as_os_str().to_owned();
        path.push(suffix);
        let size = std::fs::metadata(path).map_or(0, |file| file.len());
        size.saturating_add(LITTLE as u64) <= largest
    });
    let folder = database.parent().unwrap_or(Path::new("/"));
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let written = rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR)
        .map_err(io::Error::from)
        .and_then(|file| {
            let mut file = File::from(file);
            file.write_all(&[0; LITTLE])?;
            file.sync_data()
        });
    let is_full = written.is_err_and(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        )
    });
    may_grow && !is_full
}

/// Every row that a statement gives.
pub(super) fn rows(connection: &Connection, statement: &Statement) -> rusqlite::Result<Vec<Row>> {
    let mut prepared = prepare(connection, statement)?;
    let mut found = Vec::new();
    collect(&mut prepared, &mut found)?;
    Ok(found)
}

/// Runs a statement and gives the number of rows it changed.
pub(super) fn run(connection: &Connection, statement: &Statement) -> rusqlite::Result<u64> {
    let changed = prepare(connection, statement)?.raw_execute()?;
    Ok(u64::try_from(changed).unwrap_or(u64::MAX))
}

/// Runs a statement for each of its rows.
pub(super) fn given(connection: &Connection, given: &Given) -> rusqlite::Result<Answer> {
    let mut answer = Answer::default();
    if given.rows.is_empty() {
        return Ok(answer);
    }
    let mut prepared = connection.prepare_cached(&given.text(("VALUES (", ")")))?;
    let changes = !prepared.readonly();
    for values in &given.rows {
        bind(&mut prepared, values)?;
        collect(&mut prepared, &mut answer.rows)?;
        if changes {
            answer.changed += connection.changes();
        }
    }
    Ok(answer)
}

/// Runs what is prepared to its end.
fn collect(prepared: &mut rusqlite::Statement<'_>, found: &mut Vec<Row>) -> rusqlite::Result<()> {
    let columns = prepared.column_count();
    let mut rows = prepared.raw_query();
    while let Some(row) = rows.next()? {
        let values = (0..columns).map(|column| stored(column, row.get_ref(column)?));
        let values = values.collect::<rusqlite::Result<_>>()?;
        found.push(Row(values));
    }
    Ok(())
}

/// The statement with its parameters, ready to run.
fn prepare<'c>(
    connection: &'c Connection,
    statement: &Statement,
) -> rusqlite::Result<CachedStatement<'c>> {
    let mut prepared = connection.prepare_cached(statement.text)?;
    bind(&mut prepared, &statement.values)?;
    Ok(prepared)
}

fn bind(prepared: &mut rusqlite::Statement<'_>, values: &[Value]) -> rusqlite::Result<()> {
    for index in 1..=prepared.parameter_count() {
        // SQLite numbers `$5` by where it first stands in the text, not by its name.
        let value = prepared
            .parameter_name(index)
            .and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok())
            .and_then(|number| values.get(number.checked_sub(1)?))
            .ok_or(rusqlite::Error::InvalidParameterCount(values.len(), index))?;
        prepared.raw_bind_parameter(index, bound(value))?;
    }
    Ok(())
}

fn bound(value: &Value) -> ToSqlOutput<'_> {
    let bound = match value {
        Value::Integer(number) => number.map(ValueRef::Integer),
        Value::Text(text) => text.as_ref().map(|text| ValueRef::Text(text.as_bytes())),
        Value::Bytes(bytes) => bytes.as_deref().map(ValueRef::Blob),
        Value::Flag(flag) => flag.map(|flag| ValueRef::Integer(i64::from(flag))),
    };
    ToSqlOutput::Borrowed(bound.unwrap_or(ValueRef::Null))
}

fn stored(column: usize, value: ValueRef<'_>) -> rusqlite::Result<Value> {
    Ok(match value {
        ValueRef::Null => Value::Integer(None),
        ValueRef::Integer(number) => Value::Integer(Some(number)),
        ValueRef::Text(_) => Value::Text(Some(value.as_str()?.to_owned())),
        ValueRef::Blob(bytes) => Value::Bytes(Some(bytes.to_vec())),
        // No table has one.
        ValueRef::Real(_) => {
            let name = String::new();
            return Err(rusqlite::Error::InvalidColumnType(column, name, Type::Real));
        }
    })
}
