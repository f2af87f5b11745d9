//! May the caller do this with that owner? Asked by every handler, before anything else is looked at.

use std::{fmt::Display, net::IpAddr};

use axum::{
    extract::FromRequestParts,
    http::{Extensions, HeaderMap, Method, Uri, header, request::Parts},
};

mod session;

use super::{areas, code::Code, cookies::Cookies, error::ApiError};
use crate::{
    packages::path::Segments,
    transport::source::{Encrypted, Source},
};
use tarn_base::{
    names::{Branch, RepositoryName},
    secret::Secret,
};
use tarn_core::{
    Registry,
    access::{
        AccessError, Action, By, Caller, Credentials, CredentialsError, Denied, Place, SignedIn,
        decide_site,
    },
};
use tarn_store::metadata::{Actor, Owner, OwnerId, OwnerKind, ReadScope, Refused};

/// Where the code of a second factor comes, in the names that clients of the two forges know.
static CODE_HEADERS: [header::HeaderName; 2] = [
    header::HeaderName::from_static("x-gitea-otp"),
    header::HeaderName::from_static("x-forgejo-otp"),
];

/// What a request says of its sender, the address and the credentials as they came; and what of the request is needed to
/// lead it elsewhere.
pub(super) struct Presented {
    credentials: Credentials,
    peer: IpAddr,
    method: Method,
    uri: Uri,
    /// The session of a browser that asks for a file. It counts only where the answer would be 401 without it.
    session: Option<Secret>,
}

/// A caller who may do what was asked, and the owner it is done with.
pub(super) struct Authorized {
    pub(super) owner: Owner,
    pub(super) caller: Caller,
    peer: IpAddr,
}

/// The same, for one of the owner's repositories.
pub(super) struct AuthorizedPlace {
    pub(super) authorized: Authorized,
    pub(super) branch: Branch,
    pub(super) repository: RepositoryName,
}

impl Authorized {
    /// Who acts, for the records of who did what.
    pub(super) fn actor(&self) -> Actor {
        self.caller.actor(self.peer)
    }

    /// The name of the account that acts, for the log.
    pub(super) fn account_name(&self) -> &str {
        self.caller.account().map_or("nobody", |(_, name)| name)
    }

    /// How the caller proved who they are, for the log.
    pub(super) fn credential_kind(&self) -> &'static str {
        match &self.caller {
            Caller::Anonymous => "nothing",
            Caller::User(signed_in) => match signed_in.by {
                By::Password => "password",
                By::Token(_) => "token",
                By::Session(_) => "session",
            },
            Caller::Organisation(_) => "token of the organisation",
        }
    }
}

impl Presented {
    /// Finds out who is asking, where no owner decides what they may.
    pub(super) async fn caller(&self, registry: &Registry) -> Result<Caller, ApiError> {
        let access = registry.access();
        let caller = access.authenticate(&self.credentials, self.peer).await;
        Ok(caller.inspect_err(|error| {
            if error.is_refusal() {
                let claimed = self.credentials.claimed().unwrap_or_default();
                let anonymous = || Caller::Anonymous.actor(self.peer);
                let by = error.bearer().cloned().unwrap_or_else(anonymous);
                note_sign_in(registry, by, claimed, error.to_string());
            }
        })?)
    }

    /// Finds out who is asking, and whether they may administer the whole registry.
    pub(super) async fn administrator(&self, registry: &Registry) -> Result<Caller, ApiError> {
        let caller = self.caller(registry).await?;
        decide_site(&caller).inspect_err(|denied| {
            self.note(registry, &caller, ADMINISTER_SERVER, None, denied);
        })?;
        Ok(caller)
    }

    /// Finds out who is asking. Refuses wrong credentials only.
    pub(super) async fn signed_in(&self, registry: &Registry) -> Result<Caller, ApiError> {
        match self.caller(registry).await? {
            Caller::Anonymous => Err(Denied::NeedsCredentials.into()),
            caller => Ok(caller),
        }
    }

    /// Finds out who is asking, and whether they may administer their own account.
    pub(super) async fn user(&self, registry: &Registry) -> Result<Authorized, ApiError> {
        let caller = self.signed_in(registry).await?;
        self.own(registry, caller).await
    }

    /// The same of a caller who is known.
    pub(super) async fn own(
        &self,
        registry: &Registry,
        caller: Caller,
    ) -> Result<Authorized, ApiError> {
        let user = &self.user_of(registry, &caller)?.user;
        let owner = Owner {
            id: user.id,
            kind: OwnerKind::User,
            name: user.name.clone(),
            visibility: user.visibility,
        };
        let action = Action::Administer;
        self.allow(registry, &caller, &owner, action, None).await?;
        Ok(Authorized {
            owner,
            caller,
            peer: self.peer,
        })
    }

