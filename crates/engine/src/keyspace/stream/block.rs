//! A run of neighbouring entries in one buffer.
//!
//! An event stream repeats its field names, so an entry names a *schema* (its field names) that an earlier
//! entry of the block spelled out, wherever there is one. Deleted entries stay as marked gaps: schemas may
//! live inside them, and a block is soon dropped as a whole. Blocks begin and end where Redis's nodes do.
//! Record: flags, length of the rest, then differences to the block's first id, schema, values.
//! Next: `entry.rs` (an entry read back), `node_size.rs` (when a block is full), `log.rs` (the blocks in order).

use smallvec::SmallVec;

use super::bytes::{Reader, number_size, push_number, push_string, string_size};
use super::entry::Entry;
use super::id::StreamId;
use super::node_size::{self, NODE_BYTES, NODE_ENTRIES};

const DELETED: u8 = 1;
/// More kinds of events than this in one block are rare; searching them all would cost more than it saves.
const SCHEMAS: usize = 8;
/// The schema is spelled out right here. No schema can lie at offset 0, where the first record's flags are.
const INLINE: u64 = 0;

/// Records from one mark to the next.
const MARK_DISTANCE: u16 = 16;
/// The first record needs no mark.
const MARKS: usize = ((NODE_ENTRIES - 1) / MARK_DISTANCE) as usize;

/// Up to 100 entries or about 4 kB, in the order of their ids.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Id of the first entry ever put here; the others are stored as differences to it.
    first: StreamId,
    /// Id of the last entry ever put here, deleted or not.
    last: StreamId,
    bytes: Vec<u8>,
    live: u16,
    deleted: u16,
    /// What a listpack node with these entries would take.
    node_bytes: u32,
    /// Where every sixteenth record begins, so that finding an id need not walk over the whole block.
    marks: [u16; MARKS],
}

/// Where the schemas of the block at the end of the stream begin, the first entry's first.
pub(super) type Schemas = SmallVec<[u32; SCHEMAS]>;

/// An entry in raw form.
struct Record<'a> {
    offset: usize,
    deleted: bool,
    body: &'a [u8],
}

impl Block {
    pub(super) fn new<F: AsRef<[u8]>>(id: StreamId, fields: &[F]) -> Self {
        let names = fields
            .iter()
            .step_by(2)
            .map(|name| node_size::of_string(name.as_ref()))
            .sum();
        Self {
            first: id,
            last: id,
            bytes: Vec::new(),
            live: 0,
            deleted: 0,
            node_bytes: saturated(node_size::of_empty_node(fields.len() / 2, names)),
            marks: [0; MARKS],
        }
    }

    pub(super) fn first(&self) -> StreamId {
        self.first
    }

    pub(super) fn last(&self) -> StreamId {
        self.last
    }

    pub(super) fn live(&self) -> u64 {
        u64::from(self.live)
    }

    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether an entry whose names and values have `payload` bytes still belongs here.
    pub(super) fn has_room(&self, payload: u64) -> bool {
        self.live + self.deleted < NODE_ENTRIES && u64::from(self.node_bytes) + payload < NODE_BYTES
    }

    /// Appends an entry; `fields` are names and values in turn, `id` is greater than all before.
    pub(super) fn push<F: AsRef<[u8]>>(&mut self, id: StreamId, fields: &[F], schemas: &mut Schemas) {
        let known = schemas
            .iter()
            .copied()
            .find(|&offset| self.is_schema(offset, fields));
        let milliseconds = id.milliseconds.wrapping_sub(self.first.milliseconds);
        let sequence = id.sequence.wrapping_sub(self.first.sequence);
        let zigzag = zigzag(sequence);

        let names_repeated = !schemas.is_empty() && known != schemas.first().copied();
        let mut node_bytes =
            node_size::of_entry_frame(milliseconds, sequence, fields.len() / 2, names_repeated);
        let mut body = number_size(milliseconds) + number_size(zigzag);
        body += number_size(known.map_or(INLINE, u64::from));
        if known.is_none() {
            body += number_size(fields.len() as u64 / 2);
        }
        for (position, text) in fields.iter().enumerate() {
            let is_name = position % 2 == 0;
            let text = text.as_ref();
            if !is_name || names_repeated {
                node_bytes += node_size::of_string(text);
            }
            if !is_name || known.is_none() {
                body += string_size(text);
            }
        }

        self.mark();
        self.bytes.reserve(1 + number_size(body as u64) + body);
        self.bytes.push(0);
        push_number(&mut self.bytes, body as u64);
        push_number(&mut self.bytes, milliseconds);
        push_number(&mut self.bytes, zigzag);
        match known {
            Some(offset) => push_number(&mut self.bytes, u64::from(offset)),
            None => self.push_schema(fields, schemas),
        }
        for value in fields.iter().skip(1).step_by(2) {
            push_string(&mut self.bytes, value.as_ref());
        }
        self.node_bytes = self.node_bytes.saturating_add(saturated(node_bytes));
        self.live += 1;
        self.last = id;
    }

