//! `/-/login`: signing in with a password, and a code where there is one; `/-/logout`; and giving the password once more.

use std::time::Duration;

use askama::Template;
use axum::{
    extract::{FromRequestParts, Query, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use serde::Deserialize;

use super::{
    error_page,
    form::{Form, Problem, done, local},
    page::{Frame, Keep, Visit},
    redirect,
};
use crate::{
    authorize::note_sign_in,
    cookies::{Cookie, Cookies},
    error::ApiError,
    transport::source::Source,
};
use std::net::IpAddr;
use tarn_base::hint::Hint as _;
use tarn_core::{
    Registry,
    access::{AuthError, Browser, Caller, Code, SignIn},
};

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

/// The browser that sends a request.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    address: IpAddr,
    agent: String,
}

impl Client {
    /// As the sessions have it.
    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser {
            address: self.address,
            agent: &self.agent,
        }
    }
}

impl FromRequestParts<Registry> for Client {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Registry) -> Result<Self, ApiError> {
        let Some(Source(address)) = parts.extensions.get::<Source>().copied() else {
            return Err(ApiError::Internal("a request without a source".into()));
        };
        let agent = parts.headers.get(header::USER_AGENT);
        let agent = agent.and_then(|agent| agent.to_str().ok());
        Ok(Self {
            address,
            agent: agent.unwrap_or_default().to_owned(),
        })
    }
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
    if visit.viewer.account().is_some() {
        return redirect(StatusCode::SEE_OTHER, &format!("{}{to}", visit.frame.base));
    }
    login_page(&visit, to, "", None, query.needed == "yes")
}

fn login_page(
    visit: &Visit,
    to: &str,
    name: &str,
    problem: Option<&Problem>,
    is_needed: bool,
) -> Result<Response, ApiError> {
    let page = LoginPage {
        frame: &visit.frame,
        to,
        name,
        problem,
        is_needed,
    };
    let status = problem.map_or(StatusCode::OK, |problem| problem.status);
    visit.show_as(status, &page, Keep::Never)
}

/// Takes name and password.
pub(super) async fn sign_in(
    State(registry): State<Registry>,
    visit: Visit,
    cookies: Cookies,
    client: Client,
    form: Form,
) -> Result<Response, ApiError> {
    let (to, name) = (local(form.text("to")), form.text("name"));
    let browser = client.browser();
    let access = registry.access();
    match access
        .sign_in(name, &form.secret("password"), &browser)
        .await
    {
        Ok(SignIn::Done(secret)) => signed_in(&visit, &cookies, to, secret.expose()),
        Ok(SignIn::CodeNeeded(note)) => {
            let to = url::form_urlencoded::byte_serialize(to.as_bytes()).collect::<String>();
            let target = format!("{}/-/login/code?to={to}", visit.frame.base);
            let mut response = redirect(StatusCode::SEE_OTHER, &target)?;
            let headers = response.headers_mut();
            cookies.set(headers, Cookie::Begun, note.expose(), BEGUN_COOKIE);
            Ok(response)
        }
        Err(error) => {
            let (problem, wait) = refused(&registry, &client, name, error)?;
            let response = login_page(&visit, to, name, Some(&problem), false)?;
            Ok(with_wait(response, wait))
        }
    }
}

/// The form for the code.
pub(super) async fn show_code(
    visit: Visit,
    cookies: Cookies,
    Query(query): Query<Return>,
) -> Result<Response, ApiError> {
    let to = local(&query.to);
    if cookies.value(Cookie::Begun).is_none() {
        return redirect(
            StatusCode::SEE_OTHER,
            &format!("{}/-/login", visit.frame.base),
        );
    }
    code_page(&visit, to, None)
}

fn code_page(visit: &Visit, to: &str, problem: Option<&Problem>) -> Result<Response, ApiError> {
    let page = CodePage {
        frame: &visit.frame,
        to,
        problem,
    };
    let status = problem.map_or(StatusCode::OK, |problem| problem.status);
    visit.show_as(status, &page, Keep::Never)
}

