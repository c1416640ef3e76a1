//! Handlers that a test holds in its hand.
//!
//! Whoever passes a gate is noted down and waits until the gate lets go: so a test sees which jobs run at the same
//! time, in which order they began, and decides when each ends.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use oxherd::{JobContext, Outcome};
use serde_json::Value;
use tokio::sync::{Semaphore, watch};

use crate::scene::PATIENCE;

type Running = Pin<Box<dyn Future<Output = Outcome<Value>> + Send>>;

/// Clones are the same gate.
#[derive(Clone)]
pub(crate) struct Gate {
    permits: Arc<Semaphore>,
    seen: Arc<watch::Sender<Seen>>,
}

#[derive(Clone, Default)]
struct Seen {
    running: usize,
    most: usize,
    started: Vec<String>,
}

impl Gate {
    /// Holds everybody until told otherwise.
    pub(crate) fn closed() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(0)),
            seen: Arc::new(watch::Sender::new(Seen::default())),
        }
    }

    /// Holds nobody: only notes who comes.
    pub(crate) fn opened() -> Self {
        let gate = Self::closed();
        gate.open();
        gate
    }

    /// Lets everybody go from now on.
    pub(crate) fn open(&self) {
        self.let_go(Semaphore::MAX_PERMITS / 2);
    }

    /// Lets so many go.
    pub(crate) fn let_go(&self, count: usize) {
        self.permits.add_permits(count);
    }

    /// What a handler does here: waits, unless the gate is open.
    pub(crate) async fn pass(&self, context: &JobContext) {
        let id = context.id().to_string();
        self.seen.send_modify(|seen| {
            seen.running += 1;
            seen.most = seen.most.max(seen.running);
            seen.started.push(id);
        });
        let _inside = Inside(self);
        self.permits.acquire().await.expect("never closed").forget();
    }

    /// A handler that does nothing else, for `handle_any` and `handle_json`.
    pub(crate) fn handler(&self) -> impl Fn(Value, JobContext) -> Running + Send + Sync + 'static + use<> {
        let gate = self.clone();
        move |_, context| {
            let gate = gate.clone();
            Box::pin(async move {
                gate.pass(&context).await;
                Ok(Value::Null)
            })
        }
    }

    /// Ids of the jobs whose handlers began, in order.
    pub(crate) fn started(&self) -> Vec<String> {
        self.seen.borrow().started.clone()
    }

    /// How many handlers run now.
    pub(crate) fn running(&self) -> usize {
        self.seen.borrow().running
    }

    /// The most handlers that ran at the same time.
    pub(crate) fn most(&self) -> usize {
        self.seen.borrow().most
    }

    /// Waits until exactly so many handlers run.
    pub(crate) async fn until_running(&self, count: usize) {
        self.until(&format!("{count} handlers run"), |seen| seen.running == count)
            .await;
    }

    /// Waits until so many handlers have begun.
    pub(crate) async fn until_started(&self, count: usize) {
        self.until(&format!("{count} handlers have begun"), |seen| {
            seen.started.len() >= count
        })
        .await;
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Seen) -> bool) {
        let mut seen = self.seen.subscribe();
        let waited = tokio::time::timeout(PATIENCE, seen.wait_for(|seen| is_so(seen))).await;
        if waited.is_err() {
            let seen = self.seen.borrow();
            panic!(
                "{what}: not within {PATIENCE:?}; {} run, {} have begun",
                seen.running,
                seen.started.len()
            );
        }
    }
}

/// Counts a handler out, however it ends.
struct Inside<'a>(&'a Gate);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.seen.send_modify(|seen| seen.running -= 1);
    }
}