    /// Marks the record about to be written if it is one of those to be marked.
    fn mark(&mut self) {
        let record = self.live + self.deleted;
        if record.is_multiple_of(MARK_DISTANCE)
            && let Some(index) = usize::from(record / MARK_DISTANCE).checked_sub(1)
            && let (Some(mark), Ok(offset)) = (self.marks.get_mut(index), u16::try_from(self.bytes.len()))
        {
            *mark = offset;
        }
    }

    /// The records from some place on before which no id is greater than this.
    fn records_near(&self, id: StreamId) -> impl Iterator<Item = Record<'_>> {
        let is_before = |mark: u16| {
            let record = self.next_record(&mut self.reader_at(usize::from(mark))?)?;
            Some(self.id_of(&record)? <= id)
        };
        let mut marks = self.marks.iter().rev().copied().filter(|mark| *mark != 0);
        let start = marks.find(|mark| is_before(*mark) == Some(true)).unwrap_or(0);
        let mut rest = Reader(self.bytes.get(usize::from(start)..).unwrap_or_default());
        std::iter::from_fn(move || self.next_record(&mut rest))
    }

    fn push_schema<F: AsRef<[u8]>>(&mut self, fields: &[F], schemas: &mut Schemas) {
        push_number(&mut self.bytes, INLINE);
        if schemas.len() < SCHEMAS
            && let Ok(offset) = u32::try_from(self.bytes.len())
        {
            schemas.push(offset);
        }
        push_number(&mut self.bytes, fields.len() as u64 / 2);
        for name in fields.iter().step_by(2) {
            push_string(&mut self.bytes, name.as_ref());
        }
    }

    /// Whether the field names at `offset` are exactly those of `fields`.
    fn is_schema<F: AsRef<[u8]>>(&self, offset: u32, fields: &[F]) -> bool {
        let Some(mut names) = self.reader_at(offset as usize) else {
            return false;
        };
        if names.number() != Some(fields.len() as u64 / 2) {
            return false;
        }
        fields
            .iter()
            .step_by(2)
            .all(|name| names.string() == Some(name.as_ref()))
    }

    /// The schemas spelled out in this block, for appending to a block that became the last one again.
    pub(super) fn schemas(&self) -> Schemas {
        let inline = |record: Record<'_>| {
            let mut reader = Reader(record.body);
            let (_, _) = (reader.number()?, reader.number()?);
            let is_inline = reader.number()? == INLINE;
            let offset = self.offset_of(reader.0)?;
            is_inline.then_some(u32::try_from(offset).ok()?)
        };
        self.records().filter_map(inline).take(SCHEMAS).collect()
    }

    /// Gives back spare room once nothing is appended any more.
    pub(super) fn seal(&mut self) {
        self.bytes.shrink_to_fit();
    }

    pub(super) fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        let found = self
            .records_near(id)
            .find(|record| self.id_of(record).is_none_or(|other| other >= id))?;
        self.entry(&found).filter(|entry| entry.id() == id)
    }

    /// Marks the entry as deleted; false when there is none.
    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        let found = self
            .records_near(id)
            .find(|record| self.id_of(record).is_none_or(|other| other >= id));
        let Some(record) = found else { return false };
        if record.deleted || self.id_of(&record) != Some(id) {
            return false;
        }
        let offset = record.offset;
        self.mark_deleted(offset);
        true
    }

    /// Deletes from the front while `wanted` says so; answers the number and the last id deleted.
    pub(super) fn delete_front(
        &mut self,
        mut wanted: impl FnMut(StreamId) -> bool,
    ) -> Option<(u64, StreamId)> {
        let front: SmallVec<[(usize, StreamId); 16]> = self
            .records()
            .filter(|record| !record.deleted)
            .map_while(|record| Some((record.offset, self.id_of(&record)?)))
            .take_while(|(_, id)| wanted(*id))
            .collect();
        for (offset, _) in &front {
            self.mark_deleted(*offset);
        }
        front.last().map(|(_, id)| (front.len() as u64, *id))
    }

    fn mark_deleted(&mut self, offset: usize) {
        if let Some(flags) = self.bytes.get_mut(offset) {
            *flags |= DELETED;
            self.live -= 1;
            self.deleted += 1;
        }
    }

    /// The living entries in order.
    pub(super) fn entries(&self) -> BlockEntries<'_> {
        BlockEntries {
            block: self,
            rest: Reader(&self.bytes),
        }
    }

    fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let mut rest = Reader(&self.bytes);
        std::iter::from_fn(move || self.next_record(&mut rest))
    }

    fn next_record<'a>(&'a self, rest: &mut Reader<'a>) -> Option<Record<'a>> {
        let offset = self.offset_of(rest.0)?;
        let deleted = rest.byte()? & DELETED != 0;
        Some(Record {
            offset,
            deleted,
            body: rest.string()?,
        })
    }

    fn id_of(&self, record: &Record<'_>) -> Option<StreamId> {
        self.read_id(&mut Reader(record.body))
    }

    fn read_id(&self, reader: &mut Reader<'_>) -> Option<StreamId> {
        let milliseconds = self.first.milliseconds.wrapping_add(reader.number()?);
        let sequence = self.first.sequence.wrapping_add(unzigzag(reader.number()?));
        Some(StreamId::new(milliseconds, sequence))
    }

    /// The entry of a record, none for a deleted one.
    fn entry<'a>(&'a self, record: &Record<'a>) -> Option<Entry<'a>> {
        if record.deleted {
            return None;
        }
        let mut body = Reader(record.body);
        let id = self.read_id(&mut body)?;
        let schema = body.number()?;
        if schema != INLINE {
            let mut names = self.reader_at(usize::try_from(schema).ok()?)?;
            let count = names.number()?;
            return Some(Entry::new(id, count, names, body));
        }
        let count = body.number()?;
        let names = body;
        for _ in 0..count {
            body.string()?;
        }
        Some(Entry::new(id, count, names, body))
    }

    fn reader_at(&self, offset: usize) -> Option<Reader<'_>> {
        self.bytes.get(offset..).map(Reader)
    }

    /// Where `rest`, an end of the buffer or of a record in it, begins.
    fn offset_of(&self, rest: &[u8]) -> Option<usize> {
        (rest.as_ptr() as usize).checked_sub(self.bytes.as_ptr() as usize)
    }
}

