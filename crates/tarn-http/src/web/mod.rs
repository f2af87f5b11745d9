//! The pages that people look at: HTML, rendered here, that works without scripts.
//!
//! A page takes its request apart ([`page::Visit`]), asks the services that the API asks, and fills a template. It holds no rules:
//! who may see it is decided where the package routes decide it ([`page::Visit::authorize`]). What a page shows is escaped by the
//! templates; nothing of a package is trusted.
//!
//! `/{owner}` and what is below it are the owner's pages. All else is under `/-/`, which no owner can be called.

mod account;
mod admin;
mod assets;
mod error_page;
mod feed;
mod form;
mod home;
pub(crate) mod links;
mod manage;
mod owner;
mod owner_settings;
mod package;
mod page;
mod pager;
mod publish;
mod repository;
mod shown;
mod sign_in;
mod viewer;

use axum::{
    Router,
    extract::State,
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, any, get, post},
};

use crate::{error::ApiError, fallback::no_such_route};
use tarn_core::Registry;

pub(crate) use error_page::{ErrorPage, is_anonymous, wants_page};
pub(crate) use page::origin;

/// Every page.
pub(crate) fn router(registry: Registry) -> Router {
    Router::new()
        .route("/", get(home::show))
        .route("/robots.txt", get(robots))
        .merge(of_owner())
        .merge(beside_owners())
        .merge(account::router())
        .merge(owner_settings::router())
        .merge(admin::router())
        // No owner is called `-`.
        .route("/-/{*rest}", any(elsewhere))
        .fallback(elsewhere)
        .method_not_allowed_fallback(wrong_method)
        .with_state(registry)
}

/// The routes below one path.
fn below<const N: usize>(
    path: &str,
    routes: [(&str, MethodRouter<Registry>); N],
) -> Router<Registry> {
    let routes = routes.into_iter();
    routes.fold(Router::new(), |router, (rest, methods)| {
        router.route(&format!("{path}{rest}"), methods)
    })
}

/// The pages of owners and what they publish.
fn of_owner() -> Router<Registry> {
    below(
        "/{owner}",
        [
            ("", get(owner::show)),
            ("/{branch}", get(owner::show_elsewhere)),
            ("/-/feed.atom", get(feed::of_owner)),
            ("/-/packages", get(owner::show_elsewhere)),
            ("/-/packages/alpine/{name}", get(package::show_anywhere)),
            (
                "/-/packages/alpine/{name}/{version}",
                get(package::show_anywhere),
            ),
            ("/{branch}/{repository}", get(repository::show)),
            (
                "/{branch}/{repository}/-/feed.atom",
                get(feed::of_repository),
            ),
            ("/{branch}/{repository}/{name}", get(package::show)),
            (
                "/{branch}/{repository}/{name}/{version}",
                get(package::show),
            ),
            (
                "/{branch}/{repository}/{name}/{version}/{arch}",
                get(package::show),
            ),
            (
                "/{branch}/{repository}/{name}/{version}/{arch}/contents",
                get(package::contents::show),
            ),
        ],
    )
}

/// Signing in, publishing and deleting, and what all pages share.
fn beside_owners() -> Router<Registry> {
    below(
        "/-",
        [
            ("/static/{file}", get(assets::show)),
            ("/owners", get(home::show_owners)),
            ("/login", get(sign_in::show).post(sign_in::sign_in)),
            (
                "/login/code",
                get(sign_in::show_code).post(sign_in::sign_in_with_code),
            ),
            ("/logout", post(sign_in::sign_out)),
            (
                "/upload/{owner}",
                get(publish::show_upload).post(publish::upload),
            ),
            (
                "/delete/{owner}/{branch}/{repository}/{architecture}/{file}",
                get(publish::show_delete).post(publish::delete),
            ),
        ],
    )
}

/// A path with a slash too many at its end is that without; nothing is at any other.
async fn elsewhere(State(registry): State<Registry>, uri: Uri) -> Response {
    let path = uri.path();
    let trimmed = path.trim_end_matches('/');
    // Never a path that begins with two slashes, which would be that of another host.
    if trimmed.len() < path.len() && !trimmed.is_empty() && !path.starts_with("//") {
        let query = uri
            .query()
            .map_or(String::new(), |query| format!("?{query}"));
        let target = format!("{}{trimmed}{query}", registry.settings().base_path());
        return redirect(StatusCode::MOVED_PERMANENTLY, &target).into_response();
    }
    no_such_route(uri).await.into_response()
}

/// What crawlers may look at: pages, and neither packages nor what is for people who sign in.
async fn robots() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=86400"),
    ];
    let text = "User-agent: *\nDisallow: /-/\nDisallow: /api/\n";
    (headers, text).into_response()
}

/// 405.
async fn wrong_method(method: Method) -> ApiError {
    ApiError::WrongMethod(format!(
        "{method} is not for this page; the header Allow names what is"
    ))
}

/// A redirect. `target` is a path of this server, base path included.
pub(crate) fn redirect(status: StatusCode, target: &str) -> Result<Response, ApiError> {
    let target = HeaderValue::try_from(target).map_err(|error| ApiError::Internal(error.into()))?;
    Ok((status, [(header::LOCATION, target)]).into_response())
}
