//! Lists in pages: `?page=` and `?limit=` in, `Link` and `X-Total-Count` out, as in Forgejo and Gitea.

use std::{fmt::Write as _, time::Duration};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

use super::extract::Query;
use crate::{error::ApiError, transport::source::Source};
use tarn_core::{Registry, access::network, settings::ApiLimits, turns::Turn};
use tarn_store::metadata::{Page, Window};

static TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// A number in a query: digits and nothing else, below 2⁶³. What is too large to count with counts as the largest number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = u64, minimum = 0)]
pub(crate) struct Number(u32);

impl Number {
    /// More than any page has.
    pub(crate) const MOST: Self = Self(u32::MAX);

    /// The number in a text, where it is one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number: i64 = text.parse().ok().filter(|_| digits)?;
        Some(Self(u32::try_from(number).unwrap_or(u32::MAX)))
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom("`page` and `limit` are whole numbers from 0 to 9223372036854775807")
        })
    }
}

/// The parameters of a list that has no others.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// Which page, counted from 1; 0 is the first page too. A page behind the last one is empty.
    #[param(required = false, value_type = u64, minimum = 0, example = 1)]
    page: Option<Number>,
    /// How many entries a page has at most. 0 or none: the usual number. More than the server gives at once (100, unless
    /// its operator set another number) counts as that.
    #[param(required = false, value_type = u64, minimum = 0, example = 30)]
    limit: Option<Number>,
}

/// The longest that a request waits for the lists that the same source asked for before it.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// The URL of the list that was asked for, as the client sees it, and the turn to answer it.
pub(crate) struct ListUrl {
    limits: ApiLimits,
    /// Scheme, host and the path of the base URL; empty where the request names no host.
    base: String,
    uri: Uri,
    _turn: Option<Turn>,
}

impl FromRequestParts<Registry> for ListUrl {
    type Rejection = ApiError;

    /// # Errors
    ///
    /// [`ApiError::Busy`] when the source has asked for so many lists that its turn doesn't come in time.
    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let turn = turn(parts, registry).await?;
        let base = match &registry.settings().base_url {
            Some(base) => base.clone(),
            None => as_asked(&parts.headers),
        };
        Ok(Self {
            limits: registry.settings().api.clone(),
            base,
            uri: parts.uri.clone(),
            _turn: Some(turn),
        })
    }
}

/// Waits for the turn of a request's source among those who ask for lists.
///
/// # Errors
///
/// [`ApiError::Busy`] when it doesn't come in time.
pub(crate) async fn turn(parts: &Parts, registry: &Registry) -> Result<Turn, ApiError> {
    let Some(Source(source)) = parts.extensions.get().copied() else {
        return Err(ApiError::Internal("a request without a source".into()));
    };
    let turn = registry.list_turns().one(network(source));
    timeout(LONGEST_WAIT, turn).await.map_err(|_| {
        let text = "your address has asked for many lists, which are answered one at a time; wait for their answers, then try again";
        ApiError::Busy(text.to_owned())
    })
}

/// Whether a proxy that ends TLS says that the client came by it.
pub(crate) fn is_forwarded_from_https(headers: &HeaderMap) -> bool {
    headers
        .get(&FORWARDED_PROTO)
        .is_some_and(|proto| proto == "https")
}

/// What a request itself says of the server's URL. A proxy that ends TLS says so in `X-Forwarded-Proto`; a client that lies in it
/// changes only its own answer.
fn as_asked(headers: &HeaderMap) -> String {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = if is_forwarded_from_https(headers) {
        "https"
    } else {
        "http"
    };
    let host = text(&header::HOST).filter(|host| !host.is_empty());
    host.map_or_else(String::new, |host| format!("{scheme}://{host}"))
}

impl ListUrl {
    /// The page that is wanted.
    pub(crate) fn page(self, page: Option<Number>, limit: Option<Number>) -> Pages {
        let limit = limit.map_or(0, |Number(limit)| limit);
        let limit = match limit {
            0 => self.limits.usual_page,
            limit => limit,
        };
        Pages {
            page: page.map_or(1, |Number(page)| page.max(1)),
            limit: limit.clamp(1, self.limits.largest_page.max(1)),
            url: self,
        }
    }

    /// What a link to another page of the list begins with: the URL and the rest of the query, up to where the page and the limit
    /// stand. `place` is the parameter that says which page. What came as bytes beyond ASCII is percent-encoded: a URI has none.
    fn another_page(&self, place: &str) -> String {
        let mut target = self.base.clone();
        let mut add = |text: &str| {
            for byte in text.bytes() {
                if byte.is_ascii() {
                    target.push(char::from(byte));
                } else {
                    let _ = write!(target, "%{byte:02X}");
                }
            }
        };
        add(self.uri.path());
        add("?");
        for pair in self.uri.query().unwrap_or("").split('&') {
            let name = pair.split('=').next().unwrap_or(pair);
            if !pair.is_empty() && name != place && name != "limit" {
                add(pair);
                add("&");
            }
        }
        target
    }
}

/// Which page of how many entries is wanted. As a part of a request: of a list that has no other parameters.
pub(crate) struct Pages {
    page: u32,
    limit: u32,
    url: ListUrl,
}

