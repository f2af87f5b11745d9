//! Where a request comes from: the address of the connection or, behind proxies that are trusted, the one that they tell.
//!
//! Each proxy appends the address that it was asked from. So the list is read from its end: as long as the addresses are
//! those of trusted proxies, the one before was written by a trusted proxy. The first that is not is the source, and what
//! stands further left is whatever the sender made up. One header is read, the one that the operator named: a
//! proxy that writes the one passes the other on as it came.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};

use tarn_core::settings::{ForwardedHeader, Proxies};

/// The most addresses that are looked at, from the end.
const MOST_HOPS: usize = 32;
/// The longest element that can be an address, in bytes.
const MOST_BYTES: usize = 256;

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address that a request came from, as an extension of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source(pub(crate) IpAddr);

/// That a request came over TLS, as an extension of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Encrypted;

/// The source of a request with these headers, for what comes after this.
pub(crate) fn source(peer: IpAddr, headers: &HeaderMap, proxies: &Proxies) -> Source {
    Source(source_address(peer, headers, proxies))
}

/// The address that a request with these headers came from, over a connection from `peer`. Where the list has something else
/// than an address, it is the trusted proxy that should have written it.
pub fn source_address(peer: IpAddr, headers: &HeaderMap, proxies: &Proxies) -> IpAddr {
    let mut source = peer.to_canonical();
    if !proxies.trusts(source) {
        return source;
    }
    let name = match proxies.header {
        ForwardedHeader::XForwardedFor => &X_FORWARDED_FOR,
        ForwardedHeader::Forwarded => &header::FORWARDED,
    };
    // Several lines are one list (RFC 9110, section 5.3).
    let elements = headers
        .get_all(name)
        .iter()
        .rev()
        .flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty());
    for element in elements.take(MOST_HOPS) {
        let written = match proxies.header {
            ForwardedHeader::XForwardedFor => address(element),
            ForwardedHeader::Forwarded => node(element).and_then(address),
        };
        match written {
            Some(written) => source = written,
            None => break,
        }
        if !proxies.trusts(source) {
            break;
        }
    }
    source
}

/// The address in the `for=` of one element (RFC 7239, section 4). Commas in quoted strings are not minded: an element is cut at
/// the last comma, so that a quote which the sender opened and did not close cannot swallow what a proxy appended.
fn node(element: &[u8]) -> Option<&[u8]> {
    let mut found = None;
    for pair in element.split(|byte| *byte == b';') {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = pair.split_at_checked(at)?;
        if name.trim_ascii().eq_ignore_ascii_case(b"for") {
            if found.is_some() {
                return None;
            }
            found = Some(value.strip_prefix(b"=")?.trim_ascii());
        }
    }
    let value = found?;
    match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.strip_suffix(b"\""),
        None => Some(value),
    }
}

/// An address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &[u8]) -> Option<IpAddr> {
    if text.len() > MOST_BYTES {
        return None;
    }
    let text = str::from_utf8(text).ok()?;
    let address = if let Ok(address) = text.parse::<IpAddr>() {
        address
    } else if let Ok(address) = text.parse::<SocketAddr>() {
        address.ip()
    } else {
        let bare = text.strip_prefix('[')?.strip_suffix(']')?;
        IpAddr::V6(bare.parse().ok()?)
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests;
