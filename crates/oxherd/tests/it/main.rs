//! What the library promises, told from outside: each behaviour on a real Redis and on the in-memory double.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod add;
mod add_many;
mod add_refused;
mod foreign;
mod foreign_keys;
mod gate;
mod handlers;
mod limits;
mod outcome;
mod process;
mod retention;
mod retry;
mod scene;
mod slots;
mod stalled;
mod stop;
mod trace;
