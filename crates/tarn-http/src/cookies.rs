//! The cookies of the pages: which session a browser has, how far a sign-in got, and what the next page is to say once.
//!
//! Under https their names begin with `__Host-` (draft-ietf-httpbis-rfc6265bis, section 4.1.3.2): browsers then refuse one that another
//! host set, or that came without TLS. Such a cookie has the path `/`, so behind a path it is `__Secure-`; without TLS it is
//! neither.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use url::form_urlencoded;

use tarn_base::secret::Secret;
use tarn_core::Registry;

/// Which cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// The secret of a session.
    Session,
    /// A sign-in that still needs a code.
    Begun,
    /// What the next page says.
    Notice,
}

impl Cookie {
    const fn name(self) -> &'static str {
        match self {
            Self::Session => "tarn",
            Self::Begun => "tarn-code",
            Self::Notice => "tarn-notice",
        }
    }
}

/// The longest notice that is read, in bytes.
const LONGEST_NOTICE: usize = 2_000;

/// The cookies of a request, and how others are set.
#[derive(Debug, Clone)]
pub(crate) struct Cookies {
    prefix: &'static str,
    path: String,
    sent: Vec<(String, Secret)>,
}

impl Cookies {
    /// Of a request with these headers. `is_encrypted`: it came over TLS to this very server.
    pub(crate) fn of(registry: &Registry, headers: &HeaderMap, is_encrypted: bool) -> Self {
        let settings = registry.settings();
        let base_url = settings.base_url.as_deref().unwrap_or_default();
        let secure = if settings.base_url.is_some() {
            base_url.starts_with("https://")
        } else {
            is_encrypted
        };
        let base = settings.base_path();
        let prefix = match (secure, base.is_empty()) {
            (true, true) => "__Host-",
            (true, false) => "__Secure-",
            (false, _) => "",
        };
        let pairs = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        Self {
            prefix,
            path: format!("{base}/"),
            sent: pairs
                .map(|(name, value)| (name.to_owned(), Secret::new(value.to_owned())))
                .collect(),
        }
    }

    /// The value of a cookie. One that came twice is none: a browser has one for this path.
    pub(crate) fn value(&self, cookie: Cookie) -> Option<&str> {
        let is = |name: &str| name.strip_prefix(self.prefix) == Some(cookie.name());
        let mut found = self.sent.iter().filter(|(name, _)| is(name));
        let (_, value) = found.next()?;
        found.next().is_none().then(|| value.expose())
    }

    /// The secret of the session.
    pub(crate) fn session(&self) -> Option<Secret> {
        self.value(Cookie::Session)
            .map(|value| Secret::new(value.to_owned()))
    }

    /// What this page is to say once.
    pub(crate) fn notice(&self) -> Option<String> {
        let value = self.value(Cookie::Notice)?;
        let text = form_urlencoded::parse(value.as_bytes()).next()?.0;
        (text.len() <= LONGEST_NOTICE).then(|| text.into_owned())
    }

    /// Gives an answer a cookie, for that long.
    pub(crate) fn set(&self, headers: &mut HeaderMap, cookie: Cookie, value: &str, age: Duration) {
        let secure = if self.prefix.is_empty() {
            ""
        } else {
            "; Secure"
        };
        let text = format!(
            "{}{}={value}; Path={}; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
            self.prefix,
            cookie.name(),
            self.path,
            age.as_secs()
        );
        if let Ok(mut value) = HeaderValue::try_from(text) {
            value.set_sensitive(true);
            headers.append(header::SET_COOKIE, value);
        }
    }

    /// Has the browser forget a cookie.
    pub(crate) fn clear(&self, headers: &mut HeaderMap, cookie: Cookie) {
        self.set(headers, cookie, "", Duration::ZERO);
    }

    /// Has the next page say `text` once.
    pub(crate) fn say(&self, headers: &mut HeaderMap, text: &str) {
        let text: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        self.set(headers, Cookie::Notice, &text, Duration::from_secs(60));
    }
}
