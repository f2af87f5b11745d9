//! The forge's database, opened to be read and never written.
//!
//! Both engines give every value as text, which is what PostgreSQL's simple query protocol has anyhow. So the questions are the same
//! for both, and no type of either library is met elsewhere.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, ffi, types::ValueRef};
use tarn_store::metadata::{BadAddress, MetadataError, PostgresAddress};
use tokio::task::spawn_blocking;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::app_ini::{ForgeDatabase, PostgresSettings};

/// How long a forge that runs may hold the database.
const BUSY: Duration = Duration::from_secs(20);

/// Why the forge's database could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is no such file.
    #[error("the forge's database {} is not there", .0.display())]
    Missing(PathBuf),
    /// The file of it.
    #[error("cannot read the forge's database")]
    Unreadable(#[source] io::Error),
    /// SQLite.
    #[error("cannot read the forge's database")]
    Sqlite(#[source] rusqlite::Error),
    /// A forge that was killed left a change half done, and only who may write can undo it.
    #[error(
        "the forge was killed while it changed its database: start it once and stop it, so that it undoes the change, then import"
    )]
    HalfChanged,
    /// PostgreSQL.
    #[error("cannot read the forge's database")]
    Postgres(#[from] tokio_postgres::Error),
    /// A PostgreSQL server that can't be reached.
    #[error(transparent)]
    Unreached(#[from] MetadataError),
    /// HOST, NAME or SSL_MODE cannot be understood.
    #[error("[database] in app.ini can't be used")]
    Address(#[from] BadAddress),
    /// Something that an import needs is not there.
    #[error(
        "the forge's database has no column `{column}` in a table `{table}`: is it one of a Forgejo or a Gitea, from version 1.20 on?"
    )]
    NoColumn {
        /// Of which table.
        table: &'static str,
        /// Which.
        column: &'static str,
    },
    /// A value is not what it should be.
    #[error("`{column}` in the forge's database is {value:?}, which is not a number")]
    NotANumber {
        /// Where.
        column: String,
        /// What.
        value: String,
    },
    /// The thread that reads ended.
    #[error("the thread that reads the forge's database ended")]
    Stopped(#[from] tokio::task::JoinError),
}

impl From<rusqlite::Error> for SourceError {
    fn from(error: rusqlite::Error) -> Self {
        match &error {
            rusqlite::Error::SqliteFailure(failure, _)
                if failure.extended_code == ffi::SQLITE_READONLY_ROLLBACK =>
            {
                Self::HalfChanged
            }
            _ => Self::Sqlite(error),
        }
    }
}

/// One row, its values as text by column.
#[derive(Debug)]
pub struct Row {
    columns: Arc<[String]>,
    values: Vec<Option<String>>,
}

impl Row {
    fn value(&self, column: &str) -> Option<&str> {
        let index = self.columns.iter().position(|name| name == column)?;
        self.values.get(index)?.as_deref()
    }

    /// The text of a column; empty where there is none.
    pub fn text(&self, column: &str) -> String {
        self.value(column).unwrap_or_default().to_owned()
    }

    /// The number of a column; 0 where there is none.
    ///
    /// # Errors
    ///
    /// When it is something else.
    pub fn number(&self, column: &str) -> Result<i64, SourceError> {
        match self.value(column) {
            None | Some("") => Ok(0),
            Some(text) => text.parse().map_err(|_| SourceError::NotANumber {
                column: column.to_owned(),
                value: text.chars().take(64).collect(),
            }),
        }
    }

    /// Whether a column says yes: SQLite has 1, PostgreSQL `t`. No where there is none.
    pub fn flag(&self, column: &str) -> bool {
        matches!(self.value(column), Some("1" | "t" | "true"))
    }
}

/// The database of a forge.
pub enum Source {
    /// A file.
    Sqlite(Arc<Mutex<Connection>>),
    /// A server.
    Postgres(Client),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source")
    }
}

impl Source {
    /// Opens the database and begins the one transaction in which everything is read, so that a forge that goes on working is seen
    /// at one moment.
    ///
    /// # Errors
    ///
    /// When it is not there, or does not let itself be read.
    pub async fn open(database: &ForgeDatabase) -> Result<Self, SourceError> {
        match database {
            ForgeDatabase::Sqlite(path) => {
                let path = path.clone();
                let connection = spawn_blocking(move || open_sqlite(&path)).await??;
                Ok(Self::Sqlite(Arc::new(Mutex::new(connection))))
            }
            ForgeDatabase::Postgres(settings) => open_postgres(settings).await.map(Self::Postgres),
        }
    }

