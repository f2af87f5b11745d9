//! The public halves of the keys that sign an owner's indexes, under the file names that apk looks for: `GET …/key` is the
//! newest, `GET …/{file name}` and `GET …/keys/{file name}` each by itself. What fetches a file under the last segment of its
//! address (busybox `wget`, the `keyring` of apko and melange) gets the right name from those.

use apk::sign::KeyName;
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use super::{
    download::{attachment, cache_control},
    path::Segments,
};
use crate::{
    authorize::Presented,
    error::ApiError,
    fallback::{no_such_route, wrong_method},
    web::{
        self,
        links::{OfOwner, base_url},
    },
};
use tarn_core::{Registry, access::Action};
use tarn_store::metadata::Visibility;

/// What may stand before a key's file name, where the path of an upload has its branch. A branch may be called the same:
/// no client asks a branch for anything by GET, and none sends a key by PUT.
const KEYS: &str = "keys";

/// The command that fetches a key of `owner` to where apk looks for it, with nothing but what a stock Alpine has: busybox
/// `wget`, which needs the name on its command line. `base_url` is that of the server, without a final `/`.
pub fn fetch_command(base_url: &str, owner: &str, name: &KeyName) -> String {
    format!("wget -O /etc/apk/keys/{name} {base_url}/api/packages/{owner}/alpine/{name}")
}

/// 200 with the newest key as PEM.
pub(crate) async fn show(
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
pub(crate) async fn show_file(
    State(registry): State<Registry>,
    uri: Uri,
    presented: Presented,
    segments: Segments,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    show_named(
        &registry,
        &uri,
        &presented,
        &segments,
        segments.file(),
        &headers,
    )
    .await
}

/// The same below `keys/`. Anything else can be a repository: browsers are sent to its page, others get 405.
pub(crate) async fn show_in_folder(
    State(registry): State<Registry>,
    method: Method,
    uri: Uri,
    presented: Presented,
    segments: Segments,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (folder, file) = segments.folder_and_file();
    if folder != KEYS {
        if web::wants_page(&headers) {
            return page_of(&registry, &segments);
        }
        let mut refusal = wrong_method(method, uri).await;
        let upload = HeaderValue::from_static("PUT");
        refusal.headers_mut().insert(header::ALLOW, upload);
        return Ok(refusal);
    }
    show_named(&registry, &uri, &presented, &segments, file, &headers).await
}

/// 302 to the page of a repository, which decides who may see it.
fn page_of(registry: &Registry, segments: &Segments) -> Result<Response, ApiError> {
    let (owner, (branch, repository)) = (segments.owner()?, segments.repository()?);
    let links = OfOwner::new(registry.settings().base_path(), owner.as_str());
    let target = links.repository(branch.as_str(), repository.as_str());
    web::redirect(StatusCode::FOUND, &target)
}

async fn show_named(
    registry: &Registry,
    uri: &Uri,
    presented: &Presented,
    segments: &Segments,
    file: &str,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let owner = presented
        .authorize(registry, segments, Action::Read)
        .await?
        .owner;
    let Ok(name) = KeyName::parse(file) else {
        return Err(no_such_route(uri.clone()).await);
    };
    let keys = registry.keys();
    if let Some(pem) = keys.public_key_called(&owner, &name).await? {
        return Ok(pem_file(&name, pem, owner.visibility));
    }
    let (newest, _) = keys.public_key(&owner).await?;
    Err(ApiError::NoSuchKey {
        newest: fetch_command(&base_url(registry, headers, "http"), &owner.name, &newest),
    })
}

fn pem_file(name: &KeyName, pem: String, visibility: Visibility) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/x-pem-file".to_owned()),
        (header::CONTENT_DISPOSITION, attachment(name.as_str())),
        (header::CACHE_CONTROL, cache_control(visibility).to_owned()),
    ];
    (headers, pem).into_response()
}
