//! The engine's one thread of its own: it ends waits in time and removes what expires while nobody calls.
//!
//! It sleeps until the next time-out of a waiting command, and looks for expired keys ten times a second while any key
//! expires at all. It ends when the engine is dropped, not when whoever takes the changes panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::engine::Shared;
use crate::keyspace::NEVER;

/// How often expired keys are removed while nobody calls.
const EXPIRY_PERIOD: Duration = Duration::from_millis(100);
/// How long the thread sleeps when nothing is due: it then only looks whether the engine still exists.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Keys removed before the lock is given back.
const REMOVED_AT_ONCE: usize = 1_000;

/// How others reach the thread.
#[derive(Debug, Default)]
pub(crate) struct Housekeeper {
    alarm: Arc<Alarm>,
}

#[derive(Debug, Default)]
struct Alarm {
    /// When the thread will wake by itself, on the engine's monotonic clock.
    wakes_at: Mutex<Duration>,
    bell: Condvar,
}

impl Housekeeper {
    /// Makes the thread wake in time for a deadline.
    pub(crate) fn hurry(&self, deadline: Option<Duration>) {
        let Some(deadline) = deadline else {
            return;
        };
        let mut wakes_at = self.alarm.wakes_at.lock();
        if deadline < *wakes_at {
            *wakes_at = deadline;
            self.alarm.bell.notify_one();
        }
    }
}

impl Drop for Housekeeper {
    fn drop(&mut self) {
        self.alarm.bell.notify_one();
    }
}

/// Starts the thread of an engine.
pub(crate) fn start(shared: &Arc<Shared>) {
    let (engine, alarm) = (Arc::downgrade(shared), Arc::clone(&shared.housekeeper.alarm));
    let started = std::thread::Builder::new()
        .name("oxherd-engine".to_owned())
        .spawn(move || keep_house(&engine, &alarm));
    if let Err(error) = started {
        // Commands still see no expired key; only time-outs of waits depend on the thread.
        tracing::error!(%error, "the engine's housekeeping thread did not start: waits will not time out");
    }
}

fn keep_house(engine: &Weak<Shared>, alarm: &Alarm) {
    loop {
        let Some(shared) = engine.upgrade() else {
            return;
        };
        // The lock is free again after a panic, and the engine whole: only the program's own function can panic here.
        let worked = catch_unwind(AssertUnwindSafe(|| work(&shared, alarm)));
        let now = worked.unwrap_or_else(|_shown| recover(&shared, alarm));
        drop(shared);
        // Whoever hurried in the meantime has set an earlier hour.
        let mut wakes_at = alarm.wakes_at.lock();
        let sleep = wakes_at.saturating_sub(now);
        if !sleep.is_zero() {
            alarm.bell.wait_for(&mut wakes_at, sleep);
        }
    }
}

/// After a panic: sets the alarm; returns the time.
fn recover(shared: &Shared, alarm: &Alarm) -> Duration {
    tracing::error!("whoever takes the engine's changes has panicked: a batch is lost");
    let now = shared.lock().monotonic();
    *alarm.wakes_at.lock() = now + EXPIRY_PERIOD;
    now
}

/// Does what is due and sets the alarm; returns the time.
fn work(shared: &Shared, alarm: &Alarm) -> Duration {
    let mut core = shared.lock();
    core.tick();
    let mut sleep = LONGEST_SLEEP;
    if core.next_expiry() != NEVER {
        sleep = EXPIRY_PERIOD;
    }
    if core.remove_due(REMOVED_AT_ONCE) {
        sleep = Duration::ZERO;
    }
    core.settle();
    let trash = core.take_trash();
    let now = core.monotonic();
    if let Some(deadline) = core.blocked.next_deadline() {
        sleep = sleep.min(deadline.saturating_sub(now));
    }
    // Set under the engine's lock: a deadline added later finds it and rings.
    *alarm.wakes_at.lock() = now + sleep;
    drop(core);
    let began = Instant::now();
    drop(trash);
    // It may have taken a while.
    now + began.elapsed()
}
