//! Typed collections.
mod changes;
mod database;
mod dict;
mod hash;
mod hyperloglog;
mod list;
mod packed;
mod set;
mod sorted_set;
mod stream;
mod value;
