//! The networks that a token may be used from.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use tarn_base::hint::Hint;

/// The most networks of one token.
pub const MAX_NETWORKS: usize = 64;

/// Why a list of networks was refused. The text is fit for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworksError {
    /// No address, with or without a length behind it.
    #[error("`{0}` is not a network")]
    Unreadable(String),
    /// Which addresses are meant is not clear.
    #[error("the network {written} has bits behind its length")]
    HostBits {
        /// What was written.
        written: IpNet,
        /// The network that it lies in.
        meant: IpNet,
    },
    /// It would match no connection: those addresses are taken as IPv4.
    #[error("the network {0} is one of IPv4 written as IPv6")]
    Mapped(IpNet),
    /// More than anybody needs.
    #[error("there are more than {MAX_NETWORKS} networks")]
    TooMany,
}

/// Where a token may be used from: anywhere, or from one of the networks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Whether it may be used from anywhere.
    pub fn are_unlimited(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it may be used from there.
    pub fn allow(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.are_unlimited() || self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether all that `narrower` allows lies within these networks. Never wrongly yes.
    pub fn cover(&self, narrower: &Self) -> bool {
        let covered = |network: &IpNet| self.0.iter().any(|wide| wide.contains(network));
        self.are_unlimited() || (!narrower.are_unlimited() && narrower.0.iter().all(covered))
    }
}

impl FromStr for Networks {
    type Err = NetworksError;

    /// Parses networks and addresses separated by spaces or commas. None: from anywhere.
    fn from_str(list: &str) -> Result<Self, NetworksError> {
        let separator = |c: char| c == ',' || c.is_ascii_whitespace();
        let mut networks = Vec::new();
        for text in list.split(separator).filter(|text| !text.is_empty()) {
            if networks.len() == MAX_NETWORKS {
                return Err(NetworksError::TooMany);
            }
            networks.push(parse_network(text)?);
        }
        networks.sort();
        networks.dedup();
        Ok(Self(networks))
    }
}

/// Parses one network, or an address as the network of it alone.
///
/// # Errors
///
/// When it is neither, has bits behind its length, or is IPv4 written as IPv6.
pub fn parse_network(text: &str) -> Result<IpNet, NetworksError> {
    let unreadable = || {
        let shown = text.chars().take(64).flat_map(char::escape_default);
        NetworksError::Unreadable(shown.collect())
    };
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse().map_err(|_| unreadable())?,
    };
    if let IpNet::V6(v6) = network
        && v6.addr().to_ipv4_mapped().is_some()
        && v6.prefix_len() >= 96
    {
        return Err(NetworksError::Mapped(network));
    }
    if network.trunc() != network {
        return Err(NetworksError::HostBits {
            written: network,
            meant: network.trunc(),
        });
    }
    Ok(network)
}

/// The canonical form, as the database keeps it: sorted, separated by spaces.
impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, network) in self.0.iter().enumerate() {
            let space = if number == 0 { "" } else { " " };
            write!(f, "{space}{network}")?;
        }
        Ok(())
    }
}

impl Hint for NetworksError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable(..) => {
                "write it like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7".to_owned()
            }
            Self::HostBits { meant, .. } => format!("write {meant} if all of it is meant"),
            Self::Mapped(..) => "write it as IPv4".to_owned(),
            Self::TooMany => "put them together".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(list: &str) -> Networks {
        list.parse().unwrap()
    }

    #[test]
    fn an_address_lies_in_its_network_however_it_is_written() {
        let list = networks("192.0.2.0/24, 2001:db8::/32 198.51.100.7");
        for (address, expected) in [
            ("192.0.2.255", true),
            ("::ffff:192.0.2.1", true),
            ("192.0.3.0", false),
            ("198.51.100.7", true),
            ("198.51.100.8", false),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(list.allow(address.parse().unwrap()), expected, "{address}");
        }
        assert!(networks("").allow("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn lists_are_written_canonically() {
        let list = networks("2001:DB8::/32,192.0.2.7 192.0.2.0/24 192.0.2.7/32");
        assert_eq!(list.to_string(), "192.0.2.0/24 192.0.2.7/32 2001:db8::/32");
        assert_eq!(networks(&list.to_string()), list);
    }

    #[test]
    fn what_is_not_clear_is_refused() {
        for (text, error) in [
            (
                "localhost",
                "`localhost` is not a network; write it like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7",
            ),
            (
                "10.0.0.0/33",
                "`10.0.0.0/33` is not a network; write it like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7",
            ),
            (
                "10.0.0.5/8",
                "the network 10.0.0.5/8 has bits behind its length; write 10.0.0.0/8 if all of it is meant",
            ),
            (
                "::ffff:10.0.0.0/104",
                "the network ::ffff:10.0.0.0/104 is one of IPv4 written as IPv6; write it as IPv4",
            ),
        ] {
            assert_eq!(text.parse::<Networks>().unwrap_err().line(), error);
        }
        let many: String = (0..=MAX_NETWORKS).map(|n| format!("10.0.0.{n} ")).collect();
        assert_eq!(many.parse::<Networks>(), Err(NetworksError::TooMany));
    }

    #[test]
    fn a_wider_network_is_never_covered() {
        for (wide, narrow, expected) in [
            ("", "10.0.0.0/8", true),
            ("10.0.0.0/8", "", false),
            ("10.0.0.0/8", "10.1.0.0/16 10.2.0.1", true),
            ("10.1.0.0/16", "10.0.0.0/8", false),
            ("10.0.0.0/8", "10.1.0.0/16 192.0.2.1", false),
        ] {
            assert_eq!(
                networks(wide).cover(&networks(narrow)),
                expected,
                "{wide} / {narrow}"
            );
        }
    }
}