impl FromRequestParts<Registry> for Pages {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, registry: &Registry) -> Result<Self, ApiError> {
        let Query(query) = Query::<ListQuery>::from_request_parts(parts, registry).await?;
        let url = ListUrl::from_request_parts(parts, registry).await?;
        Ok(url.page(query.page, query.limit))
    }
}

impl Pages {
    pub(crate) const fn window(&self) -> Window {
        Window {
            offset: (self.page - 1).saturating_mul(self.limit),
            limit: self.limit,
        }
    }

    /// 200 with the entries, and where the other pages are.
    pub(crate) fn answer<T, V: Serialize>(
        &self,
        page: Page<T>,
        view: impl FnMut(T) -> V,
    ) -> Response {
        let entries: Vec<V> = page.entries.into_iter().map(view).collect();
        let mut response = axum::Json(entries).into_response();
        let headers = response.headers_mut();
        headers.insert(TOTAL_COUNT.clone(), HeaderValue::from(page.total));
        headers.extend(self.links(page.total).and_then(link));
        response
    }

    /// The same where the whole list is at hand.
    pub(crate) fn answer_part_of<T, V: Serialize>(
        &self,
        all: Vec<T>,
        view: impl FnMut(T) -> V,
    ) -> Response {
        let total = u64::try_from(all.len()).unwrap_or(u64::MAX);
        let Window { offset, limit } = self.window();
        let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let entries = all.into_iter().skip(size(offset)).take(size(limit));
        let page = Page {
            entries: entries.collect(),
            total,
        };
        self.answer(page, view)
    }

    /// The value of the header `Link` (RFC 8288), or nothing when there is one page.
    fn links(&self, total: u64) -> Option<String> {
        let last = u32::try_from(total.div_ceil(u64::from(self.limit)))
            .unwrap_or(u32::MAX)
            .max(1);
        let mut relations = Vec::new();
        if self.page < last {
            relations.push(("next", self.page + 1));
            relations.push(("last", last));
        }
        if self.page > 1 {
            relations.push(("first", 1));
            relations.push(("prev", (self.page - 1).min(last)));
        }
        if relations.is_empty() {
            return None;
        }
        let target = self.url.another_page("page");
        let limit = self.limit;
        let links = relations.into_iter().map(|(relation, page)| {
            format!("<{target}page={page}&limit={limit}>; rel=\"{relation}\"")
        });
        Some(links.collect::<Vec<_>>().join(", "))
    }

    /// The header `Link` to the entries before that one, of a list in which pages begin behind an entry.
    pub(super) fn before(&self, entry: i64) -> Option<(HeaderName, HeaderValue)> {
        let (target, limit) = (self.url.another_page("before"), self.limit);
        link(format!(
            "<{target}before={entry}&limit={limit}>; rel=\"next\""
        ))
    }
}

/// The header `Link`.
fn link(links: String) -> Option<(HeaderName, HeaderValue)> {
    let value = HeaderValue::try_from(links).ok()?;
    Some((header::LINK, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(page: u32, limit: u32) -> Pages {
        let url = ListUrl {
            limits: ApiLimits::default(),
            base: "https://h".to_owned(),
            uri: Uri::from_static("/a?q=x%20y&page=7&limit=3"),
            _turn: None,
        };
        url.page(Some(Number(page)), Some(Number(limit)))
    }

    fn links(page: u32, total: u64) -> Option<String> {
        pages(page, 10).links(total)
    }

    #[test]
    fn links_lead_to_the_other_pages_and_keep_the_rest_of_the_query() {
        assert_eq!(
            links(2, 35).unwrap(),
            "<https://h/a?q=x%20y&page=3&limit=10>; rel=\"next\", <https://h/a?q=x%20y&page=4&limit=10>; rel=\"last\", \
             <https://h/a?q=x%20y&page=1&limit=10>; rel=\"first\", <https://h/a?q=x%20y&page=1&limit=10>; rel=\"prev\""
        );
        assert_eq!(
            links(1, 11).unwrap(),
            "<https://h/a?q=x%20y&page=2&limit=10>; rel=\"next\", <https://h/a?q=x%20y&page=2&limit=10>; rel=\"last\""
        );
    }

    #[test]
    fn one_page_has_no_links() {
        assert_eq!(links(1, 0), None);
        assert_eq!(links(1, 10), None);
    }

    #[test]
    fn a_page_behind_the_last_leads_back_to_it() {
        assert_eq!(
            links(9, 20).unwrap(),
            "<https://h/a?q=x%20y&page=1&limit=10>; rel=\"first\", <https://h/a?q=x%20y&page=2&limit=10>; rel=\"prev\""
        );
    }

    #[test]
    fn sizes_are_bounded_and_zero_is_the_usual() {
        for (page, limit, window) in [
            (0, 0, (0, 30)),
            (1, 5, (0, 5)),
            (3, 5, (10, 5)),
            (2, 5000, (100, 100)),
            (u32::MAX, 100, (u32::MAX, 100)),
        ] {
            let Window { offset, limit } = pages(page, limit).window();
            assert_eq!((offset, limit), window);
        }
    }
}
