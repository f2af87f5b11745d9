//! Answers that carry a file, an index or a package, from memory or from the store.

use std::{
    io,
    ops::Range,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::Stream as _;
use http_body::{Frame, SizeHint};

use super::conditional::{Selection, Validators};
use crate::error::ApiError;
use tarn_base::clock::Timestamp;
use tarn_core::index::Segments;
use tarn_store::{blobs, metadata::Visibility};

/// After so many bytes without a wait the other connections have their turn: a client on the same machine can take
/// gigabytes in a second.
const TURN: u64 = 512 << 10;

const OCTET_STREAM: HeaderValue = HeaderValue::from_static("application/octet-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What the headers say of a file.
pub(crate) struct File<'a> {
    /// The name it is saved under.
    pub(crate) name: &'a str,
    /// A strong ETag, quotes included.
    pub(crate) etag: &'a str,
    /// When what is under this path last changed.
    pub(crate) changed_at: Timestamp,
    /// See [`Validators::may_settle`].
    pub(crate) may_settle: bool,
    /// Of the owner: decides who may keep a copy.
    pub(crate) visibility: Visibility,
    /// Bytes in it.
    pub(crate) size: u64,
}

/// What of a file is to be answered with.
pub(crate) struct Selected {
    selection: Selection,
    status: StatusCode,
    /// Of the body, whether it is sent or not.
    part: Range<u64>,
    is_get: bool,
}

impl Selected {
    /// The bytes that the answer is about, if it is about any.
    pub(crate) fn part(&self) -> Option<Range<u64>> {
        (!self.part.is_empty()).then(|| self.part.clone())
    }

    /// Whether they are sent: not for a HEAD.
    pub(crate) const fn is_sent(&self) -> bool {
        self.is_get
    }

    /// Whether all of the file is to be sent.
    pub(crate) fn is_whole(&self) -> bool {
        self.is_get && matches!(self.selection, Selection::Whole)
    }
}

impl File<'_> {
    /// 200, 206, 304, 412 or 416, as the request's conditions and range have it, with bytes that are in memory.
    pub(crate) fn answer(
        &self,
        request: &Request,
        now: Timestamp,
        index: &Segments,
    ) -> Result<Response, ApiError> {
        let selected = self.select(request, now)?;
        let source = |part| Source::Memory(Box::new(index.part(part)));
        let source = selected.part().filter(|_| selected.is_get).map(source);
        Ok(self.respond(&selected, now, source))
    }

    /// What of it a request is for, as its conditions and range have it.
    pub(crate) fn select(&self, request: &Request, now: Timestamp) -> Result<Selected, ApiError> {
        let is_get = request.method() == Method::GET;
        let selection = self
            .validators(now)
            .select(request.headers(), is_get, self.size);
        let (status, part) = match selection {
            Selection::Whole => (StatusCode::OK, 0..self.size),
            Selection::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first..last + 1),
            Selection::NotModified => (StatusCode::NOT_MODIFIED, 0..0),
            Selection::Unsatisfiable => {
                return Err(ApiError::RangeNotSatisfiable { size: self.size });
            }
            Selection::Failed => return Err(ApiError::PreconditionFailed),
        };
        Ok(Selected {
            selection,
            status,
            part,
            is_get,
        })
    }

    fn validators(&self, now: Timestamp) -> Validators<'_> {
        Validators {
            etag: self.etag,
            changed_at: self.changed_at,
            may_settle: self.may_settle,
            now,
        }
    }

    /// The answer with what was selected. `source` has the bytes of [`Selected::part`].
    pub(crate) fn respond(
        &self,
        selected: &Selected,
        now: Timestamp,
        source: Option<Source>,
    ) -> Response {
        let Selected {
            selection,
            status,
            part,
            is_get: _,
        } = selected;
        let length = part.end - part.start;
        let body = source.map_or_else(Body::empty, |source| {
            Body::new(FileBody {
                source,
                left: length,
                turn: 0,
            })
        });
        let mut response = Response::new(body);
        *response.status_mut() = *status;
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
            httpdate::fmt_http_date(self.validators(now).last_modified().to_system_time()),
        );
        if let Selection::Part { first, last } = *selection {
            set(
                header::CONTENT_RANGE,
                format!("bytes {first}-{last}/{}", self.size),
            );
        }
        if *status != StatusCode::NOT_MODIFIED {
            set(header::CONTENT_DISPOSITION, attachment(self.name));
            let is_json = self.name.ends_with(".json");
            let content_type = if is_json { JSON } else { OCTET_STREAM };
            headers.insert(header::CONTENT_TYPE, content_type);
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        let cache_control = HeaderValue::from_static(cache_control(self.visibility));
        headers.insert(header::CACHE_CONTROL, cache_control);
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        response
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

/// Where the bytes of a file come from.
pub(crate) enum Source {
    Memory(Box<dyn Iterator<Item = Bytes> + Send>),
    Blob(blobs::Body),
}

impl Source {
    /// The next bytes. Never waits for the disk.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let next = match self {
            Self::Memory(runs) => Poll::Ready(runs.next().map(Ok)),
            Self::Blob(body) => Pin::new(body).poll_next(cx),
        };
        next.map(|next| next.unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into())))
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
        let Poll::Ready(bytes) = source.poll_next(cx) else {
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

/// Who may keep a copy: only the client itself where credentials are needed. And always after asking, since a
/// package can be deleted and uploaded anew.
pub(crate) fn cache_control(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "public, no-cache",
        Visibility::Limited | Visibility::Private => "private, no-cache",
    }
}
