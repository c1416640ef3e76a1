//! Which addresses and ports a delivery may dial. URLs come from users, so a delivery must not become a way
//! to reach the server's own network or its cloud's metadata service.
//!
//! IPv4 is refused by a list of special ranges; IPv6 the other way round: only global unicast passes, less
//! its special ranges. An IPv4 address inside an IPv6 one is judged as the IPv4 address it leads to.
//! `allow_networks` opens exceptions. This module judges addresses only; `dial.rs` sees to it that the judged
//! address is the dialled one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

use super::network::Network;

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// After the IANA special-purpose registry, and one public address that clouds route to themselves.
const REFUSED_V4: [(Ipv4Net, &str); 18] = [
    (v4(0, 0, 0, 0, 8), "an unspecified"),
    (v4(10, 0, 0, 0, 8), "a private"),
    (v4(100, 64, 0, 0, 10), "a carrier-grade NAT"),
    (v4(127, 0, 0, 0, 8), "a loopback"),
    (v4(168, 63, 129, 16, 32), "a cloud platform"),
    (v4(169, 254, 0, 0, 16), "a link-local"),
    (v4(172, 16, 0, 0, 12), "a private"),
    (v4(192, 0, 0, 0, 24), "a protocol assignment"),
    (v4(192, 0, 2, 0, 24), "a documentation"),
    (v4(192, 88, 99, 0, 24), "a 6to4 relay"),
    (v4(192, 168, 0, 0, 16), "a private"),
    (v4(198, 18, 0, 0, 15), "a benchmark"),
    (v4(198, 51, 100, 0, 24), "a documentation"),
    (v4(203, 0, 113, 0, 24), "a documentation"),
    (v4(224, 0, 0, 0, 4), "a multicast"),
    (v4(255, 255, 255, 255, 32), "the broadcast"),
    (v4(240, 0, 0, 0, 4), "a reserved"),
    (v4(192, 52, 193, 0, 24), "a multicast relay"),
];

/// Named for a better message; whatever is outside global unicast is refused even if it is not listed.
const REFUSED_V6: [(Ipv6Net, &str); 11] = [
    (v6(0x2001, 0, 0, 23), "a protocol assignment or Teredo"),
    (v6(0x2001, 0xdb8, 0, 32), "a documentation"),
    (v6(0x2002, 0, 0, 16), "a 6to4"),
    (v6(0x3fff, 0, 0, 20), "a documentation"),
    (v6(0x64, 0xff9b, 1, 48), "a local NAT64"),
    (v6(0x100, 0, 0, 64), "a discard"),
    (v6(0xfc00, 0, 0, 7), "a unique local"),
    (v6(0xfe80, 0, 0, 10), "a link-local"),
    (v6(0xfec0, 0, 0, 10), "a site-local"),
    (v6(0xff00, 0, 0, 8), "a multicast"),
    (v6(0, 0, 0, 96), "an unspecified, loopback or IPv4-compatible"),
];

const GLOBAL_UNICAST: Ipv6Net = v6(0x2000, 0, 0, 3);
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);

/// Why a delivery may not go where it asks to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedAddress {
    /// The port is not on the list.
    #[error("port {port} may not be dialled: use one of {allowed}, or add it to allow_ports")]
    Port {
        /// The port asked for.
        port: u16,
        /// The ports that would do, separated by commas.
        allowed: String,
    },
    /// The address is special.
    #[error(
        "{address} is {kind} address and may not be dialled: add its network to allow_networks if it is meant"
    )]
    Network {
        /// The address as it would have been dialled.
        address: IpAddr,
        /// What it is, with its article: `a private`.
        kind: &'static str,
    },
}

/// The rules of one webhook table: special addresses are refused, less the allowed networks.
#[derive(Clone, Debug)]
pub struct AddressPolicy {
    allowed_networks: Vec<IpNet>,
    allowed_ports: Vec<u16>,
}

impl AddressPolicy {
    /// Opens `networks` although they are special, and dials these ports only.
    #[must_use]
    pub fn new(networks: &[Network], ports: &[NonZeroU16]) -> Self {
        Self {
            allowed_networks: networks.iter().map(|network| network.as_net()).collect(),
            allowed_ports: ports.iter().map(|port| port.get()).collect(),
        }
    }

    /// Judges what a URL shows without a look-up: its port and, when the host is an address, that address. A
    /// name that passes is judged again by its addresses when it is dialled.
    ///
    /// # Errors
    /// [`RefusedAddress`] when the port or the address is not allowed.
    pub fn check_url(&self, url: &Url) -> Result<(), RefusedAddress> {
        self.check_port(url.port_or_known_default().unwrap_or_default())?;
        match url.host() {
            Some(Host::Ipv4(address)) => self.check_address(address.into()),
            Some(Host::Ipv6(address)) => self.check_address(address.into()),
            Some(Host::Domain(_)) | None => Ok(()),
        }
    }

    /// Judges a port.
    ///
    /// # Errors
    /// [`RefusedAddress::Port`] when it is not on the list.
    pub fn check_port(&self, port: u16) -> Result<(), RefusedAddress> {
        if self.allowed_ports.contains(&port) {
            return Ok(());
        }
        let allowed: Vec<String> = self.allowed_ports.iter().map(u16::to_string).collect();
        Err(RefusedAddress::Port {
            port,
            allowed: allowed.join(", "),
        })
    }

