//! Typed collections.
mod changes;
mod database;
mod dict;
mod entry;
mod hash;
mod hyperloglog;
mod list;
mod packed;
mod set;
mod sorted_set;
mod stream;
mod value;

pub(crate) use database::Database;
pub(crate) use entry::{Entry, Kind, NEVER, Value};