    /// The user that a caller is. An anonymous caller and an organisation are none.
    pub(super) fn user_of<'a>(
        &self,
        registry: &Registry,
        caller: &'a Caller,
    ) -> Result<&'a SignedIn, ApiError> {
        match caller {
            Caller::User(signed_in) => Ok(signed_in),
            Caller::Anonymous => Err(Denied::NeedsCredentials.into()),
            Caller::Organisation(_) => {
                let why = "the token of an organisation belongs to no user; sign in as one";
                let own = caller.account().map(|(id, _)| id);
                self.note(registry, caller, wanted(Action::Administer), own, &why);
                Err(ApiError::Refused(Code::UserNeeded, why.to_owned()))
            }
        }
    }

    /// What a caller may know of.
    pub(super) async fn read_scope(
        &self,
        registry: &Registry,
        caller: &Caller,
    ) -> Result<ReadScope, ApiError> {
        let read_scope = registry.access().read_scope(caller).await;
        Ok(read_scope.inspect_err(|error| {
            if let AccessError::Denied(denied) = error {
                self.note(registry, caller, wanted(Action::Read), None, denied);
            }
        })?)
    }

    /// Asks whether a caller may, and writes down that they may not.
    pub(super) async fn allow(
        &self,
        registry: &Registry,
        caller: &Caller,
        owner: &Owner,
        action: Action,
        place: Option<Place<'_>>,
    ) -> Result<(), ApiError> {
        let allowed = registry.access().allow(caller, owner, action, place).await;
        Ok(allowed.inspect_err(|error| {
            if let AccessError::Denied(denied) = error {
                self.note(registry, caller, wanted(action), Some(owner.id), denied);
            }
        })?)
    }

    /// That caller, for the records of who did what.
    pub(super) fn actor(&self, caller: &Caller) -> Actor {
        caller.actor(self.peer)
    }

    /// Finds out who is asking and whether they may, where the request is about an owner and no repository.
    ///
    /// Wrong credentials are refused first, also on a public owner; then an owner that does not exist; then what the
    /// policy denies.
    pub(super) async fn authorize(
        &self,
        registry: &Registry,
        segments: &Segments,
        action: Action,
    ) -> Result<Authorized, ApiError> {
        self.check(registry, segments, action, None).await
    }

    /// The same where it is about a repository. A branch or a repository that breaks the grammar is refused after all that,
    /// to those who may do it with every repository.
    pub(super) async fn authorize_place(
        &self,
        registry: &Registry,
        segments: &Segments,
        action: Action,
    ) -> Result<AuthorizedPlace, ApiError> {
        let caller = self.caller(registry).await?;
        self.authorize_caller_at(registry, caller, segments, action)
            .await
    }

    /// [`Presented::authorize`] of a caller who is known.
    pub(super) async fn authorize_caller(
        &self,
        registry: &Registry,
        caller: Caller,
        segments: &Segments,
        action: Action,
    ) -> Result<Authorized, ApiError> {
        self.check_caller(registry, caller, segments, action, None)
            .await
    }

    /// [`Presented::authorize_place`] of a caller who is known.
    pub(super) async fn authorize_caller_at(
        &self,
        registry: &Registry,
        caller: Caller,
        segments: &Segments,
        action: Action,
    ) -> Result<AuthorizedPlace, ApiError> {
        let parsed = segments.repository();
        let place = parsed
            .as_ref()
            .ok()
            .map(|(branch, repository)| Place { branch, repository });
        let authorized = self
            .check_caller(registry, caller, segments, action, place)
            .await?;
        let (branch, repository) = parsed?;
        Ok(AuthorizedPlace {
            authorized,
            branch,
            repository,
        })
    }

    async fn check(
        &self,
        registry: &Registry,
        segments: &Segments,
        action: Action,
        place: Option<Place<'_>>,
    ) -> Result<Authorized, ApiError> {
        let caller = self.caller(registry).await?;
        self.check_caller(registry, caller, segments, action, place)
            .await
    }

    async fn check_caller(
        &self,
        registry: &Registry,
        caller: Caller,
        segments: &Segments,
        action: Action,
        place: Option<Place<'_>>,
    ) -> Result<Authorized, ApiError> {
        let name = segments.owner()?;
        let Some(owner) = registry.metadata().owner(&name).await? else {
            // In a box of its own: what is seldom done is not to be carried about with every request.
            return Err(Box::pin(self.lead_on(registry, segments, &caller, action, place)).await?);
        };
        let caller = match self.allow(registry, &caller, &owner, action, place).await {
            Ok(()) => caller,
            Err(refused) if refused.code() != Code::CredentialsNeeded => return Err(refused),
            Err(refused) => Box::pin(self.reader(registry, &owner, place))
                .await?
                .ok_or(refused)?,
        };
        Ok(Authorized {
            owner,
            caller,
            peer: self.peer,
        })
    }

    /// Records that a caller is refused what they wanted, and why. Every refusal of a known caller passes here. A
    /// client that sends credentials only when asked to begins without them; that is no refusal.
    pub(super) fn note(
        &self,
        registry: &Registry,
        caller: &Caller,
        action: &'static str,
        owner: Option<OwnerId>,
        why: &dyn Display,
    ) {
        if let Caller::User(_) | Caller::Organisation(_) = caller {
            registry.refusals().note(Refused {
                by: caller.actor(self.peer),
                at: registry.clock().now(),
                action,
                owner,
                target: self.uri.path().to_owned(),
                why: why.to_string(),
            });
        }
    }

    /// What is answered under a name that no owner has. Under a former name: where it is now, for those who may do it
    /// there; and for what is written, the new name in words, since clients do not send a body twice.
    async fn lead_on(
        &self,
        registry: &Registry,
        segments: &Segments,
        caller: &Caller,
        action: Action,
        place: Option<Place<'_>>,
    ) -> Result<ApiError, ApiError> {
        let old = segments.owner()?;
        let Some(owner) = registry.metadata().owner_formerly(&old).await? else {
            return Ok(ApiError::UnknownOwner);
        };
        // Who may publish or delete may read. A token to administer may have no other scope.
        let asked = match action {
            Action::Administer => Action::Administer,
            Action::Read | Action::Publish | Action::Delete => Action::Read,
        };
        registry
            .access()
            .allow(caller, &owner, asked, place)
            .await
            .inspect_err(|error| {
                // In the words of what was wanted, which may have been more than to read.
                if let AccessError::Denied(denied) = error {
                    self.note(registry, caller, wanted(action), Some(owner.id), denied);
                }
            })?;
        let safe = self.method == Method::GET || self.method == Method::HEAD;
        match path_under(&self.uri, &owner.name) {
            Some(path) if safe => Ok(ApiError::Moved {
                path: format!("{}{path}", registry.settings().base_path()),
            }),
            _ => Ok(ApiError::Renamed { name: owner.name }),
        }
    }
}

