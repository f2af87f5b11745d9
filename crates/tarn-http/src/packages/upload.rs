//! `PUT …/{branch}/{repository}`, with or without the package's file name behind it: a package comes in.

use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use url::form_urlencoded;

use super::path::Segments;
use crate::{
    authorize::{AuthorizedPlace, Presented},
    error::ApiError,
    transport::body,
};
use tarn_core::{
    Registry,
    access::Action,
    publish::{Destination, IfExists},
};

/// 201 once the package is durable and in the index, with one line about what apk makes of it where there is something to say;
/// 200 where it was so before and the client says that this is fine.
pub(crate) async fn put(
    State(registry): State<Registry>,
    presented: Presented,
    segments: Segments,
    request: Request,
) -> Result<Response, ApiError> {
    let AuthorizedPlace {
        authorized,
        branch,
        repository,
    } = presented
        .authorize_place(&registry, &segments, Action::Publish)
        .await?;
    let file_name = segments.uploaded_name().map(file_name).transpose()?;
    let if_exists = if_exists(request.uri().query().unwrap_or_default())?;
    let (package, announced) = body::package(request, &registry.settings().connections)?;
    let destination = Destination {
        owner: authorized.owner.id,
        branch,
        repository,
        by: authorized.actor(),
        announced,
        file_name,
        if_exists,
        past: None,
    };
    let published = registry.publisher().publish(destination, package).await?;
    tracing::info!(
        owner = authorized.owner.name,
        file = published.file_name,
        arch = %published.arch,
        size = published.size,
        account = authorized.account_name(),
        by = authorized.credential_kind(),
        "{}",
        if published.is_new { "package published" } else { "package was there already" }
    );
    let status = if published.is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok(match published.notice {
        None => status.into_response(),
        Some(notice) => (status, format!("{notice}\n")).into_response(),
    })
}

/// The name that clients add which take the path for a folder (`curl --upload-file FILE URL/`, goreleaser). Whether it is the
/// package's own is known once the package is here; what is not a file name of any package is refused before.
fn file_name(given: &str) -> Result<String, ApiError> {
    if given.ends_with(".apk") {
        return Ok(given.to_owned());
    }
    Err(ApiError::BadRequest(format!(
        "the path has {given:?} after the repository; publish to /{{branch}}/{{repository}}. A name cannot contain `/`: if a branch of yours \
         does, use another character. Architecture, name and version come from the package"
    )))
}

/// What the query says of a package that is there already. Other parameters are ignored, as the forges ignore them.
fn if_exists(query: &str) -> Result<IfExists, ApiError> {
    let mut wanted = IfExists::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match (&*name, &*value) {
            ("if-exists", "same") => wanted = IfExists::Same,
            ("if-exists", other) => {
                return Err(ApiError::BadRequest(format!(
                    "`if-exists` is {other:?}; write `same`, or leave it out"
                )));
            }
            _ => {}
        }
    }
    Ok(wanted)
}
