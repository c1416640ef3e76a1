//! What keeps leases renewed beside a task that blocks its thread.
//!
//! One thread of a tokio runtime at a time waits for its timers and sockets. When these have a single task to wake, that thread runs it
//! and wakes no other, and if the task then blocks nobody serves timers and sockets until it is done, however idle the other threads are
//! (tokio's issue 4730; its remedy, `enable_eager_driver_handoff`, is unstable and the application's to choose).
//! So while a [`Pulse`] is there, a thread of this process hands its runtime an empty task from time to time: an idle thread wakes for
//! that, and serves timers and sockets afterwards.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, Id, RuntimeFlavor};
use tokio::task::JoinHandle;

/// The slowest, so that a runtime that nobody asks for is soon let go.
const SLOWEST: Duration = Duration::from_secs(1);

/// The runtime that it was made on has its timers and sockets served for as long as this is there and one of its threads is idle. What a
/// blocked thread woke in the same step is beyond its help: that lies where no other thread can take it over.
#[derive(Debug)]
pub(crate) struct Pulse {
    runtime: Id,
    every: Duration,
}

/// A runtime that is to be woken.
struct Beating {
    runtime: Handle,
    /// How many ask for which pace. Without any, it goes when its time has come: the next one is often not far.
    paces: BTreeMap<Duration, usize>,
    due: Instant,
    /// One at a time: they would gather where all threads are blocked.
    last: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Heart {
    beating: HashMap<Id, Beating>,
    /// Until when the thread sleeps.
    sleeps_until: Option<Instant>,
}

static HEART: LazyLock<Mutex<Heart>> = LazyLock::new(Mutex::default);
static EARLIER: Condvar = Condvar::new();
/// Whether there is a thread. Without one, leases are renewed as well as the runtime allows.
static IS_SERVED: LazyLock<bool> = LazyLock::new(|| {
    let thread = std::thread::Builder::new().name("oxherd-pulse".to_owned());
    let started = thread.spawn(beat);
    if let Err(error) = &started {
        tracing::warn!(%error, "cannot start the thread that wakes runtimes; leases may end while a task blocks its thread");
    }
    started.is_ok()
});

impl Pulse {
    /// At least so often, and not less than once a second. `None` on a current-thread runtime, which nobody can serve while that is blocked.
    pub(crate) fn here(every: Duration) -> Option<Self> {
        let runtime = Handle::current();
        if runtime.runtime_flavor() != RuntimeFlavor::MultiThread || !*IS_SERVED {
            return None;
        }
        let every = every.min(SLOWEST);
        let (id, due) = (runtime.id(), Instant::now() + every);
        let mut heart = heart();
        let beating = heart.beating.entry(id).or_insert_with(|| Beating {
            runtime: runtime.clone(),
            paces: BTreeMap::new(),
            due,
            last: None,
        });
        // Without a pulse it may be one that has ended, and whose id was given away again.
        let before = beating
            .paces
            .is_empty()
            .then(|| std::mem::replace(&mut beating.runtime, runtime));
        *beating.paces.entry(every).or_default() += 1;
        beating.due = beating.due.min(due);
        if heart.sleeps_until.is_none_or(|end| due < end) {
            EARLIER.notify_one();
        }
        drop(heart);
        drop(before);
        Some(Self { runtime: id, every })
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        let mut heart = heart();
        let Some(beating) = heart.beating.get_mut(&self.runtime) else {
            return;
        };
        if let Some(count) = beating.paces.get_mut(&self.every) {
            *count -= 1;
            if *count == 0 {
                beating.paces.remove(&self.every);
            }
        }
    }
}

impl Beating {
    fn wake(&mut self, id: Id, now: Instant) -> Option<Wake> {
        let (&every, _) = self.paces.first_key_value()?;
        if now < self.due {
            return None;
        }
        self.due = now + every;
        Some(Wake {
            id,
            runtime: self.runtime.clone(),
            last: self.last.take(),
        })
    }
}

/// A runtime that is to be woken now.
struct Wake {
    id: Id,
    runtime: Handle,
    last: Option<JoinHandle<()>>,
}

impl Wake {
    fn wake(self) {
        let last = self.last.filter(|last| !last.is_finished());
        let last = last.unwrap_or_else(|| self.runtime.spawn(async {}));
        if let Some(beating) = heart().beating.get_mut(&self.id) {
            beating.last = Some(last);
        }
    }
}

fn heart() -> MutexGuard<'static, Heart> {
    // Nothing under it leaves it half done.
    HEART.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Without the lock: what runs when a task is spawned, or when a runtime goes with its last handle, may be the application's.
fn beat() {
    loop {
        let (gone, wakes) = what_is_due();
        let work = AssertUnwindSafe(|| {
            drop(gone);
            wakes.into_iter().for_each(Wake::wake);
        });
        if catch_unwind(work).is_err() {
            tracing::warn!("a hook of a runtime panicked while that was woken");
        }
    }
}

/// Waits until there is something: runtimes that nobody asks for any more, and those to be woken.
fn what_is_due() -> (Vec<Beating>, Vec<Wake>) {
    let mut heart = heart();
    loop {
        let now = Instant::now();
        let is_over = |_: &Id, beating: &mut Beating| beating.due <= now && beating.paces.is_empty();
        let gone: Vec<_> = heart
            .beating
            .extract_if(is_over)
            .map(|(_, beating)| beating)
            .collect();
        let beating = heart.beating.iter_mut();
        let wakes: Vec<_> = beating
            .filter_map(|(id, beating)| beating.wake(*id, now))
            .collect();
        if !gone.is_empty() || !wakes.is_empty() {
            return (gone, wakes);
        }
        heart.sleeps_until = heart.beating.values().map(|beating| beating.due).min();
        heart = match heart.sleeps_until {
            Some(end) => {
                let slept = EARLIER.wait_timeout(heart, end.saturating_duration_since(now));
                slept.unwrap_or_else(PoisonError::into_inner).0
            }
            None => EARLIER.wait(heart).unwrap_or_else(PoisonError::into_inner),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn timers_are_served_beside_a_blocked_thread() {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
        let (told, tells) = mpsc::channel();
        let is_served = runtime.block_on(async move {
            let blocks = tokio::spawn(async move {
                let _pulse = Pulse::here(Duration::from_millis(10));
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    // Nobody listens any more when it came too late.
                    let _ = told.send(());
                });
                // The thread that serves the timers goes on with this, and blocks.
                tokio::time::sleep(Duration::from_millis(100)).await;
                tells.recv_timeout(PATIENCE).is_ok()
            });
            blocks.await.unwrap()
        });
        assert!(is_served);
    }

    #[test]
    fn a_runtime_that_nobody_asks_for_is_let_go() {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).build().unwrap();
        let id = runtime.handle().id();
        let paces = [5, 5, 3_600_000].map(Duration::from_millis);
        let pulses = runtime.block_on(async { paces.map(|pace| Pulse::here(pace).unwrap()) });
        for pulse in pulses {
            assert!(heart().beating.contains_key(&id));
            drop(pulse);
        }
        let began = Instant::now();
        while heart().beating.contains_key(&id) {
            assert!(began.elapsed() < PATIENCE);
            std::thread::yield_now();
        }
    }

    #[tokio::test]
    async fn a_current_thread_runtime_has_none() {
        assert!(Pulse::here(Duration::from_millis(10)).is_none());
    }
}
