//! What the library promises, told from outside: each behaviour on a real Redis and on the engine in memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::type_complexity,
    reason = "these are tests"
)]

mod add;
mod add_many;
mod add_refused;
mod cache;
mod cache_promises;
mod cache_sampler;
mod change;
mod dedup;
mod events;
mod fleet;
mod flow;
mod flow_failed;
mod foreign;
mod foreign_keys;
mod gate;
mod handlers;
mod idle;
mod inspect;
mod limits;
mod lock;
mod lost_replies;
mod open;
mod outcome;
mod process;
mod retention;
mod retry;
mod scene;
mod scripts;
mod slots;
mod stalled;
mod stop;
mod store_loss;
mod trace;
mod transfer;
mod volatile;
mod wake;
