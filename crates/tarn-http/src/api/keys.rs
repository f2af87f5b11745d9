//! `/api/v1/owners/{owner}/keys`: the keys that sign an owner's indexes. Their private halves never leave the server here.

use axum::{Json, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    callers::Of,
    extract::{Path, Query},
    moment::Moment,
    paging::{ListQuery, Pages},
    paths::{KeyPath, OwnerPath},
    words::NewType,
};
use crate::error::ApiError;
use tarn_core::keys::{ListedKey, StateChange};
use tarn_store::metadata::KeyType;

/// A key.
#[derive(Serialize, ToSchema)]
pub(crate) struct Key {
    /// The name of its file in `/etc/apk/keys`.
    #[schema(example = "alice@5f0b….rsa.pub")]
    name: String,
    /// `rsa` keys sign the indexes of both formats, keys of the curve P-256 those of v3 only.
    #[schema(pattern = "^(rsa|ec-p256)$", example = "rsa")]
    r#type: &'static str,
    /// The hex SHA-256 of its SubjectPublicKeyInfo in DER.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    fingerprint: String,
    /// `active` keys sign, `retired` ones do no more.
    #[schema(pattern = "^(active|retired)$", example = "active")]
    state: &'static str,
    /// When it was made or imported.
    created_at: Moment,
    /// When it got this state.
    changed_at: Moment,
}

impl From<ListedKey> for Key {
    fn from(key: ListedKey) -> Self {
        Self {
            name: key.name.as_str().to_owned(),
            r#type: key.key_type.as_str(),
            fingerprint: key.fingerprint,
            state: key.state.as_str(),
            created_at: key.created_at.into(),
            changed_at: key.changed_at.into(),
        }
    }
}

/// Which key is made.
#[derive(Deserialize, IntoParams)]
pub(crate) struct RotateQuery {
    /// Its type.
    #[param(required = false, value_type = NewType, inline)]
    r#type: Option<NewType>,
}

/// What came of asking for a state.
#[derive(Serialize, ToSchema)]
pub(crate) struct Signing {
    /// Whether the key had another state before.
    changed: bool,
    /// The names of the keys that sign now, newest first.
    signing: Vec<String>,
}

impl From<StateChange> for Signing {
    fn from(change: StateChange) -> Self {
        let names = change.signing.iter();
        Self {
            changed: change.changed,
            signing: names.map(|name| name.as_str().to_owned()).collect(),
        }
    }
}

/// List the signing keys of an owner
///
/// Newest first, retired ones too. An owner gets the first when it is first needed.
#[utoipa::path(
    get, path = "/api/v1/owners/{owner}/keys", tag = "keys", operation_id = "listSigningKeys",
    params(OwnerPath, ListQuery),
    responses((status = 200, description = "The keys", body = Vec<Key>))
)]
pub(crate) async fn list(of: Of<OwnerPath>, pages: Pages) -> Result<Response, ApiError> {
    let keys = of.registry.keys().list(&of.owner).await?;
    Ok(pages.answer_part_of(keys, Key::from))
}

/// Rotate the signing keys
///
/// A new key signs at once, beside the one of its type that does. Once every client has it, the old one can be retired. Keys of the
/// curve P-256, which OpenWrt uses, sign v3 indexes only.
#[utoipa::path(
    post, path = "/api/v1/owners/{owner}/keys", tag = "keys", operation_id = "rotateSigningKey",
    params(OwnerPath, RotateQuery),
    responses((status = 201, description = "The new key", body = Key))
)]
pub(crate) async fn rotate(
    of: Of<OwnerPath>,
    Query(wanted): Query<RotateQuery>,
) -> Result<(StatusCode, Json<Key>), ApiError> {
    let key_type = wanted.r#type.map_or(KeyType::Rsa, |NewType(wanted)| wanted);
    let keys = of.registry.keys();
    let key = keys.rotate(&of.owner, key_type, &of.by).await?;
    Ok((StatusCode::CREATED, Json(key.into())))
}

/// Retire a key
///
/// An owner's last active RSA key stays, since v2 indexes are signed by RSA keys only.
#[utoipa::path(
    post, path = "/api/v1/owners/{owner}/keys/{name}/retire", tag = "keys", operation_id = "retireSigningKey",
    params(OwnerPath, KeyPath),
    responses((status = 200, description = "Which keys sign now", body = Signing))
)]
pub(crate) async fn retire(
    of: Of<OwnerPath>,
    Path(path): Path<KeyPath>,
) -> Result<Json<Signing>, ApiError> {
    let keys = of.registry.keys();
    let change = keys.retire(&of.owner, &path.parse()?, &of.by).await?;
    Ok(Json(change.into()))
}

/// Reactivate a key
#[utoipa::path(
    post, path = "/api/v1/owners/{owner}/keys/{name}/reactivate", tag = "keys", operation_id = "reactivateSigningKey",
    params(OwnerPath, KeyPath),
    responses((status = 200, description = "Which keys sign now", body = Signing))
)]
pub(crate) async fn reactivate(
    of: Of<OwnerPath>,
    Path(path): Path<KeyPath>,
) -> Result<Json<Signing>, ApiError> {
    let keys = of.registry.keys();
    let change = keys.reactivate(&of.owner, &path.parse()?, &of.by).await?;
    Ok(Json(change.into()))
}
