//! Requests that a person asks for at the command line: to the server they named, wherever it is.
//!
//! The [`Client`](super::Client) of the webhooks goes where an owner says from inside the server's network, so it keeps to public
//! addresses and shows nothing. Here the person and the network are the same, so any address may be asked, connections are kept,
//! the proxy of the environment (`HTTPS_PROXY`, `NO_PROXY`) is used, and what the server says is shown.

use std::{
    error::Error,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE},
};
use reqwest::{Body, redirect::Policy};
use tarn_base::secret::Secret;
use tokio::time::{sleep, timeout};
use tokio_rustls::rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use url::Url;

pub use self::error::RemoteError;
use self::error::{failed, origin};
use super::tls;

mod error;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(15);

/// How long no byte may move in either direction.
const STALL: Duration = Duration::from_secs(60);

/// How many redirects of a download are followed.
const REDIRECTS: usize = 5;

const AGENT: &str = concat!("Tarn/", env!("CARGO_PKG_VERSION"));

/// What says who asks. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// A token, sent as `Bearer`.
    Token(Secret),
    /// A user name, and a password or a token, sent as `Basic`.
    Password {
        /// The user name.
        user: String,
        /// The password or the token.
        password: Secret,
    },
}

/// Asks servers. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Remote {
    /// For requests with a body, which a redirect would drop.
    staying: reqwest::Client,
    /// For downloads.
    following: reqwest::Client,
}

impl Remote {
    /// A client that trusts the authorities of the operating system and those in `more`, texts in PEM form.
    ///
    /// # Errors
    ///
    /// When one of `more` holds no certificate.
    pub fn new(more: &[Vec<u8>]) -> Result<Self, RemoteError> {
        let mut authorities = rustls_native_certs::load_native_certs().certs;
        for text in more {
            let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
            match found {
                Ok(found) if !found.is_empty() => authorities.extend(found),
                _ => return Err(RemoteError::NoCertificates),
            }
        }
        let setup = |error: &dyn Error| RemoteError::Setup(error.to_string());
        let (config, _) = tls::config(authorities).map_err(|error| setup(&error))?;
        let client = |redirects| {
            reqwest::Client::builder()
                .tls_backend_preconfigured(config.clone())
                .user_agent(AGENT)
                .connect_timeout(CONNECT)
                .redirect(redirects)
                .build()
                .map_err(|error| setup(&error))
        };
        Ok(Self {
            staying: client(Policy::none())?,
            following: client(Policy::custom(|attempt| {
                match may_follow(attempt.previous(), attempt.url()) {
                    Ok(()) => attempt.follow(),
                    Err(why) => attempt.error(why),
                }
            }))?,
        })
    }

    /// A client that takes any certificate. It is for asking a server on this machine whether it is there, and nothing else.
    ///
    /// # Errors
    ///
    /// When the client can't be made.
    pub fn trusting_everyone() -> Result<Self, RemoteError> {
        // Where the process has one already it stays.
        let _ = aws_lc_rs::default_provider().install_default();
        let client = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .user_agent(AGENT)
            .connect_timeout(CONNECT)
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| RemoteError::Setup(error.to_string()))?;
        Ok(Self {
            staying: client.clone(),
            following: client,
        })
    }

    /// Gets `url`. Redirects are followed, without the credentials where they lead to another host.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached or does not answer.
    pub async fn get(
        &self,
        url: &Url,
        credentials: Option<&Credentials>,
    ) -> Result<Answer, RemoteError> {
        let request = self.following.get(url.clone());
        answer(url, with(request, credentials)).await
    }

    /// Asks for the head of what is at `url`.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    pub async fn head(
        &self,
        url: &Url,
        credentials: Option<&Credentials>,
    ) -> Result<Answer, RemoteError> {
        let request = self.staying.request(Method::HEAD, url.clone());
        answer(url, with(request, credentials)).await
    }

    /// Sends a request with a small body. A redirect is the answer and is not followed.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached or does not answer.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, RemoteError> {
        let request = self.staying.request(method, url.clone());
        answer(url, request.headers(headers).body(body)).await
    }

    /// Puts `size` bytes to `url`. A redirect is the answer and is not followed.
    ///
    /// # Errors
    ///
    /// When there is no answer, also where `body` fails or ends early.
    pub async fn put(
        &self,
        url: &Url,
        credentials: Option<&Credentials>,
        size: u64,
        body: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    ) -> Result<Answer, RemoteError> {
        let moved = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&moved);
        let body = body.inspect(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let request = self
            .staying
            .put(url.clone())
            .header(CONTENT_LENGTH, size)
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(Body::wrap_stream(body));
        let sending = with(request, credentials).send();
        tokio::select! {
            sent = sending => sent.map(Answer::new).map_err(|error| failed(url, &error)),
            () = stalled(&moved) => Err(RemoteError::Stalled { origin: origin(url) }),
        }
    }
}

