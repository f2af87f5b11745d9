//! `/-/settings/sessions`: the browsers in which the viewer is signed in.

use askama::Template;
use axum::response::Response;

use super::super::{
    form::{Form, Problem},
    manage::{Own, Shell},
    page::Frame,
    pager::{PAGE, PageNumber, Pager},
    shown,
};
use crate::error::ApiError;
use tarn_store::metadata::{Session, SessionId};

#[derive(Template)]
#[template(path = "account/sessions.html")]
struct SessionsPage<'a> {
    frame: &'a Frame,
    shell: &'a Shell,
    sessions: &'a [Session],
    current: Option<SessionId>,
    pager: &'a Pager,
}

impl SessionsPage<'_> {
    fn is_current(&self, session: &Session) -> bool {
        self.current == Some(session.id)
    }
}

pub(super) async fn show(Own(own): Own, number: PageNumber) -> Result<Response, ApiError> {
    let sessions = own.registry.access().sessions().list(own.owner.id).await?;
    let shell = own.own_shell("/sessions", "Sessions", None::<Problem>);
    let page = SessionsPage {
        frame: own.frame(),
        shell: &shell,
        sessions: number.part_of(&sessions, PAGE),
        current: own
            .visit
            .viewer
            .caller()
            .session()
            .map(|session| session.id),
        pager: &own.pager_at(
            number,
            sessions.len() as u64,
            ("session", "sessions"),
            "/-/settings/sessions",
        ),
    };
    own.show(&page, &shell)
}

/// Ends one of them.
pub(super) async fn end(Own(own): Own, form: Form) -> Result<Response, ApiError> {
    let session = SessionId::from_row(form.number("session", "the session")?);
    let sessions = own.registry.access().sessions();
    let ended = sessions.end(own.owner.id, session, &own.by).await?;
    let notice = if ended {
        "The session has ended."
    } else {
        "That session had ended already."
    };
    own.done("/-/settings/sessions", notice)
}

/// Ends all but the one of this browser.
pub(super) async fn end_others(Own(own): Own, _: Form) -> Result<Response, ApiError> {
    let current = own.visit.viewer.caller().session();
    let current = current.map(|session| session.id);
    let sessions = own.registry.access().sessions();
    let ended = sessions.end_others(own.owner.id, current, &own.by).await?;
    let notice = match ended {
        0 => "There was no other session.".to_owned(),
        1 => "One session has ended.".to_owned(),
        ended => format!("{ended} sessions have ended."),
    };
    own.done("/-/settings/sessions", &notice)
}
