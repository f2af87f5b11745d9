//! What the operator wants: flags, then `TARN_…` variables, then `tarn.toml`, then defaults.

mod file;
mod flags;
pub(crate) mod table;
mod tls;
pub(crate) mod values;

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use tarn_base::secret::Secret;
use tarn_core::settings::{ConnectionLimits, Proxies, Settings};
use tarn_store::{
    blobs::Storage,
    metadata::{Database, Quota},
};
use tracing::Level;
use url::Url;

use self::{
    file::Entries,
    table::{CONFIG_FILE, CONFIG_VARIABLE, Setting, Taken},
    values::{LogFormat, Refused},
};
pub(crate) use self::{
    flags::{Flags, RegistryFlags, ServerFlags},
    tls::{Acme, TlsFrom},
};
use crate::{failure::Failure, secret};

/// The environment variables whose names begin with `TARN_`.
#[derive(Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// Those of this process.
    pub(crate) fn of_process() -> Self {
        Self::new(
            env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))),
        )
    }

    fn new(variables: impl IntoIterator<Item = (String, OsString)>) -> Self {
        Self(
            variables
                .into_iter()
                .filter(|(name, _)| name.starts_with("TARN_"))
                .collect(),
        )
    }

    /// The value of a variable. An empty one counts as not set, as in `TARN_BASE_URL= tarn serve`.
    fn value(&self, name: &str) -> Result<Option<String>, Failure> {
        match self.0.get(name) {
            Some(value) if !value.is_empty() => match value.to_str() {
                Some(value) => Ok(Some(value.to_owned())),
                None => Err(
                    Failure::usage(format!("the variable {name} is not UTF-8 text"))
                        .hint(format!("set {name} again, or unset it")),
                ),
            },
            _ => Ok(None),
        }
    }

    /// The variables that look like settings and are none.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str).filter(|name| {
            *name != CONFIG_VARIABLE
                && !table::CLIENT_VARIABLES.contains(name)
                && !table::ALL.iter().any(|setting| setting.variable == *name)
        })
    }
}

