//! Sending one message: resolve, check, connect to the very address that was checked, speak HTTP/1.1, read little.
//!
//! Written on `hyper`'s connection and not on a client with a pool, redirects and proxies, because what matters here is what
//! must not happen: no second look-up of the name between the check and the connection, no redirect, no proxy of the
//! environment. Certificates are judged by the authorities that the operating system trusts, so that those of a company's own
//! network work without a setting of ours.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Uri,
    header::{CONTENT_TYPE, HOST, USER_AGENT},
};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::OnceCell,
    task::{JoinSet, spawn_blocking},
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::{
    TlsConnector,
    rustls::pki_types::{CertificateDer, ServerName},
};
use url::Host;

use super::{AddressRules, Resolver, Target, tls};

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("Tarn/", env!("CARGO_PKG_VERSION"), " (webhook)"));

/// How many addresses of one name are tried.
const MAX_ADDRESSES: usize = 4;

/// How patient the client is.
#[derive(Debug, Clone, Copy)]
pub struct ClientLimits {
    /// For the look-up of the name and the connection.
    pub connect: Duration,
    /// For everything up to the end of the answer's head.
    pub whole: Duration,
    /// For the body of the answer behind that, which decides nothing.
    pub drain: Duration,
    /// The longest head of an answer, in bytes; at least 8 KiB.
    pub head: usize,
    /// How much of an answer's body is read, in bytes.
    pub body: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            whole: Duration::from_secs(15),
            drain: Duration::from_secs(1),
            head: 16 << 10,
            body: 4 << 10,
        }
    }
}

