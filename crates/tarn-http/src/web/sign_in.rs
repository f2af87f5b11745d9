//! `/-/login`: signing in with a password, and a code where there is one; `/-/logout`; and giving the password once more.

use std::time::Duration;

use askama::Template;
use axum::{
    extract::Query,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde::Deserialize;

use super::{
    form::{Form, Problem, local},
    page::{Frame, Visit},
};
use crate::{
    authorize::note_sign_in,
    code::Code as Refusal,
    cookies::{Cookie, Cookies},
    error::ApiError,
};
use tarn_base::hint::Hint as _;
use tarn_core::access::{AuthError, Caller, Code, SignIn};

/// For how long a browser keeps the cookie of a session; the server ends the session before.
const SESSION_COOKIE: Duration = Duration::from_secs(30 * 86_400);

/// For how long it keeps what is between the password and the code.
const BEGUN_COOKIE: Duration = Duration::from_secs(10 * 60);

/// Where to go once that is done.
#[derive(Deserialize)]
pub(crate) struct Return {
    #[serde(default)]
    to: String,
    /// `yes`: the page at `to` is not for those who are not signed in.
    #[serde(default)]
    needed: String,
}

#[derive(Template)]
#[template(path = "account/login.html")]
struct LoginPage<'a> {
    frame: &'a Frame,
    to: &'a str,
    name: &'a str,
    problem: Option<&'a Problem>,
    is_needed: bool,
}

#[derive(Template)]
#[template(path = "account/login_code.html")]
struct CodePage<'a> {
    frame: &'a Frame,
    to: &'a str,
    problem: Option<&'a Problem>,
}

/// The form for name and password. A viewer who is signed in goes on at once.
pub(super) async fn show(visit: Visit, Query(query): Query<Return>) -> Result<Response, ApiError> {
    let to = local(&query.to);
    if visit.account().is_some() {
        return visit.redirect(to);
    }
    login_page(&visit, to, "", query.needed == "yes")
}

fn login_page(visit: &Visit, to: &str, name: &str, is_needed: bool) -> Result<Response, ApiError> {
    visit.answer(&LoginPage {
        frame: &visit.frame,
        to,
        name,
        problem: visit.problem.as_ref(),
        is_needed,
    })
}

/// Takes name and password.
pub(super) async fn sign_in(mut visit: Visit, form: Form) -> Result<Response, ApiError> {
    let (to, name) = (local(form.text("to")), form.text("name"));
    let (access, password) = (visit.registry.access(), form.secret("password"));
    match access.sign_in(name, &password, &visit.browser()).await {
        Ok(SignIn::Done(secret)) => signed_in(&visit, to, secret.expose()),
        Ok(SignIn::CodeNeeded(note)) => {
            let to = url::form_urlencoded::byte_serialize(to.as_bytes()).collect::<String>();
            let mut response = visit.redirect(&format!("/-/login/code?to={to}"))?;
            let headers = response.headers_mut();
            let (note, age) = (note.expose(), BEGUN_COOKIE);
            visit.cookies.set(headers, Cookie::Begun, note, age);
            Ok(response)
        }
        Err(error) => {
            let (problem, wait) = refused(&visit, name, error)?;
            visit.problem = Some(problem);
            Ok(with_wait(login_page(&visit, to, name, false)?, wait))
        }
    }
}

/// The form for the code.
pub(super) async fn show_code(
    visit: Visit,
    Query(query): Query<Return>,
) -> Result<Response, ApiError> {
    let to = local(&query.to);
    if visit.cookies.value(Cookie::Begun).is_none() {
        return visit.redirect("/-/login");
    }
    code_page(&visit, to)
}

fn code_page(visit: &Visit, to: &str) -> Result<Response, ApiError> {
    visit.answer(&CodePage {
        frame: &visit.frame,
        to,
        problem: visit.problem.as_ref(),
    })
}

/// Takes the code.
pub(super) async fn sign_in_with_code(mut visit: Visit, form: Form) -> Result<Response, ApiError> {
    let to = local(form.text("to"));
    let code = match Code::parse(form.text("code").as_bytes()) {
        Ok(code) => code,
        Err(error) => {
            visit.problem = Some(Problem::field(error.line()));
            return code_page(&visit, to);
        }
    };
    let note = visit.cookies.value(Cookie::Begun).unwrap_or_default();
    let (access, browser) = (visit.registry.access(), visit.browser());
    match access.sign_in_with_code(note, &code, &browser).await {
        Ok(secret) => signed_in(&visit, to, secret.expose()),
        Err(error @ AuthError::BeginAgain) => {
            visit.problem = Some(refused(&visit, "", error)?.0);
            let mut response = login_page(&visit, to, "", false)?;
            visit.cookies.clear(response.headers_mut(), Cookie::Begun);
            Ok(response)
        }
        Err(error) => {
            let (problem, wait) = refused(&visit, "", error)?;
            visit.problem = Some(problem);
            Ok(with_wait(code_page(&visit, to)?, wait))
        }
    }
}

