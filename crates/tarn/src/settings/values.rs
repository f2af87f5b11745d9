//! What the values of settings look like as text. Each parser says what is wrong and what to write instead.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use ipnet::IpNet;
use tarn_base::{
    hint::Hint as _,
    size::{Size, SizeError},
};
use tarn_core::{
    access::{NetworksError, parse_network},
    settings::ForwardedHeader,
};
use tarn_store::{
    blobs::Storage,
    metadata::{Database, PostgresAddress, VersionRule},
};
use tracing::Level;
use url::Url;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// Why a value was refused: what is wrong with it, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {hint}")]
pub(crate) struct Refused {
    /// What is wrong. Stands behind `` `listen` from … ``.
    pub(crate) problem: String,
    /// What to write instead.
    pub(crate) hint: String,
}

fn refused<T>(problem: impl Into<String>, hint: impl Into<String>) -> Result<T, Refused> {
    Err(Refused {
        problem: problem.into(),
        hint: hint.into(),
    })
}

/// What one of some words stands for.
fn chosen<T: Copy>(
    text: &str,
    words: &[(&str, T)],
    problem: &str,
    hint: &str,
) -> Result<T, Refused> {
    match words.iter().find(|(word, _)| *word == text) {
        Some((_, meant)) => Ok(*meant),
        None => refused(format!("`{text}` {problem}"), hint),
    }
}

/// An address with its port, e.g. `127.0.0.1:8080` or `[::1]:8080`.
pub(crate) fn address(text: &str) -> Result<SocketAddr, Refused> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let port = text.rsplit(':').next().unwrap_or_default();
    let hint = if port.parse::<u16>().is_err() {
        "write the address and the port, such as 127.0.0.1:8080".to_owned()
    } else if text.starts_with("localhost:") {
        format!("write the address in numbers: 127.0.0.1:{port}")
    } else if port.len() + 1 >= text.len() {
        format!("write 127.0.0.1:{port} for this machine only, or 0.0.0.0:{port} for every network")
    } else {
        format!(
            "write the address in numbers, such as 127.0.0.1:{port} or [::1]:{port}; a name belongs in `base-url`"
        )
    };
    refused(format!("`{text}` is not an address with a port"), hint)
}

/// The database of `sqlite://PATH` or `postgres://…`. Others are refused. A URL may hold a password: it is not repeated.
pub(crate) fn database(text: &str) -> Result<Database, Refused> {
    const HINT: &str = "leave `database` out to keep it in the data folder, or write sqlite:///var/lib/tarn/tarn.db or \
                        postgres://USER@HOST/NAME";
    if let Some(path) = text.strip_prefix("sqlite://") {
        return match path {
            "" => refused("`sqlite://` names no file", HINT),
            ":memory:" => refused("a database in memory would be lost with the server", HINT),
            _ if path.contains(['?', '#']) => {
                refused("a database path takes no `?` and no `#`", HINT)
            }
            _ => Ok(Database::Sqlite(PathBuf::from(path))),
        };
    }
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        let address: Result<PostgresAddress, _> = text.parse();
        return address.map(Database::Postgres).or_else(|bad| {
            refused(
                bad.to_string(),
                "write postgres://USER:PASSWORD@HOST:PORT/NAME?sslmode=verify-full; docs/operations.md has the rest",
            )
        });
    }
    refused("this is not a database URL that Tarn knows", HINT)
}

/// Where packages are kept. The text can hold a secret, and is not repeated.
pub(crate) fn storage(text: &str) -> Result<Storage, Refused> {
    Storage::parse(text).map_err(|error| Refused {
        problem: error.to_string(),
        hint: error.hint().unwrap_or_default(),
    })
}