    /// Judges the address that is about to be dialled.
    ///
    /// # Errors
    /// [`RefusedAddress::Network`] when it is special and in no allowed network.
    pub fn check_address(&self, address: IpAddr) -> Result<(), RefusedAddress> {
        // The kernel dials IPv4 for a mapped address, so that is what must be judged.
        let real = address.to_canonical();
        if self
            .allowed_networks
            .iter()
            .any(|network| network.contains(&real))
        {
            return Ok(());
        }
        let kind = match real {
            IpAddr::V4(v4) => refusal_v4(v4),
            IpAddr::V6(v6) if NAT64.contains(&v6) => {
                // On IPv6-only networks this is how public IPv4 is reached; it must not reach private IPv4.
                return self.check_address(IpAddr::V4(last_four_bytes(v6))).map_err(
                    |refused| match refused {
                        RefusedAddress::Network { kind, .. } => RefusedAddress::Network { address, kind },
                        port @ RefusedAddress::Port { .. } => port,
                    },
                );
            }
            IpAddr::V6(v6) => refusal_v6(v6),
        };
        kind.map_or(Ok(()), |kind| Err(RefusedAddress::Network { address, kind }))
    }
}

fn refusal_v4(address: Ipv4Addr) -> Option<&'static str> {
    REFUSED_V4
        .iter()
        .find(|(network, _)| network.contains(&address))
        .map(|(_, kind)| *kind)
}

fn refusal_v6(address: Ipv6Addr) -> Option<&'static str> {
    let named = REFUSED_V6
        .iter()
        .find(|(network, _)| network.contains(&address))
        .map(|(_, kind)| *kind);
    let is_global = GLOBAL_UNICAST.contains(&address);
    named.or_else(|| (!is_global).then_some("a reserved"))
}

fn last_four_bytes(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(networks: &[&str]) -> AddressPolicy {
        let networks: Vec<Network> = networks.iter().map(|text| text.parse().unwrap()).collect();
        AddressPolicy::new(
            &networks,
            &[NonZeroU16::new(80).unwrap(), NonZeroU16::new(443).unwrap()],
        )
    }

    fn passes(policy: &AddressPolicy, address: &str) -> bool {
        policy.check_address(address.parse().unwrap()).is_ok()
    }

    #[rustfmt::skip]
    const REFUSED: &[&str] = &[
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200",
        "100.127.255.255", "127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.169.254", "169.254.0.1",
        "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1",
        "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.255",
        "240.0.0.1", "255.255.255.255", "::", "::1", "::10.0.0.1", "::8.8.8.8", "::ffff:10.0.0.1",
        "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254",
        "64:ff9b:1::8.8.8.8", "100::1", "2001::1", "2001:2::1", "2001:10::1", "2001:db8::1",
        "2002:0a00:0001::1", "2002:0808:0808::1", "3fff::1", "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254",
        "fe80::1", "fec0::1", "ff02::1", "::fffe:8.8.8.8", "::ffff:0:10.0.0.1",
    ];

    #[rustfmt::skip]
    const PASSED: &[&str] = &[
        "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
        "128.0.0.0", "169.253.255.255", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0",
        "198.17.255.255", "198.20.0.0", "223.255.255.255", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
        "2606:4700:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888", "2003::1",
    ];

    #[test]
    fn special_addresses_are_refused_in_every_disguise() {
        let policy = policy(&[]);
        for address in REFUSED {
            assert!(!passes(&policy, address), "{address}");
        }
    }

    #[test]
    fn public_addresses_and_the_neighbours_of_special_ranges_pass() {
        let policy = policy(&[]);
        for address in PASSED {
            assert!(passes(&policy, address), "{address}");
        }
    }

    #[test]
    fn an_allowed_network_opens_itself_and_nothing_beside_it() {
        let policy = policy(&["10.1.0.0/16", "192.168.7.7", "fd00:1::/32"]);
        for address in [
            "10.1.2.3",
            "::ffff:10.1.2.3",
            "64:ff9b::10.1.2.3",
            "192.168.7.7",
            "fd00:1::5",
        ] {
            assert!(passes(&policy, address), "{address}");
        }
        for address in ["10.2.0.1", "192.168.7.8", "fd00:2::5", "127.0.0.1", "::10.1.2.3"] {
            assert!(!passes(&policy, address), "{address}");
        }
    }

    #[test]
    fn odd_spellings_of_an_address_are_judged_as_that_address() {
        let policy = policy(&[]);
        for host in [
            "0x7f.1",
            "2130706433",
            "0177.0.0.1",
            "127.1",
            "127.0.0.1.",
            "0",
            "0xa9fea9fe",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            "[::ffff:127.0.0.1]",
            "[::1]",
            "[0:0:0:0:0:ffff:7f00:1]",
            "169.254.169.254",
        ] {
            let url = Url::parse(&format!("http://{host}/")).unwrap();
            assert!(
                matches!(policy.check_url(&url), Err(RefusedAddress::Network { .. })),
                "{host}"
            );
        }
        assert_eq!(
            policy.check_url(&Url::parse("http://134744072/").unwrap()),
            Ok(())
        );
        assert_eq!(
            policy.check_url(&Url::parse("https://hooks.example.com/").unwrap()),
            Ok(())
        );
    }

    #[test]
    fn only_listed_ports_pass() {
        let policy = policy(&[]);
        for (url, is_allowed) in [
            ("http://example.com/", true),
            ("https://example.com/", true),
            ("http://example.com:443/", true),
            ("http://example.com:6379/", false),
            ("https://example.com:22/", false),
        ] {
            assert_eq!(
                policy.check_url(&Url::parse(url).unwrap()).is_ok(),
                is_allowed,
                "{url}"
            );
        }
        let error = policy.check_port(22).unwrap_err().to_string();
        assert_eq!(
            error,
            "port 22 may not be dialled: use one of 80, 443, or add it to allow_ports"
        );
    }
}
