//! Access tokens of users and of organisations, with the field names of Forgejo and Gitea. Theirs are shown with the last
//! eight characters; here only the hash is kept, so that is known once, in the answer that makes the token.

use std::time::Duration;

use axum::{Json, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use utoipa::ToSchema;

use super::{
    administer::{Administered, list, no_content_or},
    callers::{Of, Own},
    extract::{Body, Path},
    moment::Moment,
    paging::{ListQuery, Pages},
    paths::{OrganisationPath, TokenPath, UserPath, not_listed},
    words::TokenScope,
};
use crate::{code::Code, error::ApiError};
use tarn_core::access::{AccountError, TokenRequest};
use tarn_store::metadata::Token;

/// A token, without what it is.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccessToken {
    /// Which one. Never given out twice.
    #[schema(example = 3)]
    id: i64,
    /// What its owner calls it.
    #[schema(example = "ci")]
    name: String,
    /// What it may be used for, in the spelling of this server; what another scope includes is left out.
    #[schema(example = json!(["write:package"]))]
    scopes: Vec<String>,
    /// On what: patterns `owner/branch/repository`. None: on everything.
    #[schema(example = json!(["acme/edge/*"]))]
    limits: Vec<String>,
    /// From where. None: from anywhere.
    #[schema(example = json!(["192.0.2.0/24"]))]
    networks: Vec<String>,
    /// When it was made.
    created_at: Moment,
    /// From when on it counts no more; null: never.
    expires_at: Option<Moment>,
    /// When it was last used, roughly; null: never.
    last_used_at: Option<Moment>,
}

impl From<Token> for AccessToken {
    fn from(token: Token) -> Self {
        let words = |list: &str, separator: char| {
            let separated = |c: char| c == separator || c.is_ascii_whitespace();
            let words = list.split(separated).filter(|word| !word.is_empty());
            words.map(str::to_owned).collect()
        };
        // Taken apart without `..`: a new field has to be thought of here.
        let Token {
            id,
            owner: _,
            label,
            scopes,
            limits,
            networks,
            created_at,
            expires_at,
            last_used_at,
        } = token;
        Self {
            id: id.number(),
            name: label,
            scopes: words(&scopes, ','),
            limits: words(&limits, ','),
            networks: words(&networks, ','),
            created_at: created_at.into(),
            expires_at: expires_at.map(Moment::from),
            last_used_at: last_used_at.map(Moment::from),
        }
    }
}

/// A token that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct NewAccessToken {
    #[serde(flatten)]
    token: AccessToken,
    /// The token itself: here and never again. No SHA-1 of anything; the forges call it so.
    #[schema(example = "tarn_JcaLGlusszko6G9IxqxGvySPoIK7MAIJ4et6SclvbyX04dYaM")]
    sha1: String,
    /// Its last eight characters.
    #[schema(example = "yX04dYaM")]
    token_last_eight: String,
}

/// A token that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenOrder {
    /// What to call it; each of an owner's tokens is called otherwise.
    #[schema(min_length = 1, max_length = 64, example = "ci")]
    name: String,
    /// What for: at least one of `read:package`, `write:package`, `delete:package`, `admin` and `read:user`. `no-delete` and
    /// `public-only` narrow those. `all` is `admin` and `write:package`; `write:admin`, `write:organization` and `write:user`
    /// together are `admin`; the other scopes of the forges are taken and grant nothing.
    #[schema(value_type = Vec<TokenScope>, min_items = 1, max_items = 64, example = json!(["write:package"]))]
    scopes: Vec<String>,
    /// On what: patterns `owner/branch/repository`, where `*` stands for any run of characters. None: on everything.
    #[serde(default)]
    #[schema(max_items = 64, example = json!(["acme/edge/*"]))]
    limits: Vec<String>,
    /// From where: addresses and networks. None: from anywhere.
    #[serde(default)]
    #[schema(max_items = 64, example = json!(["192.0.2.0/24"]))]
    networks: Vec<String>,
    /// From when on it counts no more. None: never.
    #[schema(format = DateTime, example = "2027-01-01T00:00:00Z")]
    expires_at: Option<String>,
}

impl TokenOrder {
    /// The order, as the service takes it at that moment, in seconds.
    fn request(&self, now: i64) -> Result<TokenRequest<'_>, ApiError> {
        let lifetime = match &self.expires_at {
            None => None,
            Some(text) => {
                let until = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
                    ApiError::Unprocessable(
                        "`expires_at` is not a date; write it like 2027-01-01T00:00:00Z".to_owned(),
                    )
                })?;
                let seconds = until.unix_timestamp().saturating_sub(now);
                Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
            }
        };
        Ok(TokenRequest {
            label: &self.name,
            scopes: list("scopes", &self.scopes)?,
            limits: list("limits", &self.limits)?,
            networks: list("networks", &self.networks)?,
            lifetime,
        })
    }
}

