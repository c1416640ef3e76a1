//! The server is killed in mid-load, again and again, in turn with whoever then holds the directory: jobs come over HTTP
//! and from another process, and are done by a worker process and by the server itself, which delivers webhooks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oxherd_testkit::eventually;
use redis::cmd;
use serde_json::json;

use crate::http::{Receiver, add};
use crate::scene::{Book, Fleet, PATIENCE, Role, setting};

/// Worked by another process.
const WORK: &str = "work";
/// Delivered by the server.
const HOOKS: &str = "hooks";

/// Adds jobs to both queues over HTTP until told to stop.
struct Client {
    book: Arc<Mutex<Book>>,
    port: u16,
    next: AtomicU64,
    is_over: AtomicBool,
    /// The numbers of accepted webhooks by their ids.
    hooks: Mutex<BTreeMap<String, u64>>,
}

impl Client {
    async fn add_both(self: Arc<Self>) {
        while !self.is_over.load(Ordering::Relaxed) {
            let address = self.book.lock().unwrap().address.clone();
            let Some(address) = address else {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            };
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let job = json!({"name": "over HTTP", "data": {"number": number}});
            if let Some(id) = add(&address, WORK, &job).await {
                assert!(self.book.lock().unwrap().added.insert(id));
            }
            let url = format!("http://127.0.0.1:{}/", self.port);
            let job = json!({"name": "hook", "data": {"url": url, "body": {"number": number}}});
            if let Some(id) = add(&address, HOOKS, &job).await {
                assert_eq!(self.hooks.lock().unwrap().insert(id, number), None);
            }
        }
    }
}

fn settings(fleet: &Fleet, port: u16) -> String {
    format!(
        "store = '{}'\nlisten = '127.0.0.1:0'\n[[webhooks]]\nqueues = ['{HOOKS}']\nconcurrency = 20\n\
         allow_networks = ['127.0.0.0/8']\nallow_ports = [{port}]\nbackoff = ['100ms']\n",
        fleet.store()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_accepted_outlives_its_being_killed() {
    let kills = setting("OXHERD_CHAOS_KILLS", 3);
    let mut fleet = Fleet::new();
    let (receiver, port) = Receiver::start().await;
    let file = fleet.directory.path().join("oxherd.toml");
    std::fs::write(&file, settings(&fleet, port)).unwrap();
    let serve = fleet.start(Role::Serve(file)).await;
    let lock = Duration::from_secs(1);
    let worker = fleet.start(Role::Work { queue: WORK, lock }).await;
    let count = u64::MAX;
    let producer = fleet.start(Role::Add { queue: WORK, count }).await;
    let client = Arc::new(Client {
        book: Arc::clone(&fleet.book),
        port,
        next: AtomicU64::new(0),
        is_over: AtomicBool::new(false),
        hooks: Mutex::default(),
    });
    let clients: Vec<_> = (0..4)
        .map(|_| tokio::spawn(Arc::clone(&client).add_both()))
        .collect();

    for round in 0..kills {
        let progress = || {
            let (book, hooks) = (fleet.book(), client.hooks.lock().unwrap());
            let delivered = receiver.deliveries().len();
            (book.added.len(), book.runs.len(), hooks.len(), delivered)
        };
        let before = progress();
        eventually("everybody is at work", PATIENCE, async || {
            let now = progress();
            now.0 > before.0 + 500 && now.1 > before.1 + 500 && now.2 > before.2 + 50 && now.3 > before.3 + 50
        })
        .await;
        let doomed = if round % 2 == 0 {
            serve
        } else {
            fleet.holder().await
        };
        fleet.kill(doomed).await;
        for queue in [WORK, HOOKS] {
            fleet.assert_whole(queue).await;
        }
        fleet.restart(doomed).await;
    }
    client.is_over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    fleet.end(producer).await;
    bring_back_stalled_deliveries(&mut fleet, serve).await;
    for queue in [WORK, HOOKS] {
        eventually("every job completes", PATIENCE, async || {
            fleet.count(queue, "wait").await + fleet.count(queue, "active").await == 0
        })
        .await;
    }

    let (work, hooks) = (fleet.all_completed(WORK).await, fleet.all_completed(HOOKS).await);
    let given_up = fleet.failed(HOOKS).await;
    fleet.end(worker).await;
    let book = fleet.book();
    let lost: Vec<_> = book.added.iter().filter(|id| !work.contains(*id)).collect();
    assert!(lost.is_empty(), "accepted and lost: {lost:?}");
    let never: Vec<_> = work.iter().filter(|id| !book.runs.contains_key(*id)).collect();
    assert!(never.is_empty(), "completed without a run: {never:?}");
    let (accepted, deliveries) = (client.hooks.lock().unwrap(), receiver.deliveries());
    let lost: Vec<_> = accepted
        .keys()
        .filter(|id| !hooks.contains(*id) && !given_up.contains(*id))
        .collect();
    assert!(lost.is_empty(), "webhooks accepted and lost: {lost:?}");
    let never: Vec<_> = hooks
        .iter()
        .filter_map(|id| accepted.get(id))
        .filter(|number| !deliveries.contains_key(number))
        .collect();
    assert!(
        never.is_empty(),
        "webhooks completed and not delivered: {never:?}"
    );
    let again = |times: &mut dyn Iterator<Item = &u32>| times.filter(|times| **times > 1).count();
    println!(
        "{kills} kills; {} jobs acknowledged, {} completed, {} of them after more than one run; {} webhooks accepted, {} \
         completed, {} given up, {} delivered more than once",
        book.added.len(),
        work.len(),
        again(&mut book.runs.values()),
        accepted.len(),
        hooks.len(),
        given_up.len(),
        again(&mut deliveries.values()),
    );
}

/// What the server had under way when it was killed stays locked for 30 s, and is found at the second look after that,
/// which is another 30 s away; a start is a look too.
async fn bring_back_stalled_deliveries(fleet: &mut Fleet, serve: usize) {
    eventually("only stalled deliveries are left", PATIENCE, async || {
        let looks = [
            fleet.count(HOOKS, "wait").await,
            fleet.count(HOOKS, "delayed").await,
        ];
        looks == [0, 0]
    })
    .await;
    for _ in 0..2 {
        let mut forgotten = cmd("EVAL");
        forgotten.arg(
            "for _, pattern in ipairs({'bull:hooks:*:lock', 'bull:hooks:stalled-check'}) do \
             for _, key in ipairs(redis.call('KEYS', pattern)) do redis.call('DEL', key) end end",
        );
        fleet.kill(serve).await;
        fleet.ask::<redis::Value>(forgotten.arg(0)).await;
        fleet.restart(serve).await;
        eventually("the server looks for stalled deliveries", PATIENCE, async || {
            fleet
                .ask::<bool>(cmd("EXISTS").arg("bull:hooks:stalled-check"))
                .await
        })
        .await;
    }
}
