//! What the routes that administer have in common: whose things they are about, and who may.

use std::fmt::Display;

use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    authorize::{Authorized, Presented, wanted},
    code::Code,
    error::ApiError,
};
use tarn_base::{hint::Hint, names::OwnerName};
use tarn_core::{
    Registry,
    access::{Action, Caller},
};
use tarn_store::metadata::{Actor, Owner, OwnerId, Role, Visibility};

/// An owner that the caller may administer.
pub(crate) struct Administered {
    pub(crate) registry: Registry,
    pub(crate) owner: Owner,
    pub(crate) name: OwnerName,
    pub(crate) caller: Caller,
    pub(crate) by: Actor,
    presented: Presented,
}

impl Administered {
    pub(super) fn new(
        registry: &Registry,
        presented: Presented,
        authorized: Authorized,
    ) -> Result<Self, ApiError> {
        Ok(Self {
            registry: registry.clone(),
            name: OwnerName::parse(&authorized.owner.name)?,
            by: authorized.actor(),
            owner: authorized.owner,
            caller: authorized.caller,
            presented,
        })
    }

    /// Refuses a caller who administers the owner and may not do this with what it has, which administering would do for
    /// them: a token with only `admin` has no right to packages.
    pub(crate) async fn may_also(&self, action: Action) -> Result<(), ApiError> {
        let (registry, caller) = (&self.registry, &self.caller);
        let allowed = self
            .presented
            .allow(registry, caller, &self.owner, action, None);
        allowed.await
    }

    /// Refuses a token that would give others more than it has itself: rights, lifetime or networks. A caller with the password may grant
    /// any role.
    pub(crate) async fn may_grant(&self, role: Role) -> Result<(), ApiError> {
        let Some(token) = self.caller.token() else {
            return Ok(());
        };
        let rights: &[Action] = match role {
            Role::Read => &[Action::Read],
            Role::Write | Role::Admin => &[Action::Read, Action::Publish, Action::Delete],
        };
        for right in rights {
            self.may_also(*right).await?;
        }
        if token.expires_at.is_none() && token.networks.are_unlimited() {
            return Ok(());
        }
        let why = "this token expires or is limited to networks, and a membership is not; use the password, or a token without these limits";
        self.note(&why);
        Err(ApiError::Refused(Code::PasswordNeeded, why.to_owned()))
    }

    /// An owner that was found by something else than its name, once it is known who asks.
    pub(crate) async fn after(
        presented: Presented,
        registry: &Registry,
        caller: Caller,
        owner: Owner,
    ) -> Result<Self, ApiError> {
        presented
            .allow(registry, &caller, &owner, Action::Administer, None)
            .await?;
        Ok(Self {
            name: OwnerName::parse(&owner.name)?,
            by: presented.actor(&caller),
            registry: registry.clone(),
            owner,
            caller,
            presented,
        })
    }

    /// Writes down that the caller, who may administer the owner, is refused for what they sent.
    pub(crate) fn note(&self, why: &dyn Display) {
        let (action, owner) = (wanted(Action::Administer), Some(self.owner.id));
        self.presented
            .note(&self.registry, &self.caller, action, owner, why);
    }
}

/// Refuses a token for what lets people in: it could make itself a way in that outlives it. `action` and `owner` say what was
/// wanted, for the audit log.
pub(super) fn needs_password(
    presented: &Presented,
    registry: &Registry,
    caller: &Caller,
    action: &'static str,
    owner: Option<OwnerId>,
) -> Result<(), ApiError> {
    if caller.token().is_none() {
        return Ok(());
    }
    let why = "a token changes no password, no second factor, and not who administers this server; sign in with the password itself";
    presented.note(registry, caller, action, owner, &why);
    Err(ApiError::Refused(Code::PasswordNeeded, why.to_owned()))
}

/// 204, or `missing` if there was nothing to change.
pub(super) fn no_content_or(
    done: bool,
    missing: impl FnOnce() -> ApiError,
) -> Result<StatusCode, ApiError> {
    match done {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(missing()),
    }
}

/// A name in a body that is to become that of an owner, or that of one who should be there.
pub(crate) fn owner_name(text: &str) -> Result<OwnerName, ApiError> {
    OwnerName::parse(text).map_err(|error| ApiError::invalid_field(&error))
}

/// A word in a body that stands for one of a few.
pub(crate) fn word<T: std::str::FromStr>(text: &str) -> Result<T, ApiError>
where
    T::Err: Hint,
{
    text.parse()
        .map_err(|error| ApiError::invalid_field(&error))
}

/// What a body says of who may read, where it is not empty.
pub(super) fn said(visibility: Option<&str>) -> Result<Option<Visibility>, ApiError> {
    let said = visibility.filter(|visibility| !visibility.is_empty());
    said.map(word).transpose()
}

/// A list in a body, read as the same words on a command line are, which stand in one text there. An entry that is empty would
/// be none, and a list of none can mean everything; one that holds a separator would be several.
pub(crate) fn list<T: std::str::FromStr>(field: &str, entries: &[String]) -> Result<T, ApiError>
where
    T::Err: Hint,
{
    let separates = |c: char| c == ',' || c == '|' || c.is_whitespace();
    if entries
        .iter()
        .any(|entry| entry.is_empty() || entry.contains(separates))
    {
        return Err(ApiError::Unprocessable(format!(
            "an entry of `{field}` is empty or holds several; write one in each, or leave the field out"
        )));
    }
    word(&entries.join(","))
}

/// Another name for an owner.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewName {
    /// The name. The old name redirects to it from then on, and no other owner can take it.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9_+-][A-Za-z0-9_.+-]*$",
        example = "alice2"
    )]
    pub(crate) new_username: String,
}
