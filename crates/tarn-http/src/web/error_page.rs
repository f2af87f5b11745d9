//! Refusals as pages, for those who look with a browser. Programs get the plain line.

use askama::Template;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, uri::PathAndQuery},
    response::Response,
};
use url::form_urlencoded;

use super::{
    links::OfOwner,
    page::{Frame, guard},
    shown::{Marked, sentence},
};
use crate::{
    code::{Code, ERROR_CODE},
    error::Refusal,
};
use tarn_base::names::{Branch, OwnerName, RepositoryName};
use tarn_core::settings::Settings;

/// A page about an error.
#[derive(Template)]
#[template(path = "error.html")]
pub(crate) struct ErrorPage {
    frame: Frame,
    title: &'static str,
    text: Marked,
    next: &'static str,
    /// Where a sign-in returns to, if one may help.
    sign_in: Option<String>,
    /// The owner in the path, where it has no such page.
    owner: Option<OwnerName>,
    /// The repository in the path, where it has no such package: the link to its page, and `branch/repository`.
    repository: Option<(String, String)>,
    /// The page itself, where it may be there a moment later.
    again: Option<String>,
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

/// Whether a request carries no credentials.
pub(crate) fn is_anonymous(headers: &HeaderMap) -> bool {
    !headers.contains_key(header::COOKIE) && !headers.contains_key(header::AUTHORIZATION)
}

impl ErrorPage {
    /// Gives a refusal the form of a page. An answer that is none stays as it is.
    ///
    /// A page that the viewer may not see is not there, for those who are signed in; the others are asked to sign in.
    pub(crate) fn render(
        response: &mut Response,
        request_id: &str,
        settings: &Settings,
        (method, uri, is_anonymous): (&Method, &Uri, bool),
    ) {
        let Some(Refusal {
            code,
            text,
            lacks_hint,
        }) = response.extensions_mut().remove::<Refusal>()
        else {
            return;
        };
        let reads = matches!(*method, Method::GET | Method::HEAD);
        if code == Code::CredentialsNeeded && reads {
            return sign_in_first(response, settings, uri);
        }
        let is_hidden = matches!(code, Code::AccessDenied | Code::NoSuchOwner);
        let status = if is_hidden {
            StatusCode::NOT_FOUND
        } else {
            response.status()
        };
        let (title, text) = match code {
            _ if status.is_redirection() => ("This has moved", text),
            _ if is_hidden && is_anonymous => (
                "Not found",
                "Nothing is here that you may see. Check the address, or sign in with an account that may see it.".to_owned(),
            ),
            _ if is_hidden => ("Not found", "Nothing is here that you may see. Check the address.".to_owned()),
            Code::CredentialsNeeded => ("Sign in to see this", "This page needs an account.".to_owned()),
            Code::NoSuchPath => ("Not found", "There is no such page.".to_owned()),
            Code::InternalError => ("The server failed", "The log of the server says why.".to_owned()),
            _ if status == StatusCode::NOT_FOUND => ("Not found", sentence(&text).0),
            _ => (status.canonical_reason().unwrap_or("Error"), sentence(&text).0),
        };
        // A browser can't return to the address of a form.
        let here = uri.path_and_query().filter(|_| reads);
        let here = here.map_or("/", PathAndQuery::as_str);
        let is_passing = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::INTERNAL_SERVER_ERROR
        );
        let lists_owner = matches!(
            code,
            Code::NoSuchPath | Code::NoSuchRepository | Code::NoSuchPackage
        );
        let may_sign_in = code == Code::CredentialsNeeded || is_hidden && is_anonymous;
        let page = Self {
            frame: Frame::of_error(settings, is_anonymous, return_to(here)),
            repository: (code == Code::NoSuchPackage)
                .then(|| repository_in(uri, settings.base_path()))
                .flatten(),
            owner: lists_owner.then(|| owner_in(uri)).flatten(),
            title,
            text: Marked(text),
            next: if lacks_hint { next(status) } else { "" },
            sign_in: may_sign_in.then(|| return_to(here)),
            again: (reads && is_passing).then(|| format!("{}{here}", settings.base_path())),
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
            // The code would reveal what the page hides.
            headers.insert(ERROR_CODE.clone(), Code::NoSuchPath.header());
        }
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        guard(headers);
    }
}

/// What to do about a refusal whose line does not say it.
fn next(status: StatusCode) -> &'static str {
    match status {
        StatusCode::FORBIDDEN => {
            "Ask an admin of the owner for it, or sign out and sign in with another account."
        }
        StatusCode::CONFLICT => "Go back, look at what is there now, and try again.",
        StatusCode::PAYLOAD_TOO_LARGE => {
            "Go back and send less, or ask an administrator of this server for a higher limit."
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            "Wait a moment, then try again."
        }
        StatusCode::INTERNAL_SERVER_ERROR => {
            "Try again. If it fails again, give the operator the number of this request."
        }
        _ => "",
    }
}

