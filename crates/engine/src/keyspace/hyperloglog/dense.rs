//! Registers of six bits each, the first in the lowest bits of the first byte.
use super::REGISTERS;

pub(super) const BYTES: usize = REGISTERS * 6 / 8;

/// The levels of all registers: four of them to three bytes.
pub(super) fn levels(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.chunks_exact(3).flat_map(|chunk| {
        let bits = chunk
            .iter()
            .rev()
            .fold(0u32, |bits, &byte| bits << 8 | u32::from(byte));
        [0, 6, 12, 18].map(|shift| (bits >> shift & 63) as u8)
    })
}

/// Raises a register to `level` if it is below; whether it was.
pub(super) fn raise(bytes: &mut [u8], index: usize, level: u8) -> bool {
    let start = index / 4 * 3;
    let Some(chunk) = bytes.get_mut(start..start + 3) else {
        return false;
    };
    let shift = index % 4 * 6;
    let bits = chunk
        .iter()
        .rev()
        .fold(0u32, |bits, &byte| bits << 8 | u32::from(byte));
    if bits >> shift & 63 >= u32::from(level) {
        return false;
    }
    let bits = bits & !(63 << shift) | u32::from(level) << shift;
    for (byte, value) in chunk.iter_mut().zip(bits.to_le_bytes()) {
        *byte = value;
    }
    true
}
