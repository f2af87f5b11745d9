//! Every route, in one list.

use axum::{
    Router,
    http::{Method, Uri},
    response::{IntoResponse, Response},
    routing::{get, put},
};

use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    api::{self, document, owners, packages, search, server_version, user},
    error::ApiError,
    health, index, key, package, upload,
};
use crate::Registry;

/// The whole HTTP interface of a registry.
pub(super) fn router(registry: Registry) -> Router {
    Router::new()
        .route("/healthz", get(health::show))
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
        .merge(api().split_for_parts().0)
        .fallback(no_such_route)
        .method_not_allowed_fallback(wrong_method)
        .with_state(registry)
}

/// The routes under `/api/v1`, each with its description: `document.rs` makes the one of them all.
pub(super) fn api() -> OpenApiRouter<Registry> {
    OpenApiRouter::new()
        .routes(routes!(document::show))
        .routes(routes!(server_version::show))
        .routes(routes!(user::show))
        .routes(routes!(user::change_password))
        .routes(routes!(owners::list))
        .routes(routes!(owners::show))
        .routes(routes!(owners::repositories))
        .routes(routes!(search::packages))
        .routes(routes!(packages::list))
        .routes(routes!(packages::versions))
        .routes(routes!(packages::show, packages::remove))
        .routes(routes!(packages::files))
}

async fn no_such_route(uri: Uri) -> ApiError {
    let path = uri.path();
    if api::is_under(path) {
        return ApiError::NotFound(format!(
            "nothing is at {path}; {}/openapi.json describes what there is",
            api::PREFIX
        ));
    }
    ApiError::NoSuchRoute(path.to_owned())
}

/// 405.
pub(super) async fn wrong_method(method: Method, uri: Uri) -> Response {
    let path = uri.path();
    let text = if api::is_under(path) {
        format!(
            "{method} is not for this path; the header Allow names what is, {}/openapi.json describes it",
            api::PREFIX
        )
    } else {
        format!(
            "{method} is not for this path; PUT publishes to /{{branch}}/{{repository}}, DELETE removes a file"
        )
    };
    ApiError::WrongMethod(text).into_response()
}
