//! One file: what programs read, what the disk holds, and what is between them.

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// How a loss of power deals with what is pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Everything,
    Nothing,
    /// Everything by itself.
    Some,
}

impl Keep {
    pub(crate) fn choose(rng: &mut fastrand::Rng) -> Self {
        match rng.u8(..8) {
            0 => Self::Everything,
            1 => Self::Nothing,
            _ => Self::Some,
        }
    }
}

/// A change of a file.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate { length: usize },
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => write(to, *offset, bytes),
            Self::Truncate { length } => to.truncate(*length),
        }
    }

    /// Applies some of its sectors.
    fn tear(&self, to: &mut Vec<u8>, rng: &mut fastrand::Rng) {
        let Self::Write { offset, bytes } = self else {
            return;
        };
        let mut from = 0;
        while from < bytes.len() {
            let sector_ends = ((offset + from) / SECTOR + 1) * SECTOR - offset;
            let end = sector_ends.min(bytes.len());
            if rng.bool() {
                write(to, offset + from, &bytes[from..end]);
            }
            from = end;
        }
    }
}

fn write(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[offset..end].copy_from_slice(bytes);
}

/// A file.
#[derive(Clone, Debug, Default)]
pub(crate) struct File {
    seen: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

impl File {
    pub(crate) fn durable(bytes: &[u8]) -> Self {
        Self {
            seen: bytes.to_vec(),
            durable: bytes.to_vec(),
            pending: Vec::new(),
        }
    }

    pub(crate) fn seen(&self) -> &[u8] {
        &self.seen
    }

    pub(crate) fn change(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.pending.push(change);
    }

    pub(crate) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
        // What a failed sync has lost is a hole.
        self.durable.resize(self.seen.len(), 0);
    }

    /// Every sector is written or lost for good. What is read may still be what was to be written.
    pub(crate) fn fail_to_sync(&mut self, rng: &mut fastrand::Rng) {
        for change in self.pending.drain(..) {
            match change {
                Change::Write { .. } => change.tear(&mut self.durable, rng),
                Change::Truncate { .. } => change.apply(&mut self.durable),
            }
        }
        if rng.bool() {
            let length = self.seen.len();
            self.seen.clone_from(&self.durable);
            self.seen.resize(length, 0);
        }
    }

    pub(crate) fn crash(&mut self, keep: Keep, rng: &mut fastrand::Rng) {
        let before = self.durable.len();
        let mut shortest = before;
        for change in self.pending.drain(..) {
            let fate = match keep {
                Keep::Everything => 0,
                Keep::Nothing => 1,
                Keep::Some => rng.u8(..3),
            };
            match (fate, &change) {
                (0, _) => change.apply(&mut self.durable),
                (2, Change::Write { .. }) => change.tear(&mut self.durable, rng),
                _ => {}
            }
            shortest = shortest.min(self.durable.len());
        }
        let longest = self.durable.len().max(self.seen.len()).max(shortest);
        match (keep, rng.u8(..3)) {
            (Keep::Some, 0) => self.durable.resize(rng.usize(shortest..=longest), 0),
            (Keep::Some, 1) => self.durable.resize(longest, 0),
            _ => {}
        }
        self.seen.clone_from(&self.durable);
    }

    pub(crate) fn flip(&mut self, bit: u64) {
        let (byte, mask) = ((bit / 8) as usize, 1 << (bit % 8));
        self.seen[byte] ^= mask;
        if let Some(durable) = self.durable.get_mut(byte) {
            *durable ^= mask;
        }
    }
}
