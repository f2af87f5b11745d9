//! What a client writes into the headers of proxies, a line each: nothing of it hides the address that a trusted proxy appends,
//! and headers from elsewhere are not believed.
#![no_main]

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use tarn_http::source_address;
use tarn_core::settings::{ForwardedHeader, Proxies};

fuzz_target!(|bytes: &[u8]| {
    let address = |octets: [u8; 4]| IpAddr::from(octets);
    let (proxy, client) = (address([10, 0, 0, 1]), address([203, 0, 113, 9]));
    for (header, name, told) in [
        (
            ForwardedHeader::XForwardedFor,
            "x-forwarded-for",
            "203.0.113.9",
        ),
        (ForwardedHeader::Forwarded, "forwarded", "for=203.0.113.9"),
    ] {
        let proxies = Proxies {
            trusted: vec!["10.0.0.0/8".parse().expect("a network")],
            header,
        };
        let name = HeaderName::from_static(name);
        let mut headers = HeaderMap::new();
        for line in bytes.split(|byte| *byte == b'\n') {
            if let Ok(value) = HeaderValue::from_bytes(line) {
                headers.append(&name, value);
            }
        }
        assert_eq!(source_address(client, &headers, &proxies), client);
        let _ = source_address(proxy, &headers, &proxies);
        // As a line of its own, and at the end of the client's last one.
        let last = headers
            .get_all(&name)
            .iter()
            .next_back()
            .map(|last| last.as_bytes().to_vec());
        let mut apart = headers.clone();
        apart.append(&name, HeaderValue::from_static(told));
        assert_eq!(source_address(proxy, &apart, &proxies), client);
        let joined = [last.unwrap_or_default().as_slice(), b", ", told.as_bytes()].concat();
        headers.append(
            &name,
            HeaderValue::from_bytes(&joined).expect("a value and text"),
        );
        assert_eq!(source_address(proxy, &headers, &proxies), client);
    }
});
