//! The `Host` of a request: there once, or the request is refused (RFC 9112, section 3.2). Where two are taken, a proxy in
//! front and the server can believe different ones.

use axum::http::{Request, Version, header};

use super::error::ApiError;

/// Refuses a request of HTTP/1.1 without a `Host`, and any with two, or with one that is no host.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), ApiError> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let refusal = match (hosts.next(), hosts.next()) {
        (None, _) if request.version() <= Version::HTTP_10 => return Ok(()),
        (None, _) => "the request has no Host header; HTTP/1.1 needs one",
        (Some(_), Some(_)) => "the request has several Host headers; send one",
        (Some(host), None) if host.as_bytes().iter().all(is_of_a_host) => return Ok(()),
        (Some(_), None) => "the Host header of the request is no host; send a name or an address",
    };
    Err(ApiError::BadRequest(refusal.to_owned()))
}

/// Whether a byte may stand in `uri-host [ ":" port ]` (RFC 3986, section 3.2).
fn is_of_a_host(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_or_none_at_all_before_http_1_1() {
        let request = |version, hosts: &[&str]| {
            let mut request = Request::builder().version(version);
            for host in hosts {
                request = request.header(header::HOST, *host);
            }
            check(&request.body(()).unwrap())
        };
        for host in ["a.example", "a.example:80", "[::1]:80", "127.0.0.1", ""] {
            assert!(request(Version::HTTP_11, &[host]).is_ok(), "{host}");
        }
        for host in ["a b", "a/b", "user@a", "a?b"] {
            assert!(request(Version::HTTP_11, &[host]).is_err(), "{host}");
        }
        assert!(request(Version::HTTP_11, &[]).is_err());
        assert!(request(Version::HTTP_10, &[]).is_ok());
        assert!(request(Version::HTTP_10, &["a", "a"]).is_err());
        assert!(request(Version::HTTP_11, &["a", "b"]).is_err());
    }
}
