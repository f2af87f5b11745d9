//! May the caller do this with that owner? Asked by every handler, before anything else is looked at.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{Uri, header, request::Parts},
};

use super::error::ApiError;
use crate::{
    Registry,
    access::{Action, By, Caller, Credentials, CredentialsError, decide},
    metadata::{Actor, Owner, OwnerKind, Refused},
    names::OwnerName,
};

/// What a request says of its sender: the address, and the credentials as they came.
pub(super) struct Presented {
    credentials: Credentials,
    peer: IpAddr,
    uri: Uri,
}

/// A caller who may do what was asked, and the owner it is done with.
pub(super) struct Authorized {
    pub(super) owner: Owner,
    pub(super) caller: Caller,
    peer: IpAddr,
}

impl Authorized {
    /// Who acts, for the audit log.
    pub(super) fn actor(&self) -> Actor {
        self.caller.actor(self.peer)
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
        let caller = registry
            .access()
            .authenticate(&self.credentials, self.peer)
            .await
            .inspect_err(|error| {
                if error.is_refusal() {
                    let claimed = self.credentials.claimed().unwrap_or_default();
                    note_sign_in(registry, self.peer, claimed, error.to_string());
                }
            })?;
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
        decide(&caller, &owner, role, action).inspect_err(|denied| {
            // A client that sends credentials only when asked to begins without them; that is no refusal of anybody.
            if !matches!(caller, Caller::Anonymous) {
                registry.refusals().note(Refused {
                    by: caller.actor(self.peer),
                    at: registry.clock().now(),
                    action: wanted(action),
                    owner: Some(owner.id),
                    target: self.uri.path().to_owned(),
                    why: denied.to_string(),
                });
            }
        })?;
        let peer = self.peer;
        Ok(Authorized {
            owner,
            caller,
            peer,
        })
    }
}

/// What somebody wanted, in the words of the audit log.
const fn wanted(action: Action) -> &'static str {
    match action {
        Action::Read => "package.read",
        Action::Write => "package.write",
    }
}

fn note_sign_in(registry: &Registry, peer: IpAddr, claimed: &str, why: String) {
    registry.refusals().note(Refused {
        by: Caller::Anonymous.actor(peer),
        at: registry.clock().now(),
        action: "sign-in",
        owner: None,
        target: claimed.to_owned(),
        why,
    });
}

impl FromRequestParts<Registry> for Presented {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let mut headers = parts.headers.get_all(header::AUTHORIZATION).iter();
        let header = headers.next().map(header::HeaderValue::as_bytes);
        let credentials = match headers.next() {
            Some(_) => Err(CredentialsError::Several),
            None => Credentials::parse(header),
        };
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::from([0, 0, 0, 0]), |ConnectInfo(address)| {
                address.ip().to_canonical()
            });
        Ok(Self {
            credentials: credentials
                .inspect_err(|error| note_sign_in(registry, peer, "", error.to_string()))?,
            peer,
            uri: parts.uri.clone(),
        })
    }
}
