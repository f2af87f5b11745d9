//! Answers that carry a file: an index from memory, or a package from the disk.

use std::{io, os::unix::fs::FileExt, sync::Arc};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::task::spawn_blocking;

use super::{
    conditional::{Selection, Validators},
    error::ApiError,
};
use crate::{clock::Timestamp, index::Segments, metadata::Visibility};

/// How much of a package is read from the disk at once, in bytes.
const READ_SIZE: u64 = 256 << 10;

/// What the headers say of a file.
pub(super) struct File<'a> {
    /// The name it is saved under.
    pub(super) name: &'a str,
    /// A strong ETag, quotes included.
    pub(super) etag: &'a str,
    /// When what is under this path last changed.
    pub(super) changed_at: Timestamp,
    /// Of the owner: decides who may keep a copy.
    pub(super) visibility: Visibility,
    /// Bytes in it.
    pub(super) size: u64,
}

/// Where the bytes of a file are.
pub(super) enum Content {
    Memory(Segments),
    Blob(std::fs::File),
}

impl File<'_> {
    /// 200, 206, 304 or 416, as the request's conditions and range have it.
    pub(super) fn answer(
        &self,
        request: &Request,
        now: Timestamp,
        content: Content,
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
        };

        let body = if is_get && length > 0 {
            content.part(first, length)
        } else {
            Body::empty()
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(name, value);
            }
        };
        set(header::ETAG, self.etag);
        set(
            header::LAST_MODIFIED,
            &httpdate::fmt_http_date(validators.last_modified().to_system_time()),
        );
        set(header::CACHE_CONTROL, cache_control(self.visibility));
        set(header::ACCEPT_RANGES, "bytes");
        if status != StatusCode::NOT_MODIFIED {
            set(header::CONTENT_TYPE, "application/octet-stream");
            set(header::CONTENT_DISPOSITION, &attachment(self.name));
            set(header::CONTENT_LENGTH, &length.to_string());
        }
        if let Selection::Part { first, last } = selection {
            set(
                header::CONTENT_RANGE,
                &format!("bytes {first}-{last}/{}", self.size),
            );
        }
        Ok(response)
    }
}

impl Content {
    fn part(self, first: u64, length: u64) -> Body {
        match self {
            Self::Memory(segments) => Body::from_stream(stream::iter(
                segments.part(first..first + length).map(Ok::<_, io::Error>),
            )),
            Self::Blob(file) => Body::from_stream(read(file, first, length)),
        }
    }
}

/// The bytes of `file` from `first` on, `length` of them, each piece read on a thread that may wait for the disk.
fn read(file: std::fs::File, first: u64, length: u64) -> impl Stream<Item = io::Result<Bytes>> {
    let file = Arc::new(file);
    stream::try_unfold((file, first, length), |(file, at, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let size = left.min(READ_SIZE);
        let source = Arc::clone(&file);
        let piece = spawn_blocking(move || -> io::Result<Bytes> {
            let mut buffer = vec![0; usize::try_from(size).map_err(io::Error::other)?];
            source.read_exact_at(&mut buffer, at)?;
            Ok(Bytes::from(buffer))
        })
        .await
        .map_err(io::Error::other)??;
        Ok(Some((piece, (file, at + size, left - size))))
    })
}

/// `Content-Disposition` under which `curl -JO` saves a file as `name`.
pub(super) fn attachment(name: &str) -> String {
    format!("attachment; filename=\"{name}\"")
}

/// Who may keep a copy: nobody but the client itself where credentials are needed. And always asking first, since a
/// package can be deleted and uploaded anew.
pub(super) fn cache_control(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "public, no-cache",
        Visibility::Limited | Visibility::Private => "private, no-cache",
    }
}
