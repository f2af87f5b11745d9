//! What stands around every answer: a request id, the log line, and the headers that all answers share.
//!
//! Nothing of a request is logged but its source, method, path and outcome. Never the query, never a header: both can hold
//! secrets.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;

use super::{message, source::Source};
use crate::{
    api, areas,
    code::Code,
    cross_site,
    error::{ApiError, Fault, Refusal},
    routes::Routes,
    web::{self, ErrorPage},
};
use tarn_base::{clock::Clock, hint::with_causes};
use tarn_core::metrics::{RequestCounts, Route};

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Where requests get their ids from: the moment the server started, and a number.
#[derive(Debug)]
pub(crate) struct RequestIds {
    started: i64,
    given: AtomicU64,
}

impl RequestIds {
    pub(crate) fn since(clock: &Clock) -> Arc<Self> {
        Arc::new(Self {
            started: clock.now().micros(),
            given: AtomicU64::new(0),
        })
    }

    pub(crate) fn next(&self) -> String {
        format!(
            "{:x}-{:x}",
            self.started,
            self.given.fetch_add(1, Ordering::Relaxed)
        )
    }
}

/// Has `routes` answer the request unless it is refused, logs one line about it, and completes the answer.
pub(crate) async fn answer(
    ids: &RequestIds,
    counts: &RequestCounts,
    routes: &Routes,
    request: Request,
    Source(source): Source,
    refusal: Result<(), ApiError>,
) -> Response {
    let started = Instant::now();
    let id = ids.next();
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let path = uri.path();
    let wants_page = areas::is_page(path) && web::wants_page(request.headers());
    let is_anonymous = wants_page && web::is_anonymous(request.headers());

    // Written as one expression: what gets a name before it is awaited is kept twice, and copied.
    let mut response = match AssertUnwindSafe(async {
        match refusal
            .and_then(|()| message::host(&request))
            .and_then(|()| cross_site::check(&request))
        {
            Ok(()) => routes.answer(request).await,
            Err(refusal) => refusal.into_response(),
        }
    })
    .catch_unwind()
    .await
    {
        Ok(response) => response,
        Err(panic) => panicked(&*panic),
    };

    let status = response.status();
    if let Some(fault) = response.extensions_mut().remove::<Fault>() {
        tracing::error!(request_id = id, %source, %method, path, status = status.as_u16(), error = with_causes(&*fault.0), "request failed");
        let says_nothing = |refusal: &Refusal| refusal.code == Code::InternalError;
        if response.extensions().get().is_some_and(says_nothing) {
            *response.body_mut() = Body::from(format!(
                "internal error; ask the operator about request {id}\n"
            ));
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
    }
    if areas::is_of_api(path) {
        api::problem::render(&mut response, &id);
    } else if wants_page {
        let request = (&method, &uri, is_anonymous);
        ErrorPage::render(&mut response, &id, routes.settings(), request);
    }
    let took = started.elapsed();
    counts.answered(Route::of(method.as_str(), path), status.as_u16(), took);
    tracing::info!(
        request_id = id,
        %source,
        %method,
        path,
        status = status.as_u16(),
        micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        "request"
    );

    let headers = response.headers_mut();
    if status == StatusCode::NOT_MODIFIED {
        // The framework gives answers to HEAD the length of their empty body. Here a length is that of the file
        // (RFC 9110, section 8.6), and caches would believe that it became empty.
        headers.remove(header::CONTENT_LENGTH);
    }
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert(REQUEST_ID.clone(), id);
    }
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// A panic in a handler becomes a fault like any other.
fn panicked(panic: &(dyn Any + Send)) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a text");
    ApiError::Internal(format!("panic: {text}").into()).into_response()
}
