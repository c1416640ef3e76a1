//! A machine whose power fails, whose disk fills up and whose calls fail: storage in memory, for tests.
//!
//! What a program sees and what the disk holds are kept apart. Everything written to a file since its last sync, and
//! every name made, changed or removed since the last sync of the directory, is pending. A loss of power ([`Machine::crash`])
//! keeps some of it, by a random generator that the test gives:
//!
//! * of a file's writes each is kept, lost or torn at sectors of 512 bytes, independently of the others and of their
//!   order; a sector that was lost holds what was there before, or zeros. The length may be any that is not below the
//!   durable one, whatever was kept: ext4 and xfs write lengths and data at different times;
//! * of the directory's changes a prefix is kept, as by the one journal of ext4 and xfs, or any subset, as POSIX lets
//!   a system do. A rename is one change: the new name is there and the old one not, or the other way round. A file's
//!   own sync says nothing of its name, although ext4 does more;
//! * a failed sync loses what it should have written, sector by sector: reads still show it (or no longer), and no
//!   later sync writes it, as Linux marks such pages clean. Names are not forgotten like that: they go through the
//!   file system's journal, which ends all writing when it fails.
//!
//! A process that dies without loss of power ([`Machine::kill`]) loses nothing of what it had written. Either way what
//! it had open is dead. Everything follows from the seeds.
//! Next: `crash/file.rs` (one file), `crash/names.rs` (the directory), `crash/fault.rs` (calls that fail).

mod fault;
mod file;
mod names;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::{Readable, Storage, Writable};
use fault::Faults;
pub(crate) use fault::{Call, Fault};
use file::{Change, File, Keep};
use names::Names;

