//! A network as people write it in `allow_networks`: CIDR notation, or one address.
//!
//! What is not clear is an error: `10.0.0.5/8` could mean the host or the network around it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

/// A network in CIDR notation, or a single address. IPv4-mapped IPv6 is judged as IPv4, so write it as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    net: IpNet,
}

impl Network {
    pub(super) const fn as_net(self) -> IpNet {
        self.net
    }
}

/// Why a text is not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// Neither a network nor an address.
    #[error("{text:?} must be a network such as \"10.1.0.0/16\" or an address such as \"10.1.2.3\"")]
    Unreadable {
        /// What was written.
        text: String,
    },
    /// Bits behind the prefix are set, so it is unclear what was meant.
    #[error("{text:?} has bits set behind its prefix: write \"{meant}\"")]
    HostBits {
        /// What was written.
        text: String,
        /// The network that holds it.
        meant: String,
    },
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let net = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map_err(|_| NetworkError::Unreadable {
                text: text.to_owned(),
            })?;
        if net.addr() != net.network() {
            return Err(NetworkError::HostBits {
                text: text.to_owned(),
                meant: net.trunc().to_string(),
            });
        }
        Ok(Self { net })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.net.fmt(formatter)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_that_are_not_clear_are_errors() {
        assert_eq!("10.0.0.0/8".parse::<Network>().unwrap().to_string(), "10.0.0.0/8");
        assert_eq!("10.0.0.1".parse::<Network>().unwrap().to_string(), "10.0.0.1/32");
        let error = "10.0.0.5/8".parse::<Network>().unwrap_err().to_string();
        assert_eq!(
            error,
            "\"10.0.0.5/8\" has bits set behind its prefix: write \"10.0.0.0/8\""
        );
        for text in ["", "10.0.0.0/33", "localhost", "10.0.0.0/8 ", "*"] {
            assert!(text.parse::<Network>().is_err(), "{text:?}");
        }
    }
}
