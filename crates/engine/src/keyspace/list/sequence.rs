//! The chunks of a list in order, counted, so that a position is found without walking the items.
//!
//! Two levels: segments of up to [`MAX_CHUNKS`] chunks, each with the number of its items. A million short items
//! are 64 segments; an index costs a walk over 64 counters and one over 128. Both levels keep their only
//! element in place, so a short list allocates nothing but its bytes.
//! No chunk and no segment is ever empty. Names of chunks ascend, so a chunk is found by its name in log time.
//! Next: `chunk.rs` (one run of items), `mod.rs` (the list).

use smallvec::SmallVec;

use super::chunk::{Chunk, ChunkId};

/// Chunks in one segment at most.
const MAX_CHUNKS: usize = 128;
/// Two neighbouring segments with no more chunks than this become one.
const MERGED_CHUNKS: usize = MAX_CHUNKS / 2;

/// Where a chunk is, valid until chunks come or go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    segment: usize,
    chunk: usize,
}

impl Place {
    const START: Self = Self { segment: 0, chunk: 0 };

    /// The place right behind this one, for an insertion.
    pub(super) fn behind(self) -> Self {
        Self {
            chunk: self.chunk + 1,
            ..self
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Segment {
    items: usize,
    chunks: SmallVec<[Chunk; 1]>,
}

impl Segment {
    fn of(chunk: Chunk) -> Self {
        let mut segment = Self {
            items: chunk.count(),
            ..Self::default()
        };
        segment.chunks.push(chunk);
        segment
    }

    fn heap(&self) -> usize {
        if self.chunks.spilled() {
            self.chunks.capacity() * size_of::<Chunk>()
        } else {
            0
        }
    }

    fn count(&mut self) {
        self.items = self.chunks.iter().map(Chunk::count).sum();
    }
}

/// All chunks of a list.
#[derive(Debug, Clone, Default)]
pub(super) struct Sequence {
    segments: SmallVec<[Segment; 1]>,
    items: usize,
    heap: usize,
}

impl Sequence {
    /// The number of items in all chunks.
    #[inline]
    pub(super) fn items(&self) -> usize {
        self.items
    }

    /// The bytes on the heap.
    pub(super) fn heap(&self) -> usize {
        self.heap + self.own_heap()
    }

    /// A copy without spare room.
    pub(super) fn compact_clone(&self) -> Self {
        let mut copy = self.clone();
        copy.heap = copy.recount() - copy.own_heap();
        copy
    }

    /// The same, counted anew.
    pub(super) fn recount(&self) -> usize {
        let chunks: usize = self.iter().map(Chunk::heap).sum();
        self.own_heap() + chunks + self.segments.iter().map(Segment::heap).sum::<usize>()
    }

    fn own_heap(&self) -> usize {
        if self.segments.spilled() {
            self.segments.capacity() * size_of::<Segment>()
        } else {
            0
        }
    }

    #[inline]
    pub(super) fn front(&self) -> Option<Place> {
        (!self.segments.is_empty()).then_some(Place::START)
    }

    #[inline]
    pub(super) fn back(&self) -> Option<Place> {
        let segment = self.segments.len().checked_sub(1)?;
        let chunk = self.segments.last()?.chunks.len().checked_sub(1)?;
        Some(Place { segment, chunk })
    }

    pub(super) fn next(&self, place: Place) -> Option<Place> {
        if place.chunk + 1 < self.segments.get(place.segment)?.chunks.len() {
            return Some(place.behind());
        }
        let segment = place.segment + 1;
        (segment < self.segments.len()).then_some(Place { segment, chunk: 0 })
    }

    pub(super) fn previous(&self, place: Place) -> Option<Place> {
        if let Some(chunk) = place.chunk.checked_sub(1) {
            return Some(Place { chunk, ..place });
        }
        let segment = place.segment.checked_sub(1)?;
        let chunk = self.segments.get(segment)?.chunks.len().checked_sub(1)?;
        Some(Place { segment, chunk })
    }

    #[inline]
    pub(super) fn get(&self, place: Place) -> Option<&Chunk> {
        self.segments.get(place.segment)?.chunks.get(place.chunk)
    }

    /// All chunks in order.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Chunk> {
        self.segments.iter().flat_map(|segment| segment.chunks.iter())
    }

    /// All chunks in order, to rename or mark them; their items stay as they are.
    pub(super) fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Chunk> {
        self.segments
            .iter_mut()
            .flat_map(|segment| segment.chunks.iter_mut())
    }

    /// The chunk of the item at `index` and the item's number in it, walking from the nearer end.
    pub(super) fn locate(&self, index: usize) -> Option<(Place, usize)> {
        if index >= self.items {
            return None;
        }
        let (segment, mut left) = if index <= self.items / 2 {
            let mut left = index;
            let found = self.segments.iter().position(|segment| {
                let is_here = left < segment.items;
                if !is_here {
                    left -= segment.items;
                }
                is_here
            });
            (found?, left)
        } else {
            let mut start = self.items;
            let found = self.segments.iter().rposition(|segment| {
                start -= segment.items;
                start <= index
            });
            (found?, index - start)
        };
        for (chunk, held) in self.segments.get(segment)?.chunks.iter().enumerate() {
            if left < held.count() {
                return Some((Place { segment, chunk }, left));
            }
            left -= held.count();
        }
        None
    }

    /// The chunk of this name.
    pub(super) fn find(&self, id: ChunkId) -> Option<Place> {
        let begins_before = |segment: &Segment| segment.chunks.first().is_some_and(|chunk| chunk.id <= id);
        let segment = self.segments.partition_point(begins_before).checked_sub(1)?;
        let chunks = &self.segments.get(segment)?.chunks;
        let chunk = chunks.binary_search_by_key(&id, |chunk| chunk.id).ok()?;
        Some(Place { segment, chunk })
    }

    /// The chunks with greater names than this in order; all of them without a name.
    pub(super) fn after(&self, id: Option<ChunkId>) -> impl Iterator<Item = &Chunk> {
        let is_before = move |chunk: &Chunk| id.is_some_and(|id| chunk.id <= id);
        let whole = self
            .segments
            .partition_point(|segment| segment.chunks.last().is_some_and(is_before));
        let rest = self.segments.iter().skip(whole);
        rest.flat_map(|segment| segment.chunks.iter())
            .skip_while(move |chunk| is_before(chunk))
    }

    /// Where a chunk of this name, which no chunk has, belongs.
    pub(super) fn place_for(&self, id: ChunkId) -> Place {
        let begins_before = |segment: &Segment| segment.chunks.first().is_some_and(|chunk| chunk.id < id);
        let segment = self.segments.partition_point(begins_before).saturating_sub(1);
        let chunks = self
            .segments
            .get(segment)
            .map(|segment| segment.chunks.as_slice());
        let chunk = chunks.unwrap_or_default().partition_point(|chunk| chunk.id < id);
        Place { segment, chunk }
    }

    /// Whether there are two chunks or more.
    pub(super) fn has_several(&self) -> bool {
        self.iter().nth(1).is_some()
    }

    /// The number of items before the chunk at this place.
    pub(super) fn items_before(&self, place: Place) -> usize {
        let segments = self
            .segments
            .iter()
            .take(place.segment)
            .map(|segment| segment.items)
            .sum::<usize>();
        let Some(segment) = self.segments.get(place.segment) else {
            return segments;
        };
        segments
            + segment
                .chunks
                .iter()
                .take(place.chunk)
                .map(Chunk::count)
                .sum::<usize>()
    }

    /// Changes one chunk and keeps the counts.
    #[inline]
    pub(super) fn edit<R>(&mut self, place: Place, change: impl FnOnce(&mut Chunk) -> R) -> Option<R> {
        let segment = self.segments.get_mut(place.segment)?;
        let chunk = segment.chunks.get_mut(place.chunk)?;
        let (items, heap) = (chunk.count(), chunk.heap());
        let result = change(chunk);
        segment.items = segment.items + chunk.count() - items;
        self.items = self.items + chunk.count() - items;
        self.heap = self.heap + chunk.heap() - heap;
        Some(result)
    }

    pub(super) fn push_front(&mut self, chunk: Chunk) {
        self.insert(Place::START, chunk);
    }

    pub(super) fn push_back(&mut self, chunk: Chunk) {
        let place = self.back().map_or(Place::START, Place::behind);
        self.insert(place, chunk);
    }

    /// Puts a chunk at this place, before the one that is there; other places are void then. Says where it came to be.
    pub(super) fn insert(&mut self, place: Place, chunk: Chunk) -> Place {
        self.items += chunk.count();
        self.heap += chunk.heap();
        let place = self.make_room(place);
        let Some(segment) = self.segments.get_mut(place.segment) else {
            // Only a place behind the last segment is unknown.
            self.segments.push(Segment::of(chunk));
            return Place {
                segment: self.segments.len() - 1,
                chunk: 0,
            };
        };
        let before = segment.heap();
        segment.items += chunk.count();
        let place = Place {
            chunk: place.chunk.min(segment.chunks.len()),
            ..place
        };
        segment.chunks.insert(place.chunk, chunk);
        self.heap = self.heap + segment.heap() - before;
        place
    }

    /// The place to use when the segment of `place` may be full.
    fn make_room(&mut self, place: Place) -> Place {
        let is_full = self
            .segments
            .get(place.segment)
            .is_some_and(|segment| segment.chunks.len() >= MAX_CHUNKS);
        if !is_full {
            return place;
        }
        if place.chunk >= MAX_CHUNKS && place.segment + 1 == self.segments.len() {
            return Place {
                segment: place.segment + 1,
                chunk: 0,
            };
        }
        if place == Place::START {
            self.segments.insert(0, Segment::default());
            return place;
        }
        self.split_segment(place.segment);
        let half = MAX_CHUNKS / 2;
        if place.chunk <= half {
            place
        } else {
            Place {
                segment: place.segment + 1,
                chunk: place.chunk - half,
            }
        }
    }

    fn split_segment(&mut self, number: usize) {
        let Some(segment) = self.segments.get_mut(number) else {
            return;
        };
        let before = segment.heap();
        let mut rest = Segment {
            items: 0,
            chunks: segment.chunks.drain(MAX_CHUNKS / 2..).collect(),
        };
        rest.count();
        segment.count();
        segment.chunks.shrink_to_fit();
        self.heap = self.heap + segment.heap() + rest.heap() - before;
        self.segments.insert(number + 1, rest);
    }

    /// Takes a chunk out.
    pub(super) fn remove(&mut self, place: Place) -> Option<Chunk> {
        let segment = self.segments.get_mut(place.segment)?;
        if place.chunk >= segment.chunks.len() {
            return None;
        }
        let chunk = segment.chunks.remove(place.chunk);
        segment.items -= chunk.count();
        self.items -= chunk.count();
        self.heap -= chunk.heap();
        if segment.chunks.is_empty() {
            self.heap -= segment.heap();
            self.segments.remove(place.segment);
        } else if segment.chunks.len() < MERGED_CHUNKS / 2 {
            self.merge_segment(place.segment);
        }
        if self.segments.is_empty() {
            // An empty list holds nothing, as a new one.
            self.segments = SmallVec::new();
        }
        Some(chunk)
    }

    /// Joins a nearly empty segment with its neighbour.
    fn merge_segment(&mut self, number: usize) {
        let count = |number: usize| self.segments.get(number).map(|segment| segment.chunks.len());
        let Some(own) = count(number) else { return };
        let is_small = |other: Option<usize>| other.is_some_and(|other| own + other <= MERGED_CHUNKS);
        let first = if is_small(count(number + 1)) {
            number
        } else if number > 0 && is_small(count(number - 1)) {
            number - 1
        } else {
            return;
        };
        let second = self.segments.remove(first + 1);
        let Some(target) = self.segments.get_mut(first) else {
            return;
        };
        let before = target.heap() + second.heap();
        target.items += second.items;
        target.chunks.extend(second.chunks);
        self.heap = self.heap + target.heap() - before;
    }
}
