//! Oxherd and the real npm bullmq on one store.
//!
//! The tests in `tests/it` drive both and compare what they leave behind; nothing here reaches a production build.
//! They need Node 20 and the packages of `tests/interop/node`, and fail with that sentence where either is missing.
//! Next: `peer.rs` (a Node process that does as it is told), `keys.rs` (two stores' keys side by side),
//! `program.rs` (a Node program that runs to its end), `bin/holder.rs` (an Oxherd process made to be killed).

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test support: a broken scene should stop the test at once"
)]

mod holder;
pub mod keys;
mod notifications;
mod peer;
mod program;

pub use holder::Holder;
pub use notifications::Notifications;
pub use peer::{Peer, PeerError};
pub use program::observed;