    /// Every row of the answer to a question. Its text is this crate's own and holds no value from outside.
    pub async fn rows(&self, question: &'static str) -> Result<Vec<Row>, SourceError> {
        match self {
            Self::Sqlite(connection) => {
                let connection = Arc::clone(connection);
                spawn_blocking(move || {
                    let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                    rows_of_sqlite(&connection, question)
                })
                .await?
            }
            Self::Postgres(client) => rows_of_postgres(client, question).await,
        }
    }

    /// What `read` makes of each row of the answer to a question.
    pub async fn all<T, Rows: FromIterator<T>>(
        &self,
        question: &'static str,
        read: impl Fn(&Row) -> Result<T, SourceError>,
    ) -> Result<Rows, SourceError> {
        self.rows(question).await?.iter().map(read).collect()
    }

    /// Whether a table has a column. Forges of different versions have different ones.
    pub async fn has(&self, table: &'static str, column: &str) -> Result<bool, SourceError> {
        let rows = match self {
            Self::Sqlite(_) => {
                self.rows("SELECT m.name AS table_name, c.name AS column_name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table'")
                    .await?
            }
            Self::Postgres(_) => {
                self.rows("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = ANY (current_schemas(false))")
                    .await?
            }
        };
        Ok(rows.iter().any(|row| {
            row.value("table_name") == Some(table) && row.value("column_name") == Some(column)
        }))
    }
}

/// Opens a file for reading, with the locks that keep a forge from changing it meanwhile.
fn open_sqlite(path: &Path) -> Result<Connection, SourceError> {
    if !path.is_file() {
        return Err(SourceError::Missing(path.to_path_buf()));
    }
    let mut address = format!(
        "file:{}?mode=ro",
        percent_encoded(path.as_os_str().as_encoded_bytes())
    );
    if is_closed(path)? {
        address.push_str("&immutable=1");
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(address, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.execute_batch("PRAGMA query_only = 1; BEGIN")?;
    Ok(connection)
}

/// Whether a database keeps a log beside it (WAL) and no process has it open: then there is nothing to lock, and SQLite is not to make
/// the files of a log. Bytes 18 and 19 of a database are 2 where it keeps one (<https://www.sqlite.org/fileformat2.html>, section 1.3).
fn is_closed(path: &Path) -> Result<bool, SourceError> {
    let beside = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        std::fs::metadata(name)
    };
    let mut header = [0_u8; 20];
    let mut file = File::open(path).map_err(SourceError::Unreadable)?;
    let keeps_log = file.read_exact(&mut header).is_ok() && header.ends_with(&[2, 2]);
    let has_log = beside("-wal").is_ok_and(|log| log.len() > 0) || beside("-shm").is_ok();
    Ok(keeps_log && !has_log)
}

fn rows_of_sqlite(connection: &Connection, question: &str) -> Result<Vec<Row>, SourceError> {
    let mut statement = connection.prepare(question)?;
    let columns: Arc<[String]> = statement
        .column_names()
        .into_iter()
        .map(str::to_owned)
        .collect();
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let values = (0..columns.len())
            .map(|index| Ok(text_of(row.get_ref(index)?)))
            .collect::<Result<_, rusqlite::Error>>()?;
        found.push(Row {
            columns: Arc::clone(&columns),
            values,
        });
    }
    Ok(found)
}

/// A value as PostgreSQL would write it.
fn text_of(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => {
            let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
            Some(format!("\\x{}", digits.collect::<String>()))
        }
    }
}

async fn open_postgres(settings: &PostgresSettings) -> Result<Client, SourceError> {
    let client = address(settings)?.connect().await?;
    client
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await?;
    if !settings.schema.is_empty() {
        let schema = settings.schema.replace('"', "\"\"");
        client
            .batch_execute(&format!("SET LOCAL search_path TO \"{schema}\""))
            .await?;
    }
    Ok(client)
}

