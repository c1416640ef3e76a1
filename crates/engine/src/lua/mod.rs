//! Lua 5.1 scripts as a Redis 7.0 server runs them: one interpreter, sandboxed, kept for all scripts.
//!
//! The module knows nothing of keys and commands: a script's `redis.call` goes to a [`Host`], and what a script
//! returns is a [`crate::reply::Reply`]. Replies, texts of errors and the bytes of `cjson`, `cmsgpack`, `struct` and
//! `bit` are those of 7.0.15, kept by golden tests (`fixtures/`).
//!
//! This is the one place of the crate with `unsafe` code. Two rules make it sound; `border.rs` enforces both:
//! 1. **A Lua error is a `longjmp`**, so it may only pass over frames that have nothing to drop. Functions that own
//!    Rust values return an [`border::Outcome`]; the frame that raises it owns nothing. While such a function runs,
//!    memory is *reserved*: the allocator refuses nothing, and the calls it makes (reading, pushing, raw table
//!    access) can raise for no other reason.
//! 2. **A panic never enters C**: every function that Lua calls catches it at the border and turns it into a script
//!    error.
//!
//! Next: `machine.rs` (load and run), `border.rs`, `sandbox.rs` (what scripts see), `call.rs` (commands).
#![allow(unsafe_code, reason = "the raw Lua interface; the rules are above")]
#![allow(
    unsafe_op_in_unsafe_fn,
    reason = "nearly every line of these functions is a call of the C interface"
)]

mod base;
mod bit;
mod border;
mod call;
mod cjson;
mod cmsgpack;
mod context;
mod convert;
mod coroutine;
mod failure;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod fuzz;
mod hook;
mod host;
mod library;
mod machine;
mod memory;
mod packing;
mod patterns;
mod random;
mod readonly;
mod sandbox;
mod script;
mod stack;
mod tables;
#[cfg(test)]
mod tests;

pub(crate) use host::Host;
pub(crate) use machine::{Function, Limits, Machine};