/// Why there was no answer. The texts are shown to the webhook's owner, so they tell nothing of the server's own network.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The name has no address.
    #[error("its name could not be resolved")]
    NoAddress(#[source] io::Error),
    /// All addresses are forbidden.
    #[error(
        "it has no public address, and private ones are not allowed here; ask the administrator of the registry to open its network"
    )]
    Forbidden,
    /// No connection.
    #[error("no connection could be made: {}", .0.kind())]
    Connect(#[source] io::Error),
    /// No TLS.
    #[error("no TLS connection could be made: {}", tls::problem(.0))]
    Tls(#[source] io::Error),
    /// No certificates to judge by.
    #[error(
        "this server knows no certificate authorities; ask its administrator to install the package ca-certificates"
    )]
    NoAuthorities,
    /// What came was no HTTP.
    #[error("it did not answer in HTTP: {0}")]
    Http(#[from] hyper::Error),
    /// Too slow.
    #[error("it took longer than {} seconds", .0.as_secs())]
    TimedOut(Duration),
    /// The URL cannot be asked for.
    #[error("its URL cannot be asked for")]
    Request(#[from] http::Error),
}

/// Which certificate authorities are trusted.
#[derive(Debug, Clone, Default)]
pub enum Roots {
    /// Those of the operating system, read when the first message goes out over TLS.
    #[default]
    OfTheSystem,
    /// These alone, in DER.
    These(Vec<Vec<u8>>),
}

/// Sends messages. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    rules: AddressRules,
    resolver: Resolver,
    limits: ClientLimits,
    roots: Roots,
    tls: Arc<OnceCell<TlsConnector>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("rules", &self.rules)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client that goes where the rules allow.
    pub fn new(
        rules: AddressRules,
        resolver: Resolver,
        roots: Roots,
        limits: ClientLimits,
    ) -> Self {
        Self {
            rules,
            resolver,
            limits,
            roots,
            tls: Arc::default(),
        }
    }

    /// Posts `body` to `target`, and gives the status of the answer. Up to the limit of its body is read and thrown away.
    ///
    /// # Errors
    ///
    /// When there is no complete head of an answer in time.
    pub async fn post(
        &self,
        target: &Target,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<u16, SendError> {
        let exchange = async {
            let stream = self.connect(target).await?;
            let request = request(target, headers, body)?;
            if target.is_https() {
                let name = server_name(target.host())?;
                let tls = self.tls().await?;
                let stream = tls.connect(name, stream).await.map_err(|error| {
                    tracing::debug!(%target, %error, "no TLS connection to a webhook");
                    SendError::Tls(error)
                })?;
                self.exchange(stream, request).await
            } else {
                self.exchange(stream, request).await
            }
        };
        let answered = timeout(self.limits.whole, exchange)
            .await
            .map_err(|_| SendError::TimedOut(self.limits.whole))??;
        let status = answered.status;
        // The head has come, so the message has arrived, whatever becomes of the body.
        let _ = timeout(self.limits.drain, answered.drain(self.limits.body)).await;
        Ok(status)
    }

    /// Connects to an address that the rules allow: what was checked is a number, and that number is what is connected to.
    async fn connect(&self, target: &Target) -> Result<TcpStream, SendError> {
        let limit = self.limits.connect;
        let until = Instant::now() + limit;
        let port = target.port();
        let found = match target.host() {
            Host::Ipv4(address) => vec![SocketAddr::from((*address, port))],
            Host::Ipv6(address) => vec![SocketAddr::from((*address, port))],
            Host::Domain(name) => timeout_at(until, self.resolver.addresses(name, port))
                .await
                .map_err(|_| SendError::TimedOut(limit))?
                .map_err(SendError::NoAddress)?,
        };
        if found.is_empty() {
            let none = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            return Err(SendError::NoAddress(none));
        }
        let allowed = found
            .into_iter()
            .filter(|address| match self.rules.check(address.ip()) {
                Ok(()) => true,
                Err(forbidden) => {
                    tracing::debug!(%target, %forbidden, "a webhook leads to a forbidden address");
                    false
                }
            });
        let allowed: Vec<SocketAddr> = allowed.take(MAX_ADDRESSES).collect();
        if allowed.is_empty() {
            return Err(SendError::Forbidden);
        }
        first_of(&allowed, until, TcpStream::connect)
            .await
            .map_err(|failed| failed.map_or(SendError::TimedOut(limit), SendError::Connect))
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        request: Request<Full<Bytes>>,
    ) -> Result<Answered, SendError> {
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(self.limits.head.max(8 << 10))
            .handshake(TokioIo::new(stream))
            .await?;
        // Ends with what this gives, however that ends.
        let mut driving = JoinSet::new();
        driving.spawn(connection);
        let answer = sender.send_request(request).await?;
        Ok(Answered {
            status: answer.status().as_u16(),
            body: answer.into_body(),
            _driving: driving,
        })
    }

    async fn tls(&self) -> Result<&TlsConnector, SendError> {
        self.tls
            .get_or_try_init(async || {
                let authorities: Vec<_> = match &self.roots {
                    Roots::These(these) => these
                        .iter()
                        .map(|der| CertificateDer::from(der.clone()))
                        .collect(),
                    Roots::OfTheSystem => spawn_blocking(rustls_native_certs::load_native_certs)
                        .await
                        .map(|loaded| loaded.certs)
                        .unwrap_or_default(),
                };
                let found = authorities.len();
                let (config, taken) = tls::config(authorities)
                    .map_err(|error| SendError::Tls(io::Error::other(error)))?;
                if taken == 0 {
                    tracing::warn!(
                        found,
                        "no certificate authorities can be used; webhooks over TLS fail"
                    );
                    return Err(SendError::NoAuthorities);
                }
                Ok(TlsConnector::from(Arc::new(config)))
            })
            .await
    }
}

/// The head of an answer has come.
struct Answered {
    status: u16,
    body: Incoming,
    /// What moves the bytes of the connection.
    _driving: JoinSet<Result<(), hyper::Error>>,
}

impl Answered {
    /// Reads so many bytes of the body. The status is all that counts, so one that breaks off or stalls is no failure. It is read
    /// at all because a receiver may take a connection that is closed on it for a client that has gone away.
    async fn drain(mut self, most: usize) {
        let mut read = 0;
        while read < most
            && let Some(Ok(frame)) = self.body.frame().await
        {
            read += frame.data_ref().map_or(0, Bytes::len);
        }
    }
}

/// The first of these addresses that takes a connection. Each has an equal share of the time that is left, so that one that
/// swallows what it is sent does not keep the others from being tried. The error is that of the last one that gave one;
/// none when all let the time pass.
async fn first_of<S, F>(
    addresses: &[SocketAddr],
    until: Instant,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<S, Option<io::Error>>
where
    F: Future<Output = io::Result<S>>,
{
    let mut failed = None;
    for (tried, address) in addresses.iter().enumerate() {
        let untried = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
        let share = until.saturating_duration_since(Instant::now()) / untried.max(1);
        match timeout(share, connect(*address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failed = Some(error),
            Err(_) => {}
        }
    }
    Err(failed)
}

fn server_name(host: &Host<String>) -> Result<ServerName<'static>, SendError> {
    match host {
        Host::Ipv4(address) => Ok(ServerName::from(std::net::IpAddr::from(*address))),
        Host::Ipv6(address) => Ok(ServerName::from(std::net::IpAddr::from(*address))),
        Host::Domain(name) => ServerName::try_from(name.clone())
            .map_err(|error| SendError::Tls(io::Error::other(error))),
    }
}

fn request(
    target: &Target,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, SendError> {
    let uri: Uri = target.path_and_query().parse().map_err(http::Error::from)?;
    let host = HeaderValue::try_from(target.authority()).map_err(http::Error::from)?;
    let mut request = Request::post(uri).body(Full::new(body))?;
    *request.headers_mut() = headers;
    let all = request.headers_mut();
    all.insert(HOST, host);
    all.insert(USER_AGENT, AGENT);
    all.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(request)
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    fn addresses() -> [SocketAddr; 3] {
        [1, 2, 3].map(|last| SocketAddr::from(([192, 0, 2, last], 80)))
    }

    fn within(limit: Duration) -> Instant {
        Instant::now() + limit
    }

    #[tokio::test]
    async fn an_address_that_swallows_everything_leaves_time_for_the_others() {
        let [silent, refusing, good] = addresses();
        let connect = |address: SocketAddr| async move {
            // No server answers at once, so with no time left none does.
            sleep(Duration::from_millis(20)).await;
            match address {
                address if address == silent => std::future::pending().await,
                address if address == refusing => Err(io::ErrorKind::ConnectionRefused.into()),
                address => Ok(address),
            }
        };
        let until = within(Duration::from_millis(900));
        assert_eq!(first_of(&addresses(), until, connect).await.unwrap(), good);
    }

    #[tokio::test]
    async fn where_no_address_answers_a_refusal_is_reported_before_silence() {
        let [silent, refusing, _] = addresses();
        let connect = |address: SocketAddr| async move {
            match address {
                address if address == refusing => Err(io::ErrorKind::ConnectionRefused.into()),
                _ => std::future::pending::<io::Result<()>>().await,
            }
        };
        let until = || within(Duration::from_millis(60));
        let failed = first_of(&addresses(), until(), connect).await;
        let kind = failed.unwrap_err().unwrap().kind();
        assert_eq!(kind, io::ErrorKind::ConnectionRefused);
        assert!(
            first_of(&[silent], until(), connect)
                .await
                .unwrap_err()
                .is_none()
        );
    }
}
