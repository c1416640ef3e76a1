//! The webhook processor against real receivers on loopback, well-behaved and not.
//!
//! `receiver.rs` answers byte for byte as a test says and counts connections; `scene.rs` sets up couriers.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers outside of test functions: a broken scene should stop the test at once"
)]

mod addresses;
mod answers;
mod payloads;
mod receiver;
mod requests;
mod scene;
mod time_limits;
mod tls;
