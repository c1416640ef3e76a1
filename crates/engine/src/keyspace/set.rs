//! The set type: members without order or repetition.
//!
//! Three forms. Integers alone are a sorted array of 16, 32 or 64 bits each, up to 512 of them; other small
//! sets, up to 128 members and 4 kB, are one buffer searched from its start; whatever is larger is a `Dict` and
//! stays one. The first two share the struct of `packed.rs`, whose mark tells which of them it is.
//! Next: `set/integers.rs`, `set/words.rs`, then `dict.rs`.
mod integers;
mod words;

#[cfg(test)]
mod tests;

use super::changes::Changes;
use super::dict::{Dict, sample_of};
use super::dirt::Dirt;
use super::packed::{Either, PACKED_BYTES, PACKED_ENTRIES, Packed, allocated};
use crate::number::parse_int;

/// The mark of a small set whose members are not all integers; otherwise it is the width of an integer.
const WORDS: u8 = 0;

/// Members without order or repetition.
#[derive(Clone)]
pub(crate) struct Set(Form);

#[derive(Clone)]
enum Form {
    Small(Packed),
    Large(Box<Large>),
}

#[derive(Clone)]
struct Large {
    members: Dict<()>,
    /// Heap bytes of all members.
    bytes: usize,
    changes: Option<Changes>,
}

const _: () = assert!(size_of::<Set>() <= 24);

/// A member as the set keeps it: integers have no text of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member<'a> {
    Integer(i64),
    Bytes(&'a [u8]),
}

impl<'a> Member<'a> {
    /// The member's text, in `buffer` if need be.
    pub(crate) fn bytes<'b>(&'b self, buffer: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Self::Integer(number) => buffer.format(*number).as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    pub(crate) fn to_vec(self) -> Vec<u8> {
        self.bytes(&mut itoa::Buffer::new()).to_vec()
    }
}

impl Set {
    pub(crate) fn new(track: bool) -> Self {
        let mut packed = Packed::new(track);
        packed.mark = integers::NARROWEST;
        Self(Form::Small(packed))
    }

    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Form::Small(packed) => usize::from(packed.count),
            Form::Large(large) => large.members.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn contains(&self, member: &[u8]) -> bool {
        match &self.0 {
            Form::Small(packed) if packed.mark == WORDS => words::contains(packed, member),
            Form::Small(packed) => parse_int(member).is_some_and(|number| integers::contains(packed, number)),
            Form::Large(large) => large.members.contains(member),
        }
    }

    /// The same for a member of another set, without its text where none is needed.
    pub(crate) fn contains_member(&self, member: Member<'_>) -> bool {
        match (&self.0, member) {
            (Form::Small(packed), Member::Integer(number)) if packed.mark != WORDS => {
                integers::contains(packed, number)
            }
            _ => self.contains(member.bytes(&mut itoa::Buffer::new())),
        }
    }

    /// Adds a member; whether it is new.
    pub(crate) fn add(&mut self, member: &[u8]) -> bool {
        match &mut self.0 {
            Form::Small(packed) if packed.mark == WORDS => match words::add(packed, member) {
                Some(is_new) => is_new,
                None => self.enlarge().add(member),
            },
            Form::Small(packed) => match parse_int(member) {
                Some(number) => match integers::add(packed, number) {
                    Some(is_new) => is_new,
                    None => self.enlarge().add(member),
                },
                None => {
                    self.spell_out();
                    self.add(member)
                }
            },
            Form::Large(large) => large.add(member),
        }
    }

    pub(crate) fn add_member(&mut self, member: Member<'_>) -> bool {
        self.add(member.bytes(&mut itoa::Buffer::new()))
    }

