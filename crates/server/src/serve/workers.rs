//! The workers that the server runs itself: shown in the view, counted in the metrics, stopped together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use oxherd::{StopReport, Worker, WorkerStopper};

use crate::app::App;
use crate::view::WorkerStatus;

/// A worker as long as it works, and what it last was while it stops.
#[derive(Debug)]
enum Slot {
    Working(Box<Worker>),
    Stopping(WorkerStatus),
}

/// All workers of one server.
#[derive(Debug, Default)]
pub(super) struct RunningWorkers {
    slots: Vec<Arc<Mutex<Slot>>>,
}

impl RunningWorkers {
    /// Takes a started worker: from now on the view shows it and the metrics count what it does.
    pub(super) fn enter(&mut self, app: &App, worker: Worker) {
        let (mut events, metrics) = (worker.events(), app.metrics.clone());
        let queue = worker.queue().to_string();
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                metrics.heard(&queue, &event);
            }
        });
        let slot = Arc::new(Mutex::new(Slot::Working(Box::new(worker))));
        let shown = Arc::clone(&slot);
        app.view.workers().enter(move || match &*locked(&shown) {
            Slot::Working(worker) => status(worker),
            Slot::Stopping(last) => last.clone(),
        });
        self.slots.push(slot);
    }

    /// Handles that end a stop under way.
    pub(super) fn stoppers(&self) -> Vec<WorkerStopper> {
        let stopper = |slot: &Arc<Mutex<Slot>>| match &*locked(slot) {
            Slot::Working(worker) => Some(worker.stopper()),
            Slot::Stopping(_) => None,
        };
        self.slots.iter().filter_map(stopper).collect()
    }

    /// Stops all of them side by side.
    pub(super) async fn stop(self, grace: Duration) -> StopReport {
        let working = self.slots.iter().filter_map(|slot| {
            let mut slot = locked(slot);
            let Slot::Working(worker) = &*slot else {
                return None;
            };
            let last = WorkerStatus {
                is_taking: false,
                ..status(worker)
            };
            match std::mem::replace(&mut *slot, Slot::Stopping(last)) {
                Slot::Working(worker) => Some(*worker),
                Slot::Stopping(_) => None,
            }
        });
        let workers: Vec<Worker> = working.collect();
        let reports = join_all(workers.into_iter().map(|worker| worker.stop(grace))).await;
        let mut total = StopReport::default();
        for report in reports {
            total.finished += report.finished;
            total.given_back += report.given_back;
            total.unreported += report.unreported;
        }
        total
    }
}

fn status(worker: &Worker) -> WorkerStatus {
    let health = worker.health();
    WorkerStatus {
        queue: health.queue,
        name: health.name,
        concurrency: health.concurrency,
        running: health.running,
        is_taking: health.is_taking,
        is_listening: health.is_listening,
        last_exchange_ms: health
            .last_exchange
            .map(|ago| ago.as_millis().try_into().unwrap_or(u64::MAX)),
        trouble: health.trouble,
    }
}

fn locked(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}
