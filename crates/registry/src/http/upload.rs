//! `PUT …/{branch}/{repository}`: a package comes in.

use axum::{
    extract::{Request, State},
    http::StatusCode,
};

use super::{
    authorize::{AuthorizedPlace, Presented},
    body,
    error::ApiError,
    path::Segments,
};
use crate::{Registry, access::Action, publish::Destination};

/// 201 with an empty body, once the package is durable and in the index.
pub(super) async fn put(
    State(registry): State<Registry>,
    presented: Presented,
    segments: Segments,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let AuthorizedPlace {
        authorized,
        branch,
        repository,
    } = presented
        .authorize_place(&registry, &segments, Action::Publish)
        .await?;
    let (package, announced) = body::package(request, &registry.settings().connections)?;
    let destination = Destination {
        owner: authorized.owner.id,
        branch,
        repository,
        by: authorized.actor(),
        announced,
    };
    let published = registry.publisher().publish(destination, package).await?;
    tracing::info!(
        owner = authorized.owner.name,
        file = published.file_name,
        arch = %published.arch,
        size = published.size,
        account = authorized.account_name(),
        by = authorized.credential_kind(),
        "package published"
    );
    Ok(StatusCode::CREATED)
}
