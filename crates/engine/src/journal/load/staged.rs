//! The fields of a new hash, held back until they are all there.
//!
//! A small hash is one buffer. Made field by field it would be moved several times and keep room to spare; made of
//! all its fields it gets what it needs. Beyond what a small hash may hold nothing is held back.
//! Next: `load.rs`.

/// As much as a small hash holds.
const BYTES: usize = 4096;
const FIELDS: usize = 128;

/// See the module. Its buffers are used again for the next hash.
#[derive(Debug, Default)]
pub(super) struct Staged {
    hash: Option<u64>,
    bytes: Vec<u8>,
    /// How long each field and its value are.
    lengths: Vec<(usize, usize)>,
}

impl Staged {
    /// A new hash comes; what was held back before must have been stored.
    pub(super) fn begin(&mut self, hash: u64) {
        self.hash = Some(hash);
        self.bytes.clear();
        self.lengths.clear();
    }

    /// Holds a field back; false when it is not to be held back.
    #[inline]
    pub(super) fn takes(&mut self, hash: u64, field: &[u8], value: &[u8]) -> bool {
        let is_small = self.lengths.len() < FIELDS && self.bytes.len() + field.len() + value.len() <= BYTES;
        if self.hash != Some(hash) || !is_small {
            return false;
        }
        self.bytes.extend_from_slice(field);
        self.bytes.extend_from_slice(value);
        self.lengths.push((field.len(), value.len()));
        true
    }

    /// Holds nothing back any more; the hash whose fields are to be stored.
    #[inline]
    pub(super) fn end(&mut self) -> Option<u64> {
        self.hash.take()
    }

    pub(super) fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        let mut rest = self.bytes.as_slice();
        self.lengths.iter().map_while(move |(field_len, value_len)| {
            let (field, behind) = rest.split_at_checked(*field_len)?;
            let (value, behind) = behind.split_at_checked(*value_len)?;
            rest = behind;
            Some((field, value))
        })
    }
}
