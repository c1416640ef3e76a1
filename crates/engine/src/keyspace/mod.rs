//! Typed collections.
mod database;
mod dict;
mod hash;
mod hyperloglog;
mod list;
mod set;
mod sorted_set;
mod stream;
mod value;
