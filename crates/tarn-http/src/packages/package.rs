//! `GET` and `DELETE …/{name}-{version}.apk`: one package file.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};

use super::{
    conditional::{Validators, dated},
    download::{Content, File},
    path::Segments,
};
use crate::{
    authorize::{AuthorizedPlace, Presented},
    error::ApiError,
};
use tarn_core::{Registry, access::Action};
use tarn_store::metadata::{FileAddress, PackageFile};

/// 200, 206 or 304 with the file as it was uploaded.
pub(crate) async fn show(
    registry: &Registry,
    presented: &Presented,
    segments: &Segments,
    request: Request,
) -> Result<Response, ApiError> {
    let began = registry.clock().now();
    let place = presented
        .authorize_place(registry, segments, Action::Read)
        .await?;
    let found = find(registry, &place, segments).await?;
    let blob = registry
        .blobs()
        .open_whole(&found.sha256, found.size)
        .await?;
    let Some(blob) = blob else {
        // Perhaps it was deleted and its bytes were freed a moment ago.
        let still = find(registry, &place, segments).await?;
        return Err(ApiError::Damaged(
            format!("the blob {} of package file {} is not there: check the disk, then upload the same package again, which brings it back", found.sha256, still.id).into(),
        ));
    };
    let etag = etag(&found);
    let file = File {
        name: segments.file(),
        etag: &etag,
        changed_at: found.created_at,
        visibility: place.authorized.owner.visibility,
        size: blob.size(),
    };
    let content = Content::Blob(blob);
    Ok(dated(file.answer(&request, began, content)?, began))
}

/// 204 once the file is out of every index; 412 when it is not the one that the request is for.
pub(crate) async fn remove(
    State(registry): State<Registry>,
    presented: Presented,
    segments: Segments,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let place = presented
        .authorize_place(&registry, &segments, Action::Delete)
        .await?;
    let architecture = segments.architecture()?;
    let authorized = &place.authorized;
    let file = FileAddress {
        owner: authorized.owner.id,
        branch: &place.branch,
        repository: &place.repository,
        arch: &architecture,
        file_name: segments.file(),
    };
    let found = registry.metadata().package_file(&file).await?;
    let found = found.ok_or(ApiError::NoSuchFile)?;
    let validators = Validators {
        etag: &etag(&found),
        changed_at: found.created_at,
        now: registry.clock().now(),
    };
    if !validators.is_expected(&headers) {
        return Err(ApiError::PreconditionFailed);
    }
    // That very file: one that came in its place meanwhile was not looked at.
    let remover = registry.administration().remover();
    let by = authorized.actor();
    if !remover.remove_found(&file, &found, &by).await? {
        return Err(ApiError::NoSuchFile);
    }
    tracing::info!(
        owner = authorized.owner.name,
        file = segments.file(),
        account = authorized.account_name(),
        by = authorized.credential_kind(),
        "package removed"
    );
    Ok(StatusCode::NO_CONTENT)
}

/// The strong ETag of a file: its bytes say which it is.
fn etag(file: &PackageFile) -> String {
    format!("\"{}\"", file.sha256)
}

async fn find(
    registry: &Registry,
    place: &AuthorizedPlace,
    segments: &Segments,
) -> Result<PackageFile, ApiError> {
    let architecture = segments.architecture()?;
    let address = FileAddress {
        owner: place.authorized.owner.id,
        branch: &place.branch,
        repository: &place.repository,
        arch: &architecture,
        file_name: segments.file(),
    };
    registry
        .metadata()
        .package_file(&address)
        .await?
        .ok_or(ApiError::NoSuchFile)
}
