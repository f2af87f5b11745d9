//! SQLite: one file, safe against a power cut, shared by the server and the command line.
//!
//! WAL, so that readers and the one writer don't wait for each other; synchronous=FULL, so that a committed
//! transaction is on the disk (NORMAL would lose the newest ones in WAL mode, see `PRAGMA synchronous` in SQLite's
//! documentation); foreign keys on, which SQLite leaves off.
//!
//! Every statement runs on a thread of the runtime's that may wait (`spawn_blocking`), with a connection out of a few. So
//! many questions of each [`Purpose`] are under way at once; a question has its turn until its statement is over, also when
//! its caller has left. The way to such a thread and back costs some 10 to 30 µs where all of them sleep, and close to
//! nothing where they are busy: what is asked with every request is kept in memory (`memory.rs`). Threads of our own with a
//! connection each would wake no sooner, and would be one more queue.

mod connections;
mod migrations;
mod transaction;

use std::{
    fs::{File, OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{timeout, timeout_at},
};

pub(super) use self::transaction::Transaction;
use self::{
    connections::{Connections, Stop, closed, rows},
    transaction::Open,
};
use super::{
    MetadataError,
    db_version::{HeaderWatch, Watch},
    engine::{Engine, Kind, Purpose, Statement},
    error::Cause,
    rows::Row,
};

/// How long SQLite waits for a lock that another process has, but for that of a transaction, which [`super::WRITE_WAIT`] bounds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a caller waits for its turn to read.
const TURN_TIMEOUT: Duration = Duration::from_secs(20);
/// How far the write-ahead log is cut back to after a checkpoint, in bytes.
const LOG_SIZE: i64 = 64 << 20;
const NOT_A_DATABASE: &str =
    "is it a SQLite database, on a local disk, and whole? If not, restore a backup";

/// What a result code of SQLite means to a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Others hold the database for too long, or the statement took too long.
    Busy,
    Full,
    /// A write failed. SQLite does not say why.
    Unwritten,
    /// There is an equal row.
    Duplicate,
    /// A row that is named is not there.
    Dangling,
    Other,
}

/// Reads a result code, extended (`sqlite3.h`: the low eight bits are the primary code).
pub(super) fn fault(code: i32) -> Fault {
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    const INTERRUPTED: i32 = 9;
    const FULL: i32 = 13;
    const IOERR: i32 = 10;
    const IOERR_WRITE: i32 = IOERR | (3 << 8);
    const IOERR_FSYNC: i32 = IOERR | (4 << 8);
    const IOERR_TRUNCATE: i32 = IOERR | (6 << 8);
    // The shared memory file beside the database could not grow.
    const IOERR_SHMSIZE: i32 = IOERR | (19 << 8);
    const CONSTRAINT: i32 = 19;
    const CONSTRAINT_FOREIGNKEY: i32 = CONSTRAINT | (3 << 8);
    const CONSTRAINT_PRIMARYKEY: i32 = CONSTRAINT | (6 << 8);
    const CONSTRAINT_UNIQUE: i32 = CONSTRAINT | (8 << 8);
    match code {
        IOERR_SHMSIZE => Fault::Full,
        IOERR_WRITE | IOERR_FSYNC | IOERR_TRUNCATE => Fault::Unwritten,
        CONSTRAINT_FOREIGNKEY => Fault::Dangling,
        CONSTRAINT_PRIMARYKEY | CONSTRAINT_UNIQUE => Fault::Duplicate,
        code => match code & 0xff {
            BUSY | LOCKED | INTERRUPTED => Fault::Busy,
            FULL => Fault::Full,
            _ => Fault::Other,
        },
    }
}

/// How many callers have their turn at once; the others wait.
#[derive(Debug, Clone)]
struct Turns {
    semaphore: Arc<Semaphore>,
    at_once: u32,
    /// What each is for.
    what: &'static str,
}

impl Turns {
    fn new(at_once: u32, what: &'static str) -> Self {
        Self {
            semaphore: Arc::new(Semaphore::new(at_once as usize)),
            at_once,
            what,
        }
    }

    async fn take(&self) -> Result<OwnedSemaphorePermit, MetadataError> {
        self.take_until(Instant::now() + TURN_TIMEOUT).await
    }

    async fn take_until(&self, until: Instant) -> Result<OwnedSemaphorePermit, MetadataError> {
        let what = self.what;
        let turn = timeout_at(until.into(), Arc::clone(&self.semaphore).acquire_owned());
        let waited = |_| MetadataError::Busy(format!("timed out waiting to {what}").into());
        turn.await.map_err(waited)?.map_err(|_| closed())
    }

    /// Waits until no caller has a turn, or one has taken far too long; there are none from then on.
    async fn close(&self) {
        drop(timeout(TURN_TIMEOUT, self.semaphore.acquire_many(self.at_once)).await);
        self.semaphore.close();
    }
}

