//! A browser adds the password that it remembers to whatever a page of any site sends here, and asks nobody before it sends a
//! `POST` without a body. So a page of another site could rotate or retire keys in the name of whoever looks at it. Browsers
//! say where a request comes from in `Sec-Fetch-Site` (Fetch Metadata Request Headers, section 2.3), which no page can write
//! itself; programs send none.

use axum::http::{HeaderName, Method, Request};

use super::error::ApiError;

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses what would change something and was sent by a page of another site.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), ApiError> {
    if matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    ) {
        return Ok(());
    }
    let mut sites = request.headers().get_all(&SEC_FETCH_SITE).iter();
    if sites.all(|site| site == "same-origin" || site == "none") {
        return Ok(());
    }
    Err(ApiError::Forbidden(
        "a page of another site sent this; send it from a program, or from this server's own pages"
            .to_owned(),
    ))
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
}
