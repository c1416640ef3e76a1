//! Typed collections.
mod changes;
mod database;
mod dict;
mod entry;
mod hash;
pub(crate) mod hyperloglog;
mod list;
mod packed;
mod set;
mod sorted_set;
mod stream;
mod value;

pub(crate) use database::Database;
pub(crate) use entry::{Entry, Kind, NEVER, Value};
pub(crate) use hash::Hash;
pub(crate) use list::List;
pub(crate) use set::{Member, Set};
pub(crate) use sorted_set::{LexBound, SortedSet};
