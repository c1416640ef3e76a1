//! Typed collections.
mod changes;
mod database;
mod dict;
mod dirt;
mod entry;
mod hash;
pub(crate) mod hyperloglog;
mod list;
mod packed;
mod set;
mod sorted_set;
pub(crate) mod stream;
mod trash;

pub(crate) use database::Database;
pub(crate) use dict::Dict;
pub(crate) use dirt::Dirt;
pub(crate) use entry::{Entry, Kind, NEVER, Value};
pub(crate) use hash::Hash;
pub(crate) use list::{ChunkId, List, Part as ListPart};
pub(crate) use set::{Member, Set};
pub(crate) use sorted_set::{LexBound, SortedSet};
pub(crate) use stream::{Group, Pending, Stream, StreamId, StreamPart};
pub(crate) use trash::Trash;
