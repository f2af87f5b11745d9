//! Bodies that are not read to their end.
//!
//! An upload that is refused leaves bytes on their way. Over HTTP/1 the connection cannot carry another request then, and the answer
//! says so: a client that reads `Connection: keep-alive` would send its next request into a socket that closes
//! (`connection.rs` lets it finish). Over HTTP/2 the body is read on and dropped: a stream that is reset instead takes the refusal
//! from clients that are still sending.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::{
    runtime::Handle,
    time::{sleep, timeout},
};

use super::connection::{LONGEST_END, MOST_IN_A_STEP, QUIET, STEP};

/// Tells whether a body was read to its end.
#[derive(Debug)]
pub(crate) struct Ending(Option<Arc<AtomicBool>>);

struct Watched {
    /// Until this is dropped.
    body: Option<Incoming>,
    ended: Arc<AtomicBool>,
    is_read_on: bool,
}

impl Ending {
    /// The body for the handler, and what reports its end. What the handler leaves is read on and dropped if `is_read_on`.
    pub(crate) fn of(body: Incoming, is_read_on: bool) -> (Body, Self) {
        if body.is_end_stream() {
            return (Body::empty(), Self(None));
        }
        let ended = Arc::new(AtomicBool::new(false));
        let watched = Watched {
            body: Some(body),
            ended: Arc::clone(&ended),
            is_read_on,
        };
        (Body::new(watched), Self(Some(ended)))
    }

    /// Whether nothing more of the body is to come.
    pub(crate) fn is_read(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|ended| ended.load(Ordering::Relaxed))
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { body, ended, .. } = &mut *self;
        let Some(body) = body else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        if frame.is_none() || body.is_end_stream() {
            ended.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.body.as_ref().map(Incoming::size_hint);
        hint.unwrap_or_else(|| SizeHint::with_exact(0))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.is_read_on
            && !self.ended.load(Ordering::Relaxed)
            && let (Some(body), Ok(runtime)) = (self.body.take(), Handle::try_current())
        {
            runtime.spawn(discard(body));
        }
    }
}

/// Reads and drops what comes, within the bounds of the end of a connection.
async fn discard(mut body: Incoming) {
    let all = async {
        let mut received = 0;
        while let Ok(Some(Ok(frame))) = timeout(QUIET, body.frame()).await {
            received += frame.data_ref().map_or(0, Bytes::len);
            if received >= MOST_IN_A_STEP {
                received = 0;
                sleep(STEP).await;
            }
        }
    };
    let _ = timeout(LONGEST_END, all).await;
}
