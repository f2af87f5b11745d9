//! What finds its own way to an owner's keys: `GET …/{branch}/{repository}/apk-configuration` and the JWKS that it names. apko and melange
//! ask for them at every run (`DiscoverKeys` in apko's `pkg/apk/apk/implementation.go`), and then need no `keyring`.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;

use super::{download::cache_control, path::Segments};
use crate::{authorize::Presented, error::ApiError, web::origin};
use apk::sign::PublicKey;
use tarn_core::{Registry, access::Action, keys::ListedKey};
use tarn_store::metadata::{KeyState, Owner, Visibility};

/// Where the keys are.
#[derive(Serialize)]
struct Configuration {
    jwks_uri: String,
}

/// Keys (RFC 7517, section 5).
#[derive(Serialize)]
struct KeySet {
    keys: Vec<Key>,
}

/// An RSA key (RFC 7518, section 6.3.1).
#[derive(Serialize)]
struct Key {
    kty: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    /// The key's file name without `.rsa.pub`, which apko puts behind it again.
    kid: String,
    n: String,
    e: String,
}

/// 200 with the address of the owner's keys.
pub(super) async fn show_configuration(
    registry: &Registry,
    presented: &Presented,
    segments: &Segments,
    parts: &Parts,
) -> Result<Response, ApiError> {
    let place = presented
        .authorize_place(registry, segments, Action::Read)
        .await?;
    let owner = place.authorized.owner;
    let configuration = Configuration {
        jwks_uri: format!(
            "{}/api/packages/{}/alpine/jwks.json",
            origin(registry, parts),
            owner.name
        ),
    };
    Ok(kept(Json(configuration).into_response(), owner.visibility))
}

/// 200 with the RSA keys that sign the owner's indexes.
pub(crate) async fn show_keys(
    State(registry): State<Registry>,
    presented: Presented,
    segments: Segments,
) -> Result<Response, ApiError> {
    let authorized = presented.authorize(&registry, &segments, Action::Read);
    let owner = authorized.await?.owner;
    let keys = active_keys(&registry, &owner).await?;
    let keys = keys.iter().filter_map(|(key, pem)| {
        let (modulus, exponent) = PublicKey::from_pem(pem.as_bytes()).ok()?.rsa_numbers()?;
        Some(Key {
            kty: "RSA",
            usage: "sig",
            kid: key.name.as_str().strip_suffix(".rsa.pub")?.to_owned(),
            n: URL_SAFE_NO_PAD.encode(modulus),
            e: URL_SAFE_NO_PAD.encode(exponent),
        })
    });
    let keys = KeySet {
        keys: keys.collect(),
    };
    Ok(kept(Json(keys).into_response(), owner.visibility))
}

/// The keys that sign, newest first, with their public halves in PEM; the first is made if there is none.
pub(super) async fn active_keys(
    registry: &Registry,
    owner: &Owner,
) -> Result<Vec<(ListedKey, String)>, ApiError> {
    let keys = registry.keys();
    keys.public_key(owner).await?;
    let mut active = Vec::new();
    for key in keys.list(owner).await? {
        if key.state == KeyState::Active
            && let Some(pem) = keys.public_key_called(owner, &key.name).await?
        {
            active.push((key, pem));
        }
    }
    Ok(active)
}

/// With who may keep it.
pub(super) fn kept(mut response: Response, visibility: Visibility) -> Response {
    let cache_control = HeaderValue::from_static(cache_control(visibility));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, cache_control);
    response
}