/// Where the value of a setting came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A flag of this command.
    Flag(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// A line of the settings file.
    File(PathBuf, usize),
    /// Not set anywhere.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Variable(name) => f.write_str(name),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// The settings in force.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// What a registry opens with; without the credentials of an S3 store.
    pub(crate) registry: Settings,
    /// Where the server listens.
    pub(crate) listen: SocketAddr,
    /// Where the certificate comes from, where TLS is spoken.
    pub(crate) tls: Option<TlsFrom>,
    /// The password of the first run's account, where it is set.
    pub(crate) admin_password: Option<Secret>,
    /// How log lines look.
    pub(crate) log_format: LogFormat,
    /// The least that is logged, where it is set.
    pub(crate) log_level: Option<Level>,
    /// Each setting with its value for people and its source, in the order of the table. Secrets are masked.
    pub(crate) report: Vec<(&'static Setting, String, Source)>,
}

/// Where this machine reaches a server that listens on `address`: one that listens everywhere on the loopback.
pub(crate) fn from_here(address: SocketAddr) -> SocketAddr {
    let loopback = match address.ip() {
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
    };
    match address.ip().is_unspecified() {
        true => SocketAddr::new(loopback, address.port()),
        false => address,
    }
}

/// What was said of every setting, not yet understood.
struct Layers {
    flags: BTreeMap<&'static str, String>,
    environment: Environment,
    file: Entries,
    path: PathBuf,
    report: Vec<(&'static Setting, String, Source)>,
    /// What makes no sense. It counts as not given.
    refused: Vec<Failure>,
    /// Settings that do not go together. One that was refused may be the reason.
    contradictions: Vec<Failure>,
}

impl Configuration {
    /// The scheme of the server's URLs.
    pub(crate) fn scheme(&self) -> &'static str {
        match self.tls {
            Some(_) => "https",
            None => "http",
        }
    }

    /// The settings of a command. If nothing names a registry, the command works on the service's.
    ///
    /// # Errors
    ///
    /// As [`Self::resolve`].
    pub(crate) fn of_command<const SERVER: bool>(
        flags: &Flags<SERVER>,
        environment: Environment,
    ) -> Result<Self, Failure> {
        let of_service = Path::new(table::SYSTEM_CONFIG_FILE);
        Self::resolve(flags, environment, Some(of_service))
    }

    /// Puts the layers together. `of_service` is the settings file to read when neither a file nor a data folder is named, and the
    /// working folder has no `tarn.toml`; `serve` has none, since a service names its file.
    ///
    /// # Errors
    ///
    /// When the settings file cannot be read or a value makes no sense; each names where the value came from.
    pub(crate) fn resolve<const SERVER: bool>(
        flags: &Flags<SERVER>,
        environment: Environment,
        of_service: Option<&Path>,
    ) -> Result<Self, Failure> {
        let named = match &flags.config {
            Some(path) => Some(path.clone()),
            None => environment.value(CONFIG_VARIABLE)?.map(PathBuf::from),
        };
        // The service's database and store belong to its own data folder.
        let has_folder = flags.given.contains_key(table::DATA_DIR.name)
            || environment.value(table::DATA_DIR.variable)?.is_some();
        let usual = || match of_service {
            Some(path) if !has_folder && !Path::new(CONFIG_FILE).exists() => path.to_owned(),
            _ => PathBuf::from(CONFIG_FILE),
        };
        let path = named.clone().unwrap_or_else(usual);
        let (file, refused) = file::read(&path, named.is_some())?;
        let mut layers = Layers {
            flags: flags.given.clone(),
            environment,
            file,
            path,
            report: Vec::new(),
            refused,
            contradictions: Vec::new(),
        };
        let understood = layers.understand();
        // Report everything that is wrong together.
        let wrong = match layers.refused.is_empty() {
            true => layers.contradictions,
            false => layers.refused,
        };
        wrong
            .into_iter()
            .reduce(Failure::and)
            .map_or(understood, Err)
    }
}

impl Layers {
    fn database(&mut self, data_dir: &Path) -> Database {
        let read = |value: &str, source: &Source| {
            let database = understood(&table::DATABASE, source, values::database(value))?;
            Ok(match database {
                Database::Sqlite(path) => Database::Sqlite(beside(source, path)),
                server @ Database::Postgres(_) => server,
            })
        };
        let shown = |database: &Database, _| match database {
            Database::Sqlite(path) => format!("sqlite://{}", path.display()),
            Database::Postgres(address) => address.to_string(),
        };
        let usual = Database::Sqlite(data_dir.join("tarn.db"));
        let without = shown(&usual, String::new());
        let given = self.noted(&table::DATABASE, read, shown, without);
        given.unwrap_or(usual)
    }

    fn understand(&mut self) -> Result<Configuration, Failure> {
        let data_dir = self
            .path_of(&table::DATA_DIR, table::DATA_DIR.default)
            .unwrap_or_else(|| PathBuf::from(table::DATA_DIR.default));
        let database = self.database(&data_dir);
        let storage = self
            .optional(&table::STORAGE, values::storage, "data-dir")
            .unwrap_or(Storage::DataFolder);
        let usual_key = data_dir.join("secret.key").display().to_string();
        let key_file = self.path_of(&table::SECRET_KEY_FILE, usual_key);
        let listen = self.required(&table::LISTEN, values::address)?;
        let usual_url = self.usual_url(listen);
        let base_url = self.optional(&table::BASE_URL, values::base_url, usual_url);
        if let Some(url) = &base_url
            && let Some(public) = storage.public_endpoint().and_then(Url::host_str)
            && Url::parse(url).is_ok_and(|url| url.host_str() == Some(public))
        {
            self.contradictions.push(Failure::usage(
                "`public-endpoint` of `storage` has the host name of `base-url`: clients would send the store their credentials",
            )
            .hint("give the store a host name of its own"));
        }
        let tls = self.tls()?;
        let trusted_proxies = self.optional(&table::TRUSTED_PROXIES, values::networks, "none");
        let proxy_header = self.required(&table::PROXY_HEADER, values::proxy_header)?;
        let max_upload = self.required(&table::MAX_UPLOAD_SIZE, values::size)?;
        let max_uploads = self.required(&table::MAX_UPLOADS, values::count)?;
        let quota = Quota {
            bytes: self.optional(&table::QUOTA_BYTES, values::size, "no limit"),
            packages: self
                .optional(&table::QUOTA_PACKAGES, values::count, "no limit")
                .map(|count| u64::try_from(count).unwrap_or(u64::MAX)),
        };
        let versions = self.required(&table::VERSIONS, values::versions)?;
        let keep_deleted = self.required(&table::KEEP_DELETED, values::duration_or_none)?;
        let expiry_interval = self.required(&table::EXPIRY_INTERVAL, values::duration)?;
        let audit_retention = self.required(&table::AUDIT_RETENTION, values::retention)?;
        let max_index = self.required(&table::MAX_INDEX_SIZE, values::size)?;
        let index_cache = self.required(&table::INDEX_CACHE_SIZE, values::size)?;
        let max_open = self.required(&table::MAX_CONNECTIONS, values::count)?;
        let half = (max_open / 2).max(1).to_string();
        let max_of_source = self.optional(&table::MAX_OF_SOURCE, values::count, half);
        let head = self.required(&table::REQUEST_TIMEOUT, values::duration)?;
        let stall = self.required(&table::STALL_TIMEOUT, values::duration)?;
        let drain = self.required(&table::STOP_TIMEOUT, values::duration)?;
        let metrics = self.required(&table::METRICS, values::switch)?;
        let webhook_networks =
            self.optional(&table::WEBHOOK_ALLOWED_NETWORKS, values::networks, "none");
        let log_format = self.required(&table::LOG_FORMAT, values::log_format)?;
        let usual_level = table::LOG_LEVEL.default;
        let log_level = self.optional(&table::LOG_LEVEL, values::log_level, usual_level);
        let sealing_key = match (self.secret(&table::SECRET_KEY), key_file) {
            (None, Some(file)) => self.accepted(secret::from_file(&file)),
            (key, _) => key,
        };
        let admin_password = self.secret(&table::ADMIN_PASSWORD);
        let defaults = Settings::in_folder(data_dir);
        // Without `..`: a new field has to be thought of here.
        let registry = Settings {
            data_dir: defaults.data_dir,
            database,
            write_wait: defaults.write_wait,
            storage,
            sealing_key,
            max_upload,
            max_uploads,
            quota,
            versions,
            audit_retention,
            keep_deleted,
            expiry_interval,
            max_index,
            index_cache,
            metrics,
            connections: ConnectionLimits {
                head,
                stall,
                drain,
                max_open,
                max_of_source,
                min_upload_rate: defaults.connections.min_upload_rate,
                min_download_rate: defaults.connections.min_download_rate,
            },
            proxies: Proxies {
                trusted: trusted_proxies.unwrap_or_default(),
                header: proxy_header,
            },
            base_url,
            webhook_networks: webhook_networks.unwrap_or_default(),
            // No settings: those of the library, or set where the server starts.
            key_size: defaults.key_size,
            package_limits: defaults.package_limits,
            package_memory: defaults.package_memory,
            window_memory: defaults.window_memory,
            refusals: defaults.refusals,
            access: defaults.access,
            api: defaults.api,
            lost_log_lines: defaults.lost_log_lines,
            acme: defaults.acme,
            given: defaults.given,
        };
        Ok(Configuration {
            registry,
            listen,
            tls,
            admin_password,
            log_format,
            log_level,
            report: std::mem::take(&mut self.report),
        })
    }

    /// The value of a setting and where it came from, defaults aside.
    fn given(&self, setting: &'static Setting) -> Result<Option<(String, Source)>, Failure> {
        let given = if let Some(value) = self.flags.get(setting.name) {
            (value.clone(), Source::Flag(setting.name))
        } else if let Some(value) = self.environment.value(setting.variable)? {
            (value, Source::Variable(setting.variable))
        } else if let Some(entry) = self.file.get(setting.name) {
            let source = Source::File(self.path.clone(), entry.line);
            (entry.value.clone(), source)
        } else {
            return Ok(None);
        };
        if given.0.is_empty() {
            return Err(
                Failure::usage(format!("`{}` from {} is empty", setting.name, given.1))
                    .hint("give it a value, or leave it out"),
            );
        }
        Ok(Some(given))
    }

    fn note(&mut self, setting: &'static Setting, value: String, source: Source) {
        self.report.push((setting, value, source));
    }

    /// What was read; a refusal is kept for the report, and counts as nothing read.
    fn accepted<T>(&mut self, read: Result<T, Failure>) -> Option<T> {
        read.map_err(|failure| self.refused.push(failure)).ok()
    }

    /// What `read` makes of the value that was given, with the value and its source. `None` where none was given, or it was refused.
    fn taken<T>(
        &mut self,
        setting: &'static Setting,
        read: impl FnOnce(&str, &Source) -> Result<T, Failure>,
    ) -> Option<(T, String, Source)> {
        let given = self.given(setting);
        let (value, source) = self.accepted(given)??;
        let read = self.accepted(read(&value, &source))?;
        Some((read, value, source))
    }

    /// The same without its source, noted in the report as `shown` shows it; where there is none, the report has `without`.
    fn noted<T>(
        &mut self,
        setting: &'static Setting,
        read: impl FnOnce(&str, &Source) -> Result<T, Failure>,
        shown: impl FnOnce(&T, String) -> String,
        without: impl Into<String>,
    ) -> Option<T> {
        let Some((read, value, source)) = self.taken(setting, read) else {
            self.note(setting, without.into(), Source::Default);
            return None;
        };
        self.note(setting, shown(&read, value), source);
        Some(read)
    }

    /// The value of a setting that may be left out; `without` is what the report says then.
    fn optional<T>(
        &mut self,
        setting: &'static Setting,
        parse: impl FnOnce(&str) -> Result<T, Refused>,
        without: impl Into<String>,
    ) -> Option<T> {
        let read = |value: &str, source: &Source| understood(setting, source, parse(value));
        self.noted(setting, read, |_, value| value, without)
    }

    /// The value of a setting that has a default.
    fn required<T>(
        &mut self,
        setting: &'static Setting,
        parse: impl Fn(&str) -> Result<T, Refused>,
    ) -> Result<T, Failure> {
        match self.optional(setting, &parse, setting.default) {
            Some(value) => Ok(value),
            None => understood(setting, &Source::Default, parse(setting.default)),
        }
    }

    fn path_of(
        &mut self,
        setting: &'static Setting,
        without: impl Into<String>,
    ) -> Option<PathBuf> {
        let read = |value: &str, source: &Source| Ok(beside(source, PathBuf::from(value)));
        let shown = |path: &PathBuf, _| path.display().to_string();
        self.noted(setting, read, shown, without)
    }

    /// A setting of which only the presence is shown.
    fn secret(&mut self, setting: &'static Setting) -> Option<Secret> {
        debug_assert_eq!(setting.taken, Taken::AsVariableOnly);
        let read = |value: &str, _: &Source| Ok(Secret::new(value.to_owned()));
        let shown = |_: &Secret, _| secret::MASK.to_owned();
        self.noted(setting, read, shown, "not set")
    }
}

/// A relative path in a settings file is meant from the folder of that file.
fn beside(source: &Source, path: PathBuf) -> PathBuf {
    match source {
        Source::File(file, _) => file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .map_or(path.clone(), |folder: &Path| folder.join(path)),
        _ => path,
    }
}

fn understood<T>(
    setting: &Setting,
    source: &Source,
    parsed: Result<T, Refused>,
) -> Result<T, Failure> {
    parsed.map_err(|refused| {
        Failure::usage(format!(
            "`{}` from {source} cannot be used: {}",
            setting.name, refused.problem
        ))
        .hint(refused.hint)
    })
}

#[cfg(test)]
mod tests;
