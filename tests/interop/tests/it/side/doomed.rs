//! A worker in a process of its own that takes a job, never ends it, and is killed.

use std::time::Duration;

use oxherd_interop::{Holder, Peer};
use oxherd_testkit::eventually;
use serde_json::json;

use super::{Handler, Program, Side};
use crate::scene::{PATIENCE, QUEUE};

/// BullMQ's default: long enough that only the script ends a lock.
const LOCK: Duration = Duration::from_secs(30);

pub(crate) enum Doomed {
    Node(Peer),
    Oxherd(Holder),
}

impl Doomed {
    /// SIGKILL: what it holds stays locked and active.
    pub(crate) async fn kill(self) {
        match self {
            Self::Node(peer) => peer.kill().await,
            Self::Oxherd(holder) => holder.kill().await,
        }
    }
}

impl Side {
    pub(crate) async fn start_doomed(&self, queue: &str, stalled_interval: Duration) -> Doomed {
        match self.program {
            Program::Node => {
                let peer = Peer::start(&self.scene.url_for_node()).await;
                let options = json!({"stalledInterval": stalled_interval.as_millis() as u64});
                let start = json!({
                    "worker": "doomed", "queue": queue, "handler": Handler::Hold.for_node(), "options": options,
                });
                peer.call("worker.start", start).await;
                Doomed::Node(peer)
            }
            Program::Oxherd => {
                let program = env!("CARGO_BIN_EXE_holder");
                let url = self.scene.store.url();
                Doomed::Oxherd(Holder::start(program, &url, queue, 1, LOCK, stalled_interval))
            }
        }
    }

    /// Waits until some worker holds the job.
    pub(crate) async fn until_started(&self, id: &str) {
        let lock = format!("bull:{QUEUE}:{id}:lock");
        eventually("a worker takes the job", PATIENCE, async || {
            self.scene.ask::<u8>(&["EXISTS", &lock]).await == 1
        })
        .await;
    }

    /// Waits until the job was found stalled so many times.
    pub(crate) async fn until_stalled(&self, id: &str, times: u64) {
        let key = format!("bull:{QUEUE}:{id}");
        eventually("the job is found stalled", PATIENCE, async || {
            self.scene.ask::<Option<u64>>(&["HGET", &key, "stc"]).await == Some(times)
        })
        .await;
    }
}
