//! Every route, in one list; those of pages are listed in `web/mod.rs`.
//!
//! # The short way
//!
//! Nearly all requests are for an index or a package, and a router does for them what any path may need: it matches, decodes,
//! copies the segments, boxes the future of the handler. So [`Routes`] recognises those itself, and calls the function
//! that the list names for them. Together with one look at the database's shared memory less it brought a 304 from 16.5 to
//! some 14 µs. What is written with percent signs goes the long way, to the same function.

use std::{convert::Infallible, sync::LazyLock};

use axum::{
    Extension, Router,
    extract::{Request, State},
    http::Method,
    middleware::from_fn,
    response::{IntoResponse, Response},
    routing::{get, put},
};
use serde_json::Value;
use tower::Service as _;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    api::{
        audit, deleted, document, hooks, keys, organisations, owners, packages, parameters, quotas,
        search, second_factor, server_version, teams, tokens, user, users,
    },
    areas,
    authorize::Presented,
    error::ApiError,
    fallback::{no_such_route, wrong_method},
    monitoring,
};
use crate::{
    packages::{
        discovery,
        index::{self, IndexFile},
        key, listing, package,
        path::{Segments, TrailingSlash, folded},
        upload,
    },
    web,
};
use tarn_core::{Registry, settings::Settings};

/// The whole HTTP interface of a registry. Cheap to clone.
#[derive(Clone)]
pub(super) struct Routes {
    registry: Registry,
    router: Router,
    pages: Router,
}

impl Routes {
    /// The routes of that registry.
    pub(super) fn of(registry: Registry) -> Self {
        Self {
            router: router(registry.clone()),
            pages: web::router(registry.clone()),
            registry,
        }
    }

    /// The settings of the server.
    pub(super) fn settings(&self) -> &Settings {
        self.registry.settings()
    }

    /// Has the function that is for its path answer a request.
    pub(super) async fn answer(&self, mut request: Request) -> Response {
        if let Some(uri) = folded(request.uri()) {
            if request.uri().path().ends_with('/') {
                request.extensions_mut().insert(TrailingSlash);
            }
            *request.uri_mut() = uri;
        }
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        match Segments::of_file(request.uri().path()) {
            Some(segments) if reads => self.file(segments, request).await.into_response(),
            // In a box of its own: what is seldom done is not to be carried about with every request.
            _ => {
                let is_page = areas::is_page(request.uri().path());
                let router = if is_page { &self.pages } else { &self.router };
                match Box::pin(router.clone().call(request)).await {
                    Ok::<_, Infallible>(answer) => answer,
                    Err(never) => match never {},
                }
            }
        }
    }

    /// The short way: `GET …/{architecture}/{file}`.
    async fn file(&self, segments: Segments, request: Request) -> Result<Response, ApiError> {
        let presented = Presented::by(
            &self.registry,
            request.method(),
            request.uri(),
            request.headers(),
            request.extensions(),
        )?;
        show_file(State(self.registry.clone()), presented, segments, request).await
    }
}

/// `GET …/{architecture}/{file}`: an index if the decoded name is that of one, otherwise a package.
async fn show_file(
    State(registry): State<Registry>,
    presented: Presented,
    segments: Segments,
    request: Request,
) -> Result<Response, ApiError> {
    match IndexFile::called(segments.file()) {
        // In a box of its own, so that every request for a package does not carry it about.
        Some(file) => Box::pin(index::show(&registry, &presented, &segments, request, file)).await,
        None => package::show(&registry, &presented, &segments, request).await,
    }
}

fn router(registry: Registry) -> Router {
    let api_router = api().split_for_parts().0;
    let api_router = api_router
        .route_layer(from_fn(parameters::check))
        .route_layer(Extension(&DESCRIPTION));
    Router::new()
        .route("/healthz", get(monitoring::show_health))
        .route("/metrics", get(monitoring::show_metrics))
        .route("/api/packages/{owner}/alpine/key", get(key::show))
        .route(
            "/api/packages/{owner}/alpine/jwks.json",
            get(discovery::show_keys),
        )
        .route("/api/packages/{owner}/alpine/{file}", get(key::show_file))
        .route(
            "/api/packages/{owner}/alpine/{branch}/{repository}",
            // A GET here is one of a key by its name, `/keys/{file}`, or of a browser: key.rs looks.
            put(upload::put).get(key::show_in_folder),
        )
        .route(
            "/api/packages/{owner}/alpine/{branch}/{repository}/{file}",
            put(upload::put).get(listing::show),
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
            "/api/packages/{owner}/alpine/{branch}/{repository}/{architecture}/index.json",
            get(index::show_json),
        )
        .route(
            "/api/packages/{owner}/alpine/{branch}/{repository}/{architecture}/{file}",
            get(show_file).delete(package::remove),
        )
        .merge(api_router)
        .fallback(no_such_route)
        .method_not_allowed_fallback(wrong_method)
        .with_state(registry)
}

