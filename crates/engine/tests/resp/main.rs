//! The endpoint from outside: raw bytes over real sockets.
//!
//! What a client sees is compared with what redis-server 7.0.15 sends. Bytes are written and read by hand, because a
//! client library would hide what matters here. Next: `scene.rs`, then the file of the behaviour in question.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    reason = "tests"
)]

mod addresses;
mod blocking;
mod breaches;
mod busy;
mod clients;
mod limits;
mod pipelines;
mod pushes;
mod scene;
mod shutdown;
mod silence;
