//! HyperLogLog: how many different elements were seen, within 0.81 %, in at most 12 kB.
//!
//! The value is an ordinary string in Redis's format, so `GET` and `SET` move it between servers: 16 bytes of
//! header (`HYLL`, the encoding, three unused bytes, the last count with its topmost bit set when it is out of
//! date) and 16384 registers, run-length encoded while few are set and six bits each afterwards.
//! Next: `sparse.rs` and `dense.rs` (the two encodings), `estimate.rs` (from registers to a count).
mod dense;
mod estimate;
mod murmur;
mod sparse;

#[cfg(test)]
mod tests;

pub(crate) use estimate::Registers;

const MAGIC: &[u8; 4] = b"HYLL";
const HEADER: usize = 16;
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
/// Bits of a hash that choose the register; the others are looked at for the length of a run of zeros.
const INDEX_BITS: u32 = 14;
const REGISTERS: usize = 1 << INDEX_BITS;
/// `hll-sparse-max-bytes`, header included.
const SPARSE_MOST: usize = 3000;
/// Where the encoding is written, and the byte with the mark of an outdated count.
const ENCODING_AT: usize = 4;
const COUNT_AT: usize = 8;
const OUTDATED_AT: usize = 15;
const OUTDATED: u8 = 0x80;

/// The registers of a value with the right header cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupted;

/// A value that has seen nothing.
pub(crate) fn empty() -> Vec<u8> {
    let mut value = Vec::with_capacity(HEADER + 2);
    value.extend_from_slice(MAGIC);
    value.push(SPARSE);
    value.resize(HEADER, 0);
    value.extend(sparse::EMPTY);
    outdate(&mut value);
    value
}

/// Whether a string claims to be such a value.
pub(crate) fn is_valid(value: &[u8]) -> bool {
    value.starts_with(MAGIC)
        && value.len() >= HEADER
        && match value.get(ENCODING_AT) {
            Some(&DENSE) => value.len() == HEADER + dense::BYTES,
            Some(&SPARSE) => true,
            _ => false,
        }
}

/// Whether each register has its own six bits.
pub(crate) fn is_dense(value: &[u8]) -> bool {
    value.get(ENCODING_AT) == Some(&DENSE)
}

/// Adds an element; whether a register changed.
pub(crate) fn add(value: &mut Vec<u8>, element: &[u8]) -> Result<bool, Corrupted> {
    let hash = murmur::hash(element);
    let index = hash as usize & (REGISTERS - 1);
    // The bit above the topmost one ends every run of zeros.
    let rest = hash >> INDEX_BITS | 1 << (64 - INDEX_BITS);
    raise(value, index, rest.trailing_zeros() as u8 + 1)
}

/// Raises a register to `level` if it is below; whether it was.
fn raise(value: &mut Vec<u8>, index: usize, level: u8) -> Result<bool, Corrupted> {
    let changed = if is_dense(value) {
        dense::raise(value.get_mut(HEADER..).unwrap_or_default(), index, level)
    } else {
        match sparse::raise(value, index, level)? {
            sparse::Raised::No => false,
            sparse::Raised::Yes => true,
            sparse::Raised::TooLarge => {
                make_dense(value)?;
                dense::raise(value.get_mut(HEADER..).unwrap_or_default(), index, level)
            }
        }
    };
    if changed {
        outdate(value);
    }
    Ok(changed)
}

/// Marks the count in the header as no longer true.
fn outdate(value: &mut [u8]) {
    if let Some(byte) = value.get_mut(OUTDATED_AT) {
        *byte |= OUTDATED;
    }
}

/// Gives each register its own six bits.
fn make_dense(value: &mut Vec<u8>) -> Result<(), Corrupted> {
    if is_dense(value) {
        return Ok(());
    }
    let mut registers = Registers::new();
    registers.merge(value)?;
    value.resize(HEADER, 0);
    if let Some(encoding) = value.get_mut(ENCODING_AT) {
        *encoding = DENSE;
    }
    value.resize(HEADER + dense::BYTES, 0);
    let room = value.get_mut(HEADER..).unwrap_or_default();
    for (index, &level) in registers
        .levels()
        .iter()
        .enumerate()
        .filter(|&(_, &level)| level > 0)
    {
        dense::raise(room, index, level);
    }
    Ok(())
}

/// The count, and whether it had to be worked out and was written to the header.
pub(crate) fn count(value: &mut [u8]) -> Result<(u64, bool), Corrupted> {
    let cached = value
        .get(COUNT_AT..HEADER)
        .and_then(|bytes| bytes.try_into().ok())
        .map(u64::from_le_bytes);
    if let Some(count) = cached.filter(|count| count >> 63 == 0) {
        return Ok((count, false));
    }
    let mut registers = Registers::new();
    registers.merge(value)?;
    let count = registers.count();
    if let Some(place) = value.get_mut(COUNT_AT..HEADER) {
        place.copy_from_slice(&count.to_le_bytes());
    }
    Ok((count, true))
}

/// Raises all registers of `value` to those of a union; with six bits each if one of its parts had them.
pub(crate) fn merge_into(value: &mut Vec<u8>, union: &Registers, dense: bool) -> Result<(), Corrupted> {
    if dense {
        make_dense(value)?;
    }
    for (index, &level) in union.levels().iter().enumerate().filter(|&(_, &level)| level > 0) {
        raise(value, index, level)?;
    }
    outdate(value);
    Ok(())
}
