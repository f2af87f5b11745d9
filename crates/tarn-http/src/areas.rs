//! Which part of the server a path is of, be there something at it or not.

/// What every path of the JSON API begins with.
pub(crate) const API: &str = "/api/v1";

/// Whether a path is one of the JSON API.
pub(crate) fn is_of_api(path: &str) -> bool {
    path.strip_prefix(API)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a path is that of a page.
pub(crate) fn is_page(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next();
    !matches!(first, Some("api" | "healthz" | "readyz" | "metrics"))
}