/// The URL for clients, without its final `/`.
pub(crate) fn base_url(text: &str) -> Result<String, Refused> {
    const HINT: &str = "write the URL that clients use, such as https://packages.example.org, with nothing behind the path";
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    let Some(rest) = rest else {
        return refused(
            format!("`{text}` does not begin with http:// or https://"),
            HINT,
        );
    };
    let (host, path) = rest
        .split_once('/')
        .map_or((rest, ""), |(host, path)| (host, path));
    if host.contains('@') {
        return refused("it holds a user name or a password", HINT);
    }
    let allowed = |byte: u8, more: &[u8]| byte.is_ascii_alphanumeric() || more.contains(&byte);
    if host.is_empty() || !host.bytes().all(|byte| allowed(byte, b".-_:[]")) {
        return refused(format!("`{text}` has no valid host"), HINT);
    }
    if let Some((_, port)) = host.rsplit_once(':')
        && !port.ends_with(']')
        && port.parse::<u16>().is_err()
    {
        return refused(format!("`{text}` has no valid port"), HINT);
    }
    if !path.bytes().all(|byte| allowed(byte, b"/.-_~%+")) {
        return refused(
            format!("`{text}` has something in its path that does not belong there"),
            HINT,
        );
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Networks or single addresses, separated by commas: `127.0.0.1, 10.0.0.0/8, fd00::/8`.
pub(crate) fn networks(text: &str) -> Result<Vec<IpNet>, Refused> {
    const HINT: &str =
        "write addresses or networks with commas between them, such as 127.0.0.1,10.0.0.0/8";
    let mut networks = Vec::new();
    for part in text.split(',').map(str::trim) {
        let network = parse_network(part).map_err(|error| {
            let hint = match error {
                NetworksError::Unreadable(_) => None,
                _ => error.hint(),
            };
            Refused {
                problem: error.to_string(),
                hint: hint.unwrap_or_else(|| HINT.to_owned()),
            }
        })?;
        if network.prefix_len() == 0 {
            return refused(
                format!("`{part}` is every address there is"),
                "name the networks that are meant, and no other",
            );
        }
        networks.push(network);
    }
    Ok(networks)
}

/// Names of the server, separated by commas, for a certificate.
pub(crate) fn names(text: &str) -> Result<Vec<String>, Refused> {
    const HINT: &str =
        "write the names under which clients reach the server, such as packages.example.org";
    let mut names = Vec::new();
    for name in text.split(',').map(str::trim) {
        if name.parse::<IpAddr>().is_ok() {
            return refused(format!("`{name}` is an address"), HINT);
        }
        if name.starts_with("*.") {
            return refused(
                format!("`{name}` stands for many names, which the server cannot prove to have"),
                "name each of them, or get the certificate with another program and give it with `tls-cert`",
            );
        }
        let labels = name.split('.');
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if name.len() > 253 || !labels.clone().all(is_label) {
            return refused(format!("`{name}` is not a name of a host"), HINT);
        }
        let name = name.to_ascii_lowercase();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    // What Let's Encrypt takes.
    if names.len() > 100 {
        return refused("there are more than 100 names", "leave some out");
    }
    Ok(names)
}

/// An address of electronic mail.
pub(crate) fn email(text: &str) -> Result<String, Refused> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b",?<>\"".contains(&byte));
    match text.split_once('@') {
        Some((name, host)) if is_plain && !name.is_empty() && !host.is_empty() => {
            Ok(text.to_owned())
        }
        _ => refused(
            format!("`{text}` is not an address"),
            "write it like admin@example.org",
        ),
    }
}

/// The URL of an authority's directory.
pub(crate) fn directory(text: &str) -> Result<Url, Refused> {
    match Url::parse(text) {
        Ok(url)
            if url.scheme() == "https"
                && url.host().is_some()
                && url.username().is_empty()
                && url.password().is_none() =>
        {
            Ok(url)
        }
        _ => refused(
            format!("`{text}` is not a URL that begins with https:// and has no user in it"),
            "write the directory's URL as the authority gives it, such as https://acme-v02.api.letsencrypt.org/directory",
        ),
    }
}

/// The header in which proxies name the source of a request.
pub(crate) fn proxy_header(text: &str) -> Result<ForwardedHeader, Refused> {
    match text.to_ascii_lowercase().as_str() {
        "x-forwarded-for" => Ok(ForwardedHeader::XForwardedFor),
        "forwarded" => Ok(ForwardedHeader::Forwarded),
        _ => refused(
            format!("`{text}` is not a header that Tarn reads"),
            "write x-forwarded-for or forwarded, whichever the proxy writes",
        ),
    }
}

/// The rule about the versions of packages.
pub(crate) fn versions(text: &str) -> Result<VersionRule, Refused> {
    text.parse().or_else(|_| {
        refused(
            format!("`{text}` is not a rule about versions"),
            "write strict, or lenient to take versions that apk can't order",
        )
    })
}

/// A number of bytes: `1048576`, `500MiB`, `2GiB`, `500MB`.
pub(crate) fn size(text: &str) -> Result<u64, Refused> {
    text.parse()
        .map(|Size(size)| size)
        .map_err(|error: SizeError| Refused {
            problem: error.to_string(),
            hint: error.hint().unwrap_or_default(),
        })
}

/// A length of time: a whole number and `s`, `m`, `h`, `d`, `w` or `y` (365 days).
pub(crate) fn duration(text: &str) -> Result<Duration, Refused> {
    const HINT: &str = "write a whole number and a unit (s, m, h, d, w, y), such as 30s or 90d";
    let seconds = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => DAY,
        Some('w') => 7 * DAY,
        Some('y') => 365 * DAY,
        _ => return refused(format!("`{text}` is not a length of time"), HINT),
    };
    let number = text
        .split_at_checked(text.len() - 1)
        .map_or("", |(number, _)| number);
    // 1,000 years: what ends later is meant to have no end, and would only overflow a date somewhere.
    const LONGEST: u64 = 1_000 * 365 * DAY;
    match number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(seconds))
    {
        Some(0) => refused(format!("`{text}` is over at once"), HINT),
        Some(seconds) if seconds <= LONGEST => Ok(Duration::from_secs(seconds)),
        Some(_) => refused(format!("`{text}` is longer than 1000 years"), HINT),
        None => refused(format!("`{text}` is not a length of time"), HINT),
    }
}