async fn list_all(of: &Administered, pages: &Pages) -> Result<Response, ApiError> {
    let accounts = of.registry.accounts();
    let tokens = accounts
        .tokens(of.owner.kind, &of.name, pages.window())
        .await?;
    Ok(pages.answer(tokens, AccessToken::from))
}

async fn make(
    of: &Administered,
    order: &TokenOrder,
) -> Result<(StatusCode, Json<NewAccessToken>), ApiError> {
    let request = order.request(of.registry.clock().now().seconds())?;
    let accounts = of.registry.accounts();
    let (token, secret) = accounts
        .add_token(of.owner.kind, &of.name, &request, of.caller.token(), &of.by)
        .await
        .inspect_err(|error| {
            if let AccountError::WiderThanMaker(_) = error {
                of.note(error);
            }
        })?;
    let text = secret.expose();
    let last = text.len().saturating_sub(8);
    let made = NewAccessToken {
        token: token.into(),
        token_last_eight: text.get(last..).unwrap_or_default().to_owned(),
        sha1: text.to_owned(),
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// By its number; or by its name, where none has that number.
async fn revoke(of: &Administered, token: &str) -> Result<StatusCode, ApiError> {
    let accounts = of.registry.accounts();
    let metadata = of.registry.metadata();
    let found = metadata.token_of(of.owner.id, token.parse().ok(), token);
    let missing = || not_listed(Code::NoSuchToken, "token");
    let found = found.await?.ok_or_else(missing)?;
    let removed = accounts
        .remove_token(of.owner.kind, &of.name, &found.label, &of.by)
        .await?;
    no_content_or(removed, missing)
}

/// The routes for the tokens of one kind of owner. `$base` is the path of the list, `$of` says whose they are and makes sure that the caller
/// may administer them, `$owner` is what of the path names them. Of each operation: its name, its summary, and what more there is to say.
macro_rules! tokens {
    (
        $module:ident, $base:literal, $of:ty, [$($owner:ident,)?];
        $list:literal, $list_summary:literal $(, $list_more:literal)?;
        $make:literal, $make_summary:literal $(, $make_more:literal)?;
        $revoke:literal, $revoke_summary:literal $(, $revoke_more:literal)?;
    ) => {
        pub(crate) mod $module {
            use super::*;

            #[utoipa::path(
                get, path = concat!($base), tag = "tokens", operation_id = $list,
                summary = $list_summary, $(description = $list_more,)?
                params($($owner,)? ListQuery),
                responses((status = 200, description = "The tokens, without what they are", body = Vec<AccessToken>))
            )]
            pub(crate) async fn list(
                of: $of,
                pages: Pages,
            ) -> Result<Response, ApiError> {
                super::list_all(&of, &pages).await
            }

            #[utoipa::path(
                post, path = concat!($base), tag = "tokens", operation_id = $make,
                summary = $make_summary, $(description = $make_more,)?
                params($($owner)?),
                request_body = TokenOrder,
                responses((status = 201, description = "The token, shown once", body = NewAccessToken))
            )]
            pub(crate) async fn make(
                of: $of,
                Body(order): Body<TokenOrder>,
            ) -> Result<(StatusCode, Json<NewAccessToken>), ApiError> {
                super::make(&of, &order).await
            }

            #[utoipa::path(
                delete, path = concat!($base, "/{token}"), tag = "tokens", operation_id = $revoke,
                summary = $revoke_summary, $(description = $revoke_more,)?
                params($($owner,)? TokenPath),
                responses((status = 204, description = "The token counts no more"))
            )]
            pub(crate) async fn revoke(
                of: $of,
                Path(path): Path<TokenPath>,
            ) -> Result<StatusCode, ApiError> {
                super::revoke(&of, &path.token).await
            }
        }
    };
}

tokens! {
    own, "/api/v1/user/tokens", Own, [];
    "listOwnTokens", "List the caller's tokens";
    "addOwnToken", "Add a token for the caller", "One that is made with a token is never wider than that one.";
    "revokeOwnToken", "Revoke a token of the caller", "It is refused from the next request on.";
}
tokens! {
    user, "/api/v1/users/{username}/tokens", Of<UserPath>, [UserPath,];
    "userGetTokens", "List a user's tokens";
    "userCreateToken", "Add a token for a user", "For the user themselves, and for administrators of the server.";
    "userDeleteAccessToken", "Revoke a user's token";
}
tokens! {
    organisation, "/api/v1/orgs/{org}/tokens", Of<OrganisationPath>, [OrganisationPath,];
    "orgListTokens", "List an organisation's tokens", "They belong to no person.";
    "orgAddToken", "Add a token for an organisation",
    "It belongs to no person, and lives as long as the organisation. It cannot have the scope `admin`.";
    "orgRevokeToken", "Revoke an organisation's token";
}