/// Whether a redirect is followed. What was asked for over TLS must not come from anyone on the way.
fn may_follow(previous: &[Url], next: &Url) -> Result<(), &'static str> {
    if previous.len() > REDIRECTS {
        return Err("it redirects again and again");
    }
    let is_secret = previous.last().is_some_and(|url| url.scheme() == "https");
    if is_secret && next.scheme() != "https" {
        return Err("it redirects from https to http, which is not followed");
    }
    Ok(())
}

/// Ends once the count has not changed for as long as a connection may be silent.
async fn stalled(moved: &AtomicU64) {
    let mut before = moved.load(Ordering::Relaxed);
    loop {
        sleep(STALL).await;
        let now = moved.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        before = now;
    }
}

fn with(
    request: reqwest::RequestBuilder,
    credentials: Option<&Credentials>,
) -> reqwest::RequestBuilder {
    match credentials {
        None => request,
        Some(Credentials::Password { user, password }) => {
            request.basic_auth(user, Some(password.expose()))
        }
        Some(Credentials::Token(token)) => {
            // What is not a header value is not a token either: the server says so.
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
                .unwrap_or_else(|_| HeaderValue::from_static("Bearer"));
            let mut headers = HeaderMap::new();
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
            request.headers(headers)
        }
    }
}

async fn answer(url: &Url, request: reqwest::RequestBuilder) -> Result<Answer, RemoteError> {
    let stalled = || RemoteError::Stalled {
        origin: origin(url),
    };
    timeout(STALL, request.send())
        .await
        .map_err(|_| stalled())?
        .map(Answer::new)
        .map_err(|error| failed(url, &error))
}

/// What came.
#[derive(Debug)]
pub struct Answer {
    response: reqwest::Response,
}

impl Answer {
    const fn new(response: reqwest::Response) -> Self {
        Self { response }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Where it came from, behind redirects.
    pub fn url(&self) -> &Url {
        self.response.url()
    }

    /// A header of the answer, where it is there and is text.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// All headers of the answer.
    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// How many bytes the body has, where the server said so.
    pub fn announced(&self) -> Option<u64> {
        self.header(&CONTENT_LENGTH)?.parse().ok()
    }

    /// The next bytes of the body.
    ///
    /// # Errors
    ///
    /// When the connection ends before the body does, or stalls.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, RemoteError> {
        let read = timeout(STALL, self.response.chunk()).await;
        let url = self.response.url();
        match read {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(error)) => Err(failed(url, &error)),
            Err(_) => Err(RemoteError::Stalled {
                origin: origin(url),
            }),
        }
    }

    /// The whole body; `None` where it has more than `limit` bytes.
    ///
    /// # Errors
    ///
    /// As [`Answer::piece`].
    pub async fn bytes(&mut self, limit: u64) -> Result<Option<Vec<u8>>, RemoteError> {
        let mut all = Vec::new();
        while let Some(piece) = self.piece().await? {
            all.extend_from_slice(&piece);
            if all.len() as u64 > limit {
                return Ok(None);
            }
        }
        Ok(Some(all))
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    #[test]
    fn credentials_do_not_show_in_debug_output() {
        let token = Credentials::Token(Secret::new("hunter22".to_owned()));
        let password = Credentials::Password {
            user: "alice".to_owned(),
            password: Secret::new("hunter22".to_owned()),
        };
        assert!(!format!("{token:?} {password:?}").contains("hunter22"));
    }

    #[test]
    fn a_redirect_never_leads_out_of_tls_nor_in_a_circle() {
        let url = |text: &str| Url::parse(text).unwrap();
        let (secret, plain) = (url("https://a.example/"), url("http://a.example/"));
        assert_eq!(may_follow(std::slice::from_ref(&plain), &plain), Ok(()));
        assert_eq!(may_follow(std::slice::from_ref(&plain), &secret), Ok(()));
        assert_eq!(may_follow(std::slice::from_ref(&secret), &secret), Ok(()));
        assert!(may_follow(&[plain.clone(), secret.clone()], &plain).is_err());
        assert!(may_follow(&vec![secret.clone(); REDIRECTS + 1], &secret).is_err());
    }

    #[tokio::test]
    async fn a_redirect_that_is_not_followed_is_no_broken_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = "HTTP/1.1 302 Found\r\nLocation: /\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
                let head = stream.read(&mut [0; 2048]).await.unwrap();
                assert_ne!(head, 0);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let remote = Remote::new(&[]).unwrap();
        let error = remote.get(&Url::parse(&url).unwrap(), None).await;
        let error = error.unwrap_err();
        assert!(matches!(error, RemoteError::Redirect { .. }), "{error:?}");
        assert!(!error.may_pass());
        assert!(error.to_string().ends_with("it redirects again and again"));
    }

    #[test]
    fn authorities_that_are_none_are_refused() {
        let refused = Remote::new(&[b"hello".to_vec()]);
        assert!(matches!(refused, Err(RemoteError::NoCertificates)));
    }
}
