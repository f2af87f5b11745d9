//! Who asks, and whether they may, as parts of a request that stand before its query and its body: a caller learns that they
//! may not before what they wrote is looked at. A handler that takes one of these cannot forget to ask.

use std::{marker::PhantomData, ops::Deref};

use axum::{extract::FromRequestParts, http::request::Parts};

use super::{
    administer::{Administered, needs_password},
    extract::Path,
    paths::OfOwner,
};
use crate::{
    authorize::{ADMINISTER_SERVER, Authorized, Presented, wanted},
    code::Code,
    error::ApiError,
    packages::path::Segments,
};
use tarn_core::{
    Registry,
    access::{Action, Caller, Place, SignedIn},
};
use tarn_store::metadata::{Actor, Owner, OwnerId, OwnerKind, ReadScope};

/// What the caller may know of.
pub(crate) struct Seeing {
    pub(crate) registry: Registry,
    pub(crate) read_scope: ReadScope,
}

/// The user who asks, with whatever credentials as long as they are right.
pub(crate) struct AskingUser {
    pub(crate) registry: Registry,
    pub(crate) signed_in: SignedIn,
}

/// The user who asks, and what they may know of.
pub(crate) struct SeeingUser {
    pub(crate) user: OwnerId,
    pub(crate) seeing: Seeing,
}

/// The owner in the path, whom the caller may read.
pub(crate) struct Reading<P> {
    pub(crate) registry: Registry,
    pub(crate) presented: Presented,
    authorized: Authorized,
    path: PhantomData<fn() -> P>,
}

/// The owner in the path, in all of whose repositories the caller may delete packages.
pub(crate) struct Deleting<P>(pub(crate) Reading<P>);

/// The owner in the path, whom the caller may administer.
pub(crate) struct Of<P>(Administered, PhantomData<fn() -> P>);

/// The caller's own account, which they may administer.
pub(crate) struct Own(Administered);

/// The same for what no token does, whatever its scopes.
pub(crate) struct OwnByPassword(Administered);

/// An administrator of the server.
pub(crate) struct Site {
    pub(crate) registry: Registry,
    pub(crate) caller: Caller,
    presented: Presented,
    /// The same, for the records of who did what.
    pub(crate) by: Actor,
}

impl Site {
    /// Refuses a token, where what they sent is more than a token does.
    pub(crate) fn needs_password(&self) -> Result<(), ApiError> {
        let (registry, caller) = (&self.registry, &self.caller);
        needs_password(&self.presented, registry, caller, ADMINISTER_SERVER, None)
    }

    /// Refuses a token that administers the server and may not do this with what the owner has.
    pub(crate) async fn may_also(&self, owner: &Owner, action: Action) -> Result<(), ApiError> {
        self.presented
            .allow(&self.registry, &self.caller, owner, action, None)
            .await
    }
}

impl Seeing {
    async fn of(
        presented: &Presented,
        registry: &Registry,
        caller: &Caller,
    ) -> Result<Self, ApiError> {
        Ok(Self {
            read_scope: presented.read_scope(registry, caller).await?,
            registry: registry.clone(),
        })
    }
}

impl<P: OfOwner> Reading<P> {
    /// The owner in the path, with whom the caller may do that.
    async fn of(parts: &mut Parts, registry: &Registry, action: Action) -> Result<Self, ApiError> {
        let Path(path) = Path::<P>::from_request_parts(parts, registry).await?;
        let presented = Presented::from_request_parts(parts, registry).await?;
        let segments = Segments::of_owner(path.name());
        Ok(Self {
            authorized: presented.authorize(registry, &segments, action).await?,
            registry: registry.clone(),
            presented,
            path: PhantomData,
        })
    }

    /// What the caller may know of.
    pub(crate) async fn read_scope(&self) -> Result<ReadScope, ApiError> {
        Ok(self.registry.access().read_scope(&self.caller).await?)
    }

