//! What the pages that change something have in common: whose things they are about, that the viewer may, and what stands around
//! the form.

use std::{fmt::Display, ops::Deref};

use askama::Template;
use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{StatusCode, request::Parts},
    response::Response,
};

use super::{
    form::{self, Form, Problem},
    page::{Frame, Keep, Visit},
    pager::{PageNumber, Pager},
    sign_in::{self, Client},
};
use crate::{
    authorize::wanted, code::Code, cookies::Cookies, error::ApiError, packages::path::Segments,
};
use tarn_base::names::OwnerName;
use tarn_core::{
    Registry,
    access::{Action, decide_site},
};
use tarn_store::metadata::{Actor, Owner, OwnerKind};

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

/// A request of a person who may do what the page does.
pub(crate) struct Permitted {
    pub(crate) registry: Registry,
    pub(crate) visit: Visit,
    pub(crate) cookies: Cookies,
    pub(crate) client: Client,
    pub(crate) by: Actor,
}

/// A request to a page that changes something of an owner, whom the viewer may administer.
pub(crate) struct Managed {
    request: Permitted,
    pub(crate) owner: Owner,
    pub(crate) name: OwnerName,
}

/// The same of the viewer's own account.
pub(crate) struct Own(pub(crate) Managed);

/// A request of an administrator of the server.
pub(crate) struct Site(Permitted);

impl Deref for Managed {
    type Target = Permitted;

    fn deref(&self) -> &Permitted {
        &self.request
    }
}

impl Deref for Site {
    type Target = Permitted;

    fn deref(&self) -> &Permitted {
        &self.0
    }
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
    pub(crate) fn shell(
        &self,
        section: &str,
        title: &'static str,
        problem: Option<Problem>,
    ) -> Shell {
        let mut entries = OF_OWNER.to_vec();
        if self.owner.kind == OwnerKind::Organisation {
            entries.splice(1..1, OF_ORGANISATION);
        }
        let menu = menu(&self.path(""), &entries, section);
        self.shell_about(
            &self.owner.name,
            format!("/{}", self.owner.name),
            (title, menu),
            problem,
        )
    }

    /// What stands around the page of the viewer's own account at `section`.
    pub(crate) fn own_shell(
        &self,
        section: &str,
        title: &'static str,
        problem: Option<Problem>,
    ) -> Shell {
        let menu = menu("/-/settings", &OWN, section);
        self.shell_about(
            &self.owner.name,
            format!("/{}", self.owner.name),
            (title, menu),
            problem,
        )
    }

    /// Where the pages of this owner begin.
    pub(crate) fn path(&self, section: &str) -> String {
        format!("/-/owners/{}{section}", self.owner.name)
    }

    /// The links beside a page of a list of this owner at `section`.
    pub(crate) fn pager(
        &self,
        number: PageNumber,
        total: u64,
        nouns: (&'static str, &'static str),
        section: &str,
    ) -> Pager {
        self.pager_at(number, total, nouns, &self.path(section))
    }

    /// Writes down that the viewer, who may administer the owner, is refused for what they sent.
    pub(crate) fn note(&self, why: &dyn Display) {
        let (viewer, action) = (&self.visit.viewer, wanted(Action::Administer));
        let owner = Some(self.owner.id);
        viewer
            .presented()
            .note(&self.registry, viewer.caller(), action, owner, why);
    }

    /// A new session for this browser, where the viewer's credentials just changed: the one it has counts no more.
    pub(crate) async fn sign_in_again(&self, response: &mut Response) -> Result<(), ApiError> {
        if let Some(session) = self.visit.viewer.caller().session() {
            let access = self.registry.access();
            let secret = access
                .sign_in_again(session, &self.client.browser())
                .await?;
            sign_in::keep_session(response, &self.cookies, secret.expose());
        }
        Ok(())
    }
}

impl Site {
    /// What stands around the page at `section`.
    pub(crate) fn shell(
        &self,
        section: &str,
        title: &'static str,
        problem: Option<Problem>,
    ) -> Shell {
        let menu = menu("/-/admin", &OF_SITE, section);
        self.shell_about(
            "Administration",
            "/-/admin".to_owned(),
            (title, menu),
            problem,
        )
    }
}

impl Permitted {
    /// Of a request of which it was decided that `by` may make it.
    async fn of(
        parts: &mut Parts,
        registry: &Registry,
        visit: Visit,
        by: Actor,
    ) -> Result<Self, ApiError> {
        Ok(Self {
            cookies: Cookies::from_request_parts(parts, registry).await?,
            client: Client::from_request_parts(parts, registry).await?,
            registry: registry.clone(),
            visit,
            by,
        })
    }

