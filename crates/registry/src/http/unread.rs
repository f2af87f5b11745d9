//! Bodies that nobody reads to their end.
//!
//! An upload that is refused leaves bytes on their way. The connection cannot carry another request then, and the answer
//! says so: a client that reads `Connection: keep-alive` would send its next request into a socket that closes.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

/// Tells whether a body was read to its end.
#[derive(Debug)]
pub(super) struct Ending(Option<Arc<AtomicBool>>);

struct Watched {
    body: Incoming,
    ended: Arc<AtomicBool>,
}

impl Ending {
    /// The body for the handler, and what tells of its end.
    pub(super) fn of(body: Incoming) -> (Body, Self) {
        if body.is_end_stream() {
            return (Body::empty(), Self(None));
        }
        let ended = Arc::new(AtomicBool::new(false));
        let watched = Watched {
            body,
            ended: Arc::clone(&ended),
        };
        (Body::new(watched), Self(Some(ended)))
    }

    /// The answer, which says that the connection closes if the body is not at its end.
    pub(super) fn told_by(&self, mut answer: Response) -> Response {
        let unread = |ended: &Arc<AtomicBool>| !ended.load(Ordering::Relaxed);
        if self.0.as_ref().is_some_and(unread) {
            let close = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, close);
        }
        answer
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || self.body.is_end_stream() {
            self.ended.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
