//! `GET` and `DELETE …/{name}-{version}.apk`: one package file.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};

use super::{
    conditional::{Validators, dated},
    download::{File, Source},
    path::Segments,
};
use crate::{
    authorize::{AuthorizedPlace, Presented},
    error::ApiError,
};
use tarn_core::{Registry, access::Action};
use tarn_store::metadata::{FileAddress, PackageFile};

/// 200, 206 or 304 with the file as it was uploaded, or 302 to where it is.
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
    let etag = etag(&found);
    let file = File {
        name: segments.file(),
        etag: &etag,
        changed_at: found.created_at,
        may_settle: true,
        visibility: place.authorized.owner.visibility,
        size: found.size,
    };
    let selected = file.select(&request, began)?;
    if selected.is_whole()
        && let Some(answer) = elsewhere(registry, &found, &file, request.headers()).await?
    {
        return Ok(answer);
    }
    let Some(part) = selected.part() else {
        return Ok(dated(file.respond(&selected, began, None), began));
    };
    // Also for a HEAD, which says what a GET would.
    let store = registry.blobs().store();
    let Some(body) = store.open(&found.blob(), found.size, part).await? else {
        // Perhaps it was deleted and its bytes were freed a moment ago.
        let still = find(registry, &place, segments).await?;
        return Err(ApiError::Damaged(
            format!("the blob {} of package file {} is not there: check the disk, then upload the same package again, which brings it back", found.blob(), still.id).into(),
        ));
    };
    let source = selected.is_sent().then_some(Source::Blob(body));
    Ok(dated(file.respond(&selected, began, source), began))
}

/// A redirect to the store, where the settings want that. Never for a request with credentials: some clients send them along to the
/// other host, apk 2.10 among them. Nor to the name that the client asked: it would send them there, too.
async fn elsewhere(
    registry: &Registry,
    found: &PackageFile,
    file: &File<'_>,
    headers: &HeaderMap,
) -> Result<Option<Response>, ApiError> {
    let Some(public) = registry.settings().storage.public_endpoint() else {
        return Ok(None);
    };
    let has_credentials = [header::AUTHORIZATION, header::COOKIE]
        .iter()
        .any(|name| headers.contains_key(name));
    let asked = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let is_same = asked.is_some_and(|asked| {
        let host = asked.rsplit_once(':').map_or(asked, |(host, _)| host);
        public.host_str() == Some(host) || public.host_str() == Some(asked)
    });
    if has_credentials || is_same {
        return Ok(None);
    }
    let store = registry.blobs().store();
    let Some(url) = store.redirect(&found.blob(), file.name).await? else {
        return Ok(None);
    };
    let location = HeaderValue::try_from(url).map_err(|error| ApiError::Internal(error.into()))?;
    let mut response = StatusCode::FOUND.into_response();
    response.headers_mut().insert(header::LOCATION, location);
    // The URL is good for minutes only.
    let no_store = HeaderValue::from_static("no-store");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_store);
    Ok(Some(response))
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
        may_settle: true,
        now: registry.clock().now(),
    };
    if !validators.is_expected(&headers) {
        return Err(ApiError::PreconditionFailed);
    }
    // That very file: one that came in its place meanwhile was not looked at.
    let remover = registry.remover();
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
