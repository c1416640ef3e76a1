//! The dashboard as a browser gets it: a real Redis and a directory, the whole server, HTML over real sockets.
//!
//! `page.rs` looks into a page; the scene and the client are those of the API's tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken scene should stop the test at once"
)]

#[allow(dead_code, reason = "the API's tests use the rest")]
#[path = "../it/client.rs"]
mod client;
#[allow(dead_code, reason = "the API's tests use the rest")]
#[path = "../it/scene.rs"]
mod scene;

mod changes;
mod escaping;
mod job_page;
mod overview;
mod page;
mod protection;
mod queue_page;
mod session;
mod store_away;