/// A sync that may be left out, see [`Machine::forget`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sync<'a> {
    /// Of the file of this name.
    File(&'a str),
    /// Of this file, when it was cut off.
    Truncate(&'a str),
    /// Of this file, when it was written again.
    Rewrite(&'a str),
    /// Of the directory, with the names that are pending.
    Directory(&'a [&'a str]),
}

type Forgets = Box<dyn Fn(&Sync<'_>) -> bool + Send>;

/// A machine with one directory.
#[derive(Clone)]
pub(crate) struct Machine {
    state: Arc<Mutex<State>>,
}

struct State {
    /// Grows with each death: what was open before is dead.
    life: u64,
    names: Names,
    files: HashMap<u64, File>,
    next: u64,
    faults: Faults,
    /// Bytes that fit.
    capacity: Option<u64>,
    forgets: Option<Forgets>,
    rng: fastrand::Rng,
}

impl Machine {
    /// An empty directory. What failing calls leave behind follows from the seed.
    pub(crate) fn new(seed: u64) -> Self {
        let state = State {
            life: 0,
            names: Names::default(),
            files: HashMap::new(),
            next: 0,
            faults: Faults::default(),
            capacity: None,
            forgets: None,
            rng: fastrand::Rng::with_seed(seed),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The directory, as a process sees it that begins now and ends with the next `crash` or `kill`.
    pub(crate) fn storage(&self) -> Arc<dyn Storage> {
        Arc::new(Mounted {
            life: self.state.lock().life,
            machine: self.clone(),
        })
    }

    /// Loses power, and comes back without it having any effect on later calls.
    pub(crate) fn crash(&self, rng: &mut fastrand::Rng) {
        let mut state = self.state.lock();
        let keep = Keep::choose(rng);
        state.names.crash(keep, rng);
        let State { names, files, .. } = &mut *state;
        let mut left: Vec<u64> = files.keys().copied().collect();
        // A map's order is not the seed's.
        left.sort_unstable();
        for id in left {
            if !names.has(id) {
                files.remove(&id);
            } else if let Some(file) = files.get_mut(&id) {
                file.crash(keep, rng);
            }
        }
        state.begin_again();
    }

    /// Ends the process. What it wrote is still the system's.
    pub(crate) fn kill(&self) {
        self.state.lock().begin_again();
    }

    /// Lets the `n`-th call from now fail, 0 being the next one; of one kind, or of any.
    pub(crate) fn fail(&self, call: Option<Call>, n: u64, fault: Fault) {
        self.state.lock().faults.arm(call, n, fault);
    }

    /// From now on nothing can be changed, or everything again.
    pub(crate) fn set_read_only(&self, is_read_only: bool) {
        self.state.lock().faults.is_read_only = is_read_only;
    }

    /// So many bytes fit on the disk.
    pub(crate) fn set_capacity(&self, bytes: Option<u64>) {
        self.state.lock().capacity = bytes;
    }

    /// From now on syncs for which this says true do nothing and succeed.
    pub(crate) fn forget(&self, forgets: impl Fn(&Sync<'_>) -> bool + Send + 'static) {
        self.state.lock().forgets = Some(Box::new(forgets));
    }

    /// Calls so far, of one kind or of all.
    pub(crate) fn calls(&self, call: Option<Call>) -> u64 {
        self.state.lock().faults.count(call)
    }

    /// What a program reads in a file.
    pub(crate) fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state.lock();
        let id = state.names.find(name)?;
        state.files.get(&id).map(|file| file.seen().to_vec())
    }

    /// The names there are.
    pub(crate) fn names(&self) -> Vec<String> {
        self.state.lock().names.seen()
    }

    /// Flips a bit of a file, counted from its beginning, on the disk and in memory.
    pub(crate) fn flip(&self, name: &str, bit: u64) {
        let mut state = self.state.lock();
        let id = state.names.find(name).expect("the file is there");
        state.files.get_mut(&id).expect("a name has a file").flip(bit);
    }

    /// Puts a durable file there.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state.lock();
        let id = state.new_file(File::durable(bytes));
        state.names.put(name, id);
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Machine").finish_non_exhaustive()
    }
}

impl State {
    fn begin_again(&mut self) {
        self.life += 1;
        self.faults.disarm();
    }

    fn new_file(&mut self, file: File) -> u64 {
        self.next += 1;
        self.files.insert(self.next, file);
        self.next
    }

    fn forgets(&self, sync: &Sync<'_>) -> bool {
        self.forgets.as_ref().is_some_and(|forgets| forgets(sync))
    }

    fn named(&self, name: &str) -> io::Result<u64> {
        self.names
            .find(name)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn file(&mut self, id: u64) -> &mut File {
        self.files.get_mut(&id).expect("what is open or named is there")
    }

    fn free(&self) -> u64 {
        let files = self.names.files().filter_map(|id| self.files.get(id));
        let used: u64 = files.map(|file| file.seen().len() as u64).sum();
        self.capacity
            .map_or(u64::MAX / 2, |capacity| capacity.saturating_sub(used))
    }

    /// Writes what fits, or what a fault lets through.
    fn write(&mut self, id: u64, bytes: &[u8], fault: Option<Fault>) -> io::Result<()> {
        let fits = usize::try_from(self.free())
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let (length, outcome) = match fault {
            Some(fault) => (self.rng.usize(0..=fits), Err(fault.error())),
            None if fits < bytes.len() => (fits, Err(Fault::NoSpace.error())),
            None => (fits, Ok(())),
        };
        let offset = self.file(id).seen().len();
        self.file(id).change(Change::Write {
            offset,
            bytes: bytes[..length].to_vec(),
        });
        outcome
    }

    /// Syncs a file, unless that is forgotten or fails.
    fn sync(&mut self, id: u64, which: &Sync<'_>, fault: Option<Fault>) -> io::Result<()> {
        let Self { files, rng, .. } = self;
        let file = files.get_mut(&id).expect("what is open is there");
        if let Some(fault) = fault {
            file.fail_to_sync(rng);
            return Err(fault.error());
        }
        if !self.forgets(which) {
            self.file(id).sync();
        }
        Ok(())
    }
}

/// A process's view of the directory.
#[derive(Clone, Debug)]
struct Mounted {
    life: u64,
    machine: Machine,
}

impl Mounted {
    /// Begins a call; fails when the process is dead, or by a fault that leaves nothing behind.
    fn enter(&self, call: Call) -> io::Result<MutexGuard<'_, State>> {
        match self.enter_with_fault(call)? {
            (state, None) => Ok(state),
            (_, Some(fault)) => Err(fault.error()),
        }
    }

    /// Begins a call that may do a part of its work before it fails.
    fn enter_with_fault(&self, call: Call) -> io::Result<(MutexGuard<'_, State>, Option<Fault>)> {
        let mut state = self.machine.state.lock();
        if state.life != self.life {
            return Err(io::Error::other("this process is dead"));
        }
        let fault = state.faults.enter(call)?;
        Ok((state, fault))
    }

    fn open(&self, id: u64) -> Opened {
        Opened {
            mounted: self.clone(),
            id,
        }
    }
}

impl Storage for Mounted {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.enter(Call::Names)?.names.seen())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Writable>> {
        let mut state = self.enter(Call::Create)?;
        if state.names.find(name).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let id = state.new_file(File::default());
        state.names.create(name, id);
        Ok(Box::new(self.open(id)))
    }

    fn append_to(&self, name: &str) -> io::Result<Box<dyn Writable>> {
        let id = self.enter(Call::Open)?.named(name)?;
        Ok(Box::new(self.open(id)))
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Readable>> {
        let mut state = self.enter(Call::Open)?;
        let id = state.named(name)?;
        let length = state.file(id).seen().len() as u64;
        let opened = self.open(id);
        Ok(Box::new(OpenedToRead { opened, length }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (mut state, fault) = self.enter_with_fault(Call::Rename)?;
        let id = state.named(from)?;
        // One that fails may have been done.
        if fault.is_none() || state.rng.bool() {
            state.names.rename(from, to, id);
        }
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.enter(Call::Remove)?;
        let id = state.named(name)?;
        state.names.remove(name, id);
        Ok(())
    }

    fn truncate(&self, name: &str, length: u64) -> io::Result<()> {
        let (mut state, fault) = self.enter_with_fault(Call::Truncate)?;
        let id = state.named(name)?;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        state.file(id).change(Change::Truncate { length });
        state.sync(id, &Sync::Truncate(name), fault)
    }

    fn rewrite(&self, name: &str, from: u64) -> io::Result<()> {
        let (mut state, fault) = self.enter_with_fault(Call::Rewrite)?;
        let id = state.named(name)?;
        let offset = usize::try_from(from).map_err(io::Error::other)?;
        let bytes = state.file(id).seen().get(offset..).unwrap_or_default().to_vec();
        state.file(id).change(Change::Write { offset, bytes });
        state.sync(id, &Sync::Rewrite(name), fault)
    }

    fn sync_directory(&self) -> io::Result<()> {
        let (mut state, fault) = self.enter_with_fault(Call::SyncDirectory)?;
        let State { names, rng, .. } = &mut *state;
        if let Some(fault) = fault {
            names.fail_to_sync(rng);
            return Err(fault.error());
        }
        if !state.forgets(&Sync::Directory(&state.names.pending())) {
            state.names.sync();
        }
        Ok(())
    }

    fn free_space(&self) -> io::Result<u64> {
        Ok(self.enter(Call::FreeSpace)?.free())
    }
}

/// An open file.
#[derive(Debug)]
struct Opened {
    mounted: Mounted,
    id: u64,
}

impl Writable for Opened {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (mut state, fault) = self.mounted.enter_with_fault(Call::Write)?;
        state.write(self.id, bytes, fault)
    }

    fn sync(&mut self) -> io::Result<()> {
        let (mut state, fault) = self.mounted.enter_with_fault(Call::Sync)?;
        let name = state.names.of(self.id).unwrap_or_default();
        state.sync(self.id, &Sync::File(&name), fault)
    }
}

#[derive(Debug)]
struct OpenedToRead {
    opened: Opened,
    length: u64,
}

impl Readable for OpenedToRead {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.opened.mounted.enter(Call::Read)?;
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = state
            .file(self.opened.id)
            .seen()
            .get(offset..)
            .unwrap_or_default();
        let length = bytes.len().min(into.len());
        into[..length].copy_from_slice(&bytes[..length]);
        Ok(length)
    }
}
