//! Who looks at a page, and what they may see.

use super::page::Visit;
use crate::{
    authorize::{Authorized, AuthorizedPlace},
    error::ApiError,
    packages::path::Segments,
};
use tarn_core::access::{AccessError, Action, Browser, Place};
use tarn_store::metadata::{Owner, ReadScope};

impl Visit {
    /// The name of the account that is signed in.
    pub(crate) fn account(&self) -> Option<&str> {
        self.caller.account().map(|(_, name)| name)
    }

    /// The viewer's browser, as the sessions have it.
    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser {
            address: self.address,
            agent: &self.agent,
        }
    }

    /// The owner in the path, with whom the viewer may do that.
    ///
    /// # Errors
    ///
    /// When there is no such owner, or the viewer may not.
    pub(crate) async fn authorize(
        &self,
        segments: &Segments,
        action: Action,
    ) -> Result<Authorized, ApiError> {
        let caller = self.caller.clone();
        self.presented
            .authorize_caller(&self.registry, caller, segments, action)
            .await
    }

    /// The repository in the path, with which the viewer may do that.
    ///
    /// # Errors
    ///
    /// When there is no such owner, the viewer may not, or the path names no repository.
    pub(crate) async fn authorize_place(
        &self,
        segments: &Segments,
        action: Action,
    ) -> Result<AuthorizedPlace, ApiError> {
        let caller = self.caller.clone();
        self.presented
            .authorize_caller_at(&self.registry, caller, segments, action)
            .await
    }

    /// Refuses, and writes down, what the viewer may not do.
    ///
    /// # Errors
    ///
    /// When the viewer may not, or it can't be found out.
    pub(crate) async fn allow(
        &self,
        owner: &Owner,
        action: Action,
        place: Option<Place<'_>>,
    ) -> Result<(), ApiError> {
        self.presented
            .allow(&self.registry, &self.caller, owner, action, place)
            .await
    }

    /// Whether the viewer may do that: what decides about a button, not about what the button does.
    ///
    /// # Errors
    ///
    /// When it can't be found out.
    pub(crate) async fn may(
        &self,
        owner: &Owner,
        action: Action,
        place: Option<Place<'_>>,
    ) -> Result<bool, ApiError> {
        let access = self.registry.access();
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
    pub(crate) async fn read_scope(&self) -> Result<ReadScope, ApiError> {
        let (registry, caller) = (&self.registry, &self.caller);
        self.presented.read_scope(registry, caller).await
    }
}
