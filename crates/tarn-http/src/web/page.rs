//! What all pages have in common: what is around them, and how they are sent.

use std::net::IpAddr;

use askama::Template;
use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts,
        uri::PathAndQuery,
    },
    response::Response,
};
use flate2::Compression;
use sha2::{Digest as _, Sha256};
use url::form_urlencoded;

use super::{
    assets::{self, gzip},
    form::{Form, Problem},
    links::base_url,
    pager::{PageNumber, Pager},
    redirect,
};
use crate::{
    api::paging::{is_forwarded_from_https, turn},
    authorize::Presented,
    cookies::{Cookie, Cookies},
    error::ApiError,
    transport::source::{Encrypted, Source},
};
use tarn_core::{
    Registry,
    access::{Caller, decide_site},
    settings::Settings,
    turns::Turn,
};
use tarn_store::metadata::Actor;

/// Nothing is loaded from elsewhere, nothing in a page itself is a script or a style, and no other site frames it.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'",
);

/// From so many bytes on a page is worth compressing: what is less goes in one packet anyhow.
const WORTH_COMPRESSING: usize = 1_200;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// Who may keep a page, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Kept, and asked for again each time with its ETag. Shared caches may keep pages seen without signing in.
    Revalidated,
    /// By no cache: it has secrets, or is one step of several.
    Never,
}

/// A request for a page: who looks, and what is needed to answer.
pub(crate) struct Visit {
    pub(crate) registry: Registry,
    /// What the request says of its sender.
    pub(crate) presented: Presented,
    /// Who looks: a signed-in user, or an anonymous visitor.
    pub(crate) caller: Caller,
    pub(crate) frame: Frame,
    pub(crate) cookies: Cookies,
    /// Which page of the list is wanted.
    pub(crate) number: PageNumber,
    /// The viewer, for the records of who did what.
    pub(crate) by: Actor,
    /// What was typed into the form that was refused, and why it was.
    pub(crate) form: Form,
    pub(super) problem: Option<Problem>,
    pub(super) address: IpAddr,
    pub(super) agent: String,
    conditions: Conditions,
    /// Each source gets one page at a time, as with lists. A form takes no turn: a slow body would block the others.
    _turn: Option<Turn>,
}

/// What is around a page: base.html.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// What stands before every path of this server, without a final `/`; empty where nothing does.
    pub(crate) base: String,
    /// The URL under which clients reach this server, that path included, without a final `/`.
    pub(crate) origin: String,
    /// The account that is signed in.
    pub(crate) account: Option<String>,
    /// Whether that is known: a page about an error does not look.
    pub(crate) knows_viewer: bool,
    /// What is in the search box.
    pub(crate) search: String,
    /// Whether that account administers the server.
    pub(crate) is_admin: bool,
    /// The path of this page, as a value of a query: where a sign-in returns to.
    pub(crate) here: String,
    /// What an action that led here says, once.
    pub(crate) notice: Option<String>,
}

/// What the headers of a request say of the form of the answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conditions {
    takes_gzip: bool,
    held: Option<String>,
}

impl Frame {
    /// For a page about an error, at the path `here` as a value of a query. `is_anonymous`: the request says nothing of its sender.
    pub(crate) fn of_error(settings: &Settings, is_anonymous: bool, here: String) -> Self {
        Self {
            base: settings.base_path().to_owned(),
            origin: String::new(),
            account: None,
            knows_viewer: is_anonymous,
            search: String::new(),
            is_admin: false,
            here,
            notice: None,
        }
    }

    /// The path of a static file, under a name that is another one when its content is.
    pub(crate) fn asset(&self, name: &str) -> String {
        format!("{}{}", self.base, assets::path(name))
    }

    /// The version of the server.
    #[expect(
        clippy::unused_self,
        reason = "templates call methods of what they are given"
    )]
    pub(crate) const fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}

impl Conditions {
    /// Of a request with these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let coding = |coding: &str| {
            let mut parts = coding.split(';').map(str::trim);
            let is_gzip = parts
                .next()
                .is_some_and(|name| name == "gzip" || name == "*");
            is_gzip && !parts.any(|weight| weight == "q=0" || weight == "q=0.0")
        };
        let accepted = text(header::ACCEPT_ENCODING).unwrap_or_default();
        Self {
            takes_gzip: accepted.split(',').any(coding),
            held: text(header::IF_NONE_MATCH).map(str::to_owned),
        }
    }

    /// Whether the client has what that weak ETag stands for.
    fn has(&self, etag: &str) -> bool {
        let held = self.held.as_deref().unwrap_or_default();
        held.split(',').any(|held| held.trim() == etag)
    }

    /// 200 with those bytes, compressed where the client takes that; 304 where it has them.
    pub(crate) fn answer(&self, content: Vec<u8>, media_type: HeaderValue) -> Response {
        let hash = Sha256::digest(&content);
        let hex: String = hash
            .iter()
            .take(12)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        // Weak: a compressed page and the page itself have the same.
        let etag = format!("W/\"{hex}\"");
        let mut response = Response::new(Body::empty());
        if self.has(&etag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            self.fill(&mut response, content);
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, media_type);
        }
        let headers = response.headers_mut();
        if let Ok(etag) = HeaderValue::try_from(etag) {
            headers.insert(header::ETAG, etag);
        }
        response
    }

    /// Gives an answer its body.
    fn fill(&self, response: &mut Response, content: Vec<u8>) {
        let compressed = (self.takes_gzip && content.len() >= WORTH_COMPRESSING)
            .then(|| gzip(&content, Compression::new(4)))
            .flatten();
        let body = match compressed {
            None => content,
            Some(compressed) => {
                let coding = HeaderValue::from_static("gzip");
                response
                    .headers_mut()
                    .insert(header::CONTENT_ENCODING, coding);
                compressed
            }
        };
        *response.body_mut() = Body::from(body);
    }
}

