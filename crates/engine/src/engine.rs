//! The engine: its lock, its housekeeper, and the way in.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::blocked::Answered;
use crate::client::Arrival;
use crate::clock::Clock;
use crate::config::Config;
use crate::core::Core;
use crate::effect::{Effect, Recorder, Taker, Volatile};
use crate::housekeeping::Housekeeper;
use crate::journal::{Fsync, Handle, Link, Progress, Reached, Sequence};
use crate::outside::Outside;
use crate::session::Session;

/// How long a caller waits for the lock at most before it asks again whether a script runs too long: the limit may
/// have been lowered.
const PATIENCE: Duration = Duration::from_millis(100);

/// The shortest such wait: a script gets slow a little after its limit.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// A Redis-compatible store in this process. Clones are the same store.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

/// What sessions, the housekeeper and scripts share.
pub(crate) struct Shared {
    core: Mutex<Core>,
    outside: Arc<Outside>,
    /// What is known of the journal without the lock, if there is one.
    link: Option<Link>,
    /// Its thread.
    pub(crate) journal: OnceLock<Handle>,
    pub(crate) housekeeper: Housekeeper,
}

/// The engine's lock. Whoever waited for a key is answered when it has been given back: a task that is woken, or that ends
/// because nobody else knows it any more, may do anything, and take the lock too.
pub(crate) struct Hold<'a> {
    // Dropped in this order.
    core: MutexGuard<'a, Core>,
    answered: Answered,
}

impl<'a> Hold<'a> {
    fn of(core: MutexGuard<'a, Core>) -> Self {
        Self {
            core,
            answered: Answered::default(),
        }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.answered = self.core.blocked.take_answered();
    }
}

impl Deref for Hold<'_> {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl DerefMut for Hold<'_> {
    fn deref_mut(&mut self) -> &mut Core {
        &mut self.core
    }
}

impl std::fmt::Debug for Hold<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Hold").finish_non_exhaustive()
    }
}

/// The engine cannot serve: a script runs too long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Busy;

/// What an engine holds and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Bytes of all keys and values.
    pub memory: usize,
    /// The most there were, as seen at the end of commands.
    pub peak_memory: usize,
    /// Bytes beyond which commands that need memory are refused.
    pub max_memory: Option<usize>,
    /// Keys in all databases.
    pub keys: usize,
    /// Connected clients, those in this process included.
    pub clients: usize,
    /// Commands processed since the start.
    pub commands: u64,
}

/// How an engine is set up.
pub struct Options {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) seed: Option<u64>,
    taker: Option<Taker>,
    pub(crate) fsync: Fsync,
    pub(crate) volatile: Vec<Vec<u8>>,
    /// What is dropped when a directory is opened is not written down.
    #[cfg(test)]
    pub(crate) forgets_drops: bool,
    pub(crate) hear: Option<Hear>,
}

/// Hears how far the reading of a directory is.
pub(crate) type Hear = Box<dyn FnMut(Boot) + Send>;

/// How far the reading of a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Bytes read.
    pub read: u64,
    /// Bytes to read.
    pub of: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            config: Config::default(),
            clock: Clock::system(),
            seed: None,
            taker: None,
            fsync: Fsync::default(),
            volatile: Vec::new(),
            #[cfg(test)]
            forgets_drops: false,
            hear: None,
        }
    }
}

impl Options {
    /// Another clock than the machine's.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Bytes of keys and values beyond which commands that may need memory are refused with `OOM`; `None`, the default,
    /// and 0 are no limit. Nothing is ever evicted.
    pub fn max_memory(mut self, bytes: Option<usize>) -> Self {
        self.config.max_memory = bytes.unwrap_or(0);
        self
    }

    /// What AUTH asks clients of the RESP endpoint for; empty, the default, lets everybody in. Clients in this process
    /// are never asked.
    pub fn password(mut self, password: impl Into<Vec<u8>>) -> Self {
        self.config.password = password.into();
        self
    }

    /// How long a script may run before it counts as slow; 5 s by default.
    ///
    /// Then it is stopped if it has written nothing; if it has, others are told `BUSY` until it ends or is killed. Zero
    /// is no limit.
    pub fn busy_after(mut self, limit: Duration) -> Self {
        self.config.busy_after = limit;
        self
    }