/// See [`Block::entries`].
#[derive(Clone, Debug)]
pub(super) struct BlockEntries<'a> {
    block: &'a Block,
    rest: Reader<'a>,
}

impl<'a> BlockEntries<'a> {
    /// Begins with the first entry that has this id or a greater one.
    pub(super) fn seek(&mut self, id: StreamId) {
        let near = self.block.records_near(id).next();
        if let Some(rest) = near.and_then(|record| self.block.reader_at(record.offset)) {
            self.rest = rest;
        }
        let mut ahead = self.rest;
        while let Some(record) = self.block.next_record(&mut ahead) {
            if self.block.id_of(&record).is_none_or(|other| other >= id) {
                return;
            }
            self.rest = ahead;
        }
        self.rest = ahead;
    }

    /// The living entries up to this id, last first.
    pub(super) fn reversed_up_to(self, id: StreamId) -> impl Iterator<Item = Entry<'a>> {
        let Self { block, mut rest } = self;
        let offsets: SmallVec<[usize; 128]> = std::iter::from_fn(|| block.next_record(&mut rest))
            .take_while(|record| block.id_of(record).is_some_and(|other| other <= id))
            .filter(|record| !record.deleted)
            .map(|record| record.offset)
            .collect();
        let at = |offset| block.next_record(&mut block.reader_at(offset)?);
        offsets
            .into_iter()
            .rev()
            .filter_map(move |offset| block.entry(&at(offset)?))
    }
}

impl<'a> Iterator for BlockEntries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let record = self.block.next_record(&mut self.rest)?;
            if !record.deleted {
                return self.block.entry(&record);
            }
        }
    }
}

/// Everything beyond the limit of a node is the same.
fn saturated(size: u64) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

/// Small differences of either sign become small numbers.
fn zigzag(difference: u64) -> u64 {
    let signed = difference as i64;
    ((signed << 1) ^ (signed >> 63)) as u64
}

fn unzigzag(number: u64) -> u64 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}