/// The owner whose page the path would be below.
fn owner_in(uri: &Uri) -> Option<OwnerName> {
    let (owner, _) = uri.path().strip_prefix('/')?.split_once('/')?;
    OwnerName::parse(owner).ok()
}

/// The page of the repository that the path is below.
fn repository_in(uri: &Uri, base: &str) -> Option<(String, String)> {
    let mut segments = uri.path().strip_prefix('/')?.split('/');
    let owner = OwnerName::parse(segments.next()?).ok()?;
    let branch = Branch::parse(segments.next()?).ok()?;
    let repository = RepositoryName::parse(segments.next()?).ok()?;
    let links = OfOwner::new(base, owner.as_str());
    Some((
        links.repository(branch.as_str(), repository.as_str()),
        format!("{branch}/{repository}"),
    ))
}

/// A path as the value of a query.
fn return_to(here: &str) -> String {
    form_urlencoded::byte_serialize(here.as_bytes()).collect()
}

/// Has the browser sign in, and come back to that page.
fn sign_in_first(response: &mut Response, settings: &Settings, uri: &Uri) {
    let here = return_to(uri.path_and_query().map_or("/", PathAndQuery::as_str));
    let target = format!("{}/-/login?to={here}&needed=yes", settings.base_path());
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

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    /// The page about that refusal of a request for `/alice/edge/main?sort=newest`, or of a form sent there. A text with a semicolon
    /// says what to do.
    async fn page(
        method: Method,
        is_anonymous: bool,
        code: Code,
        text: &str,
    ) -> (StatusCode, String) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = code.status();
        response.extensions_mut().insert(Refusal {
            code,
            text: text.to_owned(),
            lacks_hint: !text.contains(';'),
        });
        let settings = Settings {
            base_url: Some("https://packages.example/tarn".to_owned()),
            ..Settings::in_folder("/nowhere".into())
        };
        let uri = Uri::from_static("/alice/edge/main?sort=newest");
        let request = (&method, &uri, is_anonymous);
        ErrorPage::render(&mut response, "7f", &settings, request);
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_refusal_says_what_to_do_next() {
        let again = "<a class=\"button\" href=\"/tarn/alice/edge/main?sort=newest\">Try again</a>";
        let sign_in = "<a class=\"button\" href=\"/tarn/-/login?to=%2Falice%2Fedge%2Fmain%3Fsort%3Dnewest\">Sign in</a>";
        let sign_in_to_home = "<a class=\"button\" href=\"/tarn/-/login?to=%2F\">Sign in</a>";
        for (method, is_anonymous, code, text, words) in [
            (Method::GET, true, Code::NoSuchOwner, "no", sign_in),
            (
                Method::GET,
                false,
                Code::NoSuchOwner,
                "no",
                "Check the address.</p>",
            ),
            // After the sign-in a browser asks with GET, which a form's address refuses.
            (
                Method::POST,
                true,
                Code::CredentialsNeeded,
                "no",
                sign_in_to_home,
            ),
            (
                Method::GET,
                false,
                Code::NoSuchRepository,
                "no such; look",
                "No such; look.</p>",
            ),
            (Method::GET, false, Code::Busy, "the server is busy", again),
            (Method::GET, false, Code::InternalError, "", again),
            (
                Method::GET,
                false,
                Code::TooManyAttempts,
                "no",
                "Wait a moment",
            ),
            (
                Method::POST,
                false,
                Code::NameTaken,
                "taken",
                "Go back, look",
            ),
            (
                Method::POST,
                false,
                Code::BodyTooLarge,
                "too large",
                "Go back and",
            ),
            // The line says it.
            (
                Method::POST,
                false,
                Code::NameTaken,
                "taken; take another",
                "Taken; take another.</p>",
            ),
        ] {
            let (_, page) = page(method, is_anonymous, code, text).await;
            assert!(page.contains(words), "{code:?}: {page}");
            assert!(page.contains("Request <code>7f</code>"), "{page}");
        }
        let (_, missing) = page(Method::GET, false, Code::NoSuchPackage, "run `apk`; look").await;
        let link = "<a class=\"button\" href=\"/tarn/alice/edge/main\">Packages in edge/main</a>";
        assert!(missing.contains(link), "{missing}");
        assert!(missing.contains("Run <code>apk</code>; look."), "{missing}");
        // A signed-in viewer has no use for the button.
        let (_, page_of_hidden) = page(Method::GET, false, Code::AccessDenied, "no").await;
        assert!(!page_of_hidden.contains("/-/login?to"), "{page_of_hidden}");
        // A form is not sent again by a link, and what the line says is not said again.
        let (status, page) = page(Method::POST, false, Code::Busy, "busy; wait").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(!page.contains("Try again") && !page.contains("Wait a moment"));
    }
}