    /// The seed of random answers (SPOP, RANDOMKEY), for tests.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Hands over what each command, script or transaction has changed, as one batch of final states.
    ///
    /// Called under the engine's lock: it must be quick, and must not use the engine. Should it panic, so does the
    /// command that made the change; the change stays, its batch is lost, and later batches come all the same.
    #[must_use]
    pub fn on_change(mut self, taker: impl FnMut(&[Effect<'_>]) + Send + 'static) -> Self {
        self.taker = Some(Box::new(taker));
        self
    }

    /// When what was written is made durable; only for an engine with a directory.
    pub fn fsync(mut self, fsync: Fsync) -> Self {
        self.fsync = fsync;
        self
    }

    /// Keys whose names begin with one of these prefixes are kept in memory alone, in all databases, as a cache may be:
    /// they are never written, cost no more than in an engine in memory, and are gone after a restart. These prefixes
    /// take the place of those given before; an empty one is refused by [`Options::open`].
    ///
    /// A key that gets such a name (RENAME, COPY, SORT … STORE) is in memory alone from then on, and one that gets
    /// another name is kept from then on. What was kept under such a name, because the directory was used without the
    /// prefix before, is dropped when it is opened, for good. A script or transaction over keys of both kinds is whole
    /// while the engine lives; after a restart only its other keys are there. When the journal fails volatile keys are
    /// lost once, and can be written again at once although other keys cannot.
    ///
    /// Answers that have to do with such keys alone do not wait for the disk, unless what they show may come from other
    /// keys. [`Options::on_change`] is told nothing of them.
    #[must_use]
    pub fn volatile(mut self, prefixes: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        self.volatile = prefixes.into_iter().map(Into::into).collect();
        self
    }

    /// Tells how far the reading of the directory is, for programs that show it.
    #[must_use]
    pub fn on_boot(mut self, hear: impl FnMut(Boot) + Send + 'static) -> Self {
        self.hear = Some(Box::new(hear));
        self
    }

    /// Starts an engine that lives in memory.
    pub fn start(self) -> Engine {
        let core = Core::new(
            self.config,
            self.clock,
            Recorder::for_units(self.taker, Volatile::of(&self.volatile)),
            self.seed,
        );
        let engine = Engine {
            shared: Shared::around(core, None),
        };
        crate::housekeeping::start(&engine.shared);
        // Known from the beginning, whatever comes.
        engine.usage();
        engine
    }
}

impl Engine {
    /// An engine in memory with the default options.
    pub fn in_memory() -> Self {
        Options::default().start()
    }

    /// Does at once what time has brought: expiry and the end of waits.
    ///
    /// Only useful with a manual clock, after moving it; otherwise it happens by itself.
    pub fn tick(&self) {
        let mut core = self.shared.lock();
        core.tick();
        while core.has_backlog() {
            core.tick();
        }
    }

    /// Sets how many bytes of data there may be before commands that need memory are refused; `None` is no limit.
    pub fn set_max_memory(&self, bytes: Option<usize>) {
        self.shared.lock().config.max_memory = bytes.unwrap_or(0);
        self.usage();
    }

    /// Sets what AUTH asks clients of the RESP endpoint for; an empty one lets everybody in.
    ///
    /// Clients that are connected already stay.
    pub fn set_password(&self, password: impl Into<Vec<u8>>) {
        let mut core = self.shared.lock();
        let config = Config {
            password: password.into(),
            ..core.config.clone()
        };
        core.configure(config);
    }

    /// What the engine holds, in figures; while a script runs too long, what it held when that was asked before.
    pub fn usage(&self) -> Usage {
        let outside = self.shared.outside();
        let Ok(core) = self.shared.enter() else {
            return outside.usage();
        };
        let limit = core.config.max_memory;
        let usage = Usage {
            memory: core.data_memory(),
            peak_memory: core.stats.peak_memory.max(core.data_memory()),
            max_memory: (limit > 0).then_some(limit),
            keys: core.databases().iter().map(crate::keyspace::Database::len).sum(),
            clients: core.clients.count(),
            commands: core.stats.commands,
        };
        outside.set_usage(usage);
        usage
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// A new client.
    pub(crate) fn session(&self, arrival: Arrival) -> Session {
        Session::open(&self.shared, arrival)
    }
}

impl Shared {
    pub(crate) fn around(core: Core, link: Option<Link>) -> Arc<Self> {
        Arc::new(Self {
            outside: Arc::clone(&core.outside),
            core: Mutex::new(core),
            link,
            journal: OnceLock::new(),
            housekeeper: Housekeeper::default(),
        })
    }

    /// The state, however long it takes: for housekeeping, which nobody waits for.
    pub(crate) fn lock(&self) -> Hold<'_> {
        Hold::of(self.core.lock())
    }

    /// The state, unless somebody keeps it so long.
    pub(crate) fn lock_within(&self, patience: Duration) -> Option<Hold<'_>> {
        self.core.try_lock_for(patience).map(Hold::of)
    }

    /// The state, unless a script keeps it too long.
    pub(crate) fn enter(&self) -> Result<Hold<'_>, Busy> {
        if let Some(core) = self.core.try_lock() {
            return Ok(Hold::of(core));
        }
        loop {
            let running = &self.outside.running;
            if running.is_slow() {
                return Err(Busy);
            }
            let patience = running.until_slow().clamp(SHORTEST_WAIT, PATIENCE);
            if let Some(core) = self.core.try_lock_for(patience) {
                return Ok(Hold::of(core));
            }
        }
    }

    /// Whether nobody has the lock.
    #[cfg(test)]
    pub(crate) fn is_free(&self) -> bool {
        self.core.try_lock().is_some()
    }

    /// How far the journal is, if there is one.
    pub(crate) fn progress(&self) -> Option<&Arc<Progress>> {
        self.link.as_ref().map(|link| &link.progress)
    }

    /// What is known of the journal without the lock, if there is one.
    pub(crate) fn link(&self) -> Option<&Link> {
        self.link.as_ref()
    }

    /// Waits for the journal; `None` when there is nothing to wait for.
    pub(crate) fn reached(&self, horizon: Sequence) -> Option<Reached> {
        self.progress()?.wait_for(horizon)
    }

    /// Waits until the journal has written enough for more to be changed; `None` when there is room.
    pub(crate) fn room(&self) -> Option<Reached> {
        self.link.as_ref()?.room.wait()
    }

    /// What is known without the lock.
    pub(crate) fn outside(&self) -> &Outside {
        &self.outside
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(journal) = self.journal.take() {
            journal.end(self.core.get_mut());
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Options")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shared").finish_non_exhaustive()
    }
}