/// A length of time, or `0` for none.
pub(crate) fn duration_or_none(text: &str) -> Result<Duration, Refused> {
    match text {
        "0" => Ok(Duration::ZERO),
        _ => duration(text),
    }
}

/// A length of time in whole days, with a unit (`30d`, `4w`, `1y`) or as the number of days; `None` for 0, which stands for ever.
pub(crate) fn retention(text: &str) -> Result<Option<Duration>, Refused> {
    let days = days(text).or_else(|problem| {
        refused(
            problem,
            "write a number of days, such as 365 or 365d, or 0 for ever",
        )
    })?;
    match days {
        0 => Ok(None),
        days => Ok(Some(Duration::from_secs(u64::from(days) * DAY))),
    }
}

/// How many days, at most 1000 years: `30`, or `30d`, `4w`, `1y`. An error says what is wrong; what to write is up to the caller.
pub(crate) fn days(text: &str) -> Result<u32, String> {
    let days = match text.parse::<u32>() {
        Ok(days) => u64::from(days),
        Err(_) => {
            let length = duration(text).map_err(|_| format!("`{text}` is not a number of days"))?;
            if length.as_secs() % DAY > 0 {
                return Err(format!("`{text}` is not a number of whole days"));
            }
            length.as_secs() / DAY
        }
    };
    match u32::try_from(days) {
        Ok(days) if days <= 365_000 => Ok(days),
        _ => Err(format!("{text} days are longer than 1000 years")),
    }
}

/// A number of things, at least one.
pub(crate) fn count(text: &str) -> Result<usize, Refused> {
    match text.parse() {
        Ok(count) if count > 0 => Ok(count),
        _ => refused(
            format!("`{text}` is not a number of at least 1"),
            "write a whole number, such as 8192",
        ),
    }
}

/// `on` or `off`.
pub(crate) fn switch(text: &str) -> Result<bool, Refused> {
    let words = [
        ("on", true),
        ("true", true),
        ("off", false),
        ("false", false),
    ];
    chosen(text, &words, "is neither on nor off", "write on or off")
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// One line of text an event, for people.
    Text,
    /// One JSON object an event, for collectors.
    Json,
}

/// `text` or `json`.
pub(crate) fn log_format(text: &str) -> Result<LogFormat, Refused> {
    let words = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    chosen(text, &words, "is not a log format", "write text or json")
}

/// `error`, `warn`, `info`, `debug` or `trace`.
pub(crate) fn log_level(text: &str) -> Result<Level, Refused> {
    let words = [
        ("error", Level::ERROR),
        ("warn", Level::WARN),
        ("info", Level::INFO),
        ("debug", Level::DEBUG),
        ("trace", Level::TRACE),
    ];
    let hint = "write error, warn, info, debug or trace";
    chosen(text, &words, "is not a log level", hint)
}

#[cfg(test)]
mod tests;
