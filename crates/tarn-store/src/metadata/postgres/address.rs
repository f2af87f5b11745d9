//! Where a PostgreSQL database is, as `--database` says it.

use std::{fmt, path::PathBuf, str::FromStr};

use deadpool_postgres::tokio_postgres::{
    self, Config,
    config::{ChannelBinding, Host, SslMode, TargetSessionAttrs},
};
use std::time::Duration;

/// How long a connection may take to be made, unless the URL says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// After how long without a word the other side is asked whether it is there, and after how long unanswered data ends a connection.
const SILENCE: Duration = Duration::from_secs(30);

/// A PostgreSQL database: `postgres://USER:PASSWORD@HOST:PORT/NAME?sslmode=…`. Its text has no password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresAddress {
    config: Config,
    certificates: Certificates,
    roots: Roots,
}

/// What a server has to show to be trusted (`sslmode`: "SSL Support" of libpq in PostgreSQL's documentation).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Certificates {
    /// Any certificate will do: what is sent can't be read on the way by those who only listen.
    Any,
    /// One that a root has signed, for whatever name.
    Signed,
    /// One that a root has signed for the name of the host.
    SignedForHost,
}

/// Whose certificates are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roots {
    OfTheSystem,
    Of(PathBuf),
}

/// Why a text is not an address of a PostgreSQL database. It does not repeat the text, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct BadAddress {
    problem: String,
}

fn bad(problem: impl Into<String>) -> BadAddress {
    BadAddress {
        problem: problem.into(),
    }
}

/// The parameters of the URL that tokio-postgres does not know as PostgreSQL's own programs do.
#[derive(Debug, Default)]
struct Own {
    mode: Option<String>,
    root: Option<String>,
}

impl FromStr for PostgresAddress {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let (place, query) = text.split_once('?').unwrap_or((text, ""));
        let (own, others) = taken_apart(query)?;
        let mut rest = place.to_owned();
        if !others.is_empty() {
            rest.push('?');
            rest.push_str(&others.join("&"));
        }
        // It names the parameter, and repeats no value.
        let mut config: Config = rest.parse().map_err(|error| bad(explained(&error)))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(bad(
                "the URL names no host: postgres://USER@HOST/NAME, or for a Unix socket \
                 postgres:///NAME?host=/run/postgresql&user=USER",
            ));
        }
        if config.get_channel_binding() == ChannelBinding::Require {
            return Err(bad(
                "channel_binding=require is not supported: use sslmode=verify-full",
            ));
        }
        if config.get_dbname().is_none_or(str::is_empty) {
            return Err(bad("the URL names no database: postgres://USER@HOST/NAME"));
        }
        let (mode, certificates) = own.mode(&config)?;
        config.ssl_mode(mode);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        config.keepalives_idle(SILENCE);
        if config.get_application_name().is_none() {
            config.application_name("tarn");
        }
        // Of several hosts, the one that can be written to.
        if config.get_hosts().len() > 1 {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        Ok(Self {
            config,
            certificates,
            roots: match own.root.as_deref() {
                None | Some("system") => Roots::OfTheSystem,
                Some(path) => Roots::Of(PathBuf::from(path)),
            },
        })
    }
}

/// What is wrong with a URL, with its cause.
fn explained(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(cause) => format!("the URL can't be read: {cause}"),
        None => "the URL can't be read".to_owned(),
    }
}

/// The parameters that are read here, and the others as they stand.
fn taken_apart(query: &str) -> Result<(Own, Vec<&str>), BadAddress> {
    let (mut own, mut others) = (Own::default(), Vec::new());
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let decoded = || {
            let mut pairs = url::form_urlencoded::parse(parameter.as_bytes());
            pairs.next().map(|(_, value)| value.into_owned())
        };
        match name {
            "sslmode" => own.mode = Some(value.to_owned()),
            "sslrootcert" => own.root = decoded(),
            "sslcert" | "sslkey" | "sslcrl" | "sslpassword" => {
                return Err(bad(format!(
                    "{name} is not supported: sign in with a password, or over a Unix socket"
                )));
            }
            _ => others.push(parameter),
        }
    }
    Ok((own, others))
}

impl Own {
    /// Whether TLS is used, and what the server has to show.
    fn mode(&self, config: &Config) -> Result<(SslMode, Certificates), BadAddress> {
        // As with libpq: who names roots wants them asked.
        let (any, signed) = match &self.root {
            None => (Certificates::Any, Certificates::Signed),
            Some(root) if root == "system" => {
                (Certificates::SignedForHost, Certificates::SignedForHost)
            }
            Some(_) => (Certificates::Signed, Certificates::Signed),
        };
        let only_sockets = config
            .get_hosts()
            .iter()
            .all(|host| matches!(host, Host::Unix(_)))
            && config.get_hostaddrs().is_empty();
        Ok(match self.mode.as_deref() {
            // TLS is for networks.
            _ if only_sockets => (SslMode::Disable, Certificates::Any),
            None if self.root.is_some() => (SslMode::Require, signed),
            None | Some("prefer") => (SslMode::Prefer, Certificates::Any),
            Some("disable") => (SslMode::Disable, Certificates::Any),
            Some("require") => (SslMode::Require, any),
            Some("verify-ca") => (SslMode::Require, signed),
            Some("verify-full") => (SslMode::Require, Certificates::SignedForHost),
            Some("allow") => {
                return Err(bad(
                    "sslmode=allow is not supported: use prefer, or disable",
                ));
            }
            Some(_) => {
                return Err(bad(
                    "sslmode is one of disable, prefer, require, verify-ca and verify-full",
                ));
            }
        })
    }
}

