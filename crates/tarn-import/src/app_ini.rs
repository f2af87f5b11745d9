//! The settings of a forge that an import needs, from its `app.ini`.
//!
//! The forges read the file with the Go library `gopkg.in/ini.v1`, whose rules about quotes, comments and `%(name)s` are kept here:
//! a secret key that is read otherwise opens nothing. The places of files follow `modules/setting/` of Gitea 1.23.

mod storage;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use configparser::ini::Ini;
use tarn_base::secret::Secret;

pub use self::storage::Storage;
use crate::Program;

/// The secret key of a forge that was set up without one (`modules/setting/security.go`).
const DEFAULT_SECRET_KEY: &str = "!#@FDEWREWR&*(";
/// How many references to other values are replaced in one (`depthValues` of the library).
const MAX_REFERENCES: usize = 99;
/// The longest value that references are replaced in, in bytes: each may double it.
const LONGEST: usize = 64 << 10;

/// Why the settings of a forge could not be used.
#[derive(Debug, thiserror::Error)]
pub enum AppIniError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has not the form of an `app.ini`.
    #[error("{} is not an app.ini: {problem}", path.display())]
    Syntax {
        /// Which.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// Where relative paths begin is not known.
    #[error(
        "app.ini has no WORK_PATH, and does not lie in custom/conf; give the forge's folder with `--work-path`"
    )]
    NoWorkPath,
    /// It says nothing of a database.
    #[error(
        "app.ini has no DB_TYPE in [database]: is it the settings file that the forge runs with?"
    )]
    NoDatabase,
    /// Another database than those that are read.
    #[error(
        "the forge's database is `{0}`; an import reads sqlite3 and postgres: have the forge write its tables for SQLite with `dump --database sqlite3`, and load them into a file (\"Another database\" in docs/moving-from-a-forge.md)"
    )]
    Database(String),
    /// The value of `SECRET_KEY_URI` is not a file.
    #[error("SECRET_KEY_URI is `{0}`; an import reads `file:` addresses")]
    SecretKeyUri(String),
}

/// Where the forge's database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForgeDatabase {
    /// A file of SQLite.
    Sqlite(PathBuf),
    /// A PostgreSQL server.
    Postgres(PostgresSettings),
}

/// How the forge reaches its PostgreSQL server.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct PostgresSettings {
    /// A host with or without a port, or the folder of a socket.
    pub host: String,
    /// The database.
    pub name: String,
    /// The account.
    pub user: String,
    /// Its password.
    pub password: String,
    /// As libpq has it.
    pub ssl_mode: String,
    /// The schema; empty: the account's own.
    pub schema: String,
}

impl std::fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresSettings")
            .field("host", &self.host)
            .field("name", &self.name)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// What an import needs to know.
#[derive(Debug, Clone)]
pub struct ForgeSettings {
    /// The database.
    pub database: ForgeDatabase,
    /// The bytes of packages.
    pub packages: Storage,
    /// The key of the secrets of code generators.
    pub secret_key: Secret,
    /// Whether only those who signed in see anything.
    pub sign_in_to_read: bool,
}

impl ForgeSettings {
    /// Reads the settings of the forge from its `app.ini`. `work_path` is the forge's folder, where the file doesn't say.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or says what an import can't use.
    pub fn read(
        program: Program,
        app_ini: &Path,
        work_path: Option<&Path>,
    ) -> Result<Self, AppIniError> {
        let file = AppIni::read(app_ini)?;
        let work_path = work_path
            .map(Path::to_path_buf)
            .or_else(|| file.value("", "WORK_PATH").map(PathBuf::from))
            .or_else(|| work_path_of(app_ini));
        let data = match (file.value("server", "APP_DATA_PATH"), &work_path) {
            (Some(path), _) if Path::new(&path).is_absolute() => PathBuf::from(path),
            (path, Some(work)) => work.join(path.as_deref().unwrap_or("data")),
            (_, None) => return Err(AppIniError::NoWorkPath),
        };
        Ok(Self {
            database: file.database(program, &data, work_path.as_deref())?,
            packages: file.storage(&data),
            secret_key: file.secret_key()?,
            sign_in_to_read: file
                .value("service", "REQUIRE_SIGNIN_VIEW")
                .is_some_and(|value| is_true(&value)),
        })
    }
}

/// The forge's folder, by where its settings lie when they are where the forge looks for them: `custom/conf/app.ini` in it.
fn work_path_of(app_ini: &Path) -> Option<PathBuf> {
    let conf = app_ini.parent()?;
    let custom = conf.parent()?;
    let as_usual = conf.ends_with("conf") && custom.ends_with("custom");
    let parent = custom.parent().filter(|_| as_usual)?;
    Some(if parent.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        parent.to_path_buf()
    })
}

