//! What the pages that change something have in common: whose things they are about, that the viewer may, and what stands around
//! the form.

use std::{
    fmt::Display,
    ops::{Deref, DerefMut},
};

use askama::Template;
use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{StatusCode, request::Parts},
    response::Response,
};

use super::{
    form::{Form, Problem},
    page::{Keep, Visit},
    pager::PageNumber,
    sign_in,
};
use crate::{authorize::wanted, code::Code, error::ApiError, packages::path::Segments};
use tarn_base::names::OwnerName;
use tarn_core::{
    Registry,
    access::{Action, decide_site},
};
use tarn_store::metadata::{Owner, OwnerKind};

/// One link of a menu.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) path: String,
    pub(crate) label: &'static str,
    pub(crate) is_current: bool,
}

/// What stands around a form: the menu beside it, and why the last try was refused.
#[derive(Debug, Clone)]
pub(crate) struct Shell {
    /// Whose settings these are.
    pub(crate) about: String,
    /// Where the whole of it begins.
    pub(crate) about_path: String,
    pub(crate) title: &'static str,
    pub(crate) menu: Vec<Entry>,
    pub(crate) problem: Option<Problem>,
    /// Whether what matters needs no password now.
    pub(crate) is_fresh: bool,
}

/// A request to a page that changes something of an owner, whom the viewer may administer.
pub(crate) struct Managed {
    visit: Visit,
    pub(crate) owner: Owner,
    pub(crate) name: OwnerName,
}

/// A request of an administrator of the server.
pub(crate) struct Site(Visit);

macro_rules! deref {
    ($($request:ty => $field:tt;)+) => {$(
        impl Deref for $request {
            type Target = Visit;

            fn deref(&self) -> &Visit {
                &self.$field
            }
        }

        impl DerefMut for $request {
            fn deref_mut(&mut self) -> &mut Visit {
                &mut self.$field
            }
        }
    )+};
}

deref! {
    Managed => visit;
    Site => 0;
}

/// The pages of an account.
const OWN: [(&str, &str); 6] = [
    ("", "Profile"),
    ("/password", "Password"),
    ("/second-factor", "Second factor"),
    ("/sessions", "Sessions"),
    ("/tokens", "Tokens"),
    ("/organisations", "Organisations"),
];

/// The pages of an owner of packages. The first three are those of organisations.
const OF_ORGANISATION: [(&str, &str); 3] = [
    ("/members", "Members"),
    ("/teams", "Teams"),
    ("/tokens", "Tokens"),
];
const OF_OWNER: [(&str, &str); 7] = [
    ("", "General"),
    ("/keys", "Signing keys"),
    ("/deleted", "Deleted packages"),
    ("/expiry", "Expiry"),
    ("/usage", "Usage"),
    ("/webhooks", "Webhooks"),
    ("/audit", "Audit log"),
];

/// The pages of an administrator.
const OF_SITE: [(&str, &str); 5] = [
    ("", "Health"),
    ("/accounts", "Accounts"),
    ("/organisations", "Organisations"),
    ("/audit", "Audit log"),
    ("/settings", "Settings"),
];

fn menu(base: &str, entries: &[(&'static str, &'static str)], current: &str) -> Vec<Entry> {
    let entry = |(path, label): &(&'static str, &'static str)| Entry {
        path: format!("{base}{path}"),
        label,
        is_current: *path == current,
    };
    entries.iter().map(entry).collect()
}

impl Managed {
    /// What stands around the page of an owner at `section`.
    pub(crate) fn shell(&self, section: &str, title: &'static str) -> Shell {
        let mut entries = OF_OWNER.to_vec();
        if self.owner.kind == OwnerKind::Organisation {
            entries.splice(1..1, OF_ORGANISATION);
        }
        self.shell_of_owner(title, menu(&self.path(""), &entries, section))
    }

    /// What stands around the page of the viewer's own account at `section`.
    pub(crate) fn own_shell(&self, section: &str, title: &'static str) -> Shell {
        self.shell_of_owner(title, menu("/-/settings", &OWN, section))
    }

    fn shell_of_owner(&self, title: &'static str, menu: Vec<Entry>) -> Shell {
        let name = &self.owner.name;
        self.shell_about(name, format!("/{name}"), title, menu)
    }

    /// Where the pages of this owner begin.
    pub(crate) fn path(&self, section: &str) -> String {
        format!("/-/owners/{}{section}", self.owner.name)
    }

    /// Writes down that the viewer, who may administer the owner, is refused for what they sent.
    pub(crate) fn note(&self, why: &dyn Display) {
        let (action, owner) = (wanted(Action::Administer), Some(self.owner.id));
        self.presented
            .note(&self.registry, &self.caller, action, owner, why);
    }

