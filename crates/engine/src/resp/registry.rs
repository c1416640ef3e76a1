//! The clients of an endpoint, where the stand-by finds them.
//!
//! A client belongs to the task that serves it; the registry lets the stand-by work on it while that task cannot.
//! When the task ends or is dropped, the client is gone, whoever still looks at its slot.
//! Next: `connection.rs`, `standby.rs`.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::task::Poll;

use parking_lot::Mutex;

use super::connection::{Connection, Turn};

/// One client; empty when it has gone.
pub(super) type Slot = Arc<Mutex<Option<Connection>>>;

/// All clients of an endpoint, by their ids.
#[derive(Default)]
pub(super) struct Registry {
    slots: Mutex<BTreeMap<u64, Slot>>,
}

/// A client in the hands of its task.
pub(super) struct Registered {
    id: u64,
    slot: Slot,
    registry: Arc<Registry>,
}

impl Registry {
    pub(super) fn register(self: &Arc<Self>, id: u64, connection: Connection) -> Registered {
        let slot = Arc::new(Mutex::new(Some(connection)));
        self.slots.lock().insert(id, Arc::clone(&slot));
        Registered {
            id,
            slot,
            registry: Arc::clone(self),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.slots.lock().len()
    }

    /// The clients that came after the one with this id.
    pub(super) fn after(&self, id: u64) -> Vec<(u64, Slot)> {
        let slots = self.slots.lock();
        slots
            .range((Bound::Excluded(id), Bound::Unbounded))
            .map(|(id, slot)| (*id, Arc::clone(slot)))
            .collect()
    }
}

impl Registered {
    /// Serves the client until it leaves, is closed, or the endpoint stops.
    pub(super) async fn serve(self) {
        loop {
            let turn = std::future::poll_fn(|context| {
                let mut slot = self.slot.lock();
                Poll::Ready(slot.as_mut().and_then(|connection| connection.poll_turn(context)))
            });
            let Some(turn) = turn.await else { return };
            match turn {
                Turn::Next => tokio::task::yield_now().await,
                Turn::Idle => {
                    let event = std::future::poll_fn(|context| match self.slot.lock().as_mut() {
                        Some(connection) => connection.poll_event(context).map(|event| event.is_ok()),
                        None => Poll::Ready(false),
                    });
                    if !event.await {
                        return;
                    }
                }
            }
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.registry.slots.lock().remove(&self.id);
        let connection = self.slot.lock().take();
        if let Some(connection) = &connection
            && Arc::strong_count(&self.slot) > 1
        {
            // The stand-by has a duplicate of the socket, which would keep it open.
            connection.stream().shut();
        }
        drop(connection);
    }
}