/// Who reads: how many at once, and how long a statement may take.
#[derive(Debug, Clone)]
struct Readers {
    turns: Turns,
    deadline: Duration,
}

impl Readers {
    fn new(at_once: u32, what: &'static str, seconds: u64) -> Self {
        Self {
            turns: Turns::new(at_once, what),
            deadline: Duration::from_secs(seconds),
        }
    }
}

/// A database, open.
#[derive(Debug, Clone)]
pub(super) struct Sqlite {
    /// Where its threads are: not the caller's runtime, since a server that stops ends those of its connections first.
    runtime: Handle,
    reading: Arc<Connections>,
    lookups: Readers,
    indexes: Readers,
    lists: Readers,
    others: Readers,
    writing: Arc<Connections>,
    /// Whose turn it is to write. In turns nothing waits for the lock of the database but for another process, and SQLite waits
    /// for it in sleeps.
    writers: Turns,
}

impl Sqlite {
    fn new(
        path: &Path,
        reader: fn(&Path) -> rusqlite::Result<Connection>,
        writer: fn(&Path) -> rusqlite::Result<Connection>,
    ) -> Self {
        Self {
            runtime: Handle::current(),
            reading: Arc::new(Connections::new(path.to_path_buf(), reader)),
            lookups: Readers::new(4, "look something up", 10),
            indexes: Readers::new(4, "read an index", 60),
            lists: Readers::new(2, "read a list", 10),
            others: Readers::new(4, "read", 60),
            writing: Arc::new(Connections::new(path.to_path_buf(), writer)),
            writers: Turns::new(1, "write: others went on writing for too long"),
        }
    }

    const fn readers(&self, purpose: Purpose) -> &Readers {
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
        let turn = readers.turns.take().await?;
        let (stop, _caller) = Stop::within(readers.deadline);
        let reading = Arc::clone(&self.reading);
        let ask = move || {
            // Until the statement is over, whether or not the caller waits for it.
            let _turn = turn;
            let connection = reading.take()?;
            let answer = stop.run(&connection, |connection| rows(connection, &statement));
            // What the connection is good for is not known after other errors.
            if matches!(answer, Ok(_) | Err(MetadataError::Busy(_))) {
                reading.give_back(connection);
            }
            answer
        };
        on_thread(&self.runtime, ask).await?
    }

    /// A transaction whose statements run on threads that may wait: see [`Engine::write`]. It fails with `Busy` if it has not begun by `until`.
    pub(super) async fn write(&self, until: Instant) -> Result<Transaction, MetadataError> {
        let turn = self.writers.take_until(until).await?;
        let writing = Arc::clone(&self.writing);
        let begin = move || Open::begin(writing, turn, until);
        let open = on_thread(&self.runtime, begin).await??;
        Ok(Transaction::new(open, Some(self.runtime.clone())))
    }

    /// A transaction whose statements run on the thread that calls: see [`Engine::write_here`]. It fails with `Busy` if it has not begun by `until`.
    pub(super) async fn write_here(&self, until: Instant) -> Result<Transaction, MetadataError> {
        let turn = self.writers.take_until(until).await?;
        let open = Open::begin(Arc::clone(&self.writing), turn, until)?;
        Ok(Transaction::new(open, None))
    }

    pub(super) async fn close(&self) {
        self.writers.close().await;
        for readers in [&self.lookups, &self.indexes, &self.lists, &self.others] {
            readers.turns.close().await;
        }
        let (reading, writing) = (Arc::clone(&self.reading), Arc::clone(&self.writing));
        let close = move || {
            reading.close();
            writing.close();
        };
        if let Err(error) = on_thread(&self.runtime, close).await {
            tracing::warn!(%error, "the database was not closed in order");
        }
    }
}

/// Does work on a thread that may wait. It is done to its end, also when the caller leaves.
async fn on_thread<T: Send + 'static>(
    runtime: &Handle,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, MetadataError> {
    runtime.spawn_blocking(work).await.map_err(|error| {
        if error.is_cancelled() {
            MetadataError::Busy("the server is being stopped".into())
        } else {
            MetadataError::Failed(error.into())
        }
    })
}

/// Opens the database, making it when there is none, and brings its tables up to date.
pub(super) async fn open(path: &Path) -> Result<(Engine, Watch), MetadataError> {
    let path = path.to_path_buf();
    let (path, watch) = on_thread(&Handle::current(), move || open_here(&path)).await??;
    let sqlite = Sqlite::new(&path, reader, writer);
    Ok((Engine::new(Kind::Sqlite(sqlite)), watch))
}

