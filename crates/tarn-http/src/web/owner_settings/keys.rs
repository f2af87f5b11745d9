//! `/-/owners/{owner}/keys`: the keys that sign an owner's indexes, and what a rotation means for clients.

use askama::Template;
use axum::response::Response;

use super::super::{
    form::{Form, Problem},
    manage::{Managed, Shell, or_problem},
    page::Frame,
    shown,
};
use crate::error::ApiError;
use apk::sign::KeyName;
use tarn_core::keys::ListedKey;
use tarn_store::metadata::{KeyState, KeyType};

#[derive(Template)]
#[template(path = "owner/keys.html")]
struct KeysPage<'a> {
    frame: &'a Frame,
    shell: &'a Shell,
    path: &'a str,
    owner: &'a str,
    keys: &'a [ListedKey],
}

impl KeysPage<'_> {
    /// Whether another key of its type signs, too: the only one can't be retired.
    fn may_retire(&self, key: &ListedKey) -> bool {
        let like_it =
            |other: &&ListedKey| other.state == KeyState::Active && other.key_type == key.key_type;
        key.key_type != KeyType::Rsa || self.keys.iter().filter(like_it).count() > 1
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
    page(&of, None).await
}

async fn page(of: &Managed, problem: Option<Problem>) -> Result<Response, ApiError> {
    let keys = of.registry.keys().list(&of.owner).await?;
    let shell = of.shell("/keys", "Signing keys", problem);
    let page = KeysPage {
        frame: of.frame(),
        shell: &shell,
        path: &of.path("/keys"),
        owner: &of.owner.name,
        keys: &keys,
    };
    of.show(&page, &shell)
}

/// Adds a key beside the one that signs.
pub(super) async fn rotate(of: Managed, form: Form) -> Result<Response, ApiError> {
    let rotated = async {
        let key_type: KeyType = form
            .text("type")
            .parse()
            .map_err(|error| ApiError::invalid_field(&error))?;
        let keys = of.registry.keys();
        Ok::<_, ApiError>(keys.rotate(&of.owner, key_type, &of.by).await?)
    };
    match or_problem(rotated.await)? {
        Ok(key) => {
            let notice = format!(
                "{} signs from now on, beside the key of its type that does. Retire that one once every client has the new one.",
                key.name.as_str()
            );
            of.done(&of.path("/keys"), &notice)
        }
        Err(problem) => page(&of, Some(problem)).await,
    }
}

pub(super) async fn retire(of: Managed, form: Form) -> Result<Response, ApiError> {
    let retired = async {
        let name = name(&form)?;
        let keys = of.registry.keys();
        Ok::<_, ApiError>(keys.retire(&of.owner, &name, &of.by).await?)
    };
    match or_problem(retired.await)? {
        Ok(_) => of.done(&of.path("/keys"), "The key is retired. It signs no more."),
        Err(problem) => page(&of, Some(problem)).await,
    }
}

pub(super) async fn reactivate(of: Managed, form: Form) -> Result<Response, ApiError> {
    let reactivated = async {
        let name = name(&form)?;
        let keys = of.registry.keys();
        Ok::<_, ApiError>(keys.reactivate(&of.owner, &name, &of.by).await?)
    };
    match or_problem(reactivated.await)? {
        Ok(_) => of.done(&of.path("/keys"), "The key signs again."),
        Err(problem) => page(&of, Some(problem)).await,
    }
}

fn name(form: &Form) -> Result<KeyName, ApiError> {
    KeyName::parse(form.text("name")).map_err(|error| ApiError::Unprocessable(error.to_string()))
}