/// Takes the code.
pub(super) async fn sign_in_with_code(
    State(registry): State<Registry>,
    visit: Visit,
    cookies: Cookies,
    client: Client,
    form: Form,
) -> Result<Response, ApiError> {
    let to = local(form.text("to"));
    let note = cookies.value(Cookie::Begun).unwrap_or_default();
    let code = match Code::parse(form.text("code").as_bytes()) {
        Ok(code) => code,
        Err(error) => return code_page(&visit, to, Some(&Problem::field(error.line()))),
    };
    let browser = client.browser();
    let begun = registry.access().sign_in_with_code(note, &code, &browser);
    match begun.await {
        Ok(secret) => signed_in(&visit, &cookies, to, secret.expose()),
        Err(error @ AuthError::BeginAgain) => {
            let (problem, _) = refused(&registry, &client, "", error)?;
            let mut response = login_page(&visit, to, "", Some(&problem), false)?;
            cookies.clear(response.headers_mut(), Cookie::Begun);
            Ok(response)
        }
        Err(error) => {
            let (problem, wait) = refused(&registry, &client, "", error)?;
            let response = code_page(&visit, to, Some(&problem))?;
            Ok(with_wait(response, wait))
        }
    }
}

/// Ends the session of this browser.
pub(super) async fn sign_out(
    State(registry): State<Registry>,
    visit: Visit,
    cookies: Cookies,
    _: Form,
) -> Result<Response, ApiError> {
    if let Some(session) = visit.viewer.caller().session() {
        let by = visit.viewer.actor();
        let sessions = registry.access().sessions();
        sessions.end(session.user, session.id, &by).await?;
    }
    let mut response = done(&cookies, &visit.frame.base, "/", "You are signed out.")?;
    cookies.clear(response.headers_mut(), Cookie::Session);
    Ok(response)
}

/// 303 to where the browser wanted to go, with a session.
fn signed_in(
    visit: &Visit,
    cookies: &Cookies,
    to: &str,
    secret: &str,
) -> Result<Response, ApiError> {
    let mut response = redirect(StatusCode::SEE_OTHER, &format!("{}{to}", visit.frame.base))?;
    keep_session(&mut response, cookies, secret);
    cookies.clear(response.headers_mut(), Cookie::Begun);
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
    registry: &Registry,
    client: &Client,
    name: &str,
    error: AuthError,
) -> Result<(Problem, Option<Duration>), ApiError> {
    if !error.is_refusal() {
        return Err(error.into());
    }
    let by = Caller::Anonymous.actor(client.address);
    note_sign_in(registry, by, name, error.to_string());
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
        error => forbidden(&error_page::sentence(error.line())),
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
pub(super) async fn needs_password(
    registry: &Registry,
    visit: &Visit,
    client: &Client,
    form: &Form,
) -> Result<(), ApiError> {
    if is_fresh(registry, visit) {
        return Ok(());
    }
    let Some((session, name)) = visit.viewer.caller().session().zip(visit.viewer.account()) else {
        return Err(ApiError::Refused(
            crate::code::Code::PasswordNeeded,
            "no token may do this; sign in with the password".to_owned(),
        ));
    };
    if form.raw("password").is_empty() {
        return Err(ApiError::Refused(
            crate::code::Code::PasswordNeeded,
            "type your password: this changes who may sign in, or can't be undone".to_owned(),
        ));
    }
    let (password, browser) = (form.secret("password"), client.browser());
    let confirmed = registry
        .access()
        .confirm_password(session, name, &password, &browser)
        .await;
    confirmed.map_err(|error| match refused(registry, client, name, error) {
        Ok((_, Some(retry_after))) => ApiError::TooManyAttempts {
            text: format!(
                "too many wrong passwords; try again in {} seconds",
                retry_after.as_secs().max(1)
            ),
            retry_after,
        },
        Ok(_) => ApiError::Refused(
            crate::code::Code::PasswordNeeded,
            "the password is wrong; type it again".to_owned(),
        ),
        Err(error) => error,
    })
}

/// Whether what matters needs no password at this moment.
pub(super) fn is_fresh(registry: &Registry, visit: &Visit) -> bool {
    let caller = visit.viewer.caller();
    match caller.session() {
        Some(session) => registry.access().sessions().is_fresh(session),
        // A password that came with the request itself.
        None => caller.token().is_none() && caller.user_id().is_some(),
    }
}