    /// An answer with a new session for this browser, where the viewer's credentials just changed: the one it has counts no more.
    pub(crate) async fn signed_in_again(&self, mut answer: Response) -> Result<Response, ApiError> {
        if let Some(session) = self.caller.session() {
            let access = self.registry.access();
            let secret = access.sign_in_again(session, &self.browser()).await?;
            sign_in::keep_session(&mut answer, &self.cookies, secret.expose());
        }
        Ok(answer)
    }
}

impl Site {
    /// What stands around the page at `section`.
    pub(crate) fn shell(&self, section: &str, title: &'static str) -> Shell {
        let menu = menu("/-/admin", &OF_SITE, section);
        self.shell_about("Administration", "/-/admin".to_owned(), title, menu)
    }
}

impl Visit {
    fn shell_about(
        &self,
        about: &str,
        about_path: String,
        title: &'static str,
        menu: Vec<Entry>,
    ) -> Shell {
        Shell {
            about: about.to_owned(),
            about_path,
            title,
            menu,
            problem: self.problem.clone(),
            is_fresh: sign_in::is_fresh(self),
        }
    }

    /// Has the page say why something was refused.
    ///
    /// # Errors
    ///
    /// `error` itself, where it is a fault of the server.
    pub(crate) fn refuse(&mut self, error: ApiError) -> Result<(), ApiError> {
        self.problem = Some(Problem::try_from(error)?);
        Ok(())
    }

    /// Answers with a page that must not be kept: it shows what only its viewer may see, or is one step of several. It has the status
    /// of the refusal where there was one.
    pub(crate) fn answer(&self, page: &impl Template) -> Result<Response, ApiError> {
        let problem = self.problem.as_ref();
        let status = problem.map_or(StatusCode::OK, |problem| problem.status);
        self.show_as(status, page, Keep::Never)
    }

    /// Refuses what matters unless the password was given lately, or is in the form.
    pub(crate) async fn needs_password(&self, form: &Form) -> Result<(), ApiError> {
        sign_in::needs_password(self, form).await
    }
}

/// The answer to a form. If it was refused: the first page of the list again, with the reason and what was typed.
pub(crate) async fn or_again<R, Shown>(
    done: Result<Response, ApiError>,
    mut request: R,
    form: Form,
    show: impl FnOnce(R) -> Shown,
) -> Result<Response, ApiError>
where
    R: DerefMut<Target = Visit>,
    Shown: Future<Output = Result<Response, ApiError>>,
{
    (request.number, request.form) = (PageNumber::FIRST, form);
    or_page(done, request, show).await
}

/// Like [`or_again`], but on the page of the list that the form was sent from, and without what was typed.
pub(crate) async fn or_page<R, Shown>(
    done: Result<Response, ApiError>,
    mut request: R,
    show: impl FnOnce(R) -> Shown,
) -> Result<Response, ApiError>
where
    R: DerefMut<Target = Visit>,
    Shown: Future<Output = Result<Response, ApiError>>,
{
    match done {
        Ok(response) => Ok(response),
        Err(error) => {
            request.refuse(error)?;
            show(request).await
        }
    }
}

/// Refuses tokens: the pages are for people, and the API knows what each scope leaves of its routes.
fn needs_person(visit: &Visit) -> Result<(), ApiError> {
    if visit.caller.token().is_none() {
        return Ok(());
    }
    Err(ApiError::Refused(
        Code::PasswordNeeded,
        "these pages take no token; sign in with the password, or use the API".to_owned(),
    ))
}

impl FromRequestParts<Registry> for Managed {
    type Rejection = ApiError;

    /// The owner that the path names `{owner}`; under `/-/settings`, the viewer's own account.
    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let visit = Visit::from_request_parts(parts, registry).await?;
        needs_person(&visit)?;
        let parameters = RawPathParams::from_request_parts(parts, registry).await;
        let parameters = parameters.map_err(|error| ApiError::BadRequest(error.body_text()))?;
        let authorized = match parameters.iter().find(|(name, _)| *name == "owner") {
            Some((_, owner)) => {
                let segments = Segments::of_owner(owner);
                visit.authorize(&segments, Action::Administer).await?
            }
            None if parts.uri.path().starts_with("/-/settings") => {
                let caller = visit.caller.clone();
                visit.presented.own(registry, caller).await?
            }
            None => {
                return Err(ApiError::Internal(
                    "a page of an owner whom its route does not name".into(),
                ));
            }
        };
        Ok(Self {
            name: OwnerName::parse(&authorized.owner.name)?,
            owner: authorized.owner,
            visit,
        })
    }
}

impl FromRequestParts<Registry> for Site {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let visit = Visit::from_request_parts(parts, registry).await?;
        needs_person(&visit)?;
        decide_site(&visit.caller)?;
        Ok(Self(visit))
    }
}
