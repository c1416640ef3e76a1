//! One packed run of neighbouring items, the unit a journal rewrites.
//!
//! A chunk holds up to [`MAX_ITEMS`] items and about [`MAX_BYTES`] bytes; a longer item has a chunk of its own.
//! The bytes lie at the end of one buffer, a gap before them, so both ends take and give items cheaply: the gap
//! is doubled like a vector's spare room, only at the front.
//! Offsets are relative to the first entry and always stand on the border of an entry.
//! Next: `entry.rs` (the bytes of one item), `sequence.rs` (many chunks in order).

use smallvec::SmallVec;

use super::entry;
use super::walk::Items;

/// Items a chunk takes at most.
pub(super) const MAX_ITEMS: usize = 128;
/// Bytes a chunk of several items takes at most.
pub(super) const MAX_BYTES: usize = 8192;
/// No name in a value index.
pub(super) const NO_HANDLE: u32 = u32::MAX;
/// Buffers below this are never made smaller: nothing is won.
const SMALL_BUFFER: usize = 128;

/// The stable name of a chunk; the order of the names is the order of the chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ChunkId(pub(crate) i64);

/// A run of items.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    pub(super) id: ChunkId,
    /// The names between `id` and this one were never given to a chunk.
    pub(super) room: i64,
    /// The name of this chunk in the value index.
    pub(super) handle: u32,
    /// Whether the changes of the list name this chunk already.
    pub(super) is_changed: bool,
    count: u8,
    start: usize,
    buffer: Vec<u8>,
}

impl Chunk {
    pub(super) fn new(id: ChunkId, room: i64) -> Self {
        Self {
            id,
            room,
            handle: NO_HANDLE,
            is_changed: false,
            count: 0,
            start: 0,
            buffer: Vec::new(),
        }
    }

    /// A chunk of these items in no more memory than they need; `None` when they are none or too many.
    pub(super) fn of(id: ChunkId, items: &[&[u8]]) -> Option<Self> {
        if items.is_empty() || items.len() > MAX_ITEMS {
            return None;
        }
        let bytes = items.iter().map(|item| entry::encoded_len(item.len())).sum();
        let mut buffer = Vec::with_capacity(bytes);
        items.iter().for_each(|item| entry::append(&mut buffer, item));
        Some(Self {
            count: items.len() as u8,
            buffer,
            ..Self::new(id, id.0)
        })
    }

