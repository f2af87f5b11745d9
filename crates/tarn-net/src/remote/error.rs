//! Why a server that was asked gave no answer, or not all of it.

use std::{error::Error, io};

use tokio_rustls::rustls;
use url::Url;

use super::STALL;
use crate::tls;

/// Why there was no answer, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The files of certificate authorities hold none.
    #[error("there is no certificate in PEM form in it")]
    NoCertificates,
    /// The client can't be made.
    #[error("the HTTP client cannot be made: {0}")]
    Setup(String),
    /// No TLS. Trying again does not help.
    #[error("no TLS connection to {origin}: {problem}")]
    Tls {
        /// Scheme, host and port.
        origin: String,
        /// What was wrong.
        problem: &'static str,
        /// The library's error, for a person who may see the certificate.
        #[source]
        source: rustls::Error,
    },
    /// It does not speak TLS; often a server that speaks plain HTTP on this port.
    #[error("{origin} does not speak TLS")]
    NotTls {
        /// Scheme, host and port.
        origin: String,
    },
    /// It did not answer a plain request with HTTP; often a server that speaks TLS on this port.
    #[error("{origin} did not answer with HTTP: {problem}")]
    NotHttp {
        /// Scheme, host and port.
        origin: String,
        /// What was wrong.
        problem: String,
    },
    /// No connection.
    #[error("no connection to {origin}: {problem}")]
    Connect {
        /// Scheme, host and port.
        origin: String,
        /// What was wrong.
        problem: String,
    },
    /// The connection ended, or what came is not HTTP.
    #[error("the connection to {origin} failed: {problem}")]
    Broken {
        /// Scheme, host and port.
        origin: String,
        /// What was wrong.
        problem: String,
    },
    /// A redirect that is not followed. Trying again does not help.
    #[error("{origin}: {problem}")]
    Redirect {
        /// Scheme, host and port of what was asked for.
        origin: String,
        /// Why not.
        problem: String,
    },
    /// Nothing moved for too long.
    #[error("{origin} said nothing for {} seconds", STALL.as_secs())]
    Stalled {
        /// Scheme, host and port.
        origin: String,
    },
}

impl RemoteError {
    /// Whether the server shows the certificate of an authority as its own.
    pub fn is_of_authority(&self) -> bool {
        matches!(self, Self::Tls { source, .. } if tls::is_of_authority(source))
    }

    /// Whether the next attempt may go better.
    pub const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. } | Self::Broken { .. } | Self::Stalled { .. }
        )
    }
}

/// Scheme, host and port: what may be shown of a URL.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// What lies behind an error of the library. Its own texts name the URL and say little.
pub(super) fn failed(url: &Url, error: &reqwest::Error) -> RemoteError {
    let origin = origin(url);
    let mut innermost: &dyn Error = error;
    let mut tls = None;
    let mut is_no_http = false;
    while let Some(source) = innermost.source() {
        innermost = source;
        is_no_http |= source.downcast_ref().is_some_and(hyper::Error::is_parse);
        tls = tls.or_else(|| tls_error(source));
    }
    let tls = tls.or_else(|| tls_error(innermost));
    match tls {
        Some(rustls::Error::InvalidMessage(_)) => return RemoteError::NotTls { origin },
        Some(error) => {
            return RemoteError::Tls {
                origin,
                problem: tls::problem_of(error),
                source: error.clone(),
            };
        }
        None => {}
    }
    let problem = innermost.to_string();
    if error.is_redirect() {
        return RemoteError::Redirect { origin, problem };
    }
    if url.scheme() == "http" && is_no_http {
        return RemoteError::NotHttp { origin, problem };
    }
    if error.is_connect() {
        return RemoteError::Connect { origin, problem };
    }
    RemoteError::Broken { origin, problem }
}

/// The error of the TLS library in `error`, which the layers between hide in errors of input and output.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    tls_error(error.downcast_ref::<io::Error>()?.get_ref()?)
}
