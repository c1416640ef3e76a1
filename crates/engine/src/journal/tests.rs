//! The journal as a whole, on a machine whose power fails.
//!
//! Next: `tests/scene.rs` (random work and what must be left of it).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod damage;
mod faults;
mod left_out;
mod power;
mod real;
mod scene;
mod volatile;
