//! Answers that carry a file, an index or a package, from memory or from the disk.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::conditional::{Selection, Validators};
use crate::error::ApiError;
use tarn_base::clock::Timestamp;
use tarn_core::index::Segments;
use tarn_store::{blobs::Blob, metadata::Visibility};

/// After so many bytes without a wait the other connections have their turn: a client on the same machine can take
/// gigabytes in a second.
const TURN: u64 = 512 << 10;

const OCTET_STREAM: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// What the headers say of a file.
pub(crate) struct File<'a> {
    /// The name it is saved under.
    pub(crate) name: &'a str,
    /// A strong ETag, quotes included.
    pub(crate) etag: &'a str,
    /// When what is under this path last changed.
    pub(crate) changed_at: Timestamp,
    /// Of the owner: decides who may keep a copy.
    pub(crate) visibility: Visibility,
    /// Bytes in it.
    pub(crate) size: u64,
}

/// Where the bytes of a file are.
pub(crate) enum Content<'a> {
    Index(&'a Segments),
    Blob(Blob),
}

impl File<'_> {
    /// 200, 206, 304, 412 or 416, as the request's conditions and range have it.
    pub(crate) fn answer(
        &self,
        request: &Request,
        now: Timestamp,
        content: Content<'_>,
    ) -> Result<Response, ApiError> {
        let validators = Validators {
            etag: self.etag,
            changed_at: self.changed_at,
            now,
        };
        let is_get = request.method() == Method::GET;
        let selection = validators.select(request.headers(), is_get, self.size);
        let (status, first, length) = match selection {
            Selection::Whole => (StatusCode::OK, 0, self.size),
            Selection::Part { first, last } => {
                (StatusCode::PARTIAL_CONTENT, first, last - first + 1)
            }
            Selection::NotModified => (StatusCode::NOT_MODIFIED, 0, 0),
            Selection::Unsatisfiable => {
                return Err(ApiError::RangeNotSatisfiable { size: self.size });
            }
            Selection::Failed => return Err(ApiError::PreconditionFailed),
        };

        let body = if is_get && length > 0 {
            content.part(first, length)
        } else {
            Body::empty()
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        // As many as there are in the end: a map that grows is copied.
        headers.reserve(16);
        let mut set = |name: HeaderName, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        set(header::ETAG, self.etag.to_owned());
        set(
            header::LAST_MODIFIED,
            httpdate::fmt_http_date(validators.last_modified().to_system_time()),
        );
        if let Selection::Part { first, last } = selection {
            set(
                header::CONTENT_RANGE,
                format!("bytes {first}-{last}/{}", self.size),
            );
        }
        if status != StatusCode::NOT_MODIFIED {
            set(header::CONTENT_DISPOSITION, attachment(self.name));
            headers.insert(header::CONTENT_TYPE, OCTET_STREAM);
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        let cache_control = HeaderValue::from_static(cache_control(self.visibility));
        headers.insert(header::CACHE_CONTROL, cache_control);
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        Ok(response)
    }
}

impl Content<'_> {
    /// A body of `length` bytes from `first` on.
    fn part(self, first: u64, length: u64) -> Body {
        let source = match self {
            Self::Index(segments) => Source::Memory(Box::new(segments.part(first..first + length))),
            Self::Blob(blob) => Source::Blob {
                blob,
                at: first,
                waiting: None,
            },
        };
        Body::new(FileBody {
            source,
            left: length,
            turn: 0,
        })
    }
}

/// The bytes of a file, on their way to a client.
struct FileBody {
    source: Source,
    /// Bytes that are still to come.
    left: u64,
    /// Bytes since the last wait.
    turn: u64,
}

enum Source {
    Memory(Box<dyn Iterator<Item = Bytes> + Send>),
    Blob {
        blob: Blob,
        at: u64,
        /// The read that waits for the disk, if one does.
        waiting: Option<Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>>,
    },
}

impl Source {
    /// The next bytes, at most `left`. Never waits for the disk.
    fn poll_next(&mut self, cx: &mut Context<'_>, left: u64) -> Poll<io::Result<Bytes>> {
        let (blob, at, waiting) = match self {
            Self::Memory(runs) => {
                let next = runs.next();
                return Poll::Ready(next.ok_or_else(|| io::ErrorKind::UnexpectedEof.into()));
            }
            Self::Blob { blob, at, waiting } => (blob, at, waiting),
        };
        let bytes = loop {
            if let Some(read) = waiting {
                let bytes = ready!(read.as_mut().poll(cx));
                *waiting = None;
                break bytes?;
            }
            match blob.read_cached(*at, left)? {
                Some(bytes) => break bytes,
                None => *waiting = Some(Box::pin(blob.clone().read(*at, left))),
            }
        };
        *at += bytes.len() as u64;
        Poll::Ready(Ok(bytes))
    }
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Self { source, left, turn } = &mut *self;
        if *left == 0 {
            return Poll::Ready(None);
        }
        if *turn >= TURN {
            *turn = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Poll::Ready(bytes) = source.poll_next(cx, *left) else {
            *turn = 0;
            return Poll::Pending;
        };
        let bytes = bytes?;
        *turn += bytes.len() as u64;
        *left = left.saturating_sub(bytes.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// `Content-Disposition` under which `curl -JO` saves a file as `name`.
pub(crate) fn attachment(name: &str) -> String {
    format!("attachment; filename=\"{name}\"")
}

/// Who may keep a copy: nobody but the client itself where credentials are needed. And always asking first, since a
/// package can be deleted and uploaded anew.
pub(crate) fn cache_control(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "public, no-cache",
        Visibility::Limited | Visibility::Private => "private, no-cache",
    }
}
