//! What was promised to whom, and whether an answer keeps it.
//!
//! Every invalidation that was acknowledged is a claim: from here on nothing below these versions of the source. What the
//! store answers has to keep it at once. What a process answers from its own memory has to keep it once the process has heard all
//! that the server had sent it by then, and its tasks have seen it, or has found its channel broken; the process that invalidated, at once. What it serves
//! because everything else failed has to keep what it was told. Of an invalidation that failed, the process that wished it keeps the
//! claim all the same.

use std::collections::BTreeMap;

use super::plan::{KEYS, TAGS, TENANTS};
use crate::store::simulated::Heard;

/// The version of each row of the source, by tenant and key.
pub(super) type Versions = [[u64; KEYS]; TENANTS];

/// What the numbers in a ledger are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Measure {
    /// Of several the highest counts.
    #[default]
    Versions,
    /// Sets of bits: all of them count.
    Bits,
}

/// Which entries an invalidation concerns, and from which versions on they may be served.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    /// `None`: all, whatever their tags.
    pub(super) tag: Option<usize>,
    /// Zero for rows that are not concerned.
    pub(super) versions: Versions,
}

/// The lowest version of each row that may be served, by tag; the first is for all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Floors([Versions; 1 + TAGS]);

/// The same for one row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RowFloors([u64; 1 + TAGS]);

#[derive(Clone, Debug, Default)]
struct Process {
    /// What it was told, or has done itself.
    told: Floors,
    /// What it has invalidated, or wished to and could not tell the store: it does not read past that.
    wished: Floors,
    /// What its memory must not answer below while it hears.
    memory: Floors,
    /// Claims whose push is on its way.
    coming: Vec<(Heard, Claim)>,
    /// Whether something came to it that its tasks have not seen yet.
    has_post: bool,
}

/// What is to be kept by an answer to a call that begins now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Promise {
    pub(super) store: RowFloors,
    pub(super) memory: RowFloors,
    pub(super) told: RowFloors,
    pub(super) wished: RowFloors,
    pub(super) epoch: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    measure: Measure,
    store: Floors,
    processes: BTreeMap<usize, Process>,
    /// How often fences were lost, which voids every promise before.
    pub(super) epoch: u64,
}

impl Floors {
    fn raise(&mut self, claim: &Claim, measure: Measure) {
        let floors = &mut self.0[claim.tag.map_or(0, |tag| tag + 1)];
        for (floor, version) in floors.iter_mut().flatten().zip(claim.versions.iter().flatten()) {
            *floor = match measure {
                Measure::Versions => (*floor).max(*version),
                Measure::Bits => *floor | *version,
            };
        }
    }

    fn row(&self, tenant: usize, key: usize) -> RowFloors {
        RowFloors(self.0.map(|versions| versions[tenant][key]))
    }
}

impl RowFloors {
    /// For a value with these tags.
    pub(super) fn of(&self, tags: u8) -> u64 {
        let tagged = (0..TAGS)
            .filter(|tag| tags & (1 << tag) != 0)
            .map(|tag| self.0[tag + 1]);
        tagged.fold(self.0[0], u64::max)
    }
}

impl Ledger {
    pub(super) fn of(measure: Measure) -> Self {
        Self {
            measure,
            ..Self::default()
        }
    }

    /// A process begins, with nothing in its memory.
    pub(super) fn begin(&mut self, process: usize) {
        let fresh = Process {
            told: self.store,
            wished: Floors::default(),
            memory: self.store,
            coming: Vec::new(),
            has_post: false,
        };
        self.processes.insert(process, fresh);
    }

    pub(super) fn end(&mut self, process: usize) {
        self.processes.remove(&process);
    }

    /// `by` has been told that it is done.
    pub(super) fn claim(&mut self, by: Option<usize>, claim: &Claim, heard: impl Fn(usize) -> Option<Heard>) {
        let measure = self.measure;
        self.store.raise(claim, measure);
        for (&number, process) in &mut self.processes {
            match heard(number) {
                _ if by == Some(number) => {
                    process.wished.raise(claim, measure);
                    process.told.raise(claim, measure);
                    process.memory.raise(claim, measure);
                }
                Some(heard) if heard.arrived < heard.sent || process.has_post => {
                    process.coming.push((heard, claim.clone()));
                }
                Some(_all) => {
                    process.told.raise(claim, measure);
                    process.memory.raise(claim, measure);
                }
                // It does not trust its memory until it hears again, and then not what is older.
                None => process.memory.raise(claim, measure),
            }
        }
    }

    /// `by` has been told that the store did not answer.
    pub(super) fn wish(&mut self, by: usize, claim: &Claim) {
        let measure = self.measure;
        if let Some(process) = self.processes.get_mut(&by) {
            process.wished.raise(claim, measure);
        }
    }

    /// Something comes to a process, or its tasks have seen what came.
    pub(super) fn post(&mut self, process: usize, has_post: bool) {
        if let Some(process) = self.processes.get_mut(&process) {
            process.has_post = has_post;
        }
    }

    /// A call begins.
    pub(super) fn promise(
        &mut self,
        number: usize,
        heard: Option<Heard>,
        (tenant, key): (usize, usize),
    ) -> Promise {
        let mut promise = Promise {
            store: self.store.row(tenant, key),
            epoch: self.epoch,
            ..Promise::default()
        };
        let measure = self.measure;
        let Some(process) = self.processes.get_mut(&number) else {
            return promise;
        };
        for (sent, claim) in std::mem::take(&mut process.coming) {
            match heard {
                Some(now)
                    if now.connection == sent.connection && (now.arrived < sent.sent || process.has_post) =>
                {
                    process.coming.push((sent, claim));
                }
                Some(now) if now.connection == sent.connection => {
                    process.told.raise(&claim, measure);
                    process.memory.raise(&claim, measure);
                }
                _broken => process.memory.raise(&claim, measure),
            }
        }
        promise.memory = process.memory.row(tenant, key);
        promise.wished = process.wished.row(tenant, key);
        promise.told = process.told.row(tenant, key);
        promise
    }

    /// The fences are gone: what is under way may bring back what they kept out.
    pub(super) fn forget(&mut self) {
        self.epoch += 1;
        self.store = Floors::default();
        for process in self.processes.values_mut() {
            *process = Process {
                has_post: process.has_post,
                ..Process::default()
            };
        }
    }
}
