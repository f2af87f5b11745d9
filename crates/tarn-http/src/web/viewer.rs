//! Who looks at a page, and what they may see.

use axum::{extract::FromRequestParts, http::request::Parts};

use crate::{
    authorize::{Authorized, AuthorizedPlace, Presented},
    error::ApiError,
    packages::path::Segments,
};
use tarn_core::{
    Registry,
    access::{Access, AccessError, Action, Caller, Place},
};
use tarn_store::metadata::{Actor, Owner, ReadScope};

/// Who looks at a page: a signed-in user, or an anonymous visitor.
pub(crate) struct Viewer {
    presented: Presented,
    caller: Caller,
}

impl Viewer {
    /// Who that is.
    pub(crate) const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What the request says of its sender.
    pub(crate) const fn presented(&self) -> &Presented {
        &self.presented
    }

    /// The name of the account that is signed in.
    pub(crate) fn account(&self) -> Option<&str> {
        self.caller.account().map(|(_, name)| name)
    }

    /// The viewer as the audit log has them.
    pub(crate) fn actor(&self) -> Actor {
        self.presented.actor(&self.caller)
    }

    /// The owner in the path, with whom the viewer may do that.
    ///
    /// # Errors
    ///
    /// When there is no such owner, or the viewer may not.
    pub(crate) async fn authorize(
        &self,
        registry: &Registry,
        segments: &Segments,
        action: Action,
    ) -> Result<Authorized, ApiError> {
        let caller = self.caller.clone();
        self.presented
            .authorize_caller(registry, caller, segments, action)
            .await
    }

    /// The repository in the path, with which the viewer may do that.
    ///
    /// # Errors
    ///
    /// When there is no such owner, the viewer may not, or the path names no repository.
    pub(crate) async fn authorize_place(
        &self,
        registry: &Registry,
        segments: &Segments,
        action: Action,
    ) -> Result<AuthorizedPlace, ApiError> {
        let caller = self.caller.clone();
        self.presented
            .authorize_caller_at(registry, caller, segments, action)
            .await
    }

    /// Whether the viewer may do that: what decides about a button, not about what the button does.
    ///
    /// # Errors
    ///
    /// When it can't be found out.
    pub(crate) async fn may(
        &self,
        access: &Access,
        owner: &Owner,
        action: Action,
        place: Option<Place<'_>>,
    ) -> Result<bool, ApiError> {
        match access.allow(&self.caller, owner, action, place).await {
            Ok(()) => Ok(true),
            Err(AccessError::Denied(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// What the viewer may know of.
    ///
    /// # Errors
    ///
    /// When that is nothing at all, or it can't be found out.
    pub(crate) async fn read_scope(&self, registry: &Registry) -> Result<ReadScope, ApiError> {
        self.presented.read_scope(registry, &self.caller).await
    }
}

impl FromRequestParts<Registry> for Viewer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let presented = Presented::of_page(parts, registry)?;
        let caller = presented.caller(registry).await?;
        Ok(Self { presented, caller })
    }
}