    /// Removes a member; whether it was there.
    pub(crate) fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.0 {
            Form::Small(packed) if packed.mark == WORDS => words::remove(packed, member),
            Form::Small(packed) => parse_int(member).is_some_and(|number| integers::remove(packed, number)),
            Form::Large(large) => large.remove(member),
        }
    }

    /// All members; integers in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Member<'_>> {
        match &self.0 {
            Form::Small(packed) if packed.mark == WORDS => {
                Either::Small(Either::Small(words::iter(packed).map(Member::Bytes)))
            }
            Form::Small(packed) => Either::Small(Either::Large(integers::iter(packed).map(Member::Integer))),
            Form::Large(large) => {
                Either::Large(large.members.iter().map(|(member, ())| Member::Bytes(member)))
            }
        }
    }

    /// Any member, each as likely as every other.
    pub(crate) fn random(&self, random: &mut fastrand::Rng) -> Option<Member<'_>> {
        match &self.0 {
            Form::Small(packed) if packed.count == 0 => None,
            Form::Small(packed) => {
                let index = random.usize(..usize::from(packed.count));
                if packed.mark == WORDS {
                    words::iter(packed).nth(index).map(Member::Bytes)
                } else {
                    integers::iter(packed).nth(index).map(Member::Integer)
                }
            }
            Form::Large(large) => large
                .members
                .random(random)
                .map(|(member, ())| Member::Bytes(member)),
        }
    }

    /// So many different members, or all when there are fewer; each choice is as likely as every other.
    pub(crate) fn sample(&self, count: usize, random: &mut fastrand::Rng) -> Vec<Member<'_>> {
        match &self.0 {
            Form::Small(_) => sample_of(self.iter().collect(), count, random),
            Form::Large(large) => {
                let sample = large.members.sample(count, random);
                sample
                    .into_iter()
                    .map(|(member, ())| Member::Bytes(member))
                    .collect()
            }
        }
    }

    /// Takes any member out.
    pub(crate) fn pop(&mut self, random: &mut fastrand::Rng) -> Option<Vec<u8>> {
        let member = self.random(random)?.to_vec();
        self.remove(&member);
        Some(member)
    }

    /// Shows about `count` members from `cursor` on and answers the next cursor. A small set comes at once.
    pub(crate) fn scan(&self, cursor: u64, count: usize, mut see: impl FnMut(&[u8])) -> u64 {
        match &self.0 {
            Form::Small(_) => {
                let mut buffer = itoa::Buffer::new();
                self.iter().for_each(|member| see(member.bytes(&mut buffer)));
                0
            }
            Form::Large(large) => large.members.scan(cursor, count, |member, ()| see(member)),
        }
    }

    /// Whether it is kept in one piece, a small one that a walk takes at once.
    pub(crate) fn is_packed(&self) -> bool {
        matches!(self.0, Form::Small(_))
    }

    /// Shows members from `cursor` on until `see` refuses one; answers the cursor of that one, nothing at the end. A
    /// [packed](Self::is_packed) set comes at once: none of its members may be refused.
    pub(crate) fn walk<'a>(&'a self, cursor: u64, mut see: impl FnMut(Member<'a>) -> bool) -> Option<u64> {
        match &self.0 {
            Form::Small(_) => {
                for member in self.iter() {
                    see(member);
                }
                None
            }
            Form::Large(large) => large
                .members
                .walk(cursor, |member, ()| see(Member::Bytes(member))),
        }
    }

    /// Heap bytes held.
    pub(crate) fn memory(&self) -> usize {
        match &self.0 {
            Form::Small(packed) => packed.memory(),
            Form::Large(large) => allocated(size_of::<Large>()) + large.members.table_memory() + large.bytes,
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
            Form::Small(packed) if packed.mark != WORDS => "intset",
            _ => "hashtable",
        }
    }

    /// Leaves the form of integers, because a member that is none arrives.
    fn spell_out(&mut self) {
        let Form::Small(packed) = &self.0 else { return };
        let mut spelled = Packed::new(packed.track);
        spelled.mark = WORDS;
        let mut buffer = itoa::Buffer::new();
        let fits = integers::iter(packed)
            .all(|number| words::add(&mut spelled, buffer.format(number).as_bytes()).is_some());
        if fits {
            self.0 = Form::Small(spelled);
        } else {
            self.enlarge();
        }
    }

    fn enlarge(&mut self) -> &mut Large {
        if let Form::Small(packed) = &self.0 {
            let changes = packed.track.then(Changes::whole);
            let mut large = Box::new(Large {
                members: Dict::new(),
                bytes: 0,
                changes,
            });
            let mut buffer = itoa::Buffer::new();
            for member in self.iter() {
                large.add(member.bytes(&mut buffer));
            }
            self.0 = Form::Large(large);
        }
        match &mut self.0 {
            Form::Large(large) => large,
            Form::Small(_) => unreachable!("a small set was replaced just now"),
        }
    }
}

impl std::fmt::Debug for Set {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The contents may be millions, and are users' data.
        formatter
            .debug_struct("Set")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl Large {
    fn add(&mut self, member: &[u8]) -> bool {
        let (_, is_new) = self.members.get_or_insert_with(member, || ());
        if is_new {
            self.bytes += allocated(member.len());
            if let Some(changes) = &mut self.changes {
                changes.note(member);
            }
        }
        is_new
    }

    fn remove(&mut self, member: &[u8]) -> bool {
        if self.members.remove(member).is_none() {
            return false;
        }
        self.bytes -= allocated(member.len());
        if let Some(changes) = &mut self.changes {
            changes.note(member);
        }
        true
    }
}
