//! The hash type: fields and their values.
//!
//! Up to 128 fields and 4 kB a hash is one buffer in insertion order (`packed.rs`), where finding a field means
//! comparing lengths along the way; beyond that it is a `Dict` and stays one. A hash of eight fields thus costs
//! sixteen bytes more than its text, and a hash of a million still answers in one probe.
//! Next: `hash/small.rs`, then `dict.rs`.
mod small;

#[cfg(test)]
mod tests;

use super::changes::Changes;
use super::dict::{Dict, sample_of};
use super::dirt::Dirt;
use super::packed::{Either, PACKED_BYTES, PACKED_ENTRIES, Packed, allocated};

/// `hash-max-listpack-value`: beyond it `OBJECT ENCODING` says `hashtable`, whatever the form is here.
const LISTPACK_VALUE: usize = 64;

/// Fields and their values.
#[derive(Clone)]
pub(crate) struct Hash(Form);

#[derive(Clone)]
enum Form {
    Small(Packed),
    Large(Box<Large>),
}

#[derive(Clone)]
struct Large {
    values: Dict<Box<[u8]>>,
    /// Heap bytes of all fields and values.
    bytes: usize,
    changes: Option<Changes>,
}

const _: () = assert!(size_of::<Hash>() <= 24);

impl Hash {
    pub(crate) fn new(track: bool) -> Self {
        Self(Form::Small(Packed::new(track)))
    }

    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Form::Small(packed) => usize::from(packed.count),
            Form::Large(large) => large.values.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn get(&self, field: &[u8]) -> Option<&[u8]> {
        match &self.0 {
            Form::Small(packed) => small::get(packed, field),
            Form::Large(large) => large.values.get(field).map(|value| &**value),
        }
    }

    pub(crate) fn contains(&self, field: &[u8]) -> bool {
        self.get(field).is_some()
    }

    /// Stores a value; whether the field is new.
    pub(crate) fn set(&mut self, field: &[u8], value: &[u8]) -> bool {
        match &mut self.0 {
            Form::Small(packed) => {
                if let Some(is_new) = small::set(packed, field, value) {
                    if field.len() > LISTPACK_VALUE || value.len() > LISTPACK_VALUE {
                        packed.mark = 1;
                    }
                    return is_new;
                }
                self.enlarge().set(field, value)
            }
            Form::Large(large) => large.set(field, value),
        }
    }

    /// Stores many values with one allocation; how many of the fields are new.
    pub(crate) fn set_all<'a, P>(&mut self, pairs: P) -> usize
    where
        P: IntoIterator<Item = (&'a [u8], &'a [u8])>,
        P::IntoIter: Clone,
    {
        let pairs = pairs.into_iter();
        if let Form::Small(packed) = &mut self.0 {
            let needed: usize = pairs
                .clone()
                .map(|(field, value)| small::entry_size(field, value))
                .sum();
            if packed.count == 0 && packed.used() + needed <= PACKED_BYTES {
                packed.reserve(needed);
            }
        }
        pairs.filter(|(field, value)| self.set(field, value)).count()
    }

    /// Removes a field; whether it was there.
    pub(crate) fn remove(&mut self, field: &[u8]) -> bool {
        match &mut self.0 {
            Form::Small(packed) => small::remove(packed, field),
            Form::Large(large) => large.remove(field),
        }
    }

