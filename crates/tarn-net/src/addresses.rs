//! Which addresses a webhook may connect to: public ones, and those of networks that the administrator opened.
//!
//! The ranges are those of the IANA special-purpose address registries (RFC 6890 and its updates) that are not globally
//! reachable, multicast, and one address that a cloud took for itself. An IPv6 address that carries an IPv4 address is judged by that one as well.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// IPv4 ranges that are not global: first address, length of the prefix.
const FORBIDDEN_V4: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),        // this network, RFC 791
    (Ipv4Addr::new(10, 0, 0, 0), 8),       // private use, RFC 1918
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // shared address space (CGNAT), RFC 6598
    (Ipv4Addr::new(127, 0, 0, 0), 8),      // loopback, RFC 1122
    (Ipv4Addr::new(168, 63, 129, 16), 32), // the host agent of every machine in Azure: public, and yet of the inside
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local, RFC 3927; the metadata services of clouds
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // private use, RFC 1918
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // IETF protocol assignments, RFC 6890
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation, RFC 5737
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // 6to4 relays, deprecated by RFC 7526
    (Ipv4Addr::new(192, 168, 0, 0), 16),   // private use, RFC 1918
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarking, RFC 2544
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation, RFC 5737
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation, RFC 5737
    (Ipv4Addr::new(224, 0, 0, 0), 4),      // multicast, RFC 5771
    (Ipv4Addr::new(240, 0, 0, 0), 4),      // reserved, RFC 1112, and broadcast
];

/// Outside of it no IPv6 address is global unicast (RFC 4291, section 2.4), but for NAT64.
const GLOBAL_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Ranges within it that are not global.
const FORBIDDEN_V6: &[(Ipv6Addr, u8)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // IETF protocol assignments with Teredo, RFC 2928
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation, RFC 3849
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation, RFC 9637
];

/// 6to4, RFC 3056: bits 16 to 47 are an IPv4 address.
const SIX_TO_FOUR: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16);
/// NAT64, RFC 6052: the last 32 bits are an IPv4 address. What DNS64 gives a host without IPv4.
const NAT64: (Ipv6Addr, u8) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);

/// An address that no webhook may connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a public address")]
pub struct Forbidden(pub IpAddr);

/// Says which addresses a webhook may connect to.
#[derive(Debug, Clone, Default)]
pub struct AddressRules {
    opened: Vec<IpNet>,
}

impl AddressRules {
    /// Public addresses, and those of the opened networks.
    pub const fn new(opened: Vec<IpNet>) -> Self {
        Self { opened }
    }

    /// Whether a webhook may connect to `address`.
    ///
    /// # Errors
    ///
    /// When it may not.
    pub fn check(&self, address: IpAddr) -> Result<(), Forbidden> {
        // An IPv4 address written as an IPv6 one is reached as an IPv4 address.
        let address = address.to_canonical();
        if is_global(address) || self.opened.iter().any(|network| network.contains(&address)) {
            return Ok(());
        }
        Err(Forbidden(address))
    }
}

fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_global_v4(address),
        IpAddr::V6(address) if within_v6(address, NAT64) => is_global_v4(embedded(address, 0)),
        IpAddr::V6(address) if within_v6(address, SIX_TO_FOUR) => {
            is_global_v4(embedded(address, 80))
        }
        IpAddr::V6(address) => {
            within_v6(address, GLOBAL_V6)
                && !FORBIDDEN_V6.iter().any(|range| within_v6(address, *range))
        }
    }
}

fn is_global_v4(address: Ipv4Addr) -> bool {
    !FORBIDDEN_V4.iter().any(|(first, prefix)| {
        let shift = 32 - u32::from(*prefix);
        address.to_bits() >> shift == first.to_bits() >> shift
    })
}

fn within_v6(address: Ipv6Addr, (first, prefix): (Ipv6Addr, u8)) -> bool {
    let shift = 128 - u32::from(prefix);
    address.to_bits() >> shift == first.to_bits() >> shift
}

/// The IPv4 address that ends so many bits before the end of an IPv6 address.
fn embedded(address: Ipv6Addr, bits_behind: u32) -> Ipv4Addr {
    let [.., a, b, c, d] = (address.to_bits() >> bits_behind).to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &[&str] = &[
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "168.63.129.15",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "203.0.114.0",
        "223.255.255.255",
        "2001:200::1",
        "2606:4700::1111",
        "2a00:1450:4001::1",
        "3ffe:ffff::1",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
        "2002:101:101::1",
    ];

    const NOT_PUBLIC: &[&str] = &[
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.0.0",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        // Unspecified, loopback, IPv4-compatible.
        "::",
        "::1",
        "::10.0.0.1",
        "::1.1.1.1",
        // Mapped and translated (RFC 2765) forms.
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:10.0.0.1",
        "::ffff:0:10.0.0.1",
        "::ffff:0:1.1.1.1",
        // NAT64 and 6to4 of what is not public; NAT64 for local use, RFC 8215.
        "64:ff9b::10.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1.1.1.1",
        "2002:7f00:1::1",
        "2002:a00:1::1",
        "2002:c0a8:101::1",
        "2002:a9fe:a9fe::",
        // Discard-only, Teredo, ORCHID, benchmarking, documentation.
        "100::1",
        "2001::1",
        "2001:0:a9fe:a9fe::1",
        "2001:2::1",
        "2001:20::1",
        "2001:1ff:ffff::1",
        "2001:db8::1",
        "3fff::1",
        "3fff:fff::1",
        // Unique local, link-local, site-local, multicast, segment routing, unassigned.
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
        "5f00::1",
        "4000::1",
        "1fff:ffff::1",
    ];

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn public_addresses_are_allowed() {
        let rules = AddressRules::default();
        for text in PUBLIC {
            assert_eq!(rules.check(address(text)), Ok(()), "{text}");
        }
    }

    #[test]
    fn every_other_address_is_refused() {
        let rules = AddressRules::default();
        for text in NOT_PUBLIC {
            assert!(rules.check(address(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn an_opened_network_opens_its_addresses_and_no_others() {
        let rules = AddressRules::new(
            ["10.1.0.0/16", "fd00::/8", "127.0.0.1/32"]
                .map(|network| network.parse().unwrap())
                .to_vec(),
        );
        for text in [
            "10.1.0.0",
            "10.1.255.255",
            "::ffff:10.1.2.3",
            "fd12::1",
            "127.0.0.1",
        ] {
            assert_eq!(rules.check(address(text)), Ok(()), "{text}");
        }
        for text in [
            "10.0.255.255",
            "10.2.0.0",
            "fc00::1",
            "127.0.0.2",
            "::1",
            "64:ff9b::10.1.2.3",
        ] {
            assert!(rules.check(address(text)).is_err(), "{text}");
        }
    }
}
