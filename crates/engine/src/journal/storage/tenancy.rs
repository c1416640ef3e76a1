//! Which directories this very process has, and which of them it is leaving.
//!
//! The lock on a directory says that somebody has it, and the number beside it which process; but a number may be
//! another's in another container, and an engine that was dropped may still be writing its last group. Here it is known.
//! Next: `disk.rs` (the lock), `../open.rs` (who waits).

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// A directory, whatever it is called: its device and number there.
type Place = (u64, u64);

#[derive(Clone, Copy, Debug)]
struct Tenant {
    number: u64,
    is_parting: bool,
}

#[derive(Debug)]
struct Tenants {
    all: BTreeMap<Place, Tenant>,
    last: u64,
}

static TENANTS: Mutex<Tenants> = Mutex::new(Tenants {
    all: BTreeMap::new(),
    last: 0,
});
static CHANGED: Condvar = Condvar::new();

/// A directory that this process has. It is free before this is dropped.
#[derive(Debug)]
pub(super) struct Tenancy {
    place: Place,
    number: u64,
}

/// What became of waiting for a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It is free, or was for a moment.
    Free,
    /// This process has it and goes on with it.
    Stays,
    /// It is none of this process's.
    Unknown,
}

impl Tenancy {
    pub(super) fn begin(directory: &Metadata) -> Self {
        let mut tenants = TENANTS.lock();
        tenants.last += 1;
        let (place, number) = (place(directory), tenants.last);
        tenants.all.insert(
            place,
            Tenant {
                number,
                is_parting: false,
            },
        );
        Self { place, number }
    }

    /// It will be free soon.
    pub(super) fn part(&self) {
        let mut tenants = TENANTS.lock();
        if let Some(tenant) = tenants.all.get_mut(&self.place)
            && tenant.number == self.number
        {
            tenant.is_parting = true;
            CHANGED.notify_all();
        }
    }
}

impl Drop for Tenancy {
    fn drop(&mut self) {
        let mut tenants = TENANTS.lock();
        // The next one may have been quicker.
        if tenants
            .all
            .get(&self.place)
            .is_some_and(|tenant| tenant.number == self.number)
        {
            tenants.all.remove(&self.place);
        }
        CHANGED.notify_all();
    }
}

/// Waits until this process has left a directory: for long if it is leaving, briefly if it does not seem to.
pub(crate) fn wait(directory: &Path, briefly: Instant, long: Instant) -> Wait {
    let Ok(found) = directory.metadata() else {
        return Wait::Unknown;
    };
    let place = place(&found);
    let mut tenants = TENANTS.lock();
    let Some(first) = tenants.all.get(&place).copied() else {
        return Wait::Unknown;
    };
    loop {
        let Some(tenant) = tenants.all.get(&place) else {
            return Wait::Free;
        };
        if tenant.number != first.number {
            return Wait::Free;
        }
        let until = if tenant.is_parting { long } else { briefly };
        if CHANGED.wait_until(&mut tenants, until).timed_out() {
            return Wait::Stays;
        }
    }
}

fn place(directory: &Metadata) -> Place {
    (directory.dev(), directory.ino())
}