    /// Fields with their values, in insertion order while the hash is small.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        match &self.0 {
            Form::Small(packed) => Either::Small(small::iter(packed)),
            Form::Large(large) => Either::Large(large.values.iter().map(|(field, value)| (field, &**value))),
        }
    }

    /// Any field, each as likely as every other.
    pub(crate) fn random(&self, random: &mut fastrand::Rng) -> Option<(&[u8], &[u8])> {
        match &self.0 {
            Form::Small(packed) if packed.count == 0 => None,
            Form::Small(packed) => small::iter(packed).nth(random.usize(..usize::from(packed.count))),
            Form::Large(large) => large
                .values
                .random(random)
                .map(|(field, value)| (field, &**value)),
        }
    }

    /// So many different fields, or all when there are fewer; each choice is as likely as every other.
    pub(crate) fn sample(&self, count: usize, random: &mut fastrand::Rng) -> Vec<(&[u8], &[u8])> {
        match &self.0 {
            Form::Small(packed) => sample_of(small::iter(packed).collect(), count, random),
            Form::Large(large) => {
                let sample = large.values.sample(count, random);
                sample
                    .into_iter()
                    .map(|(field, value)| (field, &**value))
                    .collect()
            }
        }
    }

    /// Shows about `count` fields from `cursor` on and answers the next cursor. A small hash comes at once.
    pub(crate) fn scan(&self, cursor: u64, count: usize, mut see: impl FnMut(&[u8], &[u8])) -> u64 {
        match &self.0 {
            Form::Small(packed) => {
                small::iter(packed).for_each(|(field, value)| see(field, value));
                0
            }
            Form::Large(large) => large.values.scan(cursor, count, |field, value| see(field, value)),
        }
    }

    /// Whether it is kept in one piece, a small one that a walk takes at once.
    pub(crate) fn is_packed(&self) -> bool {
        matches!(self.0, Form::Small(_))
    }

    /// Shows fields from `cursor` on until `see` refuses one; answers the cursor of that one, nothing at the end. A
    /// [packed](Self::is_packed) hash comes at once: none of its fields may be refused.
    pub(crate) fn walk<'a>(
        &'a self,
        cursor: u64,
        mut see: impl FnMut(&'a [u8], &'a [u8]) -> bool,
    ) -> Option<u64> {
        match &self.0 {
            Form::Small(packed) => {
                for (field, value) in small::iter(packed) {
                    see(field, value);
                }
                None
            }
            Form::Large(large) => large.values.walk(cursor, |field, value| see(field, value)),
        }
    }

    /// Heap bytes held.
    pub(crate) fn memory(&self) -> usize {
        match &self.0 {
            Form::Small(packed) => packed.memory(),
            Form::Large(large) => allocated(size_of::<Large>()) + large.values.table_memory() + large.bytes,
        }
    }

    /// Notes changes from here on, as of something that is written, or notes nothing any more.
    pub(crate) fn track(&mut self, is_on: bool) {
        match &mut self.0 {
            Form::Small(packed) => packed.track = is_on,
            Form::Large(large) => large.changes = is_on.then(Changes::none),
        }
    }

    #[cfg(test)]
    pub(crate) fn is_tracked(&self) -> bool {
        match &self.0 {
            Form::Small(packed) => packed.track,
            Form::Large(large) => large.changes.is_some(),
        }
    }

    /// What a journal must write anew since the last call.
    pub(crate) fn take_dirt(&mut self) -> Dirt<Box<[u8]>> {
        match &mut self.0 {
            Form::Small(_) => Dirt::Whole,
            Form::Large(large) => large.changes.as_mut().map_or(Dirt::Whole, Changes::take),
        }
    }

    /// The word of `OBJECT ENCODING`.
    pub(crate) fn encoding(&self) -> &'static str {
        match &self.0 {
            Form::Small(packed) if packed.mark == 0 => "listpack",
            _ => "hashtable",
        }
    }

    fn enlarge(&mut self) -> &mut Large {
        if let Form::Small(packed) = &self.0 {
            let changes = packed.track.then(Changes::whole);
            let mut large = Box::new(Large {
                values: Dict::new(),
                bytes: 0,
                changes,
            });
            for (field, value) in small::iter(packed) {
                large.set(field, value);
            }
            self.0 = Form::Large(large);
        }
        match &mut self.0 {
            Form::Large(large) => large,
            Form::Small(_) => unreachable!("a small hash was replaced just now"),
        }
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The contents may be millions, and are users' data.
        formatter
            .debug_struct("Hash")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl Large {
    fn set(&mut self, field: &[u8], value: &[u8]) -> bool {
        let (place, is_new) = self.values.get_or_insert_with(field, Box::default);
        self.bytes += allocated(value.len());
        if is_new {
            self.bytes += allocated(field.len());
        } else {
            self.bytes -= allocated(place.len());
        }
        if place.len() == value.len() {
            place.copy_from_slice(value);
        } else {
            *place = value.into();
        }
        if let Some(changes) = &mut self.changes {
            changes.note(field);
        }
        is_new
    }

    fn remove(&mut self, field: &[u8]) -> bool {
        let Some((_, value)) = self.values.remove(field) else {
            return false;
        };
        self.bytes -= allocated(field.len()) + allocated(value.len());
        if let Some(changes) = &mut self.changes {
            changes.note(field);
        }
        true
    }
}