/// Ends the session of this browser.
pub(super) async fn sign_out(visit: Visit, _: Form) -> Result<Response, ApiError> {
    if let Some(session) = visit.caller.session() {
        let sessions = visit.registry.access().sessions();
        let (user, id) = (session.user, session.id);
        sessions.end(user, id, &visit.by).await?;
    }
    let mut response = visit.done("/", "You are signed out.")?;
    visit.cookies.clear(response.headers_mut(), Cookie::Session);
    Ok(response)
}

/// 303 to where the browser wanted to go, with a session.
fn signed_in(visit: &Visit, to: &str, secret: &str) -> Result<Response, ApiError> {
    let mut response = visit.redirect(to)?;
    keep_session(&mut response, &visit.cookies, secret);
    visit.cookies.clear(response.headers_mut(), Cookie::Begun);
    Ok(response)
}

/// Gives the browser the cookie of a session.
pub(super) fn keep_session(response: &mut Response, cookies: &Cookies, secret: &str) {
    cookies.set(
        response.headers_mut(),
        Cookie::Session,
        secret,
        SESSION_COOKIE,
    );
}

/// What a page says about a sign-in that was refused, and for how long to wait. It is written down, as everywhere.
fn refused(
    visit: &Visit,
    name: &str,
    error: AuthError,
) -> Result<(Problem, Option<Duration>), ApiError> {
    if !error.is_refusal() {
        return Err(error.into());
    }
    let by = Caller::Anonymous.actor(visit.address);
    note_sign_in(&visit.registry, by, name, error.to_string());
    let forbidden = |text: &str| (Problem::new(StatusCode::FORBIDDEN, text), None);
    Ok(match &error {
        AuthError::WrongCredentials => forbidden(
            "The name or the password is wrong. An account without a password can't sign in here.",
        ),
        AuthError::WrongCode => forbidden(
            "The code is wrong or was used already. Wait for the next one, or use a recovery code.",
        ),
        AuthError::TooManyAttempts { retry_after } => {
            let text = format!(
                "Too many attempts. Try again in {} seconds.",
                retry_after.as_secs().max(1)
            );
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, text);
            (problem, Some(*retry_after))
        }
        error => forbidden(&error.line()),
    })
}

fn with_wait(mut response: Response, wait: Option<Duration>) -> Response {
    if let Some(wait) = wait {
        let seconds = HeaderValue::from(wait.as_secs() + 1);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// Refuses what matters unless the password was given lately, or stands in the form beside it.
///
/// # Errors
///
/// When it is missing or wrong, or the viewer did not sign in with a password at all.
pub(super) async fn needs_password(visit: &Visit, form: &Form) -> Result<(), ApiError> {
    if is_fresh(visit) {
        return Ok(());
    }
    let needed = |text: &str| ApiError::Refused(Refusal::PasswordNeeded, text.to_owned());
    let Some((session, name)) = visit.caller.session().zip(visit.account()) else {
        return Err(needed("no token may do this; sign in with the password"));
    };
    if form.raw("password").is_empty() {
        return Err(needed(
            "type your password: this changes who may sign in, or can't be undone",
        ));
    }
    let (password, browser) = (form.secret("password"), visit.browser());
    let access = visit.registry.access();
    let confirmed = access
        .confirm_password(session, name, &password, &browser)
        .await;
    confirmed.map_err(|error| match refused(visit, name, error) {
        Ok((_, Some(retry_after))) => ApiError::TooManyAttempts {
            text: format!(
                "too many wrong passwords; try again in {} seconds",
                retry_after.as_secs().max(1)
            ),
            retry_after,
        },
        Ok(_) => needed("the password is wrong; type it again"),
        Err(error) => error,
    })
}

/// Whether what matters needs no password at this moment.
pub(super) fn is_fresh(visit: &Visit) -> bool {
    let caller = &visit.caller;
    match caller.session() {
        Some(session) => visit.registry.access().sessions().is_fresh(session),
        // A password that came with the request itself.
        None => caller.token().is_none() && caller.user_id().is_some(),
    }
}
