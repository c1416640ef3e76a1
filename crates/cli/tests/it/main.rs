//! The built program against a real store, as a shell sees it: arguments in, two streams and an exit code out.
//!
//! Every test has its own server and its own empty directory, and no variable of the environment around it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a broken scene should stop the test at once"
)]

mod bench;
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
