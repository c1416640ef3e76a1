//! Free loopback ports below the range that outgoing connections use.
//!
//! A server that restarts must find its port free. Were it an ephemeral one, a client that keeps dialling the dead
//! server could be given that very port for its own end, and even connect to itself.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use rand::RngExt as _;

const CANDIDATES: Range<u16> = 12_000..32_000;
const ATTEMPTS: usize = 1_000;

/// A port that nobody listened on a moment ago.
pub(crate) fn free_port() -> u16 {
    let mut random = rand::rng();
    (0..ATTEMPTS)
        .map(|_| random.random_range(CANDIDATES))
        .find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        .expect("no free loopback port")
}
