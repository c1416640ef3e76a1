//! What a unit of work has changed, as one atomic batch of final states.
//!
//! A command, a script or a transaction leaves one batch: which keys are where and until when, and for each value that
//! changed the state of its parts afterwards. Effects say what is, not what was done, so applying a batch twice is
//! harmless. Values are known by a number that is never used again and that a key keeps when it is renamed, moved or
//! overwritten; databases by a number that SWAPDB does not change and that is never used again once they are emptied.
//! Nothing is gathered unless somebody takes the batches, and nothing is told of volatile keys: a value that gets the name
//! of one is gone, and one that gets another name is new.
//! Next: `recorder.rs` (what is noted meanwhile), `volatile.rs` (which keys are volatile), `gather.rs` (from dirt to effects), `state.rs` (what a part looks
//! like), `replica.rs` (a copy kept by effects alone, which proves them).

mod gather;
#[cfg(test)]
pub(crate) mod image;
#[cfg(test)]
pub(crate) mod kept;
mod ranges;
mod recorder;
#[cfg(test)]
pub(crate) mod replica;
pub(crate) mod state;
#[cfg(test)]
pub(crate) mod tests;
mod volatile;

pub(crate) use gather::{Take, gather};
pub(crate) use recorder::Recorder;
#[cfg(test)]
pub(crate) use replica::{Contents, contents};
pub(crate) use volatile::Volatile;

/// One final state. What happened to keys stands first, then what happened to databases; then everything about one
/// value stands together, its [`Effect::Value`] first if it comes whole.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Effect<'a> {
    /// The databases clients select by 0, 1, 2 … are these.
    ///
    /// One with a smaller number than the greatest of them that is not among them was emptied: every value in it is
    /// gone.
    Databases {
        /// The databases' numbers, by the index clients use.
        order: Vec<u64>,
    },
    /// A value is gone, and its key.
    Gone {
        /// The value.
        id: u64,
    },
    /// A value stands under this name, and no longer under another. Whatever stood there before has its own
    /// [`Effect::Gone`], here or later.
    Key {
        /// The value.
        id: u64,
        /// The database.
        database: u64,
        /// The key.
        name: &'a [u8],
        /// When it expires, in milliseconds since 1970.
        expires: Option<u64>,
    },
    /// A value comes whole, since it is new or small: whatever was known of it is void. Of a collection it is empty and
    /// its parts follow.
    Value {
        /// The value.
        id: u64,
        /// What it is.
        kind: ValueKind<'a>,
    },
    /// A part of a string. One that ends before this part begins is filled up with zeros.
    Bytes {
        /// The string.
        id: u64,
        /// Where the part begins.
        at: u64,
        /// The part.
        bytes: &'a [u8],
    },
    /// A field of a hash.
    Field {
        /// The hash.
        id: u64,
        /// The field.
        field: &'a [u8],
        /// Its value; `None` when it is gone.
        value: Option<&'a [u8]>,
    },
    /// A member of a set.
    Member {
        /// The set.
        id: u64,
        /// The member.
        member: std::borrow::Cow<'a, [u8]>,
        /// Whether it is in the set.
        is_in: bool,
    },
    /// A member of a sorted set.
    Score {
        /// The sorted set.
        id: u64,
        /// The member.
        member: &'a [u8],
        /// Its score; `None` when it is gone.
        score: Option<f64>,
    },
    /// Items of a list that stand side by side.
    Chunk {
        /// The list.
        id: u64,
        /// The chunk's name; the order of names is the order of chunks.
        chunk: i64,
        /// Its items; `None` when it is gone.
        items: Option<Vec<&'a [u8]>>,
    },
    /// Every entry of a stream up to this one is gone.
    EntriesGone {
        /// The stream.
        id: u64,
        /// The greatest id that is gone: milliseconds and sequence number.
        up_to: (u64, u64),
    },
    /// An entry of a stream.
    Entry {
        /// The stream.
        id: u64,
        /// The entry's id: milliseconds and sequence number.
        entry: (u64, u64),
        /// Its fields and values in order; `None` when it is gone.
        fields: Option<Vec<(&'a [u8], &'a [u8])>>,
    },
    /// What a stream remembers beside its entries.
    StreamState {
        /// The stream.
        id: u64,
        /// The greatest id ever given out.
        last: (u64, u64),
        /// The greatest id ever deleted.
        max_deleted: (u64, u64),
        /// Entries ever added.
        added: u64,
    },
    /// A consumer group of a stream and its position.
    Group {
        /// The stream.
        id: u64,
        /// The group.
        name: &'a [u8],
        /// `None` when it is gone, with all that is in it.
        state: Option<GroupState>,
        /// Whether it is new: it has no consumers then, and nothing is pending, but what follows.
        is_new: bool,
    },
    /// A consumer of a group. What is pending for one that is gone has effects of its own.
    Consumer {
        /// The stream.
        id: u64,
        /// The group.
        group: &'a [u8],
        /// The consumer.
        name: &'a [u8],
        /// When it was last seen, in milliseconds since 1970; `None` when it is gone.
        seen_at: Option<i64>,
    },
    /// An entry that a consumer has and has not acknowledged.
    Pending {
        /// The stream.
        id: u64,
        /// The group.
        group: &'a [u8],
        /// The entry's id: milliseconds and sequence number.
        entry: (u64, u64),
        /// `None` when it is not pending.
        state: Option<PendingState<'a>>,
    },
}

/// What a new value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueKind<'a> {
    /// A string, as a whole.
    String(&'a [u8]),
    /// A list without items.
    List,
    /// A hash without fields.
    Hash,
    /// A set without members.
    Set,
    /// A sorted set without members.
    SortedSet,
    /// A stream without entries and groups.
    Stream,
}

/// How far a consumer group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupState {
    /// The last entry it was given.
    pub last_delivered: (u64, u64),
    /// Entries it has read, if that is known.
    pub entries_read: Option<u64>,
}

/// Who has an entry that is not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingState<'a> {
    /// The consumer.
    pub consumer: &'a [u8],
    /// When it got it last, in milliseconds since 1970.
    pub delivered_at: i64,
    /// How often it was given to somebody.
    pub deliveries: u64,
}

/// Takes one batch; called under the engine's lock, so it must be quick and must not use the engine.
pub(crate) type Taker = Box<dyn FnMut(&[Effect<'_>]) + Send>;
