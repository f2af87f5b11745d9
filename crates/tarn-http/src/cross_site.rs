//! A browser adds the password that it remembers to whatever a page of any site sends here, and asks no one before it sends a
//! `POST` without a body. So a page of another site could rotate or retire keys in the name of the person who looks at it. Browsers
//! say where a request comes from, in headers that no page can write itself; programs send none of them:
//!
//! - `Sec-Fetch-Site` (Fetch Metadata Request Headers, section 2.3), to servers with TLS and to the browser's own machine;
//! - `Origin` (RFC 6454, section 7.3) with every request that is no `GET` and no `HEAD`, to other servers too. It is compared
//!   with `Host`, so a proxy in front has to hand that on as it came.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};

use super::{code::Code, error::ApiError};

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses what would change something and was sent by a page of another site.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), ApiError> {
    let reads = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if reads || is_of_this_site(request.headers()) {
        return Ok(());
    }
    Err(ApiError::Refused(
        Code::CrossSiteRequest,
        "a page of another site sent this; send it from a program, or from this server's own pages; a proxy in front has to \
         hand on `Host` as it came"
            .to_owned(),
    ))
}

/// Whether a request was sent by a page of this server, by a person who typed its address, or by a program.
pub(super) fn is_of_this_site(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all(&SEC_FETCH_SITE).iter().peekable();
    if sites.peek().is_some() {
        return sites.all(|site| site == "same-origin" || site == "none");
    }
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    let mut origins = headers.get_all(header::ORIGIN).iter();
    origins.all(|origin| match (authority(origin.as_bytes()), host) {
        (Some(origin), Some(host)) => origin.eq_ignore_ascii_case(host),
        _ => false,
    })
}

/// The host and the port of an origin. None for `null`, which stands for pages that are not to say where they are from.
fn authority(origin: &[u8]) -> Option<&[u8]> {
    let rest = |scheme: &[u8]| origin.strip_prefix(scheme);
    rest(b"http://").or_else(|| rest(b"https://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_from_another_site_is_refused() {
        let allowed = |method: &str, sites: &[&str]| {
            let mut request = Request::builder().method(method);
            for site in sites {
                request = request.header(&SEC_FETCH_SITE, *site);
            }
            check(&request.body(()).unwrap()).is_ok()
        };
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            for sites in [&[][..], &["same-origin"], &["none"]] {
                assert!(allowed(method, sites), "{method} {sites:?}");
            }
            for sites in [
                &["cross-site"][..],
                &["same-site"],
                &[""],
                &["same-origin", "cross-site"],
            ] {
                assert!(!allowed(method, sites), "{method} {sites:?}");
            }
        }
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert!(allowed(method, &["cross-site"]), "{method}");
        }
    }

    #[test]
    fn without_tls_the_origin_tells() {
        let allowed = |host: Option<&str>, origins: &[&str], site: Option<&str>| {
            let mut request = Request::builder().method("POST");
            if let Some(host) = host {
                request = request.header(header::HOST, host);
            }
            for origin in origins {
                request = request.header(header::ORIGIN, *origin);
            }
            if let Some(site) = site {
                request = request.header(&SEC_FETCH_SITE, site);
            }
            check(&request.body(()).unwrap()).is_ok()
        };
        let host = Some("tarn.example:8080");
        for origins in [
            &[][..],
            &["http://tarn.example:8080"],
            &["https://TARN.example:8080"],
        ] {
            assert!(allowed(host, origins, None), "{origins:?}");
        }
        for origins in [
            &["http://evil.example"][..],
            &["http://tarn.example"],
            &["http://tarn.example:8080.evil.example"],
            &["http://evil.example/tarn.example:8080"],
            &["tarn.example:8080"],
            &["null"],
            &[""],
            &["http://tarn.example:8080", "http://evil.example"],
        ] {
            assert!(!allowed(host, origins, None), "{origins:?}");
        }
        assert!(!allowed(None, &["http://tarn.example:8080"], None));
        // A browser that says more is believed: a proxy may have changed the host.
        let elsewhere = &["https://packages.example"];
        assert!(allowed(host, elsewhere, Some("same-origin")));
        assert!(!allowed(
            host,
            &["http://tarn.example:8080"],
            Some("cross-site")
        ));
    }
}
