//! `GET …/{branch}/{repository}/setup`: a shell script that sets a repository up on Alpine, with nothing but what a stock Alpine has.

use askama::Template;
use axum::{
    http::{header, request::Parts},
    response::{IntoResponse as _, Response},
};

use super::{
    discovery::{active_keys, kept},
    path::Segments,
};
use crate::{authorize::Presented, error::ApiError, web::origin};
use tarn_core::{Registry, access::Action};
use tarn_store::metadata::{PackageFormat, Visibility};

/// The script. Every value stands between single quotes, or in a document that the shell takes as it is.
#[derive(Template)]
#[template(path = "setup.sh", escape = "none")]
struct Setup {
    what: String,
    /// The line for `/etc/apk/repositories`, quoted.
    url: String,
    /// Without the scheme, quoted.
    address: String,
    /// The scheme.
    scheme: String,
    is_public: bool,
    /// Whether some packages are in the index of v3 only.
    has_v3: bool,
    /// Whether all are.
    is_v3_only: bool,
    keys: Vec<Key>,
}

/// A key to be trusted.
struct Key {
    /// Of letters, digits and `._-+@` ([`apk::sign::KeyName`]).
    name: String,
    /// Ends with a newline. It was parsed when it came: nothing but PEM is in it.
    pem: String,
}

/// A text as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// 200 with the script.
pub(super) async fn show(
    registry: &Registry,
    presented: &Presented,
    segments: &Segments,
    parts: &Parts,
) -> Result<Response, ApiError> {
    let place = presented
        .authorize_place(registry, segments, Action::Read)
        .await?;
    let scope = presented
        .read_scope(registry, &place.authorized.caller)
        .await?;
    let (owner, branch, repository) = (place.authorized.owner, place.branch, place.repository);
    let metadata = registry.metadata();
    let state = metadata
        .repository_state(&scope, owner.id, &branch, &repository)
        .await?;
    let origin = origin(registry, parts);
    let url = format!(
        "{origin}/api/packages/{}/alpine/{branch}/{repository}",
        owner.name
    );
    let (scheme, address) = url.split_once("://").unwrap_or(("http", &url));
    let keys = active_keys(registry, &owner).await?.into_iter();
    let script = Setup {
        what: format!("{}/{branch}/{repository}", owner.name),
        address: quoted(address),
        scheme: scheme.to_owned(),
        is_public: owner.visibility == Visibility::Public,
        has_v3: state
            .as_ref()
            .is_some_and(|state| state.formats.contains(&PackageFormat::V3)),
        is_v3_only: state.is_some_and(|state| state.is_v3_only()),
        keys: keys
            .map(|(key, pem)| Key {
                name: key.name.to_string(),
                pem: format!("{}\n", pem.trim_end()),
            })
            .collect(),
        url: quoted(&url),
    };
    let script = script
        .render()
        .map_err(|error| ApiError::Internal(error.into()))?;
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok(kept((headers, script).into_response(), owner.visibility))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_ends_no_word() {
        assert_eq!(quoted("https://a/b"), "'https://a/b'");
        assert_eq!(quoted("a'; reboot"), r"'a'\''; reboot'");
    }
}
