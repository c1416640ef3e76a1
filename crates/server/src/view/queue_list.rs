//! The names of all queues. Finding them walks the keyspace, so the answer is kept for a while.
//!
//! At most one walk is under way at a time, and walking takes at most a twentieth of the time: a list is kept for 5 s
//! or for twenty times as long as reading it took. A reader that would have to wait long gets the former list.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use oxherd::{Error, QueueName, Result, Store};

const KEPT_AT_LEAST: Duration = Duration::from_secs(5);
const REST_PER_WALK: u32 = 20;
/// How long a reader waits for a fresh list while there is an old one.
const PATIENCE: Duration = Duration::from_secs(1);

/// Knows the queues of one store.
#[derive(Clone, Debug)]
pub(super) struct QueueList {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    configured: BTreeSet<QueueName>,
    seen: Mutex<Seen>,
    walking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Seen {
    names: BTreeSet<QueueName>,
    fresh_until: Option<Instant>,
}

impl QueueList {
    pub(super) fn new(store: Store, configured: BTreeSet<QueueName>) -> Self {
        let inner = Inner {
            store,
            configured,
            seen: Mutex::default(),
            walking: tokio::sync::Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// All names, sorted.
    pub(super) async fn names(&self) -> Result<Vec<QueueName>> {
        let (is_fresh, was_read) = {
            let seen = self.seen();
            (seen.is_fresh(), seen.fresh_until.is_some())
        };
        if !is_fresh {
            // On its own, since a reader that goes away must not end a walk that others wait for.
            let list = self.clone();
            let walk = tokio::spawn(async move { list.walk().await });
            if was_read {
                // The old list is better than none; that the store is away shows in its health.
                let _ = tokio::time::timeout(PATIENCE, walk).await;
            } else {
                walk.await.map_err(|stopped| Error::Store {
                    operation: "list the queues".to_owned(),
                    source: stopped.into(),
                })??;
            }
        }
        Ok(self.known())
    }

    /// What is known without asking the store: configured, seen or noted.
    pub(super) fn known(&self) -> Vec<QueueName> {
        self.seen().names.union(&self.inner.configured).cloned().collect()
    }

    /// Adds a name that is known to exist.
    pub(super) fn note(&self, name: &QueueName) {
        let mut seen = self.seen();
        if !seen.names.contains(name) {
            seen.names.insert(name.clone());
        }
    }

    async fn walk(&self) -> Result<()> {
        let _alone = self.inner.walking.lock().await;
        if self.seen().is_fresh() {
            return Ok(());
        }
        let started = Instant::now();
        let before = self.seen().names.clone();
        let found: BTreeSet<QueueName> = self.inner.store.queues().await?.into_iter().collect();
        let took = started.elapsed();
        let mut seen = self.seen();
        // What was noted during the walk may lie in a part that was walked before it existed.
        let noted: Vec<_> = seen.names.difference(&before).cloned().collect();
        seen.names = found;
        seen.names.extend(noted);
        seen.fresh_until = Some(Instant::now() + KEPT_AT_LEAST.max(took * REST_PER_WALK));
        Ok(())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.inner.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn is_fresh(&self) -> bool {
        self.fresh_until.is_some_and(|until| Instant::now() < until)
    }
}
