//! An entry as it is read from a block: its id and its fields in order, borrowed.
//!
//! Names and values lie apart, since names are shared among the entries of a block.
//! Next: `block.rs`, where they lie.

use super::bytes::Reader;
use super::id::StreamId;

/// One entry of a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    id: StreamId,
    field_count: u64,
    names: Reader<'a>,
    values: Reader<'a>,
}

impl<'a> Entry<'a> {
    pub(super) fn new(id: StreamId, field_count: u64, names: Reader<'a>, values: Reader<'a>) -> Self {
        Self {
            id,
            field_count,
            names,
            values,
        }
    }

    pub(crate) fn id(&self) -> StreamId {
        self.id
    }

    /// The number of field-value pairs.
    pub(crate) fn field_count(&self) -> usize {
        self.field_count as usize
    }

    /// Field names and values in the order given by the producer; names may repeat.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let Self {
            mut names,
            mut values,
            ..
        } = *self;
        (0..self.field_count).map_while(move |_| Some((names.string()?, values.string()?)))
    }
}
