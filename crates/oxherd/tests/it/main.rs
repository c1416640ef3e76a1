//! What the library promises, told from outside: each behaviour on a real Redis and on the in-memory double.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests")]

mod process;
mod scene;