static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| document::of(api().into_openapi()));

/// The description of the JSON API: an OpenAPI 3.1 document.
pub fn api_description() -> Value {
    DESCRIPTION.clone()
}

/// The routes under `/api/v1`, each with its description: `document.rs` makes the one of them all.
fn api() -> OpenApiRouter<Registry> {
    OpenApiRouter::new()
        .routes(routes!(document::show))
        .routes(routes!(server_version::show))
        .routes(routes!(user::show))
        .routes(routes!(user::change_password))
        .routes(routes!(owners::list))
        .routes(routes!(owners::show))
        .routes(routes!(owners::repositories))
        .routes(routes!(owners::show_user))
        .routes(routes!(search::packages))
        .routes(routes!(packages::list))
        .routes(routes!(packages::versions, packages::remove_all))
        .routes(routes!(packages::latest))
        .routes(routes!(packages::show, packages::remove))
        .routes(routes!(packages::files))
        .routes(routes!(deleted::list))
        .routes(routes!(deleted::restore))
        .routes(routes!(user::change_settings))
        .routes(routes!(
            second_factor::show,
            second_factor::begin,
            second_factor::confirm,
            second_factor::disable
        ))
        .routes(routes!(second_factor::renew))
        .routes(routes!(tokens::own::list, tokens::own::make))
        .routes(routes!(tokens::own::revoke))
        .routes(routes!(tokens::user::list, tokens::user::make))
        .routes(routes!(tokens::user::revoke))
        .routes(routes!(
            tokens::organisation::list,
            tokens::organisation::make
        ))
        .routes(routes!(tokens::organisation::revoke))
        .routes(routes!(users::list, users::add))
        .routes(routes!(users::change, users::remove))
        .routes(routes!(users::rename))
        .routes(routes!(users::disable_second_factor))
        .routes(routes!(users::former_names))
        .routes(routes!(users::release_name))
        .routes(routes!(organisations::list, organisations::add))
        .routes(routes!(organisations::list_own))
        .routes(routes!(
            organisations::show,
            organisations::change,
            organisations::remove
        ))
        .routes(routes!(organisations::rename))
        .routes(routes!(organisations::members))
        .routes(routes!(
            organisations::is_member,
            organisations::set_member,
            organisations::remove_member
        ))
        .routes(routes!(teams::list, teams::add))
        .routes(routes!(teams::show, teams::change, teams::remove))
        .routes(routes!(teams::members))
        .routes(routes!(
            teams::member,
            teams::add_member,
            teams::remove_member
        ))
        .routes(routes!(keys::list, keys::rotate))
        .routes(routes!(keys::retire))
        .routes(routes!(keys::reactivate))
        .routes(routes!(quotas::show, quotas::set, quotas::reset))
        .routes(routes!(
            quotas::versions,
            quotas::set_versions,
            quotas::reset_versions
        ))
        .routes(routes!(quotas::rules, quotas::set_rule))
        .routes(routes!(quotas::remove_rule))
        .routes(routes!(audit::list))
        .routes(routes!(audit::export))
        .routes(routes!(audit::list_of_owner))
        .routes(routes!(audit::export_of_owner))
        .routes(routes!(hooks::own::list, hooks::own::add))
        .routes(routes!(
            hooks::own::show,
            hooks::own::change,
            hooks::own::remove
        ))
        .routes(routes!(hooks::own::deliveries))
        .routes(routes!(hooks::own::test))
        .routes(routes!(hooks::own::redeliver))
        .routes(routes!(hooks::organisation::list, hooks::organisation::add))
        .routes(routes!(
            hooks::organisation::show,
            hooks::organisation::change,
            hooks::organisation::remove
        ))
        .routes(routes!(hooks::organisation::deliveries))
        .routes(routes!(hooks::organisation::test))
        .routes(routes!(hooks::organisation::redeliver))
}
