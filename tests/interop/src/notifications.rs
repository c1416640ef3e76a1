//! What a peer reports of its own accord, in order, from the moment somebody listens.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// Receives a peer's notifications; see `node/peer.mjs` for their kinds.
#[derive(Debug)]
pub struct Notifications {
    received: mpsc::UnboundedReceiver<Value>,
}

impl Notifications {
    pub(crate) fn new(received: mpsc::UnboundedReceiver<Value>) -> Self {
        Self { received }
    }

    /// The next one; `None` when the peer has ended.
    pub async fn next(&mut self) -> Option<Value> {
        self.received.recv().await
    }

    /// Everything up to and including the first that is the last one `what` waits for.
    ///
    /// # Panics
    /// When it does not come within the deadline, when the peer ends, or when something failed in the peer; the
    /// message shows what came instead.
    pub async fn until(
        &mut self,
        what: &str,
        deadline: Duration,
        mut is_last: impl FnMut(&Value) -> bool,
    ) -> Vec<Value> {
        let end = Instant::now() + deadline;
        let mut seen = Vec::new();
        loop {
            match timeout_at(end, self.next()).await {
                Ok(Some(notification)) => {
                    assert_ne!(
                        notification["event"], "peerError",
                        "{what}: node failed: {notification}"
                    );
                    let is_last = is_last(&notification);
                    seen.push(notification);
                    if is_last {
                        return seen;
                    }
                }
                Ok(None) => panic!("{what}: the peer ended after {}", shown(&seen)),
                Err(_) => panic!("{what}: not within {deadline:?}; what came: {}", shown(&seen)),
            }
        }
    }
}

fn shown(seen: &[Value]) -> String {
    let lines: String = seen
        .iter()
        .map(|notification| format!("\n  {notification}"))
        .collect();
    if lines.is_empty() {
        "nothing".to_owned()
    } else {
        lines
    }
}
