//! Opening SQLite: one file, safe against a power cut, shared by the server and the command line.
//!
//! WAL, so that readers and the one writer don't wait for each other; synchronous=FULL, so that a committed
//! transaction is on the disk (NORMAL would lose the newest ones in WAL mode, see `PRAGMA synchronous` in SQLite's
//! documentation); foreign keys on, which SQLite leaves off.

use std::{
    fs::{File, OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    MetadataError,
    engine::{Direct, Engine},
    memory::Watch,
};

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// How long a writer waits for a writer in another process (the command line writes while the server runs).
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request waits for its turn to write, and then for the connection to write with; or for one to read with.
pub(super) const TURN_TIMEOUT: Duration = Duration::from_secs(20);
/// Reading connections. A question takes some 50 µs, most of it the way to the connection's thread and back.
const READERS: u32 = 8;
/// How many rows the thread of a connection reads ahead: an index has many, and each wait for the other side costs
/// more than reading one.
const ROW_BUFFER: usize = 512;
/// How far the write-ahead log is cut back to after a checkpoint, in bytes.
pub(super) const LOG_SIZE: &str = "67108864";
const NOT_A_DATABASE: &str =
    "is it a SQLite database, on a local disk, and whole? If not, restore a backup";

/// What a result code of SQLite means to a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Busy,
    Full,
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
    const FULL: i32 = 13;
    // The shared memory file beside the database could not grow.
    const IOERR_SHMSIZE: i32 = 10 | (19 << 8);
    const CONSTRAINT: i32 = 19;
    const CONSTRAINT_FOREIGNKEY: i32 = CONSTRAINT | (3 << 8);
    const CONSTRAINT_PRIMARYKEY: i32 = CONSTRAINT | (6 << 8);
    const CONSTRAINT_UNIQUE: i32 = CONSTRAINT | (8 << 8);
    match code {
        IOERR_SHMSIZE => Fault::Full,
        CONSTRAINT_FOREIGNKEY => Fault::Dangling,
        CONSTRAINT_PRIMARYKEY | CONSTRAINT_UNIQUE => Fault::Duplicate,
        code => match code & 0xff {
            BUSY | LOCKED => Fault::Busy,
            FULL => Fault::Full,
            _ => Fault::Other,
        },
    }
}