/// As Go's `strconv.ParseBool` with what the library adds.
fn is_true(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "1" | "t" | "true" | "y" | "yes" | "on"
    )
}

struct AppIni(Ini);

impl AppIni {
    fn read(path: &Path) -> Result<Self, AppIniError> {
        let text = fs::read_to_string(path).map_err(|source| AppIniError::Read {
            path: path.to_path_buf(),
            source,
        })?;
        Self::parse(&text).map_err(|problem| AppIniError::Syntax {
            path: path.to_path_buf(),
            problem,
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut ini = Ini::new();
        // Whether a `#` begins a comment depends on the quotes around it: `plain` says.
        ini.set_inline_comment_symbols(Some(&[]));
        ini.read(text.trim_start_matches('\u{feff}').to_owned())?;
        Ok(Self(ini))
    }

    fn has(&self, section: &str) -> bool {
        let sections = self.0.get_map_ref();
        sections.contains_key(&section.to_ascii_lowercase())
    }

    /// The value of a key, if it has one that is not empty, with what it refers to by `%(name)s` in it (`Key.transformValue` of the
    /// library). The section without a name is "".
    fn value(&self, section: &str, key: &str) -> Option<String> {
        let mut value = self.written(section, key)?;
        for _ in 0..MAX_REFERENCES {
            let Some(name) = reference(&value).filter(|_| value.len() <= LONGEST) else {
                break;
            };
            let is_itself = name.eq_ignore_ascii_case(key);
            let beside = self.written(section, name).filter(|_| !is_itself);
            let Some(meant) = beside.or_else(|| self.written("", name)) else {
                break;
            };
            value = value.replace(&format!("%({name})s"), &meant);
        }
        Some(value).filter(|value| !value.is_empty())
    }

    /// The value of a key, with its references as they are.
    fn written(&self, section: &str, key: &str) -> Option<String> {
        let named = match section {
            "" => "default",
            section => section,
        };
        Some(plain(&self.0.get(named, key)?))
    }

    fn database(
        &self,
        program: Program,
        data: &Path,
        work_path: Option<&Path>,
    ) -> Result<ForgeDatabase, AppIniError> {
        let value = |key: &str| self.value("database", key).unwrap_or_default();
        match value("DB_TYPE").as_str() {
            "sqlite3" => {
                let path = match self.value("database", "PATH") {
                    Some(path) => match work_path {
                        Some(work) => work.join(path),
                        None => PathBuf::from(path),
                    },
                    None => {
                        let own = data.join("forgejo.db");
                        let is_own = program == Program::Forgejo && own.exists();
                        if is_own { own } else { data.join("gitea.db") }
                    }
                };
                Ok(ForgeDatabase::Sqlite(path))
            }
            "postgres" => Ok(ForgeDatabase::Postgres(PostgresSettings {
                host: value("HOST"),
                name: value("NAME"),
                user: value("USER"),
                password: value("PASSWD"),
                ssl_mode: value("SSL_MODE"),
                schema: value("SCHEMA"),
            })),
            "" => Err(AppIniError::NoDatabase),
            other => Err(AppIniError::Database(other.to_owned())),
        }
    }

    fn secret_key(&self) -> Result<Secret, AppIniError> {
        if let Some(uri) = self.value("security", "SECRET_KEY_URI") {
            let path = uri
                .strip_prefix("file://")
                .or_else(|| uri.strip_prefix("file:"))
                .ok_or_else(|| AppIniError::SecretKeyUri(uri.clone()))?;
            let text = fs::read_to_string(path).map_err(|source| AppIniError::Read {
                path: PathBuf::from(path),
                source,
            })?;
            return Ok(Secret::new(text.trim().to_owned()));
        }
        let key = self.value("security", "SECRET_KEY");
        Ok(Secret::new(
            key.unwrap_or_else(|| DEFAULT_SECRET_KEY.to_owned()),
        ))
    }
}

/// The name in the first `%(name)s` of a value.
fn reference(value: &str) -> Option<&str> {
    let mut rest = value;
    while let Some((_, after)) = rest.split_once("%(") {
        match after.split_once(')') {
            Some((name, behind)) if !name.is_empty() && behind.starts_with('s') => {
                return Some(name);
            }
            _ => rest = after,
        }
    }
    None
}

/// What a value is: the text in backquotes or quotes, or what stands before a comment.
fn plain(raw: &str) -> String {
    let raw = raw.trim();
    for quote in ["\"\"\"", "`"] {
        if let Some(rest) = raw.strip_prefix(quote)
            && let Some((quoted, _)) = rest.split_once(quote)
        {
            return quoted.to_owned();
        }
    }
    let value = raw.split(['#', ';']).next().unwrap_or_default().trim();
    for quote in ['"', '\''] {
        if let Some(quoted) = value
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
        {
            return quoted.to_owned();
        }
    }
    value.to_owned()
}

#[cfg(test)]
mod tests;
