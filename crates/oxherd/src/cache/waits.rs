//! Those who wait for another process's load, by the name of its lease.
//!
//! Whoever ends a lease on which somebody waits publishes its name; every process wakes its own. A wake that is lost costs time
//! and nothing else: waits end with the lease at the latest. Next: `loading.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Who waits for what; in an order, so that a simulation repeats itself.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    waiting: Arc<Mutex<BTreeMap<Vec<u8>, Arc<Notify>>>>,
}

/// A place in the queue for one name; taken before the store is told that somebody waits, so that no wake is missed.
#[derive(Debug)]
pub(crate) struct Wait {
    waiting: Arc<Mutex<BTreeMap<Vec<u8>, Arc<Notify>>>>,
    name: Vec<u8>,
    notify: Arc<Notify>,
}

impl Waits {
    pub(crate) fn on(&self, name: Vec<u8>) -> Wait {
        let notify = Arc::clone(self.waiting.lock().entry(name.clone()).or_default());
        Wait {
            waiting: Arc::clone(&self.waiting),
            name,
            notify,
        }
    }

    pub(crate) fn wake(&self, name: &[u8]) {
        if let Some(notify) = self.waiting.lock().get(name) {
            // One flight a key waits, mostly; a wake that comes before its wait is kept for it.
            notify.notify_waiters();
            notify.notify_one();
        }
    }

    /// The channel was down: wakes may have been lost.
    pub(crate) fn wake_all(&self) {
        for notify in self.waiting.lock().values() {
            notify.notify_waiters();
            notify.notify_one();
        }
    }
}

impl Wait {
    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock();
        // The table's and ours: nobody else waits.
        if Arc::strong_count(&self.notify) <= 2 {
            waiting.remove(&self.name);
        }
    }
}
