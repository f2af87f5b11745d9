//! What holds of every request before anything is done with it: one `Host`, and no doubt where its body ends. Where a proxy in
//! front and the server understand one request in two ways, a client can hide a second request in it.

use axum::http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, header};

use crate::error::ApiError;

/// Refuses a request whose body can be understood in two ways (RFC 9112, section 6.1), and a PUT of a part (RFC 9110, section
/// 14.5). `head` is the head as it came: the HTTP library leaves a `Content-Length` out when there is a
/// `Transfer-Encoding`.
pub(crate) fn framing<B>(request: &Request<B>, head: &[u8]) -> Result<(), ApiError> {
    let headers = request.headers();
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let coding = codings.next();
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    let refusal = if *request.method() == Method::PUT && headers.contains_key(header::CONTENT_RANGE)
    {
        "Content-Range is not taken: a package is uploaded whole; leave it off"
    } else if coding.is_none() {
        return Ok(());
    } else if !coding.is_some_and(is_chunked) || codings.next().is_some() {
        "the only Transfer-Encoding that is taken is `chunked`, once"
    } else {
        match names_length(head) {
            Some(false) => return Ok(()),
            Some(true) => "the request has both Content-Length and Transfer-Encoding; send one",
            None => {
                "a request with Transfer-Encoding came before the answer to the one before it; wait for that"
            }
        }
    };
    Err(ApiError::BadRequest(refusal.to_owned()))
}

/// Whether a head has a `Content-Length`; `None` when it is not all there.
fn names_length(head: &[u8]) -> Option<bool> {
    // Empty lines in front are passed over (section 2.2).
    let start = head.iter().position(|byte| !b"\r\n".contains(byte))?;
    let lines = head.get(start..)?.split_inclusive(|byte| *byte == b'\n');
    // What has no line feed is not all there.
    let mut lines = lines.filter(|line| line.ends_with(b"\n")).skip(1);
    let mut names = false;
    loop {
        match lines.next()?.trim_ascii_end() {
            b"" => return Some(names),
            line => {
                let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
                names |= name.eq_ignore_ascii_case(b"content-length");
            }
        }
    }
}

/// Gives a request of HTTP/2 the form of HTTP/1.1: a path, and a `Host` in place of `:authority` (RFC 9113, section 8.3.1).
pub(crate) fn as_http1<B>(request: &mut Request<B>) {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    if let Some(authority) = parts.authority.take()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
        && request.headers().get(header::HOST) != Some(&host)
    {
        // Where both are there and differ, there are two now.
        request.headers_mut().append(header::HOST, host);
    }
    let path = parts.path_and_query.take();
    *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
}

/// Whether the client says that it will close the connection after the answer.
pub(crate) fn asks_to_close(headers: &HeaderMap) -> bool {
    let mut tokens = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// Refuses a request of HTTP/1.1 without a `Host`, and any with two, or with one that is not a host.
pub(crate) fn host<B>(request: &Request<B>) -> Result<(), ApiError> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let refusal = match (hosts.next(), hosts.next()) {
        (None, _) if request.version() <= Version::HTTP_10 => return Ok(()),
        (None, _) => "the request has no Host header; HTTP/1.1 needs one",
        (Some(_), Some(_)) => "the request has several Host headers; send one",
        (Some(host), None) if host.as_bytes().iter().all(is_of_a_host) => return Ok(()),
        (Some(_), None) => {
            "the Host header of the request is not a host; send a name or an address"
        }
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
    fn a_length_beside_chunks_is_found_wherever_it_stands() {
        for (head, names) in [
            (
                "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n",
                Some(true),
            ),
            (
                "\r\n\r\nPUT / HTTP/1.1\r\ncontent-LENGTH:5\r\n\r\n",
                Some(true),
            ),
            ("PUT / HTTP/1.1\nContent-Length: 5\n\n", Some(true)),
            (
                "PUT / HTTP/1.1\r\nHost: x\r\n\r\nContent-Length: 5\r\n\r\n",
                Some(false),
            ),
            ("PUT / HTTP/1.1\r\nX-Content-Length: 5\r\n\r\n", Some(false)),
            ("PUT / HTTP/1.1\r\nHost: x\r\n", None),
            ("", None),
        ] {
            assert_eq!(names_length(head.as_bytes()), names, "{head:?}");
        }
    }

    #[test]
    fn one_host_or_none_at_all_before_http_1_1() {
        let request = |version, hosts: &[&str]| {
            let mut request = Request::builder().version(version);
            for host in hosts {
                request = request.header(header::HOST, *host);
            }
            super::host(&request.body(()).unwrap())
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
