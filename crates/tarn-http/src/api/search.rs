//! `/api/v1/search/packages`: packages of all owners whose packages the caller may read.

use axum::{http::HeaderValue, response::Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    callers::Seeing,
    extract::Query,
    paging::{ListUrl, Number},
    versions::{MAX_TEXT, Package, check_text},
};
use crate::error::ApiError;

/// What for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchQuery {
    /// What the name or the description has in it, in any letters' case (of `A` to `Z`).
    #[param(min_length = 1, max_length = 100, example = "hello")]
    q: String,
    /// Which page, counted from 1; 0 is the first page too.
    #[param(required = false, value_type = u64, minimum = 0, example = 1)]
    page: Option<Number>,
    /// How many entries a page has at most; 0 or none is the usual number, more than 100 counts as 100.
    #[param(required = false, value_type = u64, minimum = 0, example = 30)]
    limit: Option<Number>,
}

/// At most so many versions are found whose names begin with the text, and so many others.
const MOST_FOUND: u32 = 10_000;

/// Search all packages that the caller may read
///
/// By name and description: packages of that very name first, then those whose name begins with it, then the others, each
/// the newest first. A text of one or two characters finds names that begin with it. A search finds at most 10,000 versions
/// whose names begin with the text and, where they are fewer, 10,000 others; when there may be more, the answer has the header `X-Search-Cut: true`.
/// With a token that is limited to branches or repositories it looks at names only.
#[utoipa::path(
    get,
    path = "/api/v1/search/packages",
    tag = "packages",
    operation_id = "searchPackages",
    params(SearchQuery),
    security((), ("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "What was found", body = Vec<Package>))
)]
pub(crate) async fn packages(
    Seeing {
        registry,
        read_scope,
    }: Seeing,
    Query(query): Query<SearchQuery>,
    url: ListUrl,
) -> Result<Response, ApiError> {
    if query.q.is_empty() {
        return Err(ApiError::BadRequest(format!(
            "`q` is empty; give 1 to {MAX_TEXT} characters to look for"
        )));
    }
    check_text("q", &query.q)?;
    let pages = url.page(query.page, query.limit);
    let metadata = registry.metadata();
    let found = metadata
        .search(&read_scope, &query.q, MOST_FOUND, pages.window())
        .await?;
    let mut response = pages.answer(found.page, Package::from);
    if found.is_cut {
        let is_cut = HeaderValue::from_static("true");
        response.headers_mut().insert("x-search-cut", is_cut);
    }
    Ok(response)
}
