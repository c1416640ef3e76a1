//! What outlives the process: a log of effects, and images of the whole state that let old log go.
//!
//! A directory holds one image at most and the segments of log since it began: `image-<n>` and every `log-<m>` with
//! `m >= n`. A record of the log is one commit group: it is there whole or not at all, and everything before it is
//! there too. Whatever a sync has acknowledged is found again after a loss of power, or its damage is reported with
//! file and offset; nothing is dropped in silence but what was never acknowledged. A write or sync that failed is
//! never tried again.
//!
//! The other side of it are the units of work: they go on while the log is written, and what they answer is held back
//! until it is kept. A thread gathers what they have changed, writes it and lets the answers go.
//! Next: `link.rs`, `progress.rs` (the engine's side), `writer.rs` (the thread), `codec.rs` (effects as bytes); `frame.rs`
//! (records as bytes), `log.rs` and `image.rs` (writing them), `contents.rs` (reading them back), `directory.rs` (which
//! files make the state), `storage/` (what stands between this and a disk).

// The engine's side.
mod link;
mod progress;
mod status;
pub(crate) use link::Link;
pub(crate) use progress::{Lost, Progress, Reached, Sequence};
pub use status::JournalStatus;

// Between the engine and its files.
mod aside;
mod codec;
mod fallback;
mod load;
mod open;
mod snapshot;
mod walk;
mod writer;
pub(crate) use load::Loaded;
pub(crate) use walk::Strays;
pub(crate) use writer::Handle;

// Files.
mod contents;
mod directory;
mod error;
mod frame;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]
mod glue;
mod image;
mod log;
#[cfg(test)]
mod proof;
mod reader;
mod storage;
mod survey;
mod tail;
#[cfg(test)]
mod tests;

/// When what was written is made durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Before anything is answered: an acknowledged write survives the loss of power.
    #[default]
    Always,
    /// Twice a second: the loss of power takes what was acknowledged in the last second at most. If the disk is too slow
    /// for that, answers wait for it.
    EverySecond,
    /// When the operating system likes, within half a minute as a rule. The end of the process alone loses no more than
    /// the last hundredth of a second, or what came while a sync ran (when an image begins, and after a second of rest).
    Never,
}