    fn shell_about(
        &self,
        about: &str,
        about_path: String,
        (title, menu): (&'static str, Vec<Entry>),
        problem: Option<Problem>,
    ) -> Shell {
        Shell {
            about: about.to_owned(),
            about_path,
            title,
            menu,
            problem,
            is_fresh: sign_in::is_fresh(&self.registry, &self.visit),
        }
    }

    /// The links beside a page of a list at `path`.
    pub(crate) fn pager_at(
        &self,
        number: PageNumber,
        total: u64,
        nouns: (&'static str, &'static str),
        path: &str,
    ) -> Pager {
        let path = format!("{}{path}", self.visit.frame.base);
        Pager::new(number, total, nouns, &path)
    }

    /// What is around every page.
    pub(crate) const fn frame(&self) -> &Frame {
        &self.visit.frame
    }

    /// Answers with a page; with the status of the refusal where there was one.
    pub(crate) fn show(&self, page: &impl Template, shell: &Shell) -> Result<Response, ApiError> {
        show(&self.visit, page, shell)
    }

    /// 303 to `path`, which says `notice` once.
    pub(crate) fn done(&self, path: &str, notice: &str) -> Result<Response, ApiError> {
        form::done(&self.cookies, &self.visit.frame.base, path, notice)
    }

    /// Refuses what matters unless the password was given lately, or is in the form.
    pub(crate) async fn needs_password(&self, form: &Form) -> Result<(), ApiError> {
        sign_in::needs_password(&self.registry, &self.visit, &self.client, form).await
    }
}

/// Answers with a page that must not be kept: it shows what only its viewer may see, or is one step of several.
fn show(visit: &Visit, page: &impl Template, shell: &Shell) -> Result<Response, ApiError> {
    let status = shell
        .problem
        .as_ref()
        .map_or(StatusCode::OK, |problem| problem.status);
    visit.show_as(status, page, Keep::Never)
}

/// Refuses tokens: the pages are for people, and the API knows what each scope leaves of its routes.
fn needs_person(visit: &Visit) -> Result<(), ApiError> {
    if visit.viewer.caller().token().is_none() {
        return Ok(());
    }
    Err(ApiError::Refused(
        Code::PasswordNeeded,
        "these pages take no token; sign in with the password, or use the API".to_owned(),
    ))
}

/// What an action gave: the answer to it, or why it was refused, for the page to say.
pub(crate) fn or_problem<T>(
    done: Result<T, impl Into<ApiError>>,
) -> Result<Result<T, Problem>, ApiError> {
    match done {
        Ok(done) => Ok(Ok(done)),
        Err(error) => Problem::try_from(error.into()).map(Err),
    }
}

impl FromRequestParts<Registry> for Own {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let visit = Visit::from_request_parts(parts, registry).await?;
        needs_person(&visit)?;
        let caller = visit.viewer.caller().clone();
        let authorized = visit.viewer.presented().own(registry, caller).await?;
        let by = authorized.actor();
        Ok(Self(Managed {
            name: OwnerName::parse(&authorized.owner.name)?,
            owner: authorized.owner,
            request: Permitted::of(parts, registry, visit, by).await?,
        }))
    }
}

impl FromRequestParts<Registry> for Managed {
    type Rejection = ApiError;

    /// The owner that the path names `{owner}`.
    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let visit = Visit::from_request_parts(parts, registry).await?;
        needs_person(&visit)?;
        let parameters = RawPathParams::from_request_parts(parts, registry).await;
        let parameters = parameters.map_err(|error| ApiError::BadRequest(error.body_text()))?;
        let named = parameters.iter().find(|(name, _)| *name == "owner");
        let segments = Segments::of_owner(named.map_or("", |(_, value)| value));
        let action = Action::Administer;
        let authorized = visit.viewer.authorize(registry, &segments, action).await?;
        let by = authorized.actor();
        Ok(Self {
            name: OwnerName::parse(&authorized.owner.name)?,
            owner: authorized.owner,
            request: Permitted::of(parts, registry, visit, by).await?,
        })
    }
}

impl FromRequestParts<Registry> for Site {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let visit = Visit::from_request_parts(parts, registry).await?;
        needs_person(&visit)?;
        decide_site(visit.viewer.caller())?;
        let by = visit.viewer.actor();
        Ok(Self(Permitted::of(parts, registry, visit, by).await?))
    }
}
