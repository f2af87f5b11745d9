//! Every route, in one list.

use axum::{
    Router,
    http::{Method, StatusCode, Uri},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, put},
};
use tower_http::catch_panic::CatchPanicLayer;

use super::{error::ApiError, health, index, key, package, trace, upload};
use crate::Registry;

/// The whole HTTP interface of a registry.
pub fn router(registry: Registry) -> Router {
    let ids = trace::RequestIds::since(registry.clock());
    Router::new()
        .route("/healthz", get(health::show))
        .route("/api/packages/{owner}/alpine/key", get(key::show))
        .route(
            "/api/packages/{owner}/alpine/{branch}/{repository}",
            put(upload::put),
        )
        .route(
            "/api/packages/{owner}/alpine/{branch}/{repository}/{architecture}/APKINDEX.tar.gz",
            get(index::show_v2),
        )
        .route(
            "/api/packages/{owner}/alpine/{branch}/{repository}/{architecture}/Packages.adb",
            get(index::show_v3),
        )
        .route(
            "/api/packages/{owner}/alpine/{branch}/{repository}/{architecture}/packages.adb",
            get(index::show_v3),
        )
        .route(
            "/api/packages/{owner}/alpine/{branch}/{repository}/{architecture}/{file}",
            get(package::show).delete(package::remove),
        )
        .fallback(no_such_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(CatchPanicLayer::custom(trace::panicked))
        .layer(middleware::from_fn_with_state(ids, trace::answer))
        .with_state(registry)
}

async fn no_such_route(uri: Uri) -> ApiError {
    ApiError::NoSuchRoute(uri.path().to_owned())
}

async fn wrong_method(method: Method) -> Response {
    let text = format!(
        "{method} is not for this path; PUT publishes to /{{branch}}/{{repository}}, DELETE removes a file\n"
    );
    (StatusCode::METHOD_NOT_ALLOWED, text).into_response()
}
