//! Commands on streams.
//!
//! Next: `streams/write.rs` (adding and trimming), `streams/read.rs` (ranges and XREAD).

pub(super) mod read;
pub(super) mod write;
