//! The session of a browser on the package routes: the links on the pages of a private owner lead to keys, indexes and packages, and a
//! browser that is signed in has nothing but its cookie. It lets a person read what their pages show, and nothing else: it is looked at
//! where the answer would be 401 without it, never for what changes something, and not for a page of another site.

use axum::http::{Extensions, HeaderMap, Method, Uri, header};

use super::{PACKAGES, Presented, wanted};
use crate::{cookies::Cookies, cross_site, error::ApiError, transport::source::Encrypted};
use tarn_base::secret::Secret;
use tarn_core::{
    Registry,
    access::{AccessError, Action, Caller, Credentials, Place},
};
use tarn_store::metadata::Owner;

/// The secret of the session that a request for a file comes with, if it may be looked at.
pub(super) fn of_reader(
    registry: &Registry,
    (method, uri): (&Method, &Uri),
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Option<Secret> {
    let counts = headers.contains_key(header::COOKIE)
        && !headers.contains_key(header::AUTHORIZATION)
        && matches!(*method, Method::GET | Method::HEAD)
        && uri.path().starts_with(PACKAGES)
        && cross_site::is_of_this_site(headers);
    if !counts {
        return None;
    }
    let is_encrypted = extensions.get::<Encrypted>().is_some();
    Cookies::of(registry, headers, is_encrypted).session()
}

impl Presented {
    /// Who is signed in with the browser that asks for a file of `owner`, if they may read it. Otherwise the answer stays 401.
    pub(super) async fn reader(
        &self,
        registry: &Registry,
        owner: &Owner,
        place: Option<Place<'_>>,
    ) -> Result<Option<Caller>, ApiError> {
        let Some(session) = self.session.clone() else {
            return Ok(None);
        };
        let access = registry.access();
        let session = Credentials::Session(session);
        let caller = match access.authenticate(&session, self.peer).await {
            Ok(caller) => caller,
            Err(error) if error.is_refusal() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        match access.allow(&caller, owner, Action::Read, place).await {
            Ok(()) => Ok(Some(caller)),
            Err(AccessError::Denied(denied)) => {
                let action = wanted(Action::Read);
                self.note(registry, &caller, action, Some(owner.id), &denied);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}
