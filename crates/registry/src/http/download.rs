//! Answers that carry a file, an index or a package, from memory or from the disk.

use std::{io, sync::Arc};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use futures_util::stream;

use super::{
    conditional::{Selection, Validators},
    connection::Outbox,
    error::ApiError,
};
use crate::{
    blobs::{Blob, BlobContent, Blobs},
    clock::Timestamp,
    index::SignedIndex,
    metadata::Visibility,
};

const OCTET_STREAM: HeaderValue = HeaderValue::from_static("application/octet-stream");

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
pub(super) enum Content<'a> {
    /// In memory, or for a large one on this disk.
    Index(&'a SignedIndex, &'a Blobs),
    Blob(Blob),
}

impl File<'_> {
    /// 200, 206, 304, 412 or 416, as the request's conditions and range have it.
    pub(super) fn answer(
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
            content.part(request, first, length)?
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
    fn part(self, request: &Request, first: u64, length: u64) -> Result<Body, ApiError> {
        let in_file = |file| {
            let outbox = request.extensions().get::<Outbox>();
            let outbox = outbox
                .ok_or_else(|| ApiError::Internal("a connection without an outbox".into()))?;
            Ok(Body::new(outbox.body(file, first, length)))
        };
        match self {
            Self::Index(index, disk) => match index.file(disk) {
                Some(file) => in_file(file),
                None => {
                    let runs = index.segments().part(first..first + length);
                    Ok(Body::from_stream(stream::iter(
                        runs.map(Ok::<_, io::Error>),
                    )))
                }
            },
            Self::Blob(blob) => match blob.content() {
                BlobContent::File(file) => in_file(Arc::clone(file)),
                BlobContent::Memory(bytes) => {
                    let part = usize::try_from(first)
                        .ok()
                        .zip(usize::try_from(first + length).ok());
                    let part = part.and_then(|(first, end)| bytes.get(first..end));
                    let part = part
                        .ok_or_else(|| ApiError::Internal("a blob shorter than it was".into()))?;
                    Ok(Body::from(bytes.slice_ref(part)))
                }
            },
        }
    }
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
