//! How far a group is behind: the read counter of Redis 7.0 and when it can be trusted.
//!
//! A position in a stream is the number of entries ever added up to it. It can be told for the last id, for
//! the first entry, for anything before it and for an empty stream; entries deleted in between make the rest
//! unknowable. A group that once knows its position counts on from there, as long as no deleted entry lies
//! ahead of it.
//! Next: `group.rs`.

use super::group::Group;
use super::id::StreamId;
use super::log::Log;

impl Log {
    /// How many entries were ever added up to this id, where that can be told.
    pub(crate) fn position_of(&self, id: StreamId) -> Option<u64> {
        let meta = self.meta();
        if meta.entries_added == 0 {
            return Some(0);
        }
        if self.is_empty() && id <= meta.last_id {
            return Some(meta.entries_added);
        }
        if id >= meta.last_id {
            // Nobody knows how many will have come by a future id.
            return (id == meta.last_id).then_some(meta.entries_added);
        }
        let nothing_deleted_inside = meta.max_deleted.is_zero() || meta.max_deleted < self.first_id();
        if !nothing_deleted_inside || id > self.first_id() {
            return None;
        }
        let before_first = meta.entries_added.wrapping_sub(self.len() as u64);
        Some(if id == self.first_id() {
            before_first.wrapping_add(1)
        } else {
            before_first
        })
    }

    /// Whether an entry with this id or a greater one may have been deleted.
    pub(crate) fn has_gap_from(&self, id: StreamId) -> bool {
        let max_deleted = self.meta().max_deleted;
        !self.is_empty() && !max_deleted.is_zero() && self.first_id() <= max_deleted && id <= max_deleted
    }
}

impl Group {
    /// Entries the group has still to read, none when that cannot be told.
    pub(crate) fn lag(&self, log: &Log) -> Option<i64> {
        let added = log.meta().entries_added;
        if added == 0 {
            return Some(0);
        }
        let read = match self.entries_read() {
            Some(read) if !log.has_gap_from(self.last_delivered()) => read,
            _ => log.position_of(self.last_delivered())?,
        };
        Some(added.wrapping_sub(read) as i64)
    }

    /// Moves the position to an entry being delivered, when that lies ahead.
    pub(crate) fn advance(&mut self, log: &Log, id: StreamId) -> bool {
        if id <= self.last_delivered() {
            return false;
        }
        let entries_read = match self.entries_read() {
            Some(read) if !log.has_gap_from(id) => Some(read.wrapping_add(1)),
            read if log.meta().entries_added == 0 => read,
            _ => log.position_of(id),
        };
        self.set_position(id, entries_read);
        true
    }
}
