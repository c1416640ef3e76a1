//! From registers to a count: Ertl's improved raw estimator (arXiv 1702.01284, algorithm 6), which the reference
//! server uses. The sums run in its order, so that the rounded counts are the same.
use super::{Corrupted, HEADER, INDEX_BITS, REGISTERS, dense, is_dense, sparse};

/// The highest level but one: bits that are left for runs of zeros.
const LEVELS: usize = 64 - INDEX_BITS as usize;
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// The levels of all registers of a union.
pub(crate) struct Registers {
    levels: Box<[u8]>,
}

impl Registers {
    pub(crate) fn new() -> Self {
        Self {
            levels: vec![0; REGISTERS].into(),
        }
    }

    pub(super) fn levels(&self) -> &[u8] {
        &self.levels
    }

    /// Raises each register to that of `value`.
    pub(crate) fn merge(&mut self, value: &[u8]) -> Result<(), Corrupted> {
        let bytes = value.get(HEADER..).unwrap_or_default();
        let mut own = self.levels.iter_mut();
        if is_dense(value) {
            for (own, level) in own.zip(dense::levels(bytes)) {
                *own = level.max(*own);
            }
            return Ok(());
        }
        sparse::each_run(bytes, |level, len| {
            for own in own.by_ref().take(len) {
                *own = level.max(*own);
            }
        })
    }

    /// How many different elements these registers have seen, as near as they can tell.
    pub(crate) fn count(&self) -> u64 {
        let mut times = [0u32; 64];
        for &level in &self.levels {
            if let Some(times) = times.get_mut(usize::from(level)) {
                *times += 1;
            }
        }
        let of = |level: usize| f64::from(times.get(level).copied().unwrap_or_default());
        let registers = REGISTERS as f64;
        let mut sum = registers * tau((registers - of(LEVELS + 1)) / registers);
        for level in (1..=LEVELS).rev() {
            sum += of(level);
            sum *= 0.5;
        }
        sum += registers * sigma(of(0) / registers);
        (ALPHA * registers * registers / sum).round() as u64
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut sum) = (1.0, 1.0 - x);
    loop {
        let before = sum;
        x = x.sqrt();
        y *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * y;
        if sum == before {
            return sum / 3.0;
        }
    }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut sum) = (1.0, x);
    loop {
        let before = sum;
        x *= x;
        sum += x * y;
        y += y;
        if sum == before {
            return sum;
        }
    }
}
