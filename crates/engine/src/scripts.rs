//! The scripts that were loaded, and the machine that runs them.
//!
//! The machine starts with the first script. A script is compiled once and known by the SHA1 of its source, until
//! SCRIPT FLUSH. What is known of a running script without the engine's lock is in [`Running`].
//! Next: `commands/scripting.rs` (EVAL), `lua/` (the machine).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hashbrown::HashMap;

use crate::lua::{Function, Host, Limits, Machine};
use crate::reply::{Fault, Reply};

/// A script's name: the SHA1 of its source in lower-case hexadecimal digits.
pub(crate) type Sha = [u8; 40];

/// All scripts.
#[derive(Default)]
pub(crate) struct Scripts {
    machine: Option<Machine>,
    functions: HashMap<Sha, Function, foldhash::fast::FixedState>,
}

impl Scripts {
    /// How many scripts are known.
    pub(crate) fn len(&self) -> usize {
        self.functions.len()
    }

    /// Bytes the machine holds.
    pub(crate) fn memory(&self) -> usize {
        self.machine.as_ref().map_or(0, Machine::used_memory)
    }

    pub(crate) fn get(&self, sha: &Sha) -> Option<&Function> {
        self.functions.get(sha)
    }

    /// Compiles a script unless it is known.
    pub(crate) fn load(&mut self, source: &[u8]) -> Result<Sha, Fault> {
        let sha = sha_of(source);
        if self.functions.contains_key(&sha) {
            return Ok(sha);
        }
        let machine = match &mut self.machine {
            Some(machine) => machine,
            none => {
                let machine = Machine::new().map_err(|error| Fault::err(error.to_string()))?;
                none.insert(machine)
            }
        };
        let function = machine.load(source)?;
        self.functions.insert(sha, function);
        Ok(sha)
    }

    /// Runs a script that is known.
    pub(crate) fn run(
        &mut self,
        sha: &Sha,
        keys: &[&[u8]],
        args: &[&[u8]],
        host: &mut dyn Host,
        limits: &Limits<'_>,
    ) -> Reply {
        match (&mut self.machine, self.functions.get(sha)) {
            (Some(machine), Some(function)) => machine.run(function, keys, args, host, limits),
            _ => Reply::Error(NO_SCRIPT),
        }
    }

    /// Forgets all scripts, and the machine with them.
    pub(crate) fn flush(&mut self) {
        *self = Self::default();
    }
}

/// The refusal of a script that is not known.
pub(crate) const NO_SCRIPT: Fault = Fault::of("NOSCRIPT No matching script. Please use EVAL.");

/// The answer to SCRIPT KILL if there is no script to kill.
pub(crate) const NOT_BUSY: Fault = Fault::of("NOTBUSY No scripts in execution right now.");

/// The name of a source.
fn sha_of(source: &[u8]) -> Sha {
    let mut sha = [0; 40];
    for (place, digit) in sha
        .iter_mut()
        .zip(sha1_smol::Sha1::from(source).hexdigest().bytes())
    {
        *place = digit;
    }
    sha
}

/// A name as a client spells it.
pub(crate) fn sha_named(text: &[u8]) -> Option<Sha> {
    let mut sha: Sha = text.try_into().ok()?;
    sha.make_ascii_lowercase();
    Some(sha)
}

/// What is known of a running script without the lock, which it holds.
#[derive(Debug)]
pub(crate) struct Running {
    epoch: Instant,
    /// Nanoseconds after the epoch at which it began; 0 when none runs.
    since: AtomicU64,
    busy_after: AtomicU64,
    is_killed: AtomicBool,
}

impl Default for Running {
    fn default() -> Self {
        Self {
            epoch: Instant::now(),
            since: AtomicU64::new(0),
            busy_after: AtomicU64::new(u64::MAX),
            is_killed: AtomicBool::new(false),
        }
    }
}

impl Running {
    /// How long scripts may run from now on.
    pub(crate) fn set_limit(&self, busy_after: Duration) {
        self.busy_after.store(nanos(busy_after), Ordering::Relaxed);
    }

    /// A script begins.
    pub(crate) fn begin(&self) {
        self.is_killed.store(false, Ordering::Relaxed);
        self.since
            .store(nanos(self.epoch.elapsed()).max(1), Ordering::Release);
    }

    /// It has ended.
    pub(crate) fn end(&self) {
        self.since.store(0, Ordering::Release);
    }

    /// Whether a script runs longer than it should.
    pub(crate) fn is_slow(&self) -> bool {
        let since = self.since.load(Ordering::Acquire);
        let limit = self.busy_after.load(Ordering::Relaxed);
        since > 0 && nanos(self.epoch.elapsed()).saturating_sub(since) > limit
    }

    /// How long no script can be slow yet, the limit staying as it is.
    pub(crate) fn until_slow(&self) -> Duration {
        let since = self.since.load(Ordering::Acquire);
        let limit = self.busy_after.load(Ordering::Relaxed);
        let run = match since {
            0 => 0,
            since => nanos(self.epoch.elapsed()).saturating_sub(since),
        };
        Duration::from_nanos(limit.saturating_sub(run))
    }

    /// Stops the script; says whether there is one to stop. The one that was slow may have ended since, and the next
    /// is none of the killer's.
    pub(crate) fn kill(&self) -> bool {
        let is_slow = self.is_slow();
        if is_slow {
            self.is_killed.store(true, Ordering::Release);
        }
        is_slow
    }

    /// Whether the script is to stop.
    pub(crate) fn killed(&self) -> &AtomicBool {
        &self.is_killed
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for Scripts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Scripts")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::Running;

    #[test]
    fn only_a_script_that_is_slow_is_killed() {
        let running = Running::default();
        running.set_limit(Duration::ZERO);
        assert!(!running.kill());
        running.begin();
        while !running.is_slow() {}
        assert!(running.kill() && running.killed().load(Ordering::Acquire));
        running.end();
        running.begin();
        assert!(!running.killed().load(Ordering::Acquire));
        running.set_limit(Duration::MAX);
        assert!(!running.kill() && !running.killed().load(Ordering::Acquire));
    }
}
