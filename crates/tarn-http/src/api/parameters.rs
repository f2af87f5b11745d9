//! What stands behind the `?`, before a handler reads it.
//!
//! On Tarn's own routes a parameter that is not known is refused: a filter that was spelled wrong would give everything. The routes
//! of Forgejo and Gitea are answered as the forges answer: what they don't know is left out, of a parameter that is there twice the
//! first counts, and a `page` or `limit` that is not a number counts as none. Two things are refused there too: any parameter of a
//! `DELETE`, since a client that says `?architecture=x86_64` does not mean all of it; and `sudo`, since what it asks for would be
//! done in another's name.
//!
//! Asked of the document for every route, so that no handler can forget it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::OnceLock,
};

use axum::{
    Extension,
    extract::{MatchedPath, Request},
    http::{Method, Uri, uri::PathAndQuery},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};

use super::{
    document::{Description, query_parameters},
    forges,
    paging::Number,
};
use crate::error::ApiError;

/// What is known of an operation's query.
struct Known {
    /// The names of its parameters.
    names: BTreeSet<String>,
    /// Whether the forges have it too.
    of_the_forges: bool,
}

/// By method, as the document writes it, and path.
type Operations = HashMap<(String, String), Known>;

static OPERATIONS: OnceLock<Operations> = OnceLock::new();

fn operations(document: &Value) -> Operations {
    let paths = document.get("paths").and_then(Value::as_object);
    let mut known = HashMap::new();
    for (path, operations) in paths.into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flat_map(Map::iter) {
            let names = query_parameters(operation);
            let of_the_forges = forges::has_operation(operation);
            let operation = Known {
                names: names.map(str::to_owned).collect(),
                of_the_forges,
            };
            known.insert((method.clone(), path.clone()), operation);
        }
    }
    known
}

/// Refuses what is not to be ignored, and leaves out what is.
pub(crate) async fn check(
    Extension(document): Description,
    path: MatchedPath,
    mut request: Request,
    next: Next,
) -> Response {
    if asks_for_another(&request) {
        return ApiError::BadRequest(
            "`sudo` is not done here; send the credentials of the user in whose name it is to be done"
                .to_owned(),
        )
        .into_response();
    }
    let query = request.uri().query().filter(|query| !query.is_empty());
    if let Some(query) = query {
        let method = match request.method() {
            &Method::HEAD => "get".to_owned(),
            method => method.as_str().to_ascii_lowercase(),
        };
        let lenient = method != "delete";
        let operations = OPERATIONS.get_or_init(|| operations(document));
        match operations.get(&(method, path.as_str().to_owned())) {
            Some(known) if known.of_the_forges && lenient => {
                let query = as_the_forges_read(query, &known.names);
                if let Some(uri) = with_query(request.uri(), &query) {
                    *request.uri_mut() = uri;
                }
            }
            Some(known) if known.names.is_empty() => {
                return ApiError::BadRequest(
                    "this route knows no parameters; leave out what is behind the `?`".to_owned(),
                )
                .into_response();
            }
            _ => {}
        }
    }
    next.run(request).await
}

/// Whether a request is to be answered as if another user had sent it, which administrators may ask of the forges.
fn asks_for_another(request: &Request) -> bool {
    let query = request.uri().query().unwrap_or_default();
    request.headers().contains_key("sudo") || pairs(query).any(|(name, _)| name == "sudo")
}

/// The pairs of a query, as they came.
fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Of a query what the forges would look at.
fn as_the_forges_read(query: &str, known: &BTreeSet<String>) -> String {
    let mut taken = BTreeSet::new();
    let kept = pairs(query).filter(|(name, value)| {
        let counts = !matches!(*name, "page" | "limit") || Number::parse(value).is_some();
        known.contains(*name) && taken.insert(*name) && counts
    });
    let kept: Vec<String> = kept
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    kept.join("&")
}

fn with_query(uri: &Uri, query: &str) -> Option<Uri> {
    let path = PathAndQuery::try_from(format!("{}?{query}", uri.path())).ok()?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_query_remains_what_the_forges_look_at() {
        let known = ["q", "page", "limit"].map(str::to_owned).into();
        for (query, kept) in [
            ("q=a%20b&page=2&limit=3", "q=a%20b&page=2&limit=3"),
            ("sort=x&q=a&q=b&type", "q=a"),
            ("page=abc&limit=-1", ""),
            ("page=&limit=99999999999999999999&&", ""),
            ("page=x&page=2", ""),
            ("limit=0007", "limit=0007"),
        ] {
            assert_eq!(as_the_forges_read(query, &known), kept, "{query}");
        }
    }
}