impl PostgresAddress {
    pub(super) const fn config(&self) -> &Config {
        &self.config
    }

    pub(super) const fn certificates(&self) -> Certificates {
        self.certificates
    }

    pub(super) const fn roots(&self) -> &Roots {
        &self.roots
    }

    /// The name of the database.
    pub(super) fn name(&self) -> &str {
        self.config.get_dbname().unwrap_or_default()
    }

    /// What to do where TLS is why there is no connection.
    pub(super) fn tls_hint(&self, error: &tokio_postgres::Error) -> Option<String> {
        let text = error.to_string();
        if !text.contains("TLS") {
            return None;
        }
        Some(match self.certificates {
            Certificates::Any => "the server may offer no TLS: then use sslmode=disable, on a network that you trust",
            Certificates::Signed | Certificates::SignedForHost => {
                "name the certificate that signs the server's with sslrootcert=FILE, and the host as the \
                 server's certificate names it"
            }
        }
        .to_owned())
    }
}

impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        let mut socket = None;
        for (number, host) in self.config.get_hosts().iter().enumerate() {
            match host {
                Host::Tcp(name) => {
                    let comma = if number == 0 { "" } else { "," };
                    write!(f, "{comma}{name}")?;
                    // One port for each host, or one for all.
                    let ports = self.config.get_ports();
                    if let Some(port) = ports.get(number).or_else(|| ports.first()) {
                        write!(f, ":{port}")?;
                    }
                }
                Host::Unix(path) => socket = Some(path),
            }
        }
        write!(f, "/{}", self.name())?;
        match socket {
            Some(path) => write!(f, "?host={}", path.display()),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_hosts_the_one_that_can_be_written_to_is_meant() {
        let address: PostgresAddress = "postgres://u@a:1,b:2/d".parse().unwrap();
        let wanted = address.config.get_target_session_attrs();
        assert_eq!(wanted, TargetSessionAttrs::ReadWrite);
    }

    #[test]
    fn the_mode_of_tls_is_that_of_libpq() {
        use Certificates::{Any, Signed, SignedForHost};
        for (query, mode, certificates) in [
            ("", SslMode::Prefer, Any),
            ("?sslmode=disable", SslMode::Disable, Any),
            ("?sslmode=prefer", SslMode::Prefer, Any),
            ("?sslmode=require", SslMode::Require, Any),
            (
                "?sslmode=require&sslrootcert=/ca.pem",
                SslMode::Require,
                Signed,
            ),
            ("?sslrootcert=/ca.pem", SslMode::Require, Signed),
            ("?sslmode=verify-ca", SslMode::Require, Signed),
            ("?sslmode=verify-full", SslMode::Require, SignedForHost),
            (
                "?sslmode=require&sslrootcert=system",
                SslMode::Require,
                SignedForHost,
            ),
            (
                "?host=/run/postgresql&sslmode=verify-full",
                SslMode::Disable,
                Any,
            ),
        ] {
            let host = if query.contains("host=") {
                ""
            } else {
                "db.example"
            };
            let address: PostgresAddress = format!("postgres://tarn@{host}/packages{query}")
                .parse()
                .unwrap();
            let found = (address.config.get_ssl_mode(), address.certificates);
            assert_eq!(found, (mode, certificates), "{query}");
        }
        let address: PostgresAddress = "postgres://h/d?sslrootcert=%2Fa%20b.pem&connect_timeout=3"
            .parse()
            .unwrap();
        assert_eq!(address.roots, Roots::Of("/a b.pem".into()));
        assert_eq!(
            address.config.get_connect_timeout(),
            Some(&Duration::from_secs(3))
        );
    }

    #[test]
    fn what_is_unknown_is_refused_in_words_and_without_the_password() {
        for (text, words) in [
            ("postgres://u:hunter2@h/d?sslmode=allow", "use prefer"),
            (
                "postgres://u:hunter2@h/d?sslmode=always",
                "sslmode is one of",
            ),
            (
                "postgres://u:hunter2@h/d?sslcert=/x",
                "sslcert is not supported",
            ),
            (
                "postgres://u:hunter2@h/d?channel_binding=require",
                "channel_binding",
            ),
            ("postgres://u:hunter2@h/d?colour=red", "colour"),
            ("postgres://u:hunter2@h:seven/d", "can't be read"),
            ("postgres://u:hunter2@h", "no database"),
            ("postgres:///d?user=u&password=hunter2", "no host"),
        ] {
            let refused = text.parse::<PostgresAddress>().unwrap_err().to_string();
            assert!(refused.contains(words), "{text}: {refused}");
            assert!(!refused.contains("hunter2"), "{refused}");
        }
    }

    #[test]
    fn an_address_is_shown_without_the_password() {
        for (text, shown) in [
            (
                "postgres://u:hunter2@h:5433/d?sslmode=require",
                "postgres://u@h:5433/d",
            ),
            ("postgresql://u:hunter2@a:1,b:2/d", "postgres://u@a:1,b:2/d"),
            (
                "postgres://u:hunter2@/d?host=/run/pg",
                "postgres://u@/d?host=/run/pg",
            ),
        ] {
            let address: PostgresAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), shown);
            assert_eq!(format!("{address:?}"), shown);
        }
    }
}
