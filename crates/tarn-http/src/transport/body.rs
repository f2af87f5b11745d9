//! The body of an upload: raw or as a form, at a pace that does not hold the server up.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, header},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use tokio::{
    task::yield_now,
    time::{Instant, timeout},
};

use crate::error::ApiError;
use tarn_core::{
    publish::{BodyError, PublishError},
    settings::ConnectionLimits,
};

/// The bytes of a package, as they come.
pub(crate) type PackageStream = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;

/// How much a form may add around the package, in bytes. What comes before the file is gathered in memory and searched
/// again with each piece, so this bounds both.
const FORM_OVERHEAD: u64 = 64 << 10;

/// The package in a request: the first file of a `multipart/form-data`, and for every other content type the body
/// itself (`curl --data-binary` calls a raw body `application/x-www-form-urlencoded`). Beside it, how many bytes it has
/// at least, where the head of the request says so.
pub(crate) fn package(
    request: Request,
    limits: &ConnectionLimits,
) -> Result<(PackageStream, Option<u64>), ApiError> {
    let boundary = boundary(request.headers())?;
    let overhead = if boundary.is_some() { FORM_OVERHEAD } else { 0 };
    let announced = announced(request.headers()).map(|size| size.saturating_sub(overhead));
    let paced = paced(request.into_body(), limits);
    let package: PackageStream = match boundary {
        None => Box::pin(paced),
        Some(boundary) => Box::pin(first_file(paced, boundary)),
    };
    Ok((package, announced))
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn boundary(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(content_type) = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return Ok(None);
    };
    if !content_type
        .trim_start()
        .to_ascii_lowercase()
        .starts_with("multipart/form-data")
    {
        return Ok(None);
    }
    multer::parse_boundary(content_type)
        .map(Some)
        .map_err(|error| PublishError::Body(BodyError::Form(error.to_string())).into())
}

/// The body, until it stalls or turns out to be slower than `min_upload_rate`.
fn paced(
    body: Body,
    limits: &ConnectionLimits,
) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static {
    let (stall, rate) = (limits.stall, limits.min_upload_rate);
    let state = (body.into_data_stream(), Instant::now(), 0_u64);
    stream::try_unfold(state, move |(mut body, started, mut received)| async move {
        let Some(next) = timeout(stall, body.next())
            .await
            .map_err(|_| BodyError::TooSlow)?
        else {
            return Ok(None);
        };
        let bytes = next.map_err(|error| BodyError::Gone(Box::new(error)))?;
        received += bytes.len() as u64;
        if too_slow(received, started.elapsed().saturating_sub(stall), rate) {
            return Err(BodyError::TooSlow);
        }
        Ok(Some((bytes, (body, started, received))))
    })
}

fn too_slow(received: u64, after: Duration, rate: u64) -> bool {
    received < after.as_secs().saturating_mul(rate)
}

/// The first part of a form that has a file name.
fn first_file(
    body: impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static,
    boundary: String,
) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static {
    stream::once(async move {
        let found = Arc::new(AtomicBool::new(false));
        let mut form = multer::Multipart::new(bounded(body, Arc::clone(&found)), boundary);
        while let Some(field) = form.next_field().await.map_err(form_error)? {
            if field.file_name().is_some() {
                found.store(true, Ordering::Relaxed);
                return Ok(field.map_err(form_error));
            }
        }
        Err(BodyError::Form("it has no file in it".to_owned()))
    })
    .try_flatten()
}

/// The body of a form, of which only [`FORM_OVERHEAD`] bytes may come until the file is `found`.
fn bounded(
    body: impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static,
    found: Arc<AtomicBool>,
) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static {
    let state = (Box::pin(body), found, 0_u64);
    stream::try_unfold(state, |(mut body, found, mut before)| async move {
        if before > 0 && !found.load(Ordering::Relaxed) {
            // multer takes all that is ready before it looks at any of it. This lets it look.
            yield_now().await;
        }
        if before > FORM_OVERHEAD && !found.load(Ordering::Relaxed) {
            return Err(BodyError::Form(format!(
                "it has more than {FORM_OVERHEAD} bytes before its file"
            )));
        }
        let Some(bytes) = body.try_next().await? else {
            return Ok(None);
        };
        before = before.saturating_add(bytes.len() as u64);
        Ok(Some((bytes, (body, found, before))))
    })
}

/// A form whose files are packages, read part by part.
pub(crate) struct PackageForm {
    form: multer::Multipart<'static>,
    found: Arc<AtomicBool>,
}

/// A part of such a form.
pub(crate) enum Part {
    /// A field before the first file. What comes behind it is not looked at.
    Field {
        /// The field's name.
        name: String,
        /// What it holds.
        text: String,
    },
    /// A file. It has to be read, or dropped, before the next part.
    File {
        /// As the browser calls it.
        name: String,
        /// Its bytes.
        package: PackageStream,
    },
}

/// The `multipart/form-data` in a request, at the pace of an upload.
pub(crate) fn form(request: Request, limits: &ConnectionLimits) -> Result<PackageForm, ApiError> {
    let boundary = boundary(request.headers())?.ok_or_else(|| {
        ApiError::UnsupportedMediaType("the form has to be sent as multipart/form-data".to_owned())
    })?;
    let found = Arc::new(AtomicBool::new(false));
    let body = bounded(paced(request.into_body(), limits), Arc::clone(&found));
    Ok(PackageForm {
        form: multer::Multipart::new(body, boundary),
        found,
    })
}

impl PackageForm {
    /// The next part; none at the end. A file field in which no file was chosen is left out.
    ///
    /// # Errors
    ///
    /// When the form can't be read, or comes too slowly.
    pub(crate) async fn next(&mut self) -> Result<Option<Part>, PublishError> {
        while let Some(field) = self.form.next_field().await.map_err(form_error)? {
            let file_name = field.file_name().map(str::to_owned);
            let name = field.name().unwrap_or_default().to_owned();
            match file_name {
                Some(name) if name.is_empty() => {}
                Some(name) => {
                    self.found.store(true, Ordering::Relaxed);
                    let package = Box::pin(field.map_err(form_error));
                    return Ok(Some(Part::File { name, package }));
                }
                None if self.found.load(Ordering::Relaxed) => {}
                None => {
                    let text = field.text().await.map_err(form_error)?;
                    return Ok(Some(Part::Field { name, text }));
                }
            }
        }
        Ok(None)
    }
}

/// What went wrong below the form is reported as it is.
fn form_error(error: multer::Error) -> BodyError {
    match error {
        multer::Error::StreamReadFailed(source) => match source.downcast::<BodyError>() {
            Ok(error) => *error,
            Err(source) => BodyError::Gone(source),
        },
        other => BodyError::Form(other.to_string()),
    }
}
