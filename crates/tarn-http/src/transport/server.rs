//! Connections: accepted, served, and brought to an end in order.

use std::{
    convert::Infallible, future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration,
};

use axum::http::{HeaderValue, Request, Version, header};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::{HttpService, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, interval_at, sleep, timeout},
};

use super::{
    activity::{Activity, AnswerBody},
    connection::{Connection, MAX_HEAD},
    connections::{Connections, Limit, Place},
    message,
    source::{Encrypted, source},
    tls::{HTTP_2, Tls},
    trace::{self, RequestIds},
    unread::Ending,
};
use crate::{error::ApiError, routes::Routes};
use tarn_core::{Registry, settings::Proxies};

/// How long to wait when no connection can be accepted, e.g. because no file descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The bytes that an answer hands out at once, about.
const PIECE: u64 = 128 << 10;

/// How many requests a connection of HTTP/2 may have under way.
const MAX_STREAMS: u32 = 100;

/// How many bytes of a body a request of HTTP/2 may send before they are read. All requests of a connection together: four times
/// as many.
const STREAM_WINDOW: u32 = 256 << 10;

/// Why a server stopped other than in order.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Requests were still under way when the time for them was over.
    #[error(
        "requests were still under way {0:?} after the server began to stop; they were cut off"
    )]
    Drain(Duration),
}

/// Why a connection ended other than in order.
type ConnectionError = Box<dyn std::error::Error + Send + Sync>;

/// Serves `registry` on `listener`, with TLS where there is a certificate, until `shutdown` is ready; then takes no more connections, lets the requests under
/// way finish, and returns.
///
/// # Errors
///
/// When requests are still under way after the drain time of the settings.
pub async fn serve(
    registry: Registry,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let limits = &registry.settings().connections;
    let proxies = Arc::new(registry.settings().proxies.clone());
    let connections = Connections::new(limits, Arc::clone(&proxies));
    let app = Arc::new(App {
        ids: RequestIds::since(registry.clock()),
        proxies,
        routes: Routes::of(registry.clone()),
        registry: registry.clone(),
        tls,
    });
    let mut tasks = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = tasks.join_next() => continue,
            () = &mut shutdown => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if !is_of_one_connection(&error) {
                    tracing::warn!(%error, "cannot accept connections");
                    sleep(ACCEPT_PAUSE).await;
                }
                continue;
            }
        };
        let place = connections.admit(peer.ip());
        let app = Arc::clone(&app);
        tasks.spawn(async move {
            let counts = app.registry.requests();
            counts.opened.one();
            if let Err(error) = serve_connection(stream, peer, &place, &app).await {
                tracing::debug!(%peer, %error, "connection ended");
            }
            counts.closed.one();
        });
    }
    drop(listener);
    tracing::info!("stopping: requests under way finish, new ones are refused");
    connections.close();
    let all = async { while tasks.join_next().await.is_some() {} };
    let drained = timeout(limits.drain, all).await;
    tasks.shutdown().await;
    drained.map_err(|_| ServeError::Drain(limits.drain))
}

/// What answers the requests of every connection.
struct App {
    routes: Routes,
    ids: Arc<RequestIds>,
    registry: Registry,
    proxies: Arc<Proxies>,
    tls: Option<Arc<Tls>>,
}

/// Serves a connection to its end.
async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    place: &Place,
    app: &Arc<App>,
) -> Result<(), ConnectionError> {
    // Without it, answers on kept connections stall for 40 ms.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &app.tls else {
        return serve_http1(stream, peer, place, app).await;
    };
    let handshake = timeout(app.registry.settings().connections.head, tls.accept(stream));
    let stream = tokio::select! {
        stream = handshake => stream??,
        () = place.activity.asked_to_close() => return Ok(()),
    };
    let Some(stream) = stream else {
        return Ok(());
    };
    if stream.get_ref().1.alpn_protocol() == Some(HTTP_2) {
        serve_http2(stream, peer, place, app).await
    } else {
        serve_http1(stream, peer, place, app).await
    }
}

async fn serve_http1(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    place: &Place,
    app: &Arc<App>,
) -> Result<(), ConnectionError> {
    let registry = app.registry.clone();
    let io = Connection::new(stream, true, Arc::clone(&place.activity), registry);
    let connection = http1::Builder::new()
        // A client may say with the end of its half that nothing more is to come.
        .half_close(true)
        // `drive` does that.
        .header_read_timeout(None)
        // `max_buf_size` would bound what is written at once, too.
        .max_header_size(MAX_HEAD)
        .serve_connection(TokioIo::new(io), service(peer, place, app));
    drive(connection, &place.activity, app).await
}

