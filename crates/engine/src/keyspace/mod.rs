//! Typed collections.
mod database;
mod dict;
mod entry;
mod hash;
mod hyperloglog;
mod list;
mod pending;
mod set;
mod sorted_set;
pub(crate) mod stream;
mod value;

pub(crate) use database::Database;
pub(crate) use entry::{Entry, Kind, NEVER, Value};
