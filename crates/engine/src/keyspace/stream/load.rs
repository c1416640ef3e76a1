//! A stream as a journal reads it: entries and groups as they were written.
//!
//! Entries come in ascending order as a rule and are put behind the others. What comes when later ones are there is
//! kept beside the stream and most often gone before the end; what is left is merged in then, once. Last id and counters
//! are set, not counted.
//! Next: `log.rs`, `groups.rs`.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::Stream;
use super::id::StreamId;
use super::log::Log;
use super::trim::{Keep, Trim};

/// Entries that came when later ones were there: names and values in turn. None of them is in the stream.
#[derive(Debug, Default)]
pub(crate) struct Late(BTreeMap<StreamId, Vec<Box<[u8]>>>);

impl Late {
    pub(crate) fn put(&mut self, id: StreamId, fields: &[(&[u8], &[u8])]) {
        let texts = fields.iter().flat_map(|(name, value)| [*name, *value]);
        self.0.insert(id, texts.map(Into::into).collect());
    }

    pub(crate) fn remove(&mut self, id: StreamId) {
        self.0.remove(&id);
    }

    pub(crate) fn gone_up_to(&mut self, id: StreamId) {
        self.0 = id
            .next()
            .map_or_else(BTreeMap::new, |next| self.0.split_off(&next));
    }
}

impl Stream {
    /// Puts an entry behind all others. False, and the stream without it, when it belongs before some of them and is not
    /// there just so.
    pub(crate) fn load_entry(&mut self, id: StreamId, fields: &[(&[u8], &[u8])]) -> bool {
        if self.log.blocks.back().is_none_or(|block| id > block.last()) {
            let texts = fields.iter().flat_map(|(name, value)| [*name, *value]);
            self.log.place(id, &texts.collect::<SmallVec<[&[u8]; 32]>>());
            return true;
        }
        let known = self.log.get(id);
        if known.is_some_and(|entry| entry.fields().eq(fields.iter().copied())) {
            return true;
        }
        self.load_gone(id);
        false
    }

    /// Takes an entry out.
    pub(crate) fn load_gone(&mut self, id: StreamId) {
        let meta = self.log.meta();
        self.log.delete(id);
        self.log.set_meta(meta);
    }

    /// Takes all entries out up to this one.
    pub(crate) fn load_gone_up_to(&mut self, id: StreamId) {
        let keep = id.next().map_or(Keep::Newest(0), Keep::From);
        self.log.trim(&Trim {
            keep,
            approximate: false,
            limit: 0,
        });
    }

    /// Puts the entries in that came late.
    pub(crate) fn load_late(&mut self, late: Late) {
        let mut whole = Log::new(false);
        let mut late = late.0.into_iter().peekable();
        for entry in self.log.range(StreamId::MIN, StreamId::MAX) {
            while let Some((id, texts)) = late.next_if(|(id, _)| *id < entry.id()) {
                whole.place(id, &texts);
            }
            let texts = entry.fields().flat_map(|(name, value)| [name, value]);
            whole.place(entry.id(), &texts.collect::<SmallVec<[&[u8]; 32]>>());
        }
        for (id, texts) in late {
            whole.place(id, &texts);
        }
        whole.set_meta(self.log.meta());
        self.log = whole;
    }

    /// A group is at this position. One that is not known is gone by now, unless it is made anew.
    pub(crate) fn load_group(&mut self, name: &[u8], position: (StreamId, Option<u64>), anew: bool) {
        if anew {
            self.groups.destroy(name);
            self.groups.create(name, position.0, position.1);
        } else if let Some(mut group) = self.groups.get_mut(name) {
            group.set_position(position.0, position.1);
        }
    }

    /// Notes changes from here on, as of something that is written, or notes nothing any more.
    pub(crate) fn track(&mut self, is_on: bool) {
        self.log.track(is_on);
        self.groups.track(is_on);
    }
}
