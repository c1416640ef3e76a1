//! How a store is opened, and who hears how far the reading of a large directory is.
//!
//! A program that shows it itself is told a few times a second; without one the log is, at every tenth. Whoever waits for
//! this process reads it in the directory. Next: `holder.rs` (that line), `embedded.rs` (who opens and who waits).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::holder::{Notice, Stage};

/// How often it is told.
const PERIOD: Duration = Duration::from_millis(100);
/// The log is told of nothing smaller than this.
const LARGE: u64 = 64 * 1024 * 1024;

type Hear = Arc<dyn Fn(BootProgress) + Send + Sync>;

/// How a store is opened, where [`Store::connect`](crate::Store::connect) does not do.
#[derive(Clone, Default)]
pub struct Opening {
    pub(super) is_visit: bool,
    pub(super) needs_to_hold: bool,
    pub(super) hear: Option<Hear>,
}

/// How far the reading of a store's directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BootProgress {
    /// Bytes read.
    pub read: u64,
    /// Bytes to read.
    pub of: u64,
    /// The process that reads, if it is another one, for which this one waits.
    pub process: Option<u32>,
}

impl Opening {
    /// As most programs open a store: for as long as they run.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// For a program that is done soon: see [`Store::visit`](crate::Store::visit).
    #[must_use]
    pub fn visit(mut self) -> Self {
        self.is_visit = true;
        self
    }

    /// For a program that needs a directory in its own process, as to listen for Redis clients: a process that has only
    /// taken it over, from one that ended, hands it on to this one. One that was the first keeps it, and then this one
    /// joins as any other.
    #[must_use]
    pub fn needs_to_hold(mut self) -> Self {
        self.needs_to_hold = true;
        self
    }

    /// Tells how far the reading of a directory is, about ten times a second, whether this process reads it or the one
    /// that it waits for. The log is not told then. Nothing is told of other stores.
    #[must_use]
    pub fn on_boot(mut self, hear: impl Fn(BootProgress) + Send + Sync + 'static) -> Self {
        self.hear = Some(Arc::new(hear));
        self
    }
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opening")
            .field("is_visit", &self.is_visit)
            .field("needs_to_hold", &self.needs_to_hold)
            .finish_non_exhaustive()
    }
}

/// Tells how far a boot is.
pub(super) struct Teller {
    hear: Option<Hear>,
    directory: PathBuf,
    told_at: Option<Instant>,
    /// Tenths that the log was told of.
    tenths: u64,
}

impl Teller {
    pub(super) fn new(directory: &Path, hear: Option<Hear>) -> Self {
        Self {
            hear,
            directory: directory.to_owned(),
            told_at: None,
            tenths: 0,
        }
    }

    /// For the engine that reads: tells others in the directory too.
    pub(super) fn of_engine(mut self, notice: Notice) -> impl FnMut(oxherd_engine::Boot) + Send + 'static {
        move |boot| {
            if self.is_time() {
                let (read, of) = (boot.read, boot.of);
                notice.say(Stage::Reading { read, of });
                self.tell(read, of, None);
            }
        }
    }

    /// For who waits for another process.
    pub(super) fn of_another(&mut self, process: u32, read: u64, of: u64) {
        if self.is_time() {
            self.tell(read, of, Some(process));
        }
    }

    fn is_time(&mut self) -> bool {
        let is_time = self.told_at.is_none_or(|at| at.elapsed() >= PERIOD);
        if is_time {
            self.told_at = Some(Instant::now());
        }
        is_time
    }

    fn tell(&mut self, read: u64, of: u64, process: Option<u32>) {
        if let Some(hear) = &self.hear {
            return hear(BootProgress { read, of, process });
        }
        let tenths = read.saturating_mul(10) / of.max(1);
        if of < LARGE || tenths <= self.tenths {
            return;
        }
        self.tenths = tenths;
        let (directory, megabytes) = (self.directory.display(), of / 1_000_000);
        match process {
            None => tracing::info!(%directory, "read {tenths}0 % of {megabytes} MB"),
            Some(process) => {
                tracing::info!(%directory, process, "waiting: process {process} has read {tenths}0 % of {megabytes} MB");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::{BootProgress, Opening, Teller};

    #[test]
    fn a_program_hears_who_reads_and_how_far_it_is() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = Arc::clone(&heard);
        let opening = Opening::new().on_boot(move |progress| hearing.lock().unwrap().push(progress));
        let mut teller = Teller::new("somewhere".as_ref(), opening.hear);
        teller.of_another(7, 5, 10);
        // At once again is too often.
        teller.of_another(7, 6, 10);
        let progress = BootProgress {
            read: 5,
            of: 10,
            process: Some(7),
        };
        assert_eq!(*heard.lock().unwrap(), [progress]);
    }
}
