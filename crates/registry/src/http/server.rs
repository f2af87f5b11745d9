//! Connections: accepted, bounded, and brought to an end in order.

use std::{
    convert::Infallible, future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration,
};

use axum::{body::Body, http::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::{
    connection::{Connection, Outbox},
    routes::Routes,
    source::source,
    trace::{self, RequestIds},
    unread::Ending,
    workers::Workers,
};
use crate::{Registry, settings::Proxies};

/// The longest head of a request, in bytes. `hyper` takes no less than 8 KiB.
const MAX_HEAD: usize = 32 << 10;

/// How long the head of a request may take while more than half of all connections are open.
const HEAD_IN_A_CROWD: Duration = Duration::from_secs(2);

/// How long to wait when no connection can be accepted, e.g. because no file descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a server stopped other than in order.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Requests were still under way when the time for them was over.
    #[error(
        "requests were still under way {0:?} after the server was told to stop; they were cut off"
    )]
    Drain(Duration),
    /// There can be no more threads.
    #[error("cannot start the threads that serve connections")]
    Threads(#[source] io::Error),
}

/// Serves `registry` on `listener` until `shutdown` is ready; then takes no more connections, lets the requests under
/// way finish, and returns.
///
/// # Errors
///
/// When the threads cannot be started; when requests are still under way after the drain time of the settings.
pub async fn serve(
    registry: Registry,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let limits = registry.settings().connections.clone();
    let workers = Workers::start().map_err(ServeError::Threads)?;
    let app = App {
        ids: RequestIds::since(registry.clock()),
        proxies: Arc::new(registry.settings().proxies.clone()),
        routes: Routes::of(registry.clone()),
        registry: registry.clone(),
    };
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(limits.max_open));
    let mut shutdown = pin!(shutdown);
    loop {
        let accept = async {
            // The semaphore is never closed, so there is always a permit in the end.
            let permit = Arc::clone(&permits).acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            accepted = accept => accepted,
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
        // When many connections are open, those that do nothing make room sooner.
        let crowded = permits.available_permits() < limits.max_open / 2;
        let head = if crowded {
            limits.head.min(HEAD_IN_A_CROWD)
        } else {
            limits.head
        };
        // Away from this event loop, to that of a worker.
        let Ok(stream) = stream.into_std() else {
            continue;
        };
        registry.requests().opened.one();
        let (app, watcher) = (app.clone(), graceful.watcher());
        let registry = registry.clone();
        workers.spawn(async move {
            if let Err(error) = serve_connection(stream, peer, app, head, watcher).await {
                tracing::debug!(%peer, %error, "connection ended");
            }
            registry.requests().closed.one();
            drop(permit);
        });
    }
    drop(listener);
    tracing::info!("stopping: requests under way finish, new ones are refused");
    let drained = timeout(limits.drain, graceful.shutdown()).await;
    workers.end().await;
    drained.map_err(|_| ServeError::Drain(limits.drain))
}

/// What answers the requests of every connection.
#[derive(Clone)]
struct App {
    routes: Routes,
    ids: Arc<RequestIds>,
    registry: Registry,
    proxies: Arc<Proxies>,
}

/// Serves a connection to its end.
async fn serve_connection(
    stream: std::net::TcpStream,
    peer: SocketAddr,
    app: App,
    head: Duration,
    watcher: Watcher,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let connection = connection(TcpStream::from_std(stream)?, peer, app, head);
    Ok(watcher.watch(connection).await?)
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    app: App,
    head: Duration,
) -> http1::Connection<
    TokioIo<Connection>,
    impl hyper::service::HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send> + use<>,
> {
    // Without it, answers on kept connections stall for 40 ms.
    let _ = stream.set_nodelay(true);
    let outbox = Outbox::default();
    let (ids, registry) = (Arc::clone(&app.ids), app.registry.clone());
    let io = TokioIo::new(Connection::new(stream, outbox.clone(), registry, ids));
    // Each connection counts its requests' shares by itself: where threads count in one place, each waits for the other.
    let app = Arc::new(app);
    let service = service_fn(move |request: Request<Incoming>| {
        let (head, body) = request.into_parts();
        let (body, ending) = Ending::of(body);
        let mut request = Request::from_parts(head, body);
        let source = source(peer.ip(), request.headers(), &app.proxies);
        request.extensions_mut().insert(source);
        request.extensions_mut().insert(outbox.clone());
        let app = Arc::clone(&app);
        async move {
            let counts = app.registry.requests();
            let answer = trace::answer(&app.ids, counts, &app.routes, request, source).await;
            Ok::<Response, Infallible>(ending.told_by(answer))
        }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(MAX_HEAD)
        .serve_connection(io, service)
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
