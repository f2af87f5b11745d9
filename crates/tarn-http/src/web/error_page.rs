//! Refusals as pages, for those who look with a browser. Programs get the plain line.

use askama::Template;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, uri::PathAndQuery},
    response::Response,
};
use url::form_urlencoded;

use super::page::{Frame, guard};
use crate::{
    code::{Code, ERROR_CODE},
    error::Refusal,
};
use tarn_core::settings::Settings;

/// A page about an error.
#[derive(Template)]
#[template(path = "error.html")]
pub(crate) struct ErrorPage {
    frame: Frame,
    title: &'static str,
    text: String,
    needs_sign_in: bool,
    request_id: String,
}

/// Whether a client wants a page rather than a line: it names HTML, and nothing that it would rather have.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get(header::ACCEPT)
        .and_then(|accepted| accepted.to_str().ok());
    let first = accepted.and_then(|accepted| accepted.split([',', ';']).next());
    first.is_some_and(|first| {
        let first = first.trim();
        first.eq_ignore_ascii_case("text/html")
            || first.eq_ignore_ascii_case("application/xhtml+xml")
    })
}

impl ErrorPage {
    /// Gives a refusal the form of a page. An answer that is none stays as it is.
    ///
    /// A page that the viewer may not see is not there, for those who are signed in; the others are asked to sign in.
    pub(crate) fn render(
        response: &mut Response,
        request_id: &str,
        settings: &Settings,
        (method, uri): (&Method, &Uri),
    ) {
        let Some(Refusal { code, text }) = response.extensions_mut().remove::<Refusal>() else {
            return;
        };
        let reads = matches!(*method, Method::GET | Method::HEAD);
        if code == Code::CredentialsNeeded && reads {
            return sign_in_first(response, settings, uri);
        }
        let is_hidden = matches!(
            code,
            Code::AccessDenied | Code::NoSuchOwner | Code::NoSuchPackage
        );
        let status = if is_hidden {
            StatusCode::NOT_FOUND
        } else {
            response.status()
        };
        let (title, text) = match code {
            _ if status.is_redirection() => ("This has moved", text),
            _ if is_hidden => (
                "Not found",
                "Nothing is here that you may see. Check the address, or sign in with an account that may see it.".to_owned(),
            ),
            Code::CredentialsNeeded => ("Sign in to see this", "This page needs an account.".to_owned()),
            Code::NoSuchPath => ("Not found", "There is no such page.".to_owned()),
            Code::InternalError => ("The server failed", "Ask the operator about this request.".to_owned()),
            _ if status == StatusCode::NOT_FOUND => ("Not found", sentence(text)),
            _ => (status.canonical_reason().unwrap_or("Error"), sentence(text)),
        };
        let page = Self {
            frame: Frame::of_error(settings),
            title,
            text,
            needs_sign_in: code == Code::CredentialsNeeded,
            request_id: request_id.to_owned(),
        };
        // The plain line stays where the page can't be had.
        let Ok(text) = page.render() else { return };
        *response.status_mut() = status;
        *response.body_mut() = Body::from(text);
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        // Browsers would ask for a password in a window of their own.
        headers.remove(header::WWW_AUTHENTICATE);
        if is_hidden {
            // The code would tell what the page does not.
            headers.insert(ERROR_CODE.clone(), Code::NoSuchPath.header());
        }
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        guard(headers);
    }
}

/// Has the browser sign in, and come back to that page.
fn sign_in_first(response: &mut Response, settings: &Settings, uri: &Uri) {
    let here = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let here: String = form_urlencoded::byte_serialize(here.as_bytes()).collect();
    let target = format!("{}/-/login?to={here}", settings.base_path());
    let Ok(target) = HeaderValue::try_from(target) else {
        return;
    };
    *response.status_mut() = StatusCode::SEE_OTHER;
    *response.body_mut() = Body::empty();
    let headers = response.headers_mut();
    for name in [
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::WWW_AUTHENTICATE,
    ] {
        headers.remove(name);
    }
    headers.insert(header::LOCATION, target);
}

/// A line that begins with a capital letter and ends with a full stop.
pub(super) fn sentence(line: String) -> String {
    let mut characters = line.chars();
    let Some(first) = characters.next() else {
        return line;
    };
    let mut sentence: String = first.to_uppercase().collect();
    sentence.push_str(characters.as_str());
    if !sentence.ends_with('.') {
        sentence.push('.');
    }
    sentence
}
