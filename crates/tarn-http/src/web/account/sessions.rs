//! `/-/settings/sessions`: the browsers in which the viewer is signed in.

use askama::Template;
use axum::response::Response;

use super::super::{
    form::Form,
    manage::{Managed, Shell},
    page::Frame,
    pager::{PAGE, Pager},
    shown,
};
use crate::error::ApiError;
use tarn_store::metadata::{Session, SessionId};

#[derive(Template)]
#[template(path = "account/sessions.html")]
struct SessionsPage<'a> {
    frame: &'a Frame,
    shell: Shell,
    sessions: &'a [Session],
    current: Option<SessionId>,
    pager: &'a Pager,
}

impl SessionsPage<'_> {
    fn is_current(&self, session: &Session) -> bool {
        self.current == Some(session.id)
    }
}

/// Where the list is.
const SESSIONS: &str = "/-/settings/sessions";

pub(super) async fn show(own: Managed) -> Result<Response, ApiError> {
    let sessions = own.registry.access().sessions().list(own.owner.id).await?;
    let page = SessionsPage {
        frame: &own.frame,
        shell: own.own_shell("/sessions", "Sessions"),
        sessions: own.number.part_of(&sessions, PAGE),
        current: own.caller.session().map(|session| session.id),
        pager: &own.pager(sessions.len() as u64, ("session", "sessions"), SESSIONS),
    };
    own.answer(&page)
}

/// Ends one of them.
pub(super) async fn end(own: Managed, form: Form) -> Result<Response, ApiError> {
    let session = SessionId::from_row(form.number("session", "the session")?);
    let sessions = own.registry.access().sessions();
    let ended = sessions.end(own.owner.id, session, &own.by).await?;
    let notice = if ended {
        "The session has ended."
    } else {
        "That session had ended already."
    };
    own.done(SESSIONS, notice)
}

/// Ends all but the one of this browser.
pub(super) async fn end_others(own: Managed, _: Form) -> Result<Response, ApiError> {
    let current = own.caller.session();
    let current = current.map(|session| session.id);
    let sessions = own.registry.access().sessions();
    let ended = sessions.end_others(own.owner.id, current, &own.by).await?;
    let notice = match ended {
        0 => "There was no other session.".to_owned(),
        1 => "One session has ended.".to_owned(),
        ended => format!("{ended} sessions have ended."),
    };
    own.done(SESSIONS, &notice)
}
