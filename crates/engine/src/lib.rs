//! Redis semantics in process.
mod arguments;
mod aside;
mod blocked;
mod client;
mod clock;
mod commands;
mod config;
mod connection;
mod context;
mod core;
mod effect;
mod engine;
mod error;
mod execute;
mod glob;
mod housekeeping;
mod keyspace;
mod long_double;
mod lua;
mod monitor;
mod number;
mod outside;
mod pubsub;
mod reply;
mod resp;
mod scripts;
mod session;
mod stats;
#[cfg(test)]
mod testing;
mod tracking;

pub use clock::{Clock, ManualClock};
pub use connection::{Connection, Pushes};
pub use effect::{Effect, GroupState, PendingState, ValueKind};
pub use engine::{Engine, Options, Usage};
pub use error::{Error, ErrorKind};
pub use resp::{Address, Endpoint, Limits, Server};

/// The version of the engine.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
