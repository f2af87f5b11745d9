//! Where a webhook leads: a URL that was parsed, and that shows no more than its origin.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use tarn_base::hint::Hint;
use url::{Host, Url};

use crate::{AddressRules, Forbidden};

/// The longest URL, in bytes.
pub const MAX_URL: usize = 2048;

/// Why a URL was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Too long.
    #[error("the URL has more than {MAX_URL} bytes")]
    TooLong,
    /// No URL.
    #[error("this is not a URL ({0})")]
    NotAUrl(String),
    /// Another scheme.
    #[error("the URL does not begin with http:// or https://")]
    Scheme,
    /// A user name or a password.
    #[error("the URL holds a user name or a password, which would not be sent")]
    Credentials,
    /// A fragment.
    #[error("the URL holds a `#`, which would not be sent")]
    Fragment,
}

/// The URL of a receiver. Its path and query may hold a secret, so neither `Display` nor `Debug` shows them.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    url: Url,
    host: Host<String>,
    port: u16,
}

impl Target {
    /// Parses a URL. Addresses in any spelling (`0x7f.1`, `2130706433`) become what they are.
    ///
    /// # Errors
    ///
    /// When it is none, is too long, or holds what is not sent.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        if text.len() > MAX_URL {
            return Err(TargetError::TooLong);
        }
        let url = Url::parse(text).map_err(|error| TargetError::NotAUrl(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(TargetError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::Credentials);
        }
        if url.fragment().is_some() {
            return Err(TargetError::Fragment);
        }
        // Percent-encoding may have made it longer.
        if url.as_str().len() > MAX_URL {
            return Err(TargetError::TooLong);
        }
        let no_host = || TargetError::NotAUrl("it names no host".to_owned());
        let host = url.host().ok_or_else(no_host)?.to_owned();
        let port = url.port_or_known_default().ok_or_else(no_host)?;
        let target = Self { url, host, port };
        // One character more or less is allowed in the first line of a request than in a URL.
        match target.path_and_query().parse::<http::Uri>() {
            Ok(_) => Ok(target),
            Err(error) => Err(TargetError::NotAUrl(error.to_string())),
        }
    }

    /// All of it. Never log what this gives.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// Whether it is asked for over TLS.
    pub(super) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The name or the address.
    pub(super) const fn host(&self) -> &Host<String> {
        &self.host
    }

    /// The port, also where it is not written.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// The value of the `Host` header: the port only where it is not the scheme's own.
    pub(super) fn authority(&self) -> String {
        match self.url.port() {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.to_string(),
        }
    }

    /// The address that the URL itself says, where messages may not be sent to it under `rules`. What a name stands for is not known before
    /// a message is sent, but for `localhost`.
    pub fn forbidden_by(&self, rules: &AddressRules) -> Option<Forbidden> {
        let address = match &self.host {
            Host::Ipv4(address) => IpAddr::from(*address),
            Host::Ipv6(address) => IpAddr::from(*address),
            Host::Domain(name) if name == "localhost" => IpAddr::from(Ipv4Addr::LOCALHOST),
            Host::Domain(_) => return None,
        };
        rules.check(address).err()
    }

    /// What stands in the first line of the request.
    pub(super) fn path_and_query(&self) -> String {
        match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.url.scheme(), self.authority())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self}/…)")
    }
}

impl Hint for TargetError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::TooLong => "use a shorter one".to_owned(),
            Self::NotAUrl(..) => "write one such as https://ci.example.org/hooks/tarn".to_owned(),
            Self::Scheme => "write one such as https://ci.example.org/hooks/tarn".to_owned(),
            Self::Credentials => "let the receiver check the signature instead".to_owned(),
            Self::Fragment => "leave it out, or write it as %23".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_origin_and_nothing_behind_it() {
        let target =
            Target::parse("https://ci.example.org:8443/hooks/s3cret?token=hunter2").unwrap();
        assert_eq!(target.to_string(), "https://ci.example.org:8443");
        assert_eq!(
            format!("{target:?}"),
            "Target(https://ci.example.org:8443/…)"
        );
        assert_eq!(target.path_and_query(), "/hooks/s3cret?token=hunter2");
        assert_eq!(target.authority(), "ci.example.org:8443");
        assert_eq!(
            Target::parse("http://example.org")
                .unwrap()
                .path_and_query(),
            "/"
        );
        assert_eq!(
            Target::parse("http://example.org:80/").unwrap().authority(),
            "example.org"
        );
        assert_eq!(
            Target::parse("https://[2606:4700::1]/a")
                .unwrap()
                .authority(),
            "[2606:4700::1]"
        );
    }

    #[test]
    fn an_address_in_any_spelling_is_an_address() {
        for text in [
            "http://127.0.0.1/",
            "http://0x7f.1/",
            "http://2130706433/",
            "http://017700000001/",
        ] {
            let target = Target::parse(text).unwrap();
            let expected: Host<String> = Host::Ipv4([127, 0, 0, 1].into());
            assert_eq!(target.host(), &expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_would_not_be_sent() {
        let refused = |text: &str| Target::parse(text).unwrap_err();
        assert_eq!(refused("ftp://example.org/"), TargetError::Scheme);
        assert_eq!(refused("file:///etc/passwd"), TargetError::Scheme);
        assert_eq!(
            refused("https://user@example.org/"),
            TargetError::Credentials
        );
        assert_eq!(
            refused("https://:pw@example.org/"),
            TargetError::Credentials
        );
        assert_eq!(refused("https://example.org/#a"), TargetError::Fragment);
        assert!(matches!(
            refused("example.org/hook"),
            TargetError::NotAUrl(_)
        ));
        assert!(matches!(refused("https://"), TargetError::NotAUrl(_)));
        assert_eq!(
            refused(&format!("https://example.org/{}", "a".repeat(2029))),
            TargetError::TooLong
        );
        assert_eq!(
            refused(&format!("https://example.org/{}", "ä".repeat(700))),
            TargetError::TooLong
        );
        assert!(Target::parse(&format!("https://example.org/{}", "a".repeat(2028))).is_ok());
    }
}
