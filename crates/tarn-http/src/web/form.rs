//! What a page's form sends, and what is answered to it.

use axum::{
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderName, StatusCode, header},
};
use url::form_urlencoded;

use super::shown::{Marked, sentence};
use crate::{api::extract::small_body, code::Code, error::ApiError};
use tarn_base::{hint::Hint, secret::Secret};
use tarn_core::Registry;
use tarn_store::metadata::Visibility;

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The fields of a form, in their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form(Vec<(String, Secret)>);

/// Why a form was not taken: the page is shown again with this.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

impl Problem {
    /// With that status and text.
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
        }
    }

    /// The text, as a sentence.
    pub(crate) fn sentence(&self) -> Marked {
        sentence(&self.text)
    }

    /// 422 with that text.
    pub(crate) fn field(text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, text)
    }
}

impl TryFrom<ApiError> for Problem {
    type Error = ApiError;

    /// The refusal in its own words. A fault of the server is no refusal. A page has no 401: browsers would ask for a password
    /// themselves.
    fn try_from(error: ApiError) -> Result<Self, ApiError> {
        let status = match error.code().status() {
            StatusCode::UNAUTHORIZED => StatusCode::FORBIDDEN,
            status => status,
        };
        if status.is_server_error() {
            return Err(error);
        }
        let text = error.line().unwrap_or_default();
        Ok(Self { status, text })
    }
}

impl Form {
    /// A field without the whitespace around it; empty when it did not come.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// A field as it came; empty when it did not.
    pub(crate) fn raw(&self, name: &str) -> &str {
        let mut values = self.0.iter().filter(|(found, _)| found == name);
        values.next().map_or("", |(_, value)| value.expose())
    }

    /// A field that holds a secret.
    pub(crate) fn secret(&self, name: &str) -> Secret {
        Secret::new(self.raw(name).to_owned())
    }

    /// Every value of a field.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let values = self.0.iter().filter(|(found, _)| found == name);
        values.map(|(_, value)| value.expose().trim()).collect()
    }

    /// Whether a box is ticked, or a field has that value.
    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        self.all(name).contains(&value)
    }

    /// A field, parsed: what is wrong with it says the error.
    ///
    /// # Errors
    ///
    /// When it can't be parsed.
    pub(crate) fn parsed<T: std::str::FromStr<Err: Hint>>(
        &self,
        name: &str,
    ) -> Result<T, ApiError> {
        let parsed = self.text(name).parse();
        parsed.map_err(|error| ApiError::invalid_field(&error))
    }

    /// The visibility that was chosen; public where none was.
    pub(crate) fn visibility(&self) -> Visibility {
        let chosen = self.text("visibility").parse();
        chosen.unwrap_or(Visibility::Public)
    }

    /// A number. `what` names it in the refusal.
    ///
    /// # Errors
    ///
    /// When it can't be parsed.
    pub(crate) fn number<T: std::str::FromStr>(
        &self,
        name: &str,
        what: &str,
    ) -> Result<T, ApiError> {
        self.text(name).parse().map_err(|_| {
            ApiError::Unprocessable(format!("{what} is not a number; write digits only"))
        })
    }
}

impl FromRequest<Registry> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, registry: &Registry) -> Result<Self, ApiError> {
        must_say_where_from(request.headers())?;
        let (parts, body) = request.into_parts();
        let bytes = small_body(&parts.headers, body, registry).await?;
        let bytes = zeroize::Zeroizing::new(bytes);
        let fields = form_urlencoded::parse(&bytes)
            .map(|(name, value)| (name.into_owned(), Secret::new(value.into_owned())));
        Ok(Self(fields.collect()))
    }
}

/// Refuses a form with a cookie whose browser does not say which site sent it. `cross_site.rs` has refused those of other sites.
pub(crate) fn must_say_where_from(headers: &HeaderMap) -> Result<(), ApiError> {
    let says = headers.contains_key(&SEC_FETCH_SITE) || headers.contains_key(header::ORIGIN);
    if says || !headers.contains_key(header::COOKIE) {
        return Ok(());
    }
    Err(ApiError::Refused(
        Code::CrossSiteRequest,
        "this form came without `Origin` and `Sec-Fetch-Site`; use a browser that sends one of them".to_owned(),
    ))
}

/// What stands between whitespace or commas.
pub(crate) fn words(text: &str) -> Vec<String> {
    let separated = |c: char| c == ',' || c.is_whitespace();
    let words = text.split(separated).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// A path of this server to return to, as it came in a query or a form: the home page when it is of another site, or can't be
/// read.
pub(crate) fn local(path: &str) -> &str {
    let is_local = path.starts_with('/')
        && !path.starts_with("//")
        && path.len() < 2_000
        && path
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_local { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_return_address_never_leaves_the_site() {
        for path in ["/", "/alice/edge/main?q=a%20b", "/-/settings#tokens"] {
            assert_eq!(local(path), path);
        }
        for path in [
            "",
            "alice",
            "//evil.example/",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example/",
            "/a\r\nSet-Cookie: x=y",
            "/\t/evil.example",
            "/a b",
        ] {
            assert_eq!(local(path), "/", "{path:?}");
        }
    }
}