/// Opens the database, making it when there is none, and brings its tables up to date.
pub(super) async fn open(path: &Path) -> Result<(Engine, Watch), MetadataError> {
    let path = prepare(path).map_err(|source| {
        let hint = match source.kind() {
            io::ErrorKind::PermissionDenied => {
                "let the user that runs Tarn own this file and its folder"
            }
            io::ErrorKind::NotFound => "make its folder first",
            _ => "look at the cause below",
        };
        MetadataError::Open {
            path: path.to_path_buf(),
            hint,
            source: source.into(),
        }
    })?;
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("journal_size_limit", LOG_SIZE)
        .row_buffer_size(ROW_BUFFER)
        .disable_statement_logging();
    migrate(&path, &options).await?;

    let pool = || {
        SqlitePoolOptions::new()
            .acquire_timeout(TURN_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
    };
    let writer = pool()
        .max_connections(1)
        .min_connections(1)
        .after_release(|connection, _| Box::pin(is_fit_to_write_again(connection)))
        .connect_with(options.clone())
        .await?;
    let readers = pool()
        .max_connections(READERS)
        .connect_with(options.clone().pragma("query_only", "ON"))
        .await?;
    let mut keeper = options.pragma("query_only", "ON").connect().await?;
    // Only who has read from a database has the shared memory file open.
    sqlx::query("SELECT COUNT(*) FROM sqlite_schema")
        .execute(&mut keeper)
        .await?;
    let watch = Watch::open(&path, keeper).map_err(|source| MetadataError::Open {
        path: path.clone(),
        hint: "the file with `-shm` at the end of its name is made beside it; the folder must be on a local disk",
        source: source.into(),
    })?;
    let engine = Engine::Sqlite {
        writer,
        readers,
        direct: Some(Direct::new(&path)),
    };
    Ok((engine, watch))
}

/// Opens the database to look at it, if it is there: nothing is made, and its tables stay as they are.
pub(super) async fn open_unchanged(path: &Path) -> Result<Option<Engine>, MetadataError> {
    let failed =
        |path: &Path, source: Box<dyn std::error::Error + Send + Sync>| MetadataError::Open {
            path: path.to_path_buf(),
            hint: NOT_A_DATABASE,
            source,
        };
    let look = || {
        let path = std::path::absolute(path)?;
        let mut log = path.clone().into_os_string();
        log.push("-wal");
        let is_there = path.try_exists()?;
        io::Result::Ok((is_there.then_some(path), Path::new(&log).try_exists()?))
    };
    let (path, is_in_use) = look().map_err(|error| failed(path, error.into()))?;
    let Some(path) = path else {
        return Ok(None);
    };
    // Where there is no log, all is in the file, and SQLite need not make one to read it. Beside a log whose process was
    // ended it makes the file `-shm` again, which the next process to open the database takes away.
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(false)
        .read_only(true)
        .immutable(!is_in_use)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging();
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(TURN_TIMEOUT)
        .connect_with(options)
        .await
        .map_err(|error| failed(&path, error.into()))?;
    let found = match sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations")
        .fetch_one(&pool)
        .await
    {
        Ok(found) => found,
        // No table: nothing was made in it yet.
        Err(sqlx::Error::Database(said)) if said.code().as_deref() == Some("1") => None,
        Err(error) => return Err(failed(&path, error.into())),
    };
    let known = newest_migration();
    if let Some(found) = found.filter(|found| *found > known) {
        return Err(MetadataError::Newer { path, found, known });
    }
    Ok(Some(Engine::Sqlite {
        writer: pool.clone(),
        readers: pool,
        direct: None,
    }))
}

/// The newest migration that this program has.
fn newest_migration() -> i64 {
    let versions = MIGRATIONS.iter().map(|migration| migration.version);
    versions.max().unwrap_or(0)
}

/// Whether the writing connection is out of its transaction, else it must be closed.
///
/// On some errors SQLite rolls back by itself, a full disk among them (<https://sqlite.org/lang_transaction.html>,
/// "Response To Errors Within A Transaction"). sqlx then fails to roll back once more and believes for ever that a
/// transaction is open, so the connection would refuse every further write.
async fn is_fit_to_write_again(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // The rollback of a dropped transaction is only queued; this comes after it in the queue.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
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

/// Brings the tables up to date in one transaction: all migrations or none. A second process that starts at the same
/// time waits, and then finds them made.
async fn migrate(path: &Path, options: &SqliteConnectOptions) -> Result<(), MetadataError> {
    let mut connection = connect(path, options).await?;
    let result = async {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        MIGRATIONS
            .run_direct(None, &mut *transaction, false)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
    .await;
    let known = newest_migration();
    match result {
        Ok(()) => Ok(connection.close().await?),
        Err(MigrateError::VersionMissing(found)) if found > known => Err(MetadataError::Newer {
            path: path.to_path_buf(),
            found,
            known,
        }),
        Err(MigrateError::VersionMismatch(migration)) => Err(MetadataError::Unreleased {
            path: path.to_path_buf(),
            migration,
        }),
        Err(MigrateError::Execute(error)) => Err(error.into()),
        Err(source) => Err(MetadataError::Migrate {
            path: path.to_path_buf(),
            source: Box::new(source),
        }),
    }
}

/// Connects, again and again for a while when the database is busy: going over to WAL needs the file for oneself, and
/// SQLite does not wait for that by itself.
async fn connect(
    path: &Path,
    options: &SqliteConnectOptions,
) -> Result<SqliteConnection, MetadataError> {
    const PAUSE: Duration = Duration::from_millis(25);
    let mut attempts_left = BUSY_TIMEOUT.as_millis() / PAUSE.as_millis();
    loop {
        match options.connect().await.map_err(MetadataError::from) {
            Err(MetadataError::Busy(_)) if attempts_left > 0 => {
                attempts_left -= 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(MetadataError::Failed(source)) => {
                return Err(MetadataError::Open {
                    path: path.to_path_buf(),
                    hint: NOT_A_DATABASE,
                    source,
                });
            }
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Timestamp,
        metadata::{Actor, AddOwnerError, Database, Metadata, NewUser, Visibility},
        names::OwnerName,
    };

    async fn open_in(folder: &tempfile::TempDir) -> Metadata {
        Metadata::open(&Database::Sqlite(folder.path().join("tarn.db")))
            .await
            .unwrap()
    }

    async fn setting(pool: &sqlx::SqlitePool, pragma: &'static str) -> i64 {
        sqlx::query_scalar(pragma).fetch_one(pool).await.unwrap()
    }

    #[tokio::test]
    async fn every_connection_is_durable_and_minds_references() {
        let folder = tempfile::tempdir().unwrap();
        let metadata = open_in(&folder).await;
        let Engine::Sqlite {
            writer, readers, ..
        } = &metadata.engine;
        // `PRAGMA synchronous`: 2 is FULL.
        assert_eq!(setting(writer, "PRAGMA synchronous").await, 2);
        assert_eq!(setting(writer, "PRAGMA foreign_keys").await, 1);
        assert_eq!(setting(writer, "PRAGMA query_only").await, 0);
        assert_eq!(setting(readers, "PRAGMA query_only").await, 1);
        let journal: String = sqlx::query_scalar("PRAGMA journal_mode")
            .fetch_one(readers)
            .await
            .unwrap();
        assert_eq!(journal, "wal");
    }

    #[tokio::test]
    async fn the_shared_memory_stays_the_one_that_is_watched() {
        use std::os::unix::fs::MetadataExt as _;

        let folder = tempfile::tempdir().unwrap();
        let shared = folder.path().join("tarn.db-shm");
        let inode = || std::fs::metadata(&shared).map(|shared| shared.ino());
        let metadata = open_in(&folder).await;
        let watched = inode().unwrap();
        // All connections that answer questions are gone, and another process comes and goes.
        metadata.engine.close().await;
        open_in(&folder).await.close().await;
        assert_eq!(inode().unwrap(), watched);
        metadata.close().await;
        assert!(inode().is_err(), "a connection is still open");
    }

    #[tokio::test]
    async fn a_full_disk_is_told_apart_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let metadata = open_in(&folder).await;
        let Engine::Sqlite { writer, .. } = &metadata.engine;
        // A limit that SQLite reports as it does a full disk (SQLITE_FULL). It holds for the one writing connection.
        setting(writer, "PRAGMA max_page_count = 1").await;
        let mut made = 0;
        let by = Actor::SERVER;
        let act = by.at(Timestamp::from_seconds(0));
        let refused = loop {
            let name = OwnerName::parse(&format!("user{made}")).unwrap();
            let new = NewUser {
                name: &name,
                password_hash: Some("a hash long enough to fill a page some day"),
                admin: false,
                visibility: Visibility::Public,
            };
            match metadata.add_user(new, &act).await {
                Ok(_) => made += 1,
                Err(refused) => break refused,
            }
        };
        assert!(
            matches!(refused, AddOwnerError::Metadata(MetadataError::Full(_))),
            "{refused:?}"
        );
        assert_eq!(metadata.user_count().await.unwrap(), made);
        assert_eq!(
            metadata.owners().await.unwrap().len(),
            usize::try_from(made).unwrap()
        );
        // With space again it goes on.
        setting(writer, "PRAGMA max_page_count = 1000").await;
        let name = OwnerName::parse("later").unwrap();
        let new = NewUser {
            name: &name,
            password_hash: None,
            admin: false,
            visibility: Visibility::Public,
        };
        metadata.add_user(new, &act).await.unwrap();
    }

    #[test]
    fn extended_codes_are_told_apart() {
        for (codes, expected) in [
            (&[5, 261, 517, 6, 262][..], Fault::Busy),
            (&[13, 4874], Fault::Full),
            (&[1555, 2067], Fault::Duplicate),
            (&[787], Fault::Dangling),
            (&[1, 10, 19, 275, 1299], Fault::Other),
        ] {
            for code in codes {
                assert_eq!(fault(*code), expected, "{code}");
            }
        }
    }
}
