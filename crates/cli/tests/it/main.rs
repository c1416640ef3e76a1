//! The built program against a real store, as a shell sees it: arguments in, two streams and an exit code out.
//!
//! Every test has its own store (a Redis or a directory) and its own empty working directory, and no variable of the
//! environment around it. What stays on Redis alone is about it: a password, TLS, a server that goes away.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a broken scene should stop the test at once"
)]

mod bench;
mod bench_cache;
mod cache;
mod directory;
mod exit_code;
mod fleet;
mod job;
mod output;
mod queue;
mod scene;
mod serve;
mod settings;
mod status;
mod store;
