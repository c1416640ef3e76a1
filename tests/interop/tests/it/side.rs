//! One script, run by Node alone on a Redis, by Oxherd alone on another and by Oxherd in a directory, and the keys
//! compared.
//!
//! A script adds, works and changes through a [`Side`], and says at which points the keys must be equal. Each side
//! has a store of its own, so ids and counters agree. Flows and deduplicated jobs are added by Node on both sides:
//! Oxherd processes them, it has no call that adds them.
//! Next: `side/operations.rs` (adding and changing), `side/worker.rs` (what the workers of both sides do),
//! `side/doomed.rs` (workers that are killed).

mod doomed;
mod operations;
mod worker;

use oxherd::Worker;
use oxherd_interop::keys;
use oxherd_testkit::{TestStore, eventually};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::scene::{PATIENCE, QUEUE, Scene, stop};
pub(crate) use worker::{Handler, Settings};

/// Runs the script on all sides and compares the keys at every point it names.
pub(crate) async fn leaves_the_same_keys(script: impl AsyncFn(&mut Side)) {
    let mut node = Side::new(Program::Node, TestStore::on_redis().await).await;
    script(&mut node).await;
    assert!(!node.points.is_empty(), "the script compares nothing");
    for store in [TestStore::on_redis().await, TestStore::on_disk()] {
        let place = store.product();
        let mut oxherd = Side::new(Program::Oxherd, store).await;
        script(&mut oxherd).await;
        assert_eq!(node.points.len(), oxherd.points.len());
        let mut text = String::new();
        for ((point, node), (_, oxherd)) in node.points.iter().zip(&oxherd.points) {
            let differences = keys::differences(node, oxherd);
            if !differences.is_empty() {
                text.push_str(&format!("\n── {point} ──\n{differences}"));
            }
        }
        assert!(
            text.is_empty(),
            "Node and Oxherd on {place} left different keys:\n{text}"
        );
    }
}

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Node,
    Oxherd,
}

pub(crate) struct Side {
    pub(crate) program: Program,
    pub(crate) scene: Scene,
    points: Vec<(&'static str, Value)>,
}

/// A worker of either program.
pub(crate) struct Working {
    queue: String,
    worker: Running,
}

enum Running {
    Node(String),
    Oxherd(Worker, watch::Sender<bool>),
}

impl Side {
    async fn new(program: Program, store: TestStore) -> Self {
        Self {
            program,
            scene: Scene::new(store).await,
            points: Vec::new(),
        }
    }

    /// Starts a worker that runs one job at a time.
    pub(crate) async fn start(&self, queue: &str, handler: Handler, settings: Settings) -> Working {
        let worker = match self.program {
            Program::Node => {
                let worker = format!("worker of {queue}");
                let start = json!({
                    "worker": worker, "queue": queue, "handler": handler.for_node(), "options": settings.for_node(),
                });
                self.scene.peer.call("worker.start", start).await;
                Running::Node(worker)
            }
            Program::Oxherd => {
                let (release, released) = watch::channel(false);
                let queue = self.scene.oxherd.queue(queue).unwrap();
                let worker = settings.apply(Worker::on(&queue));
                let worker =
                    worker.handle_any(move |data, context| handler.run(data, context, released.clone()));
                Running::Oxherd(worker.start().await.unwrap(), release)
            }
        };
        // Its first look for stalled jobs is over, so a job it takes now is in no set of suspects.
        let checked = format!("bull:{queue}:stalled-check");
        if settings.stalled_interval.is_none() {
            eventually("the worker looks for stalled jobs", PATIENCE, async || {
                self.scene.ask::<u8>(&["EXISTS", &checked]).await == 1
            })
            .await;
        }
        Working {
            queue: queue.to_owned(),
            worker,
        }
    }

    /// Lets held jobs end, and stops the worker.
    pub(crate) async fn stop(&self, working: Working) {
        self.release(&working).await;
        match working.worker {
            Running::Node(worker) => {
                self.scene
                    .peer
                    .call("worker.stop", json!({"worker": worker}))
                    .await;
            }
            Running::Oxherd(worker, _) => stop(worker).await,
        }
        self.scene.until_listening(0).await;
        // A popped marker that a stopping Oxherd worker has no use for goes back, for others; Node's is gone.
        self.scene
            .ask::<u8>(&["DEL", &format!("bull:{}:marker", working.queue)])
            .await;
    }

    /// Lets held jobs end.
    pub(crate) async fn release(&self, working: &Working) {
        match &working.worker {
            Running::Node(worker) => {
                self.scene
                    .peer
                    .call("worker.release", json!({"worker": worker}))
                    .await;
            }
            Running::Oxherd(_, release) => {
                release.send_replace(true);
            }
        }
    }

    /// Starts a worker on the queue, waits until it has nothing left to do, and notes the keys.
    pub(crate) async fn work(&mut self, handler: Handler, settings: Settings, point: &'static str) {
        let working = self.start(QUEUE, handler, settings).await;
        self.until_idle(QUEUE).await;
        self.compare(point).await;
        self.stop(working).await;
    }

    /// Waits until no job is in line or active and the idle worker has popped the last marker.
    pub(crate) async fn until_idle(&self, queue: &str) {
        eventually("the worker runs out of work", PATIENCE, async || {
            self.is_idle(queue).await
        })
        .await;
    }

    async fn is_idle(&self, queue: &str) -> bool {
        let key = |part: &str| format!("bull:{queue}:{part}");
        let mut pipe = redis::pipe();
        pipe.atomic()
            .cmd("EXISTS")
            .arg(key("wait"))
            .arg(key("active"))
            .arg(key("prioritized"))
            .arg(key("marker"));
        let (left,): (u8,) = pipe
            .query_async(&mut self.scene.store.connection().await)
            .await
            .unwrap();
        left == 0
    }

    /// Waits until so many jobs are active.
    pub(crate) async fn until_active(&self, queue: &str, count: usize) {
        let active = format!("bull:{queue}:active");
        eventually(&format!("{count} jobs are active"), PATIENCE, async || {
            self.scene.ask::<usize>(&["LLEN", &active]).await == count
        })
        .await;
    }

    /// Waits until the queue rests and the job that asked for it is in line again, with a marker for whoever may.
    pub(crate) async fn until_put_back(&self, queue: &str) {
        let key = |part: &str| format!("bull:{queue}:{part}");
        let (wait, limiter, marker) = (key("wait"), key("limiter"), key("marker"));
        eventually("the job is put back", PATIENCE, async || {
            self.scene.ask::<u8>(&["EXISTS", &wait, &limiter, &marker]).await == 3
        })
        .await;
    }

    /// At this point the keys of both sides must be equal. Nothing may be under way.
    pub(crate) async fn compare(&mut self, point: &'static str) {
        let dump = keys::dump(&self.scene.peer).await;
        self.points.push((point, keys::normalised(&dump)));
    }
}
