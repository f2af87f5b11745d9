//! The public halves of the keys that sign an owner's indexes, under the file names that apk looks for: `GET …/key` is the
//! newest, `GET …/keys/{file name}` each by itself.

use apk::sign::KeyName;
use axum::{
    extract::State,
    http::{HeaderValue, Method, Uri, header},
    response::{IntoResponse, Response},
};

use super::{
    authorize::Presented,
    download::{attachment, cache_control},
    error::ApiError,
    path::Segments,
    routes::wrong_method,
};
use crate::{Registry, access::Action, metadata::Visibility};

/// What stands before a key's file name, where the path of an upload has its branch. A branch may be called the same:
/// nobody asks a branch for anything by GET, and nobody sends a key by PUT.
const KEYS: &str = "keys";

/// 200 with the newest key as PEM.
pub(super) async fn show(
    State(registry): State<Registry>,
    presented: Presented,
    segments: Segments,
) -> Result<Response, ApiError> {
    let owner = presented
        .authorize(&registry, &segments, Action::Read)
        .await?
        .owner;
    let (name, pem) = registry.keys().public_key(&owner).await?;
    Ok(pem_file(&name, pem, owner.visibility))
}

/// 200 with the key of that name as PEM, if it signs; 404 if it does not, or there is none.
pub(super) async fn show_named(
    State(registry): State<Registry>,
    method: Method,
    uri: Uri,
    presented: Presented,
    segments: Segments,
) -> Result<Response, ApiError> {
    let (folder, file) = segments.folder_and_file();
    if folder != KEYS {
        let mut refusal = wrong_method(method, uri).await;
        let upload = HeaderValue::from_static("PUT");
        refusal.headers_mut().insert(header::ALLOW, upload);
        return Ok(refusal);
    }
    let owner = presented
        .authorize(&registry, &segments, Action::Read)
        .await?
        .owner;
    let name = KeyName::parse(file).map_err(|_| ApiError::NoSuchKey)?;
    let pem = registry
        .keys()
        .public_key_called(&owner, &name)
        .await?
        .ok_or(ApiError::NoSuchKey)?;
    Ok(pem_file(&name, pem, owner.visibility))
}

fn pem_file(name: &KeyName, pem: String, visibility: Visibility) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/x-pem-file".to_owned()),
        (header::CONTENT_DISPOSITION, attachment(name.as_str())),
        (header::CACHE_CONTROL, cache_control(visibility).to_owned()),
    ];
    (headers, pem).into_response()
}
