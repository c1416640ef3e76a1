//! Walking a `Dict`: cursors that survive its growth, and fair random picks.
//!
//! A cursor is the smallest hash not yet seen. Keys never change their hash, so whatever is there during the
//! whole walk comes exactly once, although segments split and join meanwhile.
use super::{Dict, SEGMENT_BUCKETS, hash_with};

/// Cursors are the top 53 bits of a hash: numbers that every client, Lua included, keeps exact.
const DROPPED_BITS: u32 = 11;
/// Picks until we stop trusting to luck; the emptiest map we keep is hit in some fifteen.
const PATIENCE: usize = 10_000;

impl<V> Dict<V> {
    /// Shows about `count` entries from `cursor` on and answers the next cursor: 0 to begin with, 0 at the end.
    pub(crate) fn scan(&self, cursor: u64, count: usize, mut see: impl FnMut(&[u8], &V)) -> u64 {
        let mut wanted = count.max(1);
        let mut from = cursor;
        let mut found = Vec::new();
        loop {
            if from >> (64 - DROPPED_BITS) != 0 {
                return 0;
            }
            let Some(segment) = self.segments.get(self.index_of(from << DROPPED_BITS)) else {
                return 0;
            };
            let entries = segment.table.iter();
            let ordered = entries.map(|entry| (hash_with(&self.hasher, &entry.0) >> DROPPED_BITS, entry));
            found.clear();
            found.extend(ordered.filter(|&(order, _)| order >= from));

            if found.len() > wanted {
                let (_, &mut (last, _), _) =
                    found.select_nth_unstable_by_key(wanted - 1, |&(order, _)| order);
                for (_, (key, value)) in found.iter().filter(|&&(order, _)| order <= last) {
                    see(key, value);
                }
                return last + 1;
            }
            for (_, (key, value)) in &found {
                see(key, value);
            }
            wanted -= found.len();
            let Some(end) = segment.end() else { return 0 };
            from = end >> DROPPED_BITS;
            if wanted == 0 {
                return from;
            }
        }
    }

    /// Shows entries from `cursor` on, in the order of their hashes, until `see` refuses one; answers the cursor of
    /// that one, nothing at the end.
    ///
    /// Unlike `scan` it lets the visitor end it by what it has seen, and what it shows may be kept.
    pub(crate) fn walk<'a>(
        &'a self,
        cursor: u64,
        mut see: impl FnMut(&'a [u8], &'a V) -> bool,
    ) -> Option<u64> {
        let mut from = cursor;
        let mut found = Vec::new();
        while from >> (64 - DROPPED_BITS) == 0 {
            let segment = self.segments.get(self.index_of(from << DROPPED_BITS))?;
            let entries = segment.table.iter();
            let ordered = entries.map(|entry| (hash_with(&self.hasher, &entry.0) >> DROPPED_BITS, entry));
            found.clear();
            found.extend(ordered.filter(|&(order, _)| order >= from));
            found.sort_unstable_by_key(|&(order, _)| order);
            for &(order, (key, value)) in &found {
                if !see(key, value) {
                    return Some(order);
                }
            }
            from = segment.end()? >> DROPPED_BITS;
        }
        None
    }

    /// Any entry, each as likely as every other.
    pub(crate) fn random(&self, random: &mut fastrand::Rng) -> Option<(&[u8], &V)> {
        // Throwing at all buckets that could exist keeps every entry equally likely, and segments are never so
        // empty that it takes long.
        let buckets = match self.segments.as_slice() {
            [] => return None,
            [only] if only.table.is_empty() => return None,
            [only] => only.table.num_buckets(),
            _ => SEGMENT_BUCKETS,
        };
        for _ in 0..PATIENCE {
            let segment = self.segments.get(random.usize(..self.segments.len()))?;
            if let Some((key, value)) = segment.table.get_bucket(random.usize(..buckets)) {
                return Some((key, value));
            }
        }
        self.iter().next()
    }

    /// So many different entries, or all when there are fewer; each choice is as likely as every other.
    pub(crate) fn sample(&self, count: usize, random: &mut fastrand::Rng) -> Vec<(&[u8], &V)> {
        // Drawing again what was drawn already becomes the rule when most are wanted.
        if count >= self.len / 3 {
            return sample_of(self.iter().collect(), count, random);
        }
        let mut drawn: Dict<()> = Dict::with_hasher(self.hasher.clone());
        let mut sample = Vec::with_capacity(count);
        while sample.len() < count {
            let Some((key, value)) = self.random(random) else {
                break;
            };
            if drawn.get_or_insert_with(key, || ()).1 {
                sample.push((key, value));
            }
        }
        sample
    }
}

/// So many of the items, or all when there are fewer, in random order unless all are wanted.
pub(crate) fn sample_of<T>(mut items: Vec<T>, count: usize, random: &mut fastrand::Rng) -> Vec<T> {
    if count >= items.len() {
        return items;
    }
    for place in 0..count {
        let other = random.usize(place..items.len());
        items.swap(place, other);
    }
    items.truncate(count);
    items
}
