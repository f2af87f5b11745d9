//! `GET …/APKINDEX.tar.gz` and `GET …/Packages.adb`: the signed index of what is there now.

use axum::{
    extract::{Request, State},
    response::Response,
};

use super::{conditional::dated, download::File, path::Segments};
use crate::{
    authorize::{Authorized, AuthorizedPlace, Presented},
    error::ApiError,
};
use tarn_core::{Registry, access::Action, index::Format};

/// The index that apk 2 and apk 3 ask for.
pub(crate) async fn show_v2(
    state: State<Registry>,
    presented: Presented,
    segments: Segments,
    request: Request,
) -> Result<Response, ApiError> {
    show(&state, &presented, &segments, request, Format::V2).await
}

/// The index that apk 3 asks for when the repository line says `v3`.
pub(crate) async fn show_v3(
    state: State<Registry>,
    presented: Presented,
    segments: Segments,
    request: Request,
) -> Result<Response, ApiError> {
    show(&state, &presented, &segments, request, Format::V3).await
}

/// Which index has that file name: the one of apk 3 has two spellings, of which the second is OpenWrt's.
pub(crate) fn format_of(file_name: &str) -> Option<Format> {
    match file_name {
        "APKINDEX.tar.gz" => Some(Format::V2),
        "Packages.adb" | "packages.adb" => Some(Format::V3),
        _ => None,
    }
}

/// 200, 206 or 304 with the index in that form.
pub(crate) async fn show(
    registry: &Registry,
    presented: &Presented,
    segments: &Segments,
    request: Request,
    format: Format,
) -> Result<Response, ApiError> {
    let began = registry.clock().now();
    let AuthorizedPlace {
        authorized: Authorized { owner, .. },
        branch,
        repository,
    } = presented
        .authorize_place(registry, segments, Action::Read)
        .await?;
    let architecture = segments.architecture()?;
    let index = registry
        .indexes()
        .current(&owner, &branch, &repository, &architecture, format)
        .await?
        .ok_or(ApiError::NoSuchIndex)?;
    let file = File {
        name: format.file_name(),
        etag: index.etag(),
        changed_at: index.changed_at(),
        visibility: owner.visibility,
        size: index.segments().length(),
    };
    let answer = file.answer(&request, began, index.segments())?;
    Ok(dated(answer, began))
}
