//! Who is believed about where a request came from.

use axum::http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use super::*;

const PROXY: &str = "10.0.0.1";

fn proxies(header: ForwardedHeader) -> Proxies {
    Proxies {
        trusted: ["10.0.0.0/8", "fd00::/8"]
            .map(|network| network.parse().unwrap())
            .to_vec(),
        header,
    }
}

fn headers(lines: &[(&'static str, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

#[track_caller]
fn assert_source(header: ForwardedHeader, peer: &str, lines: &[&str], expected: &str) {
    let name = match header {
        ForwardedHeader::XForwardedFor => "x-forwarded-for",
        ForwardedHeader::Forwarded => "forwarded",
    };
    let lines: Vec<_> = lines.iter().map(|line| (name, line.as_bytes())).collect();
    let Source(found) = source(peer.parse().unwrap(), &headers(&lines), &proxies(header));
    assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{lines:?}");
}

#[test]
fn the_rightmost_address_that_is_no_trusted_proxy_is_the_source() {
    for (peer, lines, expected) in [
        // Not asked by a proxy that is trusted: nothing is believed.
        ("192.0.2.9", &["192.0.2.1"][..], "192.0.2.9"),
        ("::ffff:192.0.2.9", &["192.0.2.1"], "192.0.2.9"),
        // One proxy.
        (PROXY, &[], PROXY),
        (PROXY, &[""], PROXY),
        (PROXY, &["192.0.2.1"], "192.0.2.1"),
        ("::ffff:10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
        (PROXY, &["::ffff:192.0.2.1"], "192.0.2.1"),
        (PROXY, &["2001:db8::1"], "2001:db8::1"),
        ("fd00::1", &["2001:db8::1"], "2001:db8::1"),
        // With ports, as some proxies write them.
        (PROXY, &["192.0.2.1:4711"], "192.0.2.1"),
        (PROXY, &["[2001:db8::1]:4711"], "2001:db8::1"),
        (PROXY, &["[2001:db8::1]"], "2001:db8::1"),
        // Several proxies, of which the last are trusted.
        (PROXY, &["192.0.2.1, 10.0.0.2"], "192.0.2.1"),
        (PROXY, &["192.0.2.1,192.0.2.2 , 10.0.0.2"], "192.0.2.2"),
        (PROXY, &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        // What the sender made up stands left of what a proxy appended.
        (PROXY, &["127.0.0.1, 192.0.2.1"], "192.0.2.1"),
        (PROXY, &["10.9.9.9, 192.0.2.1"], "192.0.2.1"),
        (PROXY, &["garbage, 192.0.2.1"], "192.0.2.1"),
        // Several lines are one list.
        (PROXY, &["127.0.0.1", "192.0.2.1"], "192.0.2.1"),
        (PROXY, &["192.0.2.1", "10.0.0.2"], "192.0.2.1"),
        (PROXY, &["192.0.2.1", "", " , "], "192.0.2.1"),
        // Garbage where a proxy should have written an address: the proxy itself.
        (PROXY, &["192.0.2.1, unknown"], PROXY),
        (PROXY, &["192.0.2.1, unknown, 10.0.0.2"], "10.0.0.2"),
        (PROXY, &["192.0.2.1 192.0.2.2"], PROXY),
        (PROXY, &["192.0.2.256"], PROXY),
        (PROXY, &["[192.0.2.1]"], PROXY),
        (PROXY, &["192.0.2.1:99999"], PROXY),
        (PROXY, &["\"192.0.2.1\""], PROXY),
        (PROXY, &["for=192.0.2.1"], PROXY),
    ] {
        assert_source(ForwardedHeader::XForwardedFor, peer, lines, expected);
    }
}

#[test]
fn forwarded_is_read_as_its_rfc_has_it() {
    for (peer, lines, expected) in [
        ("192.0.2.9", &["for=192.0.2.1"][..], "192.0.2.9"),
        (PROXY, &["for=192.0.2.1"], "192.0.2.1"),
        (PROXY, &["For=\"192.0.2.1:4711\""], "192.0.2.1"),
        (
            PROXY,
            &["for=\"[2001:db8:cafe::17]:4711\""],
            "2001:db8:cafe::17",
        ),
        (PROXY, &["for=\"[2001:db8:cafe::17]\""], "2001:db8:cafe::17"),
        (
            PROXY,
            &["for=192.0.2.60;proto=http;by=203.0.113.43"],
            "192.0.2.60",
        ),
        (PROXY, &["proto=http; for=192.0.2.60"], "192.0.2.60"),
        (
            PROXY,
            &["for=192.0.2.43, for=198.51.100.17"],
            "198.51.100.17",
        ),
        (PROXY, &["for=192.0.2.43", "for=10.0.0.2"], "192.0.2.43"),
        (
            PROXY,
            &["for=192.0.2.43, for=_hidden, for=10.0.0.2"],
            "10.0.0.2",
        ),
        (PROXY, &["for=192.0.2.43, for=unknown"], PROXY),
        (PROXY, &["for=192.0.2.43, proto=http"], PROXY),
        (PROXY, &["for=192.0.2.43;for=192.0.2.44"], PROXY),
        (PROXY, &["for=\"192.0.2.43"], PROXY),
        (PROXY, &["192.0.2.43"], PROXY),
        // A quote that the sender left open does not swallow what the proxy appended.
        (PROXY, &["for=\"127.0.0.1, for=192.0.2.1"], "192.0.2.1"),
    ] {
        assert_source(ForwardedHeader::Forwarded, peer, lines, expected);
    }
}

#[test]
fn the_header_that_was_not_named_is_never_read() {
    let both = headers(&[
        ("forwarded", b"for=127.0.0.1"),
        ("x-forwarded-for", b"192.0.2.1"),
    ]);
    for (header, expected) in [
        (ForwardedHeader::XForwardedFor, "192.0.2.1"),
        (ForwardedHeader::Forwarded, "127.0.0.1"),
    ] {
        let Source(found) = source(PROXY.parse().unwrap(), &both, &proxies(header));
        assert_eq!(found.to_string(), expected);
    }
}

#[test]
fn the_list_is_read_so_far_and_no_further() {
    let hops = vec!["10.0.0.2"; MOST_HOPS - 1].join(", ");
    let all = format!("192.0.2.1, {hops}");
    assert_source(ForwardedHeader::XForwardedFor, PROXY, &[&all], "192.0.2.1");
    let more = format!("192.0.2.1, 10.0.0.3, {hops}");
    assert_source(ForwardedHeader::XForwardedFor, PROXY, &[&more], "10.0.0.3");
}

fn any_header() -> impl Strategy<Value = ForwardedHeader> {
    prop_oneof![
        Just(ForwardedHeader::XForwardedFor),
        Just(ForwardedHeader::Forwarded)
    ]
}

/// What a header may hold, with the characters that mean something more often than chance has them.
fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        prop::sample::select(b"for=\",;:[]. 0123456789abc".to_vec()),
        prop_oneof![Just(b'\t'), 0x20_u8..0x7f, 0x80_u8..=0xff],
    ];
    prop::collection::vec(byte, 0..200)
}

proptest! {
    #[test]
    fn whatever_the_sender_writes_the_address_that_the_proxy_appends_is_the_source(
        header in any_header(),
        made_up in any_value(),
        on_a_line_of_its_own in any::<bool>(),
    ) {
        let (name, appended) = match header {
            ForwardedHeader::XForwardedFor => ("x-forwarded-for", &b"192.0.2.1"[..]),
            ForwardedHeader::Forwarded => ("forwarded", &b"for=192.0.2.1"[..]),
        };
        let lines = if on_a_line_of_its_own {
            headers(&[(name, &made_up), (name, appended)])
        } else {
            headers(&[(name, &[&made_up, &b", "[..], appended].concat())])
        };
        let found = source(PROXY.parse().unwrap(), &lines, &proxies(header));
        prop_assert_eq!(found, Source("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn who_is_not_trusted_is_the_source_whatever_they_write(header in any_header(), made_up in any_value()) {
        let lines = headers(&[("x-forwarded-for", &made_up), ("forwarded", &made_up)]);
        let peer = "192.0.2.9".parse().unwrap();
        prop_assert_eq!(source(peer, &lines, &proxies(header)), Source(peer));
    }
}
