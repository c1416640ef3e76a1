//! Oxherd and npm bullmq on the same queues, on a Redis and in a directory: each does what the other asked for, and
//! leaves what the other expects.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod scene;
mod side;

mod control;
mod discovery;
mod events;
mod flows;
mod getters;
mod keys;
mod node_adds;
mod operators;
mod oxherd_adds;
mod shared_queue;
mod stalls;
mod tour;
mod wakeups;