fn open_here(path: &Path) -> Result<(PathBuf, Watch), MetadataError> {
    let path = prepare(path).map_err(|source| {
        let hint = match source.kind() {
            io::ErrorKind::PermissionDenied => {
                "let the user that runs Tarn own this file and its folder"
            }
            io::ErrorKind::NotFound => "make its folder first",
            _ => "look at the cause below",
        };
        not_opened(path, hint, source)
    })?;
    let connection = connect(&path)?;
    migrations::migrate(&path, &connection)?;
    // It may write, for the last connection of all that closes moves the log into the file and removes it.
    let keeper = writer(&path)?;
    // Only who has read from a database has the shared memory file open.
    keeper.query_one("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let watch = HeaderWatch::open(&path, keeper).map_err(|source| {
        let hint = "the file with `-shm` at the end of its name is made beside it; the folder must be on a local disk";
        not_opened(&path, hint, source)
    })?;
    Ok((path, Watch::Sqlite(watch)))
}

// A connection is used by one thread at a time, so SQLite need not see to that itself (NO_MUTEX).

/// Opens a connection to read with.
fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

/// Opens a connection to write with.
fn writer(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "journal_size_limit", LOG_SIZE)?;
    Ok(connection)
}

/// The first connection, which makes WAL of whatever the database is; again and again for a while when it is busy: going
/// over to WAL needs the file for oneself, and SQLite does not wait for that by itself.
fn connect(path: &Path) -> Result<Connection, MetadataError> {
    const PAUSE: Duration = Duration::from_millis(25);
    let mut attempts_left = BUSY_TIMEOUT.as_millis() / PAUSE.as_millis();
    loop {
        let opened = writer(path).and_then(|connection| {
            connection.pragma_update(None, "journal_mode", "WAL")?;
            Ok(connection)
        });
        match opened.map_err(MetadataError::from) {
            Err(MetadataError::Busy(_)) if attempts_left > 0 => {
                attempts_left -= 1;
                thread::sleep(PAUSE);
            }
            Err(MetadataError::Failed(source)) => {
                return Err(not_opened(path, NOT_A_DATABASE, source));
            }
            other => return other,
        }
    }
}

fn not_opened(path: &Path, hint: &str, source: impl Into<Cause>) -> MetadataError {
    MetadataError::Open {
        database: path.display().to_string(),
        hint: hint.to_owned(),
        source: source.into(),
    }
}

/// Opens the database to look at it, if it is there: nothing is made, and its tables stay as they are.
pub(super) async fn open_unchanged(path: &Path) -> Result<Option<Engine>, MetadataError> {
    let path = path.to_path_buf();
    let opened = on_thread(&Handle::current(), move || open_unchanged_here(&path)).await??;
    let sqlite = opened.map(|(path, open)| Sqlite::new(&path, open, open));
    Ok(sqlite.map(Kind::Sqlite).map(Engine::new))
}

/// The path, and how to open it.
type Unchanged = (PathBuf, fn(&Path) -> rusqlite::Result<Connection>);

fn open_unchanged_here(path: &Path) -> Result<Option<Unchanged>, MetadataError> {
    let look = || {
        let path = std::path::absolute(path)?;
        let mut log = path.clone().into_os_string();
        log.push("-wal");
        let is_there = path.try_exists()?;
        io::Result::Ok((is_there.then_some(path), Path::new(&log).try_exists()?))
    };
    let (path, is_in_use) = look().map_err(|error| not_opened(path, NOT_A_DATABASE, error))?;
    let Some(path) = path else {
        return Ok(None);
    };
    // Where there is no log, all is in the file, and SQLite need not make one to read it. Beside a log whose process was
    // ended it makes the file `-shm` again, which the next process to open the database takes away.
    let open = if is_in_use { reader } else { immutable };
    let made = open(&path).and_then(|connection| migrations::newest_made(&connection));
    let found = made.map_err(|error| not_opened(&path, NOT_A_DATABASE, error))?;
    super::migrations::refuse_newer(path.display(), found)?;
    Ok(Some((path, open)))
}

/// Opens a connection to read with, to a database that nothing changes meanwhile.
fn immutable(path: &Path) -> rusqlite::Result<Connection> {
    let mut address =
        url::Url::from_file_path(path).map_err(|()| rusqlite::Error::InvalidPath(path.into()))?;
    address.set_query(Some("immutable=1"));
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(address.as_str(), flags)
}

/// Makes the file when there is none, so that it is never readable to others: SQLite gives the files beside it
/// (`-wal`, `-shm`) the same mode. Gives the absolute path, which can't be taken for a `file:` URL.
fn prepare(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
    {
        Ok(_) => {
            if let Some(folder) = path.parent() {
                File::open(folder)?.sync_all()?;
            }
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mode = std::fs::metadata(&path)?.permissions().mode();
            if mode & 0o077 != 0 {
                std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            }
        }
        Err(error) => return Err(error),
    }
    Ok(path)
}

#[cfg(test)]
mod tests;
