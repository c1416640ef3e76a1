//! Test support for Oxherd: real servers and a faulty network.
//!
//! Nothing here reaches a production build. Helpers panic with a plain sentence instead of returning errors,
//! because a test that cannot set its scene has nothing better to do; everything listens on loopback only and
//! ends with the value that started it.
//! Next: `store.rs` (one behaviour on every store), `server.rs` (a real Redis per test), `proxy.rs` (a network that
//! misbehaves on command), `wait.rs` (waiting without sleeping).

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test support: a broken scene should stop the test at once"
)]

mod port;
mod proxy;
mod server;
mod store;
mod wait;

pub use proxy::{FaultProxy, contains};
pub use server::{RedisServer, RedisServerBuilder, StartError};
pub use store::TestStore;
pub use wait::{eventually, eventually_some};
