//! Every route, in one list.

use axum::{
    Router,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::{get, put},
};

use super::{error::ApiError, health, index, key, metrics, package, upload};
use crate::Registry;

/// The whole HTTP interface of a registry.
pub(super) fn router(registry: Registry) -> Router {
    Router::new()
        .route("/healthz", get(health::show))
        .route("/metrics", get(metrics::show))
        .route("/api/packages/{owner}/alpine/key", get(key::show))
        .route(
            "/api/packages/{owner}/alpine/{branch}/{repository}",
            // A GET here is one of a key by its name, `/keys/{file}`, or of nothing: key.rs looks.
            put(upload::put).get(key::show_named),
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
        .with_state(registry)
}

async fn no_such_route(uri: Uri) -> ApiError {
    ApiError::NoSuchRoute(uri.path().to_owned())
}

/// 405.
pub(super) async fn wrong_method(method: Method) -> Response {
    let text = format!(
        "{method} is not for this path; PUT publishes to /{{branch}}/{{repository}}, DELETE removes a file\n"
    );
    (StatusCode::METHOD_NOT_ALLOWED, text).into_response()
}