async fn serve_http2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    place: &Place,
    app: &Arc<App>,
) -> Result<(), ConnectionError> {
    let registry = app.registry.clone();
    let io = Connection::new(stream, false, Arc::clone(&place.activity), registry);
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEAD)?)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(4 * STREAM_WINDOW)
        .serve_connection(TokioIo::new(io), service(peer, place, app));
    drive(connection, &place.activity, app).await
}

fn service(
    peer: SocketAddr,
    place: &Place,
    app: &Arc<App>,
) -> impl HttpService<Incoming, ResBody = AnswerBody, Error = Infallible, Future: Send + 'static> + use<>
{
    let (app, activity, beyond) = (Arc::clone(app), Arc::clone(&place.activity), place.beyond);
    service_fn(move |request| {
        let (app, activity) = (Arc::clone(&app), Arc::clone(&activity));
        async move { Ok(answer(&app, &activity, peer, beyond, request).await) }
    })
}

/// Answers one request of a connection.
async fn answer(
    app: &App,
    activity: &Arc<Activity>,
    peer: SocketAddr,
    beyond: Option<Limit>,
    mut request: Request<Incoming>,
) -> hyper::Response<AnswerBody> {
    let version = request.version();
    let is_http2 = version == Version::HTTP_2;
    if is_http2 {
        message::as_http1(&mut request);
    }
    let (under_way, framing) = activity.begin(|head| message::framing(&request, head));
    let refusal = framing.and_then(|()| is_within(beyond, request.uri().path()));
    let asks_to_close = message::asks_to_close(request.headers());
    let (head, body) = request.into_parts();
    let (body, ending) = Ending::of(body, is_http2);
    let mut request = Request::from_parts(head, body);
    let source = source(peer.ip(), request.headers(), &app.proxies);
    request.extensions_mut().insert(source);
    if app.tls.is_some() {
        request.extensions_mut().insert(Encrypted);
    }
    let counts = app.registry.requests();
    let mut answer = trace::answer(&app.ids, counts, &app.routes, request, source, refusal).await;
    let is_unread = !is_http2 && !ending.is_read();
    if is_unread {
        activity.leaves_unread();
    }
    if beyond.is_some() {
        activity.close(false);
    }
    let closes = asks_to_close || activity.closes() || is_unread;
    // apk keeps a connection only when the server says so in words (apk-tools, `libfetch/http.c`).
    let connection = match version {
        Version::HTTP_2 => None,
        _ if closes => Some("close"),
        Version::HTTP_11 => Some("keep-alive"),
        _ => None,
    };
    if let Some(connection) = connection {
        let connection = HeaderValue::from_static(connection);
        answer.headers_mut().insert(header::CONNECTION, connection);
    }
    answer.map(|body| under_way.until_sent(body, is_http2))
}

/// Whether a connection that may be beyond a limit may ask for `path`.
fn is_within(beyond: Option<Limit>, path: &str) -> Result<(), ApiError> {
    let text = match beyond {
        None => return Ok(()),
        Some(_) if path == "/healthz" => return Ok(()),
        Some(Limit::Everybodys) => {
            "the server has as many connections as it may have, and all are at work; try again in a few seconds"
        }
        Some(Limit::OfItsSource) => {
            "your address has as many connections as it may have, and all are at work; close some, or try again in a few seconds"
        }
    };
    Err(ApiError::Busy(text.to_owned()))
}

/// Has a connection go on until it ends, is asked to, or does nothing for too long.
async fn drive<C>(connection: C, activity: &Activity, app: &App) -> Result<(), ConnectionError>
where
    C: GracefulConnection,
    C::Error: Into<ConnectionError>,
{
    let limits = &app.registry.settings().connections;
    let mut connection = pin!(connection);
    let period = (limits.head.min(limits.stall) / 4)
        .clamp(Duration::from_millis(50), Duration::from_secs(5));
    // The client may take a piece of an answer at the least rate.
    let longest_wait = limits.stall + Duration::from_secs(PIECE / limits.min_download_rate.max(1));
    let mut look = interval_at(Instant::now() + period, period);
    loop {
        tokio::select! {
            ended = connection.as_mut() => return ended.map_err(Into::into),
            () = activity.asked_to_close() => {}
            _ = look.tick() => {
                if activity.has_stalled(longest_wait) {
                    return Err("the client does not read".into());
                }
                // One that was asked to close need not do more: over HTTP/2 the library waits for a word of the client.
                let patience = if activity.closes() { Duration::ZERO } else { limits.head };
                if !activity.is_idle_for(patience) {
                    continue;
                }
                activity.close(true);
            }
        }
        connection.as_mut().graceful_shutdown();
        if activity.closes_at_once() && activity.idle().is_some() {
            // It ends now or, amid a head, never.
            let ended = timeout(Duration::ZERO, connection.as_mut()).await;
            return ended.unwrap_or(Ok(())).map_err(Into::into);
        }
    }
}

/// Errors that end one connection attempt and say nothing of the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
