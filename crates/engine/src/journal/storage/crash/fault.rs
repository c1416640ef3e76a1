//! Calls that fail, and how many there were.

use std::io;

/// A kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Names,
    Create,
    /// To append or to read.
    Open,
    Read,
    Write,
    Sync,
    Rename,
    Remove,
    Truncate,
    Rewrite,
    SyncDirectory,
    FreeSpace,
}

impl Call {
    const COUNT: usize = Self::FreeSpace as usize + 1;

    fn changes(self) -> bool {
        !matches!(self, Self::Names | Self::Open | Self::Read | Self::FreeSpace)
    }
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The disk is full; a part of what was to be written is there.
    NoSpace,
    /// The disk fails: a part of what was to be written is there, and of what was to be synced.
    Io,
    /// Nothing can be changed any more: this call and every later one that would.
    ReadOnly,
    /// The power goes: this call and every later one does nothing, until the machine is told which way it ends.
    PowerCut,
}

impl Fault {
    pub(crate) fn error(self) -> io::Error {
        match self {
            Self::NoSpace => io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error()),
            Self::Io => io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error()),
            Self::ReadOnly => io::Error::from_raw_os_error(rustix::io::Errno::ROFS.raw_os_error()),
            Self::PowerCut => io::Error::other("the power is gone"),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    counts: [u64; Call::COUNT],
    armed: Vec<Armed>,
    pub(crate) is_read_only: bool,
    is_off: bool,
}

#[derive(Debug)]
struct Armed {
    call: Option<Call>,
    /// Calls until then.
    left: u64,
    fault: Fault,
}

impl Faults {
    pub(crate) fn arm(&mut self, call: Option<Call>, left: u64, fault: Fault) {
        self.armed.push(Armed { call, left, fault });
    }

    pub(crate) fn disarm(&mut self) {
        self.armed.clear();
        self.is_off = false;
    }

    pub(crate) fn count(&self, call: Option<Call>) -> u64 {
        match call {
            Some(call) => self.counts[call as usize],
            None => self.counts.iter().sum(),
        }
    }

    /// Counts a call. An error is one that does nothing; a fault may do a part of the work.
    pub(crate) fn enter(&mut self, call: Call) -> io::Result<Option<Fault>> {
        self.counts[call as usize] += 1;
        let mut due = None;
        self.armed.retain_mut(|armed| {
            if armed.call.is_some_and(|kind| kind != call) {
                return true;
            }
            if armed.left > 0 {
                armed.left -= 1;
                return true;
            }
            due = Some(armed.fault);
            false
        });
        self.is_off |= due == Some(Fault::PowerCut);
        self.is_read_only |= due == Some(Fault::ReadOnly);
        if self.is_off {
            return Err(Fault::PowerCut.error());
        }
        if self.is_read_only && call.changes() {
            return Err(Fault::ReadOnly.error());
        }
        Ok(due.filter(|fault| *fault != Fault::ReadOnly))
    }
}
