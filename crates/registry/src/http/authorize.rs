//! May the caller do this with that owner? Asked by every handler, before anything else is looked at.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{header, request::Parts},
};

use super::error::ApiError;
use crate::{
    Registry,
    access::{Action, By, Caller, Credentials, CredentialsError, decide},
    metadata::{Owner, OwnerId, OwnerKind},
    names::OwnerName,
};

/// What a request says of its sender: the address, and the credentials as they came.
pub(super) struct Presented {
    credentials: Credentials,
    peer: IpAddr,
}

/// A caller who may do what was asked, and the owner it is done with.
pub(super) struct Authorized {
    pub(super) owner: Owner,
    pub(super) caller: Caller,
}

impl Authorized {
    /// The account that acts; none for an anonymous reader.
    pub(super) fn account(&self) -> Option<OwnerId> {
        self.caller.user_id()
    }

    /// Its name, for the log.
    pub(super) fn account_name(&self) -> &str {
        match &self.caller {
            Caller::Anonymous => "nobody",
            Caller::User(signed_in) => &signed_in.user.name,
        }
    }

    /// How the caller proved who they are, for the log.
    pub(super) fn credential_kind(&self) -> &'static str {
        match &self.caller {
            Caller::Anonymous => "nothing",
            Caller::User(signed_in) => match signed_in.by {
                By::Password => "password",
                By::Token { .. } => "token",
            },
        }
    }
}

impl Presented {
    /// Finds out who is asking, where no owner decides what they may.
    pub(super) async fn caller(&self, registry: &Registry) -> Result<Caller, ApiError> {
        Ok(registry
            .access()
            .authenticate(&self.credentials, self.peer)
            .await?)
    }

    /// Finds out who is asking and whether they may.
    ///
    /// Wrong credentials are told first, also on a public owner; then an owner that does not exist; then what the
    /// policy denies.
    pub(super) async fn authorize(
        &self,
        registry: &Registry,
        owner: Result<OwnerName, ApiError>,
        action: Action,
    ) -> Result<Authorized, ApiError> {
        let caller = self.caller(registry).await?;
        let owner = registry
            .metadata()
            .owner(&owner?)
            .await?
            .ok_or(ApiError::UnknownOwner)?;
        let role = match (&caller, owner.kind) {
            (Caller::User(signed_in), OwnerKind::Organisation) => {
                registry
                    .metadata()
                    .role(owner.id, signed_in.user.id)
                    .await?
            }
            _ => None,
        };
        decide(&caller, &owner, role, action)?;
        Ok(Authorized { owner, caller })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Presented {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut headers = parts.headers.get_all(header::AUTHORIZATION).iter();
        let header = headers.next().map(header::HeaderValue::as_bytes);
        if headers.next().is_some() {
            return Err(CredentialsError::Several.into());
        }
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::from([0, 0, 0, 0]), |ConnectInfo(address)| {
                address.ip().to_canonical()
            });
        Ok(Self {
            credentials: Credentials::parse(header)?,
            peer,
        })
    }
}
