//! Those who wait for another process's load, by the name of its lease.
//!
//! Whoever ends a lease on which somebody waits publishes its name; every process wakes its own. A wake that is lost costs time
//! and nothing else: waits end with the lease at the latest. Next: `loading.rs`.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

type Waiting = Arc<Mutex<BTreeMap<Vec<u8>, Queue>>>;

/// Those who wait for one name.
#[derive(Debug, Default)]
struct Queue {
    length: usize,
    wakes: Arc<Wakes>,
}

/// The wakes of one name. Who waits is woken in the order in which they came, as a watch channel would not.
#[derive(Debug, Default)]
struct Wakes {
    count: AtomicU64,
    woken: Notify,
}

impl Wakes {
    fn wake(&self) {
        self.count.fetch_add(1, Ordering::Release);
        self.woken.notify_waiters();
    }
}

/// Who waits for what; in an order, so that a simulation repeats itself.
#[derive(Debug, Default)]
pub(crate) struct Waits(Waiting);

/// A place in the queue for one name; taken before the store is told that somebody waits, so that no wake is missed.
#[derive(Debug)]
pub(crate) struct Wait {
    waiting: Waiting,
    name: Vec<u8>,
    wakes: Arc<Wakes>,
    /// How many wakes it has seen.
    seen: u64,
}

impl Waits {
    pub(crate) fn on(&self, name: Vec<u8>) -> Wait {
        let mut waiting = self.0.lock();
        let queue = waiting.entry(name.clone()).or_default();
        queue.length += 1;
        let wakes = Arc::clone(&queue.wakes);
        drop(waiting);
        Wait {
            waiting: Arc::clone(&self.0),
            name,
            seen: wakes.count.load(Ordering::Acquire),
            wakes,
        }
    }

    pub(crate) fn wake(&self, name: &[u8]) {
        if let Some(queue) = self.0.lock().get(name) {
            queue.wakes.wake();
        }
    }

    /// The channel was down: wakes may have been lost.
    pub(crate) fn wake_all(&self) {
        for queue in self.0.lock().values() {
            queue.wakes.wake();
        }
    }
}

impl Wait {
    /// Waits for a wake since the last one, or since it was made.
    pub(crate) async fn woken(&mut self) {
        loop {
            let mut woken = pin!(self.wakes.woken.notified());
            // First in the queue, then a look: a wake in between is not missed.
            woken.as_mut().enable();
            let count = self.wakes.count.load(Ordering::Acquire);
            if count != self.seen {
                self.seen = count;
                return;
            }
            woken.await;
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock();
        let Some(queue) = waiting.get_mut(&self.name) else {
            return;
        };
        queue.length -= 1;
        if queue.length == 0 {
            waiting.remove(&self.name);
        }
    }
}