    /// Refuses, and writes down, what the caller may not do with the owner or in that place.
    pub(crate) async fn allow(
        &self,
        action: Action,
        place: Option<Place<'_>>,
    ) -> Result<(), ApiError> {
        self.presented
            .allow(&self.registry, &self.caller, &self.owner, action, place)
            .await
    }
}

impl FromRequestParts<Registry> for Seeing {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let presented = Presented::from_request_parts(parts, registry).await?;
        let caller = presented.caller(registry).await?;
        Self::of(&presented, registry, &caller).await
    }
}

impl FromRequestParts<Registry> for AskingUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let presented = Presented::from_request_parts(parts, registry).await?;
        let caller = presented.caller(registry).await?;
        Ok(Self {
            signed_in: presented.user_of(registry, &caller)?.clone(),
            registry: registry.clone(),
        })
    }
}

impl FromRequestParts<Registry> for SeeingUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let presented = Presented::from_request_parts(parts, registry).await?;
        let caller = presented.caller(registry).await?;
        let user = presented.user_of(registry, &caller)?.user.id;
        let seeing = Seeing::of(&presented, registry, &caller).await?;
        Ok(Self { user, seeing })
    }
}

impl<P: OfOwner> FromRequestParts<Registry> for Reading<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let reading = Self::of(parts, registry, Action::Read).await?;
        match P::KIND {
            Some(kind) if reading.owner.kind != kind => Err(ApiError::UnknownOwner),
            _ => Ok(reading),
        }
    }
}

impl<P: OfOwner> FromRequestParts<Registry> for Deleting<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        Ok(Self(Reading::of(parts, registry, Action::Delete).await?))
    }
}

impl<P: OfOwner> FromRequestParts<Registry> for Of<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let found = Reading::<P>::of(parts, registry, Action::Administer).await?;
        let found = Administered::new(registry, found.presented, found.authorized)?;
        match P::KIND {
            Some(kind) if found.owner.kind != kind => {
                let (what, path) = match found.owner.kind {
                    OwnerKind::User => ("a user", "users"),
                    OwnerKind::Organisation => ("an organisation", "orgs"),
                };
                Err(ApiError::Refused(
                    Code::NoSuchOwner,
                    format!(
                        "`{name}` is {what}; ask under /api/v1/{path}/{name}",
                        name = found.name
                    ),
                ))
            }
            _ => Ok(Self(found, PhantomData)),
        }
    }
}

impl FromRequestParts<Registry> for Own {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let presented = Presented::from_request_parts(parts, registry).await?;
        let authorized = presented.user(registry).await?;
        Ok(Self(Administered::new(registry, presented, authorized)?))
    }
}

impl FromRequestParts<Registry> for OwnByPassword {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let presented = Presented::from_request_parts(parts, registry).await?;
        let caller = presented.signed_in(registry).await?;
        let own = caller.account().map(|(id, _)| id);
        needs_password(
            &presented,
            registry,
            &caller,
            wanted(Action::Administer),
            own,
        )?;
        let authorized = presented.own(registry, caller).await?;
        Ok(Self(Administered::new(registry, presented, authorized)?))
    }
}

impl FromRequestParts<Registry> for Site {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let presented = Presented::from_request_parts(parts, registry).await?;
        let caller = presented.administrator(registry).await?;
        let by = presented.actor(&caller);
        Ok(Self {
            registry: registry.clone(),
            caller,
            presented,
            by,
        })
    }
}

macro_rules! deref {
    ($($caller:ty => $field:tt: $to:ty, [$($path:ident)?];)+) => {$(
        impl$(<$path>)? Deref for $caller {
            type Target = $to;

            fn deref(&self) -> &$to {
                &self.$field
            }
        }
    )+};
}

deref! {
    Reading<P> => authorized: Authorized, [P];
    Of<P> => 0: Administered, [P];
    Own => 0: Administered, [];
    OwnByPassword => 0: Administered, [];
}
