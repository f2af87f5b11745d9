//! The parts of a request to the API, refused with a text of its own where they cannot be read.

use axum::{
    body::Body as RawBody,
    extract::{FromRequest, FromRequestParts, Path as RawPath, Query as RawQuery, Request},
    http::{HeaderMap, header, request::Parts},
};
use futures_util::TryStreamExt as _;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::forges;
use crate::error::ApiError;
use tarn_core::Registry;

/// The variable segments of the path, percent-decoded.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match RawPath::<T>::from_request_parts(parts, state).await {
            Ok(RawPath(path)) => Ok(Self(path)),
            Err(rejection) => Err(ApiError::BadRequest(format!(
                "the path cannot be read: {}; write it as UTF-8, with percent signs where needed",
                rejection.body_text()
            ))),
        }
    }
}

/// What stands behind the `?`. A parameter that the route does not know is refused: a filter that was spelled wrong
/// would give everything.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match RawQuery::<T>::try_from_uri(&parts.uri) {
            Ok(RawQuery(query)) => Ok(Self(query)),
            Err(rejection) => Err(ApiError::BadRequest(format!(
                "the query cannot be read: {}",
                rejection.body_text()
            ))),
        }
    }
}

/// A body of JSON: 415 when it says that it is something else, 413 when it is too large, 400 when it is no JSON, 422
/// when it does not say what the route needs.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned + ToSchema> FromRequest<Registry> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, registry: &Registry) -> Result<Self, ApiError> {
        if !says_json(request.headers()) {
            return Err(ApiError::UnsupportedMediaType(
                "the body has to be JSON; send it with `Content-Type: application/json`".to_owned(),
            ));
        }
        let (parts, body) = request.into_parts();
        let bytes = small_body(&parts.headers, body, registry).await?;
        // A structure could be read from an array too, by the order of its fields, which the API does not promise.
        if bytes.trim_ascii_start().starts_with(b"[") {
            return Err(ApiError::Unprocessable(
                "the body does not say what is needed: it is an array, not an object".to_owned(),
            ));
        }
        let read = match forges::neutral(&T::name()) {
            [] => serde_json::from_slice(&bytes),
            neutral => forges::read_without(neutral, &bytes),
        };
        read.map(Self).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => {
                ApiError::Unprocessable(format!("the body does not say what is needed: {error}"))
            }
            _ => ApiError::BadRequest(format!("the body is no JSON: {error}")),
        })
    }
}

fn says_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// A whole body, no larger than the settings allow.
pub(crate) async fn small_body(
    headers: &HeaderMap,
    body: RawBody,
    registry: &Registry,
) -> Result<Vec<u8>, ApiError> {
    let limit = registry.settings().api.largest_body;
    let stall = registry.settings().connections.stall;
    let too_large = || {
        ApiError::TooLarge(format!(
            "the body is larger than {limit} bytes, the most that is taken here"
        ))
    };
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    match tokio::time::timeout(stall, gather(body, limit)).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => Err(too_large()),
        Ok(Err(_)) => Err(ApiError::BadRequest(
            "the body ended before it was complete".to_owned(),
        )),
        Err(_) => Err(ApiError::TooSlow(
            "the body came too slowly; send it again".to_owned(),
        )),
    }
}

/// The whole body, or nothing when it has more than `limit` bytes.
async fn gather(body: RawBody, limit: usize) -> Result<Option<Vec<u8>>, axum::Error> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(piece) = stream.try_next().await? {
        if bytes.len() + piece.len() > limit {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Some(bytes))
}
