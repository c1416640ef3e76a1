#![doc = include_str!("../README.md")]

// The way in: an engine, what it is told, its clients in this process.
mod config;
mod connection;
mod engine;
mod error;
pub use connection::{Connection, Pushes};
pub use engine::{Boot, Engine, Options, Usage};
pub use error::{Error, ErrorKind};
pub use glob::matches as glob_matches;

// Time, injected.
mod clock;
mod housekeeping;
pub use clock::{Clock, ManualClock};

// A unit of work: from a client's words to its reply.
mod arguments;
mod aside;
mod blocked;
mod client;
mod context;
mod core;
mod execute;
mod inbox;
mod monitor;
mod outside;
mod pubsub;
mod reply;
mod session;
mod stats;
mod tracking;

// What clients can ask for.
mod commands;
mod lua;
mod scripts;

// What is kept.
mod keyspace;

// What survives.
mod journal;
pub use journal::{Fsync, JournalStatus};

// Looking after a directory.
pub use journal::{
    Backup, BackupReport, Damaged, FileRole, InspectedDatabase, InspectedFile, Inspection, Missing,
    RestoreReport, TornTail, restore, restore_file,
};

// What has changed.
mod effect;
pub use effect::{Effect, GroupState, PendingState, ValueKind};

// The wire.
mod resp;
pub use resp::{Address, Endpoint, Limits, Server};

// Numbers and patterns as Redis reads and writes them.
mod glob;
mod long_double;
mod number;

#[cfg(test)]
mod testing;

/// The version of this crate, as in `INFO`'s `engine_version`; the version of Redis it follows is in `redis_version`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