/// The address that a forge's settings mean, as `--database` would say it (`getPostgreSQLConnectionString` in
/// `modules/setting/database.go`).
fn address(settings: &PostgresSettings) -> Result<PostgresAddress, SourceError> {
    // What follows a `?` are options of the forge's client, of which one says what this one needs to know.
    let (name, options) = settings
        .name
        .split_once('?')
        .unwrap_or((settings.name.as_str(), ""));
    let roots = options
        .split('&')
        .find_map(|option| option.strip_prefix("sslrootcert="));
    let (host, port) = match settings.host.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port),
        _ => (settings.host.as_str(), ""),
    };
    let host = if host.is_empty() { "127.0.0.1" } else { host };
    let port = if port.is_empty() { "5432" } else { port };
    let mode = match settings.ssl_mode.as_str() {
        "" => "disable",
        "allow" => "prefer",
        mode => mode,
    };
    let mut url = "postgres:///?application_name=tarn%20import&connect_timeout=20".to_owned();
    for (parameter, value) in [
        ("host", host.trim_matches(['[', ']'])),
        ("port", port),
        ("user", settings.user.as_str()),
        ("password", settings.password.as_str()),
        ("dbname", name),
        ("sslmode", mode),
    ] {
        url.push_str(&format!(
            "&{parameter}={}",
            percent_encoded(value.as_bytes())
        ));
    }
    if let Some(roots) = roots {
        url.push_str(&format!("&sslrootcert={roots}"));
    }
    Ok(url.parse()?)
}

/// Bytes as they may stand in a URL, whatever they are.
fn percent_encoded(bytes: &[u8]) -> String {
    let encoded = |byte: &u8| match byte {
        b'/' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    bytes.iter().map(encoded).collect()
}

async fn rows_of_postgres(client: &Client, question: &str) -> Result<Vec<Row>, SourceError> {
    let mut found = Vec::new();
    let mut columns: Arc<[String]> = Arc::new([]);
    for message in client.simple_query(question).await? {
        match message {
            SimpleQueryMessage::RowDescription(described) => {
                columns = described
                    .iter()
                    .map(|column| column.name().to_owned())
                    .collect();
            }
            SimpleQueryMessage::Row(row) => found.push(Row {
                columns: Arc::clone(&columns),
                values: (0..row.len())
                    .map(|index| row.get(index).map(str::to_owned))
                    .collect(),
            }),
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_of_a_forge_are_an_address() {
        let settings = |host: &str, ssl_mode: &str, name: &str| PostgresSettings {
            host: host.to_owned(),
            name: name.to_owned(),
            user: "git ea".to_owned(),
            password: "p&w=%#+".to_owned(),
            ssl_mode: ssl_mode.to_owned(),
            schema: String::new(),
        };
        let read = |host, ssl_mode, name| address(&settings(host, ssl_mode, name));
        let shown = |host, ssl_mode, name| read(host, ssl_mode, name).unwrap().to_string();
        assert!(shown("db:5433", "require", "forge").contains("db:5433"));
        assert!(shown("[::1]:5433", "", "forge").contains("::1"));
        assert!(shown("/run/postgresql", "verify-full", "forge").contains("/run/postgresql"));
        for (written, host, port) in [
            ("/run/postgresql:6432", "/run/postgresql", "6432"),
            (":6432", "127.0.0.1", "6432"),
            ("", "127.0.0.1", "5432"),
            ("::1", "::1", "5432"),
        ] {
            let url = format!(
                "postgres:///?application_name=tarn%20import&connect_timeout=20&user=git%20ea\
                 &password=p%26w%3D%25%23%2B&dbname=forge&sslmode=disable&host={host}&port={port}"
            );
            let meant: PostgresAddress = url.parse().unwrap();
            assert_eq!(read(written, "", "forge").unwrap(), meant, "{written}");
        }
        assert!(read("db", "verify-ca", "forge?sslrootcert=/ca.pem").is_ok());
        let same = read("db", "verify-ca", "forge").unwrap();
        assert_ne!(
            read("db", "verify-ca", "forge?sslrootcert=/ca.pem").unwrap(),
            same
        );
        for (host, ssl_mode) in [("db:x", ""), ("db", "maybe")] {
            let refused = read(host, ssl_mode, "forge").unwrap_err();
            assert!(!format!("{refused:?}").contains("p&w"), "{refused:?}");
        }
    }
}