/// What stands before the owner in the paths of packages.
const PACKAGES: &str = "/api/packages/";

/// What stands before the owner in every path that has one.
const BEFORE_OWNERS: [&str; 8] = [
    PACKAGES,
    "/api/v1/packages/",
    "/api/v1/owners/",
    "/api/v1/orgs/",
    "/api/v1/users/",
    "/-/owners/",
    "/-/upload/",
    "/-/delete/",
];

/// The path of a request with another owner in it, and everything behind the owner as it was sent. The query goes along
/// where it means something, which is in the JSON API and in pages.
fn path_under(uri: &Uri, owner: &str) -> Option<String> {
    let found = |prefix: &&str| uri.path().starts_with(prefix);
    let is_page = areas::is_page(uri.path());
    let page = is_page.then_some("/");
    let before = BEFORE_OWNERS.into_iter().find(found).or(page)?;
    let rest = uri.path().strip_prefix(before)?;
    let behind = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("");
    let query = uri.query().filter(|_| is_page || areas::is_of_api(before));
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    Some(format!("{before}{owner}{behind}{query}"))
}

/// What an administrator of the server wants, in the words of the audit log.
pub(super) const ADMINISTER_SERVER: &str = "server.administer";

/// What a caller wanted of an owner, in those words.
pub(super) const fn wanted(action: Action) -> &'static str {
    match action {
        Action::Read => "package.read",
        Action::Publish => "package.publish",
        Action::Delete => "package.delete",
        Action::Administer => "owner.administer",
    }
}

pub(super) fn note_sign_in(registry: &Registry, by: Actor, claimed: &str, why: String) {
    registry.refusals().note(Refused {
        by,
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
        let (method, uri) = (&parts.method, &parts.uri);
        Self::by(registry, method, uri, &parts.headers, &parts.extensions)
    }
}

impl Presented {
    /// What a request for a page says. Where it has no credentials of its own, the cookie of a session is one.
    pub(super) fn of_page(parts: &Parts, registry: &Registry) -> Result<Self, ApiError> {
        let (headers, extensions) = (&parts.headers, &parts.extensions);
        let mut presented = Self::by(registry, &parts.method, &parts.uri, headers, extensions)?;
        if let Credentials::None = presented.credentials {
            let is_encrypted = extensions.get::<Encrypted>().is_some();
            let cookies = Cookies::of(registry, headers, is_encrypted);
            if let Some(secret) = cookies.session() {
                presented.credentials = Credentials::Session(secret);
            }
        }
        Ok(presented)
    }

    /// What a request says whose head is taken apart into these.
    pub(super) fn by(
        registry: &Registry,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Self, ApiError> {
        let Some(Source(peer)) = extensions.get::<Source>().copied() else {
            return Err(ApiError::Internal("a request without a source".into()));
        };
        let credentials = credentials(headers).inspect_err(|error| {
            note_sign_in(
                registry,
                Caller::Anonymous.actor(peer),
                "",
                error.to_string(),
            );
        })?;
        Ok(Self {
            credentials,
            peer,
            session: session::of_reader(registry, (method, uri), headers, extensions),
            method: method.clone(),
            uri: uri.clone(),
        })
    }
}

/// The credentials in the head of a request.
fn credentials(headers: &HeaderMap) -> Result<Credentials, CredentialsError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().map(header::HeaderValue::as_bytes);
    if values.next().is_some() {
        return Err(CredentialsError::Several);
    }
    let codes = CODE_HEADERS.iter().flat_map(|name| headers.get_all(name));
    Credentials::parse(value)?.with_codes(codes.map(header::HeaderValue::as_bytes))
}
