//! Several processes on one directory, and what is left when one of them is killed.
//!
//! `OXHERD_CHAOS_KILLS` sets how often a process is killed in each test (default 3).
//! Next: `scene.rs` (the processes and what they said), `structure.rs` (what must hold in the store at any moment),
//! `serve.rs` (the server is killed), `workers.rs` (whoever holds the directory is killed).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "these are tests"
)]

mod http;
mod scene;
mod serve;
mod structure;
mod workers;