impl Visit {
    /// 200 with a page, or 304.
    ///
    /// # Errors
    ///
    /// When the template can't be filled.
    pub(crate) fn show(&self, page: &impl Template, keep: Keep) -> Result<Response, ApiError> {
        self.show_as(StatusCode::OK, page, keep)
    }

    /// The same with another status. Only 200 becomes 304.
    ///
    /// # Errors
    ///
    /// When the template can't be filled.
    pub(crate) fn show_as(
        &self,
        status: StatusCode,
        page: &impl Template,
        keep: Keep,
    ) -> Result<Response, ApiError> {
        let text = page
            .render()
            .map_err(|error| ApiError::Internal(error.into()))?;
        let mut response = if status == StatusCode::OK && keep == Keep::Revalidated {
            self.conditions.answer(text.into_bytes(), HTML)
        } else {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = status;
            self.conditions.fill(&mut response, text.into_bytes());
            response.headers_mut().insert(header::CONTENT_TYPE, HTML);
            response
        };
        self.keep(&mut response, keep);
        guard(response.headers_mut());
        Ok(response)
    }

    /// The links beside this page of a list with `total` entries at `path`, without the base path.
    pub(crate) fn pager(
        &self,
        total: u64,
        nouns: (&'static str, &'static str),
        path: &str,
    ) -> Pager {
        Pager::new(
            self.number,
            total,
            nouns,
            &format!("{}{path}", self.frame.base),
        )
    }

    /// 303 to the page at `path`, without the base path.
    pub(crate) fn redirect(&self, path: &str) -> Result<Response, ApiError> {
        redirect(StatusCode::SEE_OTHER, &format!("{}{path}", self.frame.base))
    }

    /// The same, where the page says `notice` once.
    pub(crate) fn done(&self, path: &str, notice: &str) -> Result<Response, ApiError> {
        let mut response = self.redirect(path)?;
        self.cookies.say(response.headers_mut(), notice);
        Ok(response)
    }

    /// 200 with a file that is no page, or 304.
    pub(crate) fn send(&self, content: Vec<u8>, media_type: &'static str) -> Response {
        let media_type = HeaderValue::from_static(media_type);
        let mut response = self.conditions.answer(content, media_type);
        self.keep(&mut response, Keep::Revalidated);
        response
    }

    fn keep(&self, response: &mut Response, keep: Keep) {
        let cache_control = match keep {
            Keep::Never => "no-store",
            Keep::Revalidated if self.account().is_some() => "private, no-cache",
            Keep::Revalidated => "public, no-cache",
        };
        let headers = response.headers_mut();
        let cache_control = HeaderValue::from_static(cache_control);
        headers.insert(header::CACHE_CONTROL, cache_control);
        let vary = HeaderValue::from_static("Accept-Encoding, Authorization, Cookie");
        headers.insert(header::VARY, vary);
        if self.frame.notice.is_some() {
            self.cookies.clear(headers, Cookie::Notice);
        }
    }
}

/// What every page tells the browser about itself.
pub(super) fn guard(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    let referrer = HeaderValue::from_static("same-origin");
    headers.insert(header::REFERRER_POLICY, referrer);
    let frames = HeaderValue::from_static("DENY");
    headers.insert(header::X_FRAME_OPTIONS, frames);
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(opener, HeaderValue::from_static("same-origin"));
}

impl FromRequestParts<Registry> for Visit {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let presented = Presented::of_page(parts, registry)?;
        let caller = presented.caller(registry).await?;
        let Some(Source(address)) = parts.extensions.get::<Source>().copied() else {
            return Err(ApiError::Internal("a request without a source".into()));
        };
        let agent = parts.headers.get(header::USER_AGENT);
        let agent = agent.and_then(|agent| agent.to_str().ok());
        let is_encrypted = parts.extensions.get::<Encrypted>().is_some();
        let cookies = Cookies::of(registry, &parts.headers, is_encrypted);
        let here = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let frame = Frame {
            base: registry.settings().base_path().to_owned(),
            origin: origin(registry, parts),
            account: caller.account().map(|(_, name)| name.to_owned()),
            knows_viewer: true,
            search: String::new(),
            is_admin: decide_site(&caller).is_ok(),
            here: form_urlencoded::byte_serialize(here.as_bytes()).collect(),
            notice: cookies.notice(),
        };
        Ok(Self {
            registry: registry.clone(),
            by: presented.actor(&caller),
            form: Form::default(),
            problem: None,
            presented,
            caller,
            frame,
            cookies,
            number: PageNumber::in_query(&parts.uri),
            address,
            agent: agent.unwrap_or_default().to_owned(),
            conditions: Conditions::of(&parts.headers),
            _turn: match parts.method {
                Method::GET | Method::HEAD => Some(turn(parts, registry).await?),
                _ => None,
            },
        })
    }
}

/// The URL under which the sender of a request reaches this server, without a final `/`.
pub(crate) fn origin(registry: &Registry, parts: &Parts) -> String {
    let is_encrypted = parts.extensions.get::<Encrypted>().is_some();
    let is_https = is_encrypted || is_forwarded_from_https(&parts.headers);
    let scheme = if is_https { "https" } else { "http" };
    base_url(registry, &parts.headers, scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        for (accepted, takes) in [
            ("gzip", true),
            ("br, gzip;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0, br", false),
            ("br", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, accepted.parse().unwrap());
            assert_eq!(Conditions::of(&headers).takes_gzip, takes, "{accepted}");
        }
    }
}
