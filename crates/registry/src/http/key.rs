//! `GET …/key`: the public half of the owner's newest signing key, under the file name that apk looks for.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};

use super::{
    authorize::Presented,
    download::{attachment, cache_control},
    error::ApiError,
    path::Segments,
};
use crate::{Registry, access::Action};

/// 200 with the key as PEM.
pub(super) async fn show(
    State(registry): State<Registry>,
    presented: Presented,
    segments: Segments,
) -> Result<Response, ApiError> {
    let owner = presented
        .authorize(&registry, segments.owner(), Action::Read)
        .await?
        .owner;
    let (name, pem) = registry.keys().public_key(&owner).await?;
    Ok((
        [
            (header::CONTENT_TYPE, "application/x-pem-file".to_owned()),
            (header::CONTENT_DISPOSITION, attachment(name.as_str())),
            (
                header::CACHE_CONTROL,
                cache_control(owner.visibility).to_owned(),
            ),
        ],
        pem,
    )
        .into_response())
}
