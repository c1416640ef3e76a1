//! The wire: RESP2 and RESP3 over sockets.
//!
//! A client's bytes become requests (`request.rs`, `parse.rs`, `inline.rs`), replies become bytes (`encode.rs`).
//! Whatever a client sends, only that client can be closed by it. Next: `parse.rs`.
mod double;
mod encode;
mod inline;
mod limits;
mod parse;
#[cfg(test)]
mod parse_tests;
mod reply;
mod request;
mod violation;
