//! What stands behind the `?` of a route that knows no parameters is refused: whoever deletes a version and says
//! `?architecture=x86_64` does not mean all of it.
//!
//! Asked of the document for every route, so that no handler can forget it. The routes that know some refuse others
//! themselves (`extract::Query`).

use std::{collections::HashSet, sync::LazyLock};

use axum::{
    extract::{MatchedPath, Request},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};

use super::document;
use crate::http::error::ApiError;

/// Methods, as the document writes them, and paths of the operations that know no parameters in a query.
static WITHOUT: LazyLock<HashSet<(String, String)>> = LazyLock::new(|| {
    let document = document::document();
    let paths = document.get("paths").and_then(Value::as_object);
    let mut without = HashSet::new();
    for (path, operations) in paths.into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flat_map(Map::iter) {
            if !document::has_parameters(operation, "query") {
                without.insert((method.clone(), path.clone()));
            }
        }
    }
    without
});

/// Refuses a request with a query where the operation has no parameters in one.
pub(in crate::http) async fn refuse_unknown(
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    if request.uri().query().is_some_and(|query| !query.is_empty()) {
        let method = match request.method() {
            &Method::HEAD => "get".to_owned(),
            method => method.as_str().to_ascii_lowercase(),
        };
        if WITHOUT.contains(&(method, path.as_str().to_owned())) {
            return ApiError::BadRequest(
                "this route knows no parameters; leave out what is behind the `?`".to_owned(),
            )
            .into_response();
        }
    }
    next.run(request).await
}
