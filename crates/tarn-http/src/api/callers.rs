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
    access::{Action, Caller, SignedIn},
};
use tarn_store::metadata::{Actor, Owner, OwnerId, OwnerKind, ReadScope};

/// What the caller may know of.
pub(crate) struct Seeing(pub(crate) ReadScope);

/// The user who asks, with whatever credentials as long as they are right.
pub(crate) struct AskingUser(pub(crate) SignedIn);

/// The user who asks, and what they may know of.
pub(crate) struct SeeingUser {
    pub(crate) user: OwnerId,
    pub(crate) read_scope: ReadScope,
}

/// The owner in the path, whom the caller may read.
pub(crate) struct Reading<P>(Authorized, PhantomData<fn() -> P>);

/// The owner in the path, in all of whose repositories the caller may delete packages.
pub(crate) struct Deleting<P>(Authorized, PhantomData<fn() -> P>);

/// The owner in the path, whom the caller may administer.
pub(crate) struct Of<P>(Administered, PhantomData<fn() -> P>);

/// The caller's own account, which they may administer.
pub(crate) struct Own(Administered);

/// The same for what no token does, whatever its scopes.
pub(crate) struct OwnByPassword(Administered);

/// An administrator of the server.
pub(crate) struct Site {
    pub(crate) caller: Caller,
    presented: Presented,
    /// The same, for the records of who did what.
    pub(crate) by: Actor,
}

impl Site {
    /// Refuses a token, where what they sent is more than a token does.
    pub(crate) fn needs_password(&self, registry: &Registry) -> Result<(), ApiError> {
        let Self {
            caller, presented, ..
        } = self;
        needs_password(presented, registry, caller, ADMINISTER_SERVER, None)
    }

    /// Refuses a token that administers the server and may not do this with what the owner has.
    pub(crate) async fn may_also(
        &self,
        registry: &Registry,
        owner: &Owner,
        action: Action,
    ) -> Result<(), ApiError> {
        self.presented
            .allow(registry, &self.caller, owner, action, None)
            .await
    }
}

impl FromRequestParts<Registry> for Seeing {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let presented = Presented::from_request_parts(parts, registry).await?;
        let caller = presented.caller(registry).await?;
        Ok(Self(presented.read_scope(registry, &caller).await?))
    }
}

impl FromRequestParts<Registry> for AskingUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let presented = Presented::from_request_parts(parts, registry).await?;
        let caller = presented.caller(registry).await?;
        Ok(Self(presented.user_of(registry, &caller)?.clone()))
    }
}

impl FromRequestParts<Registry> for SeeingUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let presented = Presented::from_request_parts(parts, registry).await?;
        let caller = presented.caller(registry).await?;
        let user = presented.user_of(registry, &caller)?.user.id;
        let read_scope = presented.read_scope(registry, &caller).await?;
        Ok(Self { user, read_scope })
    }
}

impl<P: OfOwner> FromRequestParts<Registry> for Reading<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let (_, authorized) = authorize::<P>(parts, registry, Action::Read).await?;
        match P::KIND {
            Some(kind) if authorized.owner.kind != kind => Err(ApiError::UnknownOwner),
            _ => Ok(Self(authorized, PhantomData)),
        }
    }
}

impl<P: OfOwner> FromRequestParts<Registry> for Deleting<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let (_, authorized) = authorize::<P>(parts, registry, Action::Delete).await?;
        Ok(Self(authorized, PhantomData))
    }
}

impl<P: OfOwner> FromRequestParts<Registry> for Of<P> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let (presented, authorized) = authorize::<P>(parts, registry, Action::Administer).await?;
        let found = Administered::new(presented, authorized)?;
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

/// What the request says of its sender, the owner in the path, and that the caller may.
async fn authorize<P: OfOwner>(
    parts: &mut Parts,
    registry: &Registry,
    action: Action,
) -> Result<(Presented, Authorized), ApiError> {
    let Path(path) = Path::<P>::from_request_parts(parts, registry).await?;
    let presented = Presented::from_request_parts(parts, registry).await?;
    let segments = Segments::of_owner(path.name());
    let authorized = presented.authorize(registry, &segments, action).await?;
    Ok((presented, authorized))
}

impl FromRequestParts<Registry> for Own {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let presented = Presented::from_request_parts(parts, registry).await?;
        let authorized = presented.user(registry).await?;
        Ok(Self(Administered::new(presented, authorized)?))
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
        Ok(Self(Administered::new(presented, authorized)?))
    }
}

impl FromRequestParts<Registry> for Site {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let presented = Presented::from_request_parts(parts, registry).await?;
        let caller = presented.administrator(registry).await?;
        let by = presented.actor(&caller);
        Ok(Self {
            caller,
            presented,
            by,
        })
    }
}

macro_rules! deref {
    ($($caller:ty => $to:ty, [$($path:ident)?];)+) => {$(
        impl$(<$path>)? Deref for $caller {
            type Target = $to;

            fn deref(&self) -> &$to {
                &self.0
            }
        }
    )+};
}

deref! {
    Reading<P> => Authorized, [P];
    Deleting<P> => Authorized, [P];
    Of<P> => Administered, [P];
    Own => Administered, [];
    OwnByPassword => Administered, [];
}
