//! Test support for Oxherd: real servers, a faulty network and an in-memory double.
//!
//! Nothing here reaches a production build. Helpers panic with a plain sentence instead of returning errors,
//! because a test that cannot set its scene has nothing better to do; everything listens on loopback only and
//! ends with the value that started it.
//! Next: `server.rs` (a real Redis per test), `proxy.rs` (a network that misbehaves on command),
//! `double.rs` (Redis without a process), `wait.rs` (waiting without sleeping).

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test support: a broken scene should stop the test at once"
)]

mod clock;
mod double;
mod port;
mod proxy;
mod server;
mod wait;

pub use clock::ManualClock;
pub use double::{Double, DoubleConnection};
pub use proxy::{FaultProxy, contains};
pub use server::{RedisServer, RedisServerBuilder, StartError};
pub use wait::{eventually, eventually_some};
