//! `/-/owners/{owner}/keys`: the keys that sign an owner's indexes, and what a rotation means for clients.

use askama::Template;
use axum::response::Response;

use super::super::{
    form::Form,
    links::{segment, with_credentials},
    manage::{Managed, Shell, or_again},
    page::Frame,
    pager::{PAGE, Pager},
    shown,
};
use crate::error::ApiError;
use apk::sign::KeyName;
use tarn_core::keys::ListedKey;
use tarn_store::metadata::{KeyState, KeyType, Visibility};

#[derive(Template)]
#[template(path = "owner/keys.html")]
struct KeysPage<'a> {
    frame: &'a Frame,
    shell: Shell,
    path: &'a str,
    owner: &'a str,
    is_public: bool,
    keys: &'a [ListedKey],
    listed: &'a [ListedKey],
    pager: &'a Pager,
}

impl KeysPage<'_> {
    /// Whether another key of its type signs, too: the only one can't be retired.
    fn may_retire(&self, key: &ListedKey) -> bool {
        let like_it =
            |other: &&ListedKey| other.state == KeyState::Active && other.key_type == key.key_type;
        key.key_type != KeyType::Rsa || self.keys.iter().filter(like_it).count() > 1
    }

    /// The key that signs and was made last.
    fn newest(&self) -> Option<&ListedKey> {
        let is_active = |key: &&ListedKey| key.state == KeyState::Active;
        self.keys
            .iter()
            .filter(is_active)
            .max_by_key(|key| key.created_at)
    }

    /// Where clients fetch it, under its own name.
    fn public(&self, key: &ListedKey) -> String {
        let name = segment(key.name.as_str());
        format!("/api/packages/{}/alpine/{name}", self.owner)
    }

    /// Where the public half is.
    fn download(&self, key: &ListedKey) -> String {
        format!(
            "/api/packages/{}/alpine/keys/{}",
            self.owner,
            key.name.as_str()
        )
    }
}

pub(super) async fn show(of: Managed) -> Result<Response, ApiError> {
    let keys = of.registry.keys().list(&of.owner).await?;
    let path = of.path("/keys");
    let page = KeysPage {
        frame: &of.frame,
        shell: of.shell("/keys", "Signing keys"),
        path: &path,
        owner: &of.owner.name,
        is_public: of.owner.visibility == Visibility::Public,
        listed: of.number.part_of(&keys, PAGE),
        pager: &of.pager(keys.len() as u64, ("key", "keys"), &path),
        keys: &keys,
    };
    of.answer(&page)
}

/// Adds a key beside the one that signs.
pub(super) async fn rotate(of: Managed, form: Form) -> Result<Response, ApiError> {
    let rotated = async {
        let key_type: KeyType = form.parsed("type")?;
        let keys = of.registry.keys();
        // Before the rotation: once the key is made, nothing may fail.
        let before = keys.list(&of.owner).await?;
        let is_like_it =
            |old: &ListedKey| old.state == KeyState::Active && old.key_type == key_type;
        let has_old = before.iter().any(is_like_it);
        let key = keys.rotate(&of.owner, key_type, &of.by).await?;
        let then = if has_old {
            "beside the key of its type that does. Retire that one once every client has the new one."
        } else {
            "beside the keys of the other type. A client of apk 3 needs one of them."
        };
        let notice = format!("{} signs from now on, {then}", key.name.as_str());
        of.done(&of.path("/keys"), &notice)
    };
    let rotated = rotated.await;
    or_again(rotated, of, Form::default(), show).await
}

pub(super) async fn retire(of: Managed, form: Form) -> Result<Response, ApiError> {
    let retired = async {
        let keys = of.registry.keys();
        keys.retire(&of.owner, &name(&form)?, &of.by).await?;
        of.done(&of.path("/keys"), "The key is retired. It signs no more.")
    };
    let retired = retired.await;
    or_again(retired, of, Form::default(), show).await
}

pub(super) async fn reactivate(of: Managed, form: Form) -> Result<Response, ApiError> {
    let reactivated = async {
        let keys = of.registry.keys();
        keys.reactivate(&of.owner, &name(&form)?, &of.by).await?;
        of.done(&of.path("/keys"), "The key signs again.")
    };
    let reactivated = reactivated.await;
    or_again(reactivated, of, Form::default(), show).await
}

fn name(form: &Form) -> Result<KeyName, ApiError> {
    KeyName::parse(form.text("name")).map_err(|error| ApiError::Unprocessable(error.to_string()))
}
