//! One suite on both databases: the tests of a program run on SQLite, and one of them runs all of them once more on PostgreSQL.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    postgres::{self, Postgres},
    running::Running,
};

/// Says where the socket is, to the tests that run on PostgreSQL.
const SOCKET: &str = "TARN_TEST_POSTGRES";
/// The database that those of the tests are copies of.
const TEMPLATE: &str = "tarn";

/// Runs this program's tests once more, each on a PostgreSQL database of its own: those that `arguments` of the test
/// runner choose. `migrate` makes the tables in the database of that URL. To be called by a test that does nothing else. Says what is missing where there is no
/// PostgreSQL.
///
/// # Panics
///
/// When one of the tests fails.
pub fn run_on_postgres(arguments: &[&str], migrate: impl FnOnce(&str)) {
    if on_postgres() {
        return;
    }
    let Some(server) = Postgres::start() else {
        return;
    };
    server.create(TEMPLATE, None);
    migrate(&server.url(TEMPLATE));
    let socket = PathBuf::from(server.data());
    let status = Command::new(env::current_exe().unwrap())
        .args(arguments)
        .env(SOCKET, socket.parent().unwrap())
        .status()
        .unwrap();
    assert!(status.success(), "on PostgreSQL: {status}");
}

/// Makes the test that runs all others of the program once more on PostgreSQL ([`run_on_postgres`]), but for those that
/// `--skip` names in the arguments. For programs that know `tarn_store`, which makes the tables.
#[macro_export]
macro_rules! suite_on_postgres {
    ($($argument:literal),* $(,)?) => {
        #[test]
        fn every_test_passes_on_postgresql_too() {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let migrate = |url: &str| {
                let database = tarn_store::metadata::Database::Postgres(url.parse().unwrap());
                let opened = tarn_store::metadata::Metadata::open(&database);
                runtime.block_on(async { opened.await.unwrap().close().await });
            };
            $crate::run_on_postgres(&[$($argument),*], migrate);
        }
    };
}

/// Whether the tests of this program run on PostgreSQL.
#[must_use]
pub fn on_postgres() -> bool {
    env::var_os(SOCKET).is_some()
}

/// The URL of the PostgreSQL database that stands for the one in that folder, made when there is none. None on SQLite.
///
/// # Panics
///
/// When it can't be made.
#[must_use]
pub fn database_in(folder: &Path) -> Option<String> {
    let socket = PathBuf::from(env::var_os(SOCKET)?);
    let name = database_name(folder);
    match postgres::create(&socket, &name, Some(TEMPLATE)) {
        Err(said) if !said.contains("already exists") => panic!("{said}"),
        _ => Some(postgres::url(&socket, &name)),
    }
}

/// A name of its own for each folder, of at most 63 letters.
fn database_name(folder: &Path) -> String {
    let path = folder.to_str().unwrap().chars();
    let letters = path.map(|letter| {
        if letter.is_ascii_alphanumeric() {
            letter
        } else {
            '_'
        }
    });
    let all: Vec<char> = letters.collect();
    let last = all.len().saturating_sub(60);
    format!("t{}", all.iter().skip(last).collect::<String>())
}

/// Runs SQL in the database that stands for the one in that folder, as another process, and gives what it prints.
///
/// # Panics
///
/// When that fails, and on SQLite.
#[must_use]
pub fn sql_in(folder: &Path, text: &str) -> String {
    let socket = PathBuf::from(env::var_os(SOCKET).expect("the tests run on PostgreSQL"));
    match postgres::sql(&socket, &database_name(folder), text) {
        Ok(rows) => rows,
        Err(said) => panic!("{said}"),
    }
}

/// Another process with a transaction of its own, which ends without a commit when this is dropped.
#[derive(Debug)]
pub struct Session {
    _psql: Running,
}

impl Session {
    /// Runs SQL in the database that stands for the one in that folder.
    ///
    /// # Panics
    ///
    /// When it gives no row, and on SQLite.
    #[must_use]
    pub fn begin(folder: &Path, text: &str) -> Self {
        let socket = PathBuf::from(env::var_os(SOCKET).expect("the tests run on PostgreSQL"));
        let mut psql = postgres::psql(&socket, &database_name(folder))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = psql.stdin.as_mut().unwrap();
        writeln!(input, "{text} SELECT 'begun';").unwrap();
        let mut lines = BufReader::new(psql.stdout.as_mut().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "begun"));
        Self {
            _psql: Running(psql),
        }
    }
}
