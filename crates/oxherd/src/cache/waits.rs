//! Those who wait for another process's load, by the name of its lease.
//!
//! Whoever ends a lease on which somebody waits publishes its name; every process wakes its own. A wake that is lost costs time
//! and nothing else: waits end with the lease at the latest. Next: `loading.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

type Waiting = Arc<Mutex<BTreeMap<Vec<u8>, watch::Sender<()>>>>;

/// Who waits for what; in an order, so that a simulation repeats itself.
#[derive(Debug, Default)]
pub(crate) struct Waits(Waiting);

/// A place in the queue for one name; taken before the store is told that somebody waits, so that no wake is missed.
#[derive(Debug)]
pub(crate) struct Wait {
    waiting: Waiting,
    name: Vec<u8>,
    /// Gone only while it is dropped.
    woken: Option<watch::Receiver<()>>,
}

impl Waits {
    pub(crate) fn on(&self, name: Vec<u8>) -> Wait {
        let woken = self.0.lock().entry(name.clone()).or_default().subscribe();
        Wait {
            waiting: Arc::clone(&self.0),
            name,
            woken: Some(woken),
        }
    }

    pub(crate) fn wake(&self, name: &[u8]) {
        if let Some(wake) = self.0.lock().get(name) {
            wake.send_replace(());
        }
    }

    /// The channel was down: wakes may have been lost.
    pub(crate) fn wake_all(&self) {
        for wake in self.0.lock().values() {
            wake.send_replace(());
        }
    }
}

impl Wait {
    /// Waits for a wake since the last one, or since it was made.
    pub(crate) async fn woken(&mut self) {
        // The sender is there as long as somebody waits.
        if let Some(woken) = &mut self.woken
            && woken.changed().await.is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock();
        // Under the lock, so that of two who leave at once the second sees that nobody is left.
        self.woken = None;
        if waiting
            .get(&self.name)
            .is_some_and(|wake| wake.receiver_count() == 0)
        {
            waiting.remove(&self.name);
        }
    }
}