    /// The number of items.
    #[inline]
    pub(super) fn count(&self) -> usize {
        usize::from(self.count)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The packed entries.
    #[inline]
    pub(super) fn packed(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// The bytes of the packed entries.
    #[inline]
    pub(super) fn used(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// The bytes on the heap.
    #[inline]
    pub(super) fn heap(&self) -> usize {
        self.buffer.capacity()
    }

    /// Whether an item of this length may join.
    #[inline]
    pub(super) fn has_room_for(&self, len: usize) -> bool {
        self.count() < MAX_ITEMS && self.used() + entry::encoded_len(len) <= MAX_BYTES
    }

    /// Whether a chunk of several items may hold this many bytes.
    pub(super) fn is_size_allowed(bytes: usize) -> bool {
        bytes <= MAX_BYTES
    }

    /// The items in order, from both ends.
    #[inline]
    pub(super) fn iter(&self) -> Items<'_> {
        Items::of(self.packed(), self.count())
    }

    pub(super) fn first(&self) -> Option<&[u8]> {
        entry::first(self.packed()).map(|(value, _)| value)
    }

    pub(super) fn last(&self) -> Option<&[u8]> {
        entry::last(self.packed()).map(|(value, _)| value)
    }

    pub(super) fn get(&self, ordinal: usize) -> Option<&[u8]> {
        let offset = self.offset(ordinal);
        entry::first(self.packed().get(offset..)?).map(|(value, _)| value)
    }

    /// Where the item of this number begins, or where it would be appended.
    pub(super) fn offset(&self, ordinal: usize) -> usize {
        if ordinal >= self.count() {
            return self.used();
        }
        let mut items = self.iter();
        if ordinal <= self.count() / 2 {
            items.skip_front(ordinal);
            return self.used() - items.bytes_left();
        }
        items.skip_back(self.count() - ordinal);
        items.bytes_left()
    }

    /// The numbers of the items that equal `value`.
    pub(super) fn ordinals(&self, value: &[u8]) -> SmallVec<[u32; 16]> {
        let mut ordinals = SmallVec::new();
        self.each_match(value, |ordinal, _, _| ordinals.push(ordinal));
        ordinals
    }

    /// The offset of the first item that equals `value`.
    pub(super) fn find(&self, value: &[u8]) -> Option<usize> {
        let mut rest = self.packed();
        while let Some((item, total)) = entry::first(rest) {
            if item == value {
                return Some(self.used() - rest.len());
            }
            rest = rest.get(total..).unwrap_or_default();
        }
        None
    }

    /// The offset of the last item that equals `value`.
    pub(super) fn find_last(&self, value: &[u8]) -> Option<usize> {
        let mut rest = self.packed();
        while let Some((item, total)) = entry::last(rest) {
            let offset = rest.len() - total;
            if item == value {
                return Some(offset);
            }
            rest = rest.get(..offset).unwrap_or_default();
        }
        None
    }

    /// Calls `found` with number, offset and entry length of every item that equals `value`.
    #[inline]
    fn each_match(&self, value: &[u8], mut found: impl FnMut(u32, usize, usize)) {
        let mut rest = self.packed();
        let mut offset = 0;
        let mut ordinal = 0;
        while let Some((item, total)) = entry::first(rest) {
            if item == value {
                found(ordinal, offset, total);
            }
            ordinal += 1;
            offset += total;
            rest = rest.get(total..).unwrap_or_default();
        }
    }

    #[inline]
    pub(super) fn push_back(&mut self, value: &[u8]) {
        let needed = entry::encoded_len(value.len());
        if self.buffer.capacity() - self.buffer.len() < needed {
            self.make_room_behind(needed);
        }
        entry::append(&mut self.buffer, value);
        self.count += 1;
    }

    #[inline]
    pub(super) fn push_front(&mut self, value: &[u8]) {
        let needed = entry::encoded_len(value.len());
        if (self.start) < needed {
            self.make_gap(needed);
        }
        let end = self.start;
        let begin = end - needed;
        if let Some(place) = self.buffer.get_mut(begin..end) {
            entry::write(place, value);
        }
        self.start = begin;
        self.count += 1;
    }

    /// Puts the item before the entry at `offset`.
    pub(super) fn insert(&mut self, offset: usize, value: &[u8]) {
        if offset == 0 && self.count > 0 {
            return self.push_front(value);
        }
        if offset >= self.used() {
            return self.push_back(value);
        }
        let needed = entry::encoded_len(value.len());
        if self.buffer.capacity() - self.buffer.len() < needed {
            self.make_room_behind(needed);
        }
        let begin = self.start + offset;
        let end = self.buffer.len();
        self.buffer.resize(end + needed, 0);
        self.buffer.copy_within(begin..end, begin + needed);
        if let Some(place) = self.buffer.get_mut(begin..begin + needed) {
            entry::write(place, value);
        }
        self.count += 1;
    }

    /// Replaces the item at `offset`.
    pub(super) fn replace(&mut self, offset: usize, value: &[u8]) {
        let begin = self.start + offset;
        let Some(length) = self.entry_len(offset) else {
            return;
        };
        if length == entry::encoded_len(value.len()) {
            if let Some(place) = self.buffer.get_mut(begin..begin + length) {
                entry::write(place, value);
            }
            return;
        }
        self.remove(offset);
        self.insert(offset, value);
    }

    /// The bytes of the entry at `offset`.
    pub(super) fn entry_len(&self, offset: usize) -> Option<usize> {
        entry::first(self.packed().get(offset..)?).map(|(_, length)| length)
    }

    /// Takes the item at `offset` away.
    pub(super) fn remove(&mut self, offset: usize) {
        let Some(length) = self.entry_len(offset) else {
            return;
        };
        self.cut(offset, length);
        self.count -= 1;
        self.give_back();
    }

    /// Takes up to `limit` items that equal `value` away, after leaving the first `spare` of them alone.
    pub(super) fn remove_matches(&mut self, value: &[u8], spare: usize, limit: usize) -> usize {
        let mut doomed: SmallVec<[usize; 16]> = SmallVec::new();
        let mut seen = 0;
        self.each_match(value, |_, offset, _| {
            if seen >= spare && doomed.len() < limit {
                doomed.push(offset);
            }
            seen += 1;
        });
        let length = entry::encoded_len(value.len());
        if let [offset] = doomed.as_slice() {
            self.cut(*offset, length);
        } else {
            self.close_up(&doomed, length);
        }
        self.count -= doomed.len() as u8;
        self.give_back();
        doomed.len()
    }

    /// Takes the first `count` items away.
    pub(super) fn drop_front(&mut self, count: usize) {
        self.start += self.offset(count);
        self.count -= count.min(self.count()) as u8;
        self.give_back();
    }

    /// Takes the last `count` items away.
    pub(super) fn drop_back(&mut self, count: usize) {
        let kept = self.count().saturating_sub(count);
        let end = self.start + self.offset(kept);
        self.buffer.truncate(end);
        self.count = kept as u8;
        self.give_back();
    }

    /// Moves the items from `ordinal` on into a new chunk.
    pub(super) fn split(&mut self, ordinal: usize, id: ChunkId, room: i64) -> Self {
        let offset = self.offset(ordinal);
        let mut rest = Self::new(id, room);
        rest.buffer = self.packed().get(offset..).unwrap_or_default().to_vec();
        rest.count = (self.count().saturating_sub(ordinal)) as u8;
        self.count -= rest.count;
        let end = self.start + offset;
        self.buffer.truncate(end);
        self.fit();
        rest
    }

    /// Takes all items of the chunk before this one (`is_before`) or behind it.
    pub(super) fn absorb(&mut self, other: &Self, is_before: bool) {
        let mut buffer = Vec::with_capacity(self.used() + other.used());
        let (first, second) = if is_before {
            (other, &*self)
        } else {
            (&*self, other)
        };
        buffer.extend_from_slice(first.packed());
        buffer.extend_from_slice(second.packed());
        self.buffer = buffer;
        self.start = 0;
        self.count += other.count;
    }

    /// Gives unused room back: this chunk is no longer at an end.
    pub(super) fn fit(&mut self) {
        if self.buffer.capacity() > self.used() {
            self.resize(self.used());
        }
    }

    /// Removes a range of bytes, moving the shorter side.
    fn cut(&mut self, offset: usize, length: usize) {
        let begin = self.start;
        if offset < self.used() / 2 {
            self.buffer.copy_within(begin..begin + offset, begin + length);
            self.start += length;
            return;
        }
        self.buffer.copy_within(begin + offset + length.., begin + offset);
        self.buffer.truncate(self.buffer.len() - length);
    }

    /// Removes entries of one length at these offsets in one pass.
    fn close_up(&mut self, offsets: &[usize], length: usize) {
        let begin = self.start;
        let Some(&first) = offsets.first() else { return };
        let mut write = begin + first;
        for (number, offset) in offsets.iter().enumerate() {
            let from = begin + offset + length;
            let to = offsets
                .get(number + 1)
                .map_or(self.buffer.len(), |next| begin + next);
            self.buffer.copy_within(from..to, write);
            write += to - from;
        }
        self.buffer.truncate(write);
    }

    /// Makes room for `needed` bytes behind the entries: the gap is used up before the buffer grows.
    fn make_room_behind(&mut self, needed: usize) {
        let used = self.used();
        if self.start >= needed.max(used / 2) {
            self.buffer.copy_within(self.start.., 0);
            self.buffer.truncate(used);
            self.start = 0;
            return;
        }
        self.resize(grown(used, needed));
    }

    /// Makes the gap before the entries at least `needed` bytes: room behind is used up before the buffer grows.
    fn make_gap(&mut self, needed: usize) {
        let used = self.used();
        let free = self.buffer.capacity() - used;
        if free < needed.max(used / 2) {
            let capacity = grown(used, needed);
            let mut buffer = Vec::with_capacity(capacity);
            buffer.resize(capacity - used, 0);
            buffer.extend_from_slice(self.packed());
            self.buffer = buffer;
        } else {
            let begin = self.start;
            self.buffer.resize(free + used, 0);
            self.buffer.copy_within(begin..begin + used, free);
        }
        self.start = self.buffer.len() - used;
    }

    /// Shrinks a buffer that is less than half full.
    fn give_back(&mut self) {
        let capacity = self.buffer.capacity();
        if capacity > SMALL_BUFFER && self.used() < capacity / 2 {
            self.resize(self.used() + self.used() / 4);
        }
    }

    fn resize(&mut self, capacity: usize) {
        let mut buffer = Vec::with_capacity(capacity);
        buffer.extend_from_slice(self.packed());
        self.buffer = buffer;
        self.start = 0;
    }
}

/// The size of a buffer that outgrew itself: twice for many items, exact for a first or long one.
fn grown(used: usize, needed: usize) -> usize {
    if used == 0 || used + needed > MAX_BYTES {
        used + needed
    } else {
        (used + needed).max(used * 2).min(MAX_BYTES)
    }
}
