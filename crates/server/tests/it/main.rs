//! The server from outside: a real Redis and a directory, real sockets, every route and every refusal.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken scene should stop the test at once"
)]

mod adding;
mod bulk;
mod cache;
mod client;
mod config;
mod deliveries;
mod disk;
mod events;
mod guard;
mod health;
mod idle;
mod in_process;
mod jobs;
mod metrics;
mod scene;
mod signals;
mod start;
mod store;
mod view;
