//! The wire: RESP2 and RESP3 over sockets.
//!
//! A client's bytes become requests (`request.rs`, `parse.rs`, `inline.rs`), replies become bytes (`encode.rs`,
//! `output.rs`). Whatever a client sends or leaves unread, only that client can be closed by it.
//! Next: `endpoint.rs` (what users see), `connection.rs` (one client).
mod address;
mod answer;
mod connection;
mod encode;
mod endpoint;
mod gate;
mod inline;
mod limits;
mod listener;
mod output;
mod parse;
#[cfg(test)]
mod parse_tests;
mod registry;
mod request;
mod standby;
mod stop;
mod stream;
mod violation;

pub use address::Address;
pub use endpoint::{Endpoint, Server};
pub use limits::Limits;
