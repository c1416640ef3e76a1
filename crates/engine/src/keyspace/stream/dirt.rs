//! What of a stream changed since somebody last asked, in parts that can be written on their own.
//!
//! A part names a place, not a change: its final state is read from the stream when it is written, and a part
//! that is no longer there is gone. A stream that is new since the last question is written as a whole.
//! Next: `mod.rs` (`Stream::take_dirt`).

use std::collections::VecDeque;

use super::id::StreamId;

/// One part of a stream that may have changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StreamPart {
    /// Nothing is left at this id or below it.
    GoneUpTo(StreamId),
    /// The entry with this id, or that there is none.
    Entry(StreamId),
    /// Last id, greatest deleted id, entries ever added.
    Meta,
    /// A group with everything in it, replacing what was known of it, or that there is none.
    Group(Box<[u8]>),
    /// A group's position.
    GroupMeta(Box<[u8]>),
    /// A consumer of a group (the group comes first), or that it is gone; not what it holds.
    Consumer(Box<[u8]>, Box<[u8]>),
    /// The state of one pending entry of a group, or that it is not pending.
    Pending(Box<[u8]>, StreamId),
}

/// Remembers what happened to the entries.
#[derive(Clone, Debug, Default)]
pub(super) struct LogDirt {
    track: bool,
    whole: bool,
    meta: bool,
    gone_up_to: Option<StreamId>,
    /// The last id was set back: ids may come a second time, and "gone up to here" says nothing of entries to come.
    was_set_back: bool,
    /// Ascending until the last id is set back.
    appended: VecDeque<StreamId>,
    deleted: Vec<StreamId>,
}

impl LogDirt {
    pub(super) fn new(track: bool) -> Self {
        Self {
            track,
            whole: track,
            ..Self::default()
        }
    }

    /// Of a stream that is written as it is.
    pub(super) fn none(track: bool) -> Self {
        Self {
            track,
            ..Self::default()
        }
    }

    pub(super) fn tracks(&self) -> bool {
        self.track
    }

    fn in_parts(&self) -> bool {
        self.track && !self.whole
    }

    pub(super) fn set_back(&mut self) {
        self.was_set_back |= self.in_parts();
    }

    pub(super) fn meta(&mut self) {
        self.meta |= self.in_parts();
    }

    pub(super) fn appended(&mut self, id: StreamId) {
        if self.in_parts() {
            self.appended.push_back(id);
            self.meta = true;
        }
    }

    pub(super) fn deleted(&mut self, id: StreamId) {
        if self.in_parts() {
            self.deleted.push(id);
            self.meta = true;
        }
    }

    pub(super) fn gone_up_to(&mut self, id: StreamId) {
        if !self.in_parts() {
            return;
        }
        self.gone_up_to = self.gone_up_to.max(Some(id));
        if self.was_set_back {
            return;
        }
        // A stream held at a length by every append must not remember entries that are gone again.
        while self.appended.front().is_some_and(|appended| *appended <= id) {
            self.appended.pop_front();
        }
    }

    /// The parts in order and without repetition, none for the whole stream.
    pub(super) fn take(&mut self) -> Option<Vec<StreamPart>> {
        let taken = std::mem::replace(self, Self::none(self.track));
        if taken.whole {
            return None;
        }
        let gone = taken.gone_up_to;
        let mut entries: Vec<StreamId> = taken.appended.into_iter().chain(taken.deleted).collect();
        // Who writes them in order first takes away what is gone, then sees for each of these whether it is there.
        entries.retain(|id| taken.was_set_back || Some(*id) > gone);
        entries.sort_unstable();
        entries.dedup();
        let mut parts: Vec<StreamPart> = gone.map(StreamPart::GoneUpTo).into_iter().collect();
        parts.extend(entries.into_iter().map(StreamPart::Entry));
        if taken.meta {
            parts.push(StreamPart::Meta);
        }
        Some(parts)
    }
}
