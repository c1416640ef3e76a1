//! Processes that report, come and go, on a store whose clock the test moves as well.

use std::sync::atomic::{AtomicU64, Ordering};

use oxherd_engine::{Engine, Options};

use super::*;
use crate::cache::Fleet;
use crate::cache::stats::Recorder;
use crate::clock::ManualClock;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A store and the processes on it, all with the same time.
struct Scene {
    store: Store,
    engine: Engine,
    clock: Clock,
    hands: (ManualClock, oxherd_engine::ManualClock),
}

fn scene() -> Scene {
    let (clock, hand) = Clock::manual(Timestamp::from_millis(1_000_000_000));
    let epoch = std::time::UNIX_EPOCH + Duration::from_millis(1_000_000_000);
    let (engine_clock, engine_hand) = oxherd_engine::Clock::manual(epoch);
    let engine = Options::default().clock(engine_clock).start();
    Scene {
        store: Store::on_engine(engine.clone(), &"memory:".parse().unwrap()),
        engine,
        clock,
        hands: (hand, engine_hand),
    }
}

/// A process with one namespace.
struct Process {
    recorder: Recorder,
    reporter: Reporter,
    evictions: u64,
}

impl Scene {
    fn process(&self) -> Process {
        Process {
            recorder: Recorder::new(self.clock.clone()),
            reporter: Reporter::new(self.store.clone(), self.clock.clone()),
            evictions: 0,
        }
    }

    fn advance(&self, time: Duration) {
        self.hands.0.advance(time);
        self.hands.1.advance(time);
    }

    async fn fleet(&self) -> Fleet {
        Fleet::read(&self.store).await.unwrap()
    }

    async fn misses(&self) -> u64 {
        self.fleet().await.totals["products@1"].misses
    }

    async fn tell(&self, command: &[&str]) -> redis::Value {
        let mut cmd = Cmd::new();
        cmd.arg(command);
        cmd.query_async(&mut self.store.shared()).await.unwrap()
    }

    async fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = redis::from_redis_value(self.tell(&["KEYS", "*"]).await).unwrap();
        keys.sort();
        keys
    }
}

fn present(recorder: &Recorder, evictions: u64) -> Present {
    let local = LocalStats {
        evictions,
        ..LocalStats::default()
    };
    let opened = Opened {
        settings: serde_json::json!({"ttlMs": 5}),
        entry_life: Duration::from_secs(60),
    };
    Present {
        channel: "tracking",
        breaker: "closed",
        stats: CacheStats {
            namespaces: [("products@1".to_owned(), recorder.snapshot(LocalStats::default()))].into(),
            local,
        },
        open: [("products@1".to_owned(), opened)].into(),
    }
}

impl Process {
    fn misses(&self, count: u64) {
        (0..count).for_each(|_| self.recorder.missed("acme:7:", None));
    }

    async fn tell(&mut self) -> bool {
        let present = present(&self.recorder, self.evictions);
        self.reporter.tell(present).await.unwrap()
    }
}

#[tokio::test]
async fn what_processes_report_adds_up() {
    let scene = scene();
    for misses in [3, 4] {
        let mut process = scene.process();
        process.misses(misses);
        assert!(process.tell().await);
    }
    let fleet = scene.fleet().await;
    assert_eq!(fleet.processes.len(), 2);
    assert_eq!(fleet.processes[0].pid, std::process::id());
    assert_eq!(fleet.namespaces["products@1"]["ttlMs"], 5);
    let stats = fleet.stats();
    assert_eq!(stats.namespaces["products@1"].counts.misses, 7);
    assert_eq!(stats.namespaces["products@1"].top.keys[0].reads, 7);
}

#[tokio::test]
async fn totals_go_on_when_a_process_ends_and_another_begins() {
    let scene = scene();
    let mut first = scene.process();
    first.misses(3);
    first.evictions = 2;
    first.tell().await;
    assert_eq!(scene.misses().await, 3);
    scene.advance(LIFE + EVERY);
    assert_eq!(scene.fleet().await.processes, []);
    assert_eq!(scene.misses().await, 3, "nobody lives");
    let mut second = scene.process();
    second.evictions = 5;
    second.tell().await;
    assert_eq!(scene.misses().await, 3, "the second has counted nothing yet");
    second.misses(4);
    second.tell().await;
    assert_eq!((scene.misses().await, scene.fleet().await.evictions), (7, 7));
}

#[tokio::test]
async fn a_process_that_was_silent_for_long_is_not_counted_twice() {
    let scene = scene();
    let mut process = scene.process();
    process.misses(3);
    process.tell().await;
    scene.advance(COUNTED * 3);
    process.misses(1);
    process.tell().await;
    assert_eq!(scene.misses().await, 4);
    // Nor when the store forgot how far it had counted.
    scene
        .tell(&[
            "DEL",
            &format!("bull:cache:{{products@1}}:p:{}:", process.reporter.process),
        ])
        .await;
    process.misses(1);
    process.tell().await;
    assert_eq!(scene.misses().await, 5);
}

#[tokio::test]
async fn a_report_whose_answer_was_lost_is_counted_once() {
    let scene = scene();
    let mut process = scene.process();
    process.misses(3);
    process.tell().await;
    // The process knows nothing of an answer, and tells all of it again.
    process.reporter.confirmed.clear();
    process.misses(2);
    process.tell().await;
    assert_eq!(scene.misses().await, 5);
}

#[tokio::test]
async fn a_store_that_fell_back_to_an_older_copy_catches_up() {
    let scene = scene();
    let mut process = scene.process();
    process.misses(3);
    process.tell().await;
    let counted = format!("bull:cache:{{products@1}}:p:{}:", process.reporter.process);
    process.misses(4);
    process.tell().await;
    for key in ["bull:cache:{products@1}:c", &counted] {
        scene.tell(&["HSET", key, "misses", "3"]).await;
    }
    scene.advance(ALIVE);
    process.tell().await;
    assert_eq!(scene.misses().await, 7);
}

#[tokio::test]
async fn totals_begin_anew_with_an_emptied_store() {
    let scene = scene();
    let mut process = scene.process();
    process.misses(3);
    process.tell().await;
    scene.tell(&["FLUSHALL"]).await;
    process.misses(1);
    process.tell().await;
    assert_eq!(
        scene.misses().await,
        1,
        "what was counted before the flush is not counted after it"
    );
}

#[tokio::test]
async fn nothing_is_written_while_nothing_happens_but_for_a_sign_of_life() {
    let scene = scene();
    let mut process = scene.process();
    assert!(process.tell().await);
    scene.advance(EVERY);
    assert!(!process.tell().await);
    process.recorder.local_hit();
    assert!(process.tell().await);
    scene.advance(ALIVE);
    assert!(process.tell().await);
}

#[tokio::test]
async fn a_process_that_ended_leaves_nothing_but_its_share_of_the_totals() {
    let scene = scene();
    let mut ended = scene.process();
    ended.tell().await;
    scene.advance(LIFE / 2);
    assert_eq!(scene.fleet().await.processes.len(), 1);
    scene.advance(LIFE);
    let fleet = scene.fleet().await;
    assert!(fleet.processes.is_empty());
    assert_eq!(
        fleet.stats().namespaces["products@1"].counts.reads(),
        0,
        "the namespace is still known"
    );
    scene.advance(COUNTED);
    let mut other = scene.process();
    other.tell().await;
    let known: Vec<String> = redis::from_redis_value(
        scene
            .tell(&["ZRANGE", "bull:cache:{all}:processes", "0", "-1"])
            .await,
    )
    .unwrap();
    assert_eq!(known, [other.reporter.process.clone()]);
}

#[tokio::test]
async fn a_namespace_that_nobody_has_open_is_forgotten_after_a_month() {
    let scene = scene();
    // As the scripts of the cache make them.
    for name in ["n", "s"] {
        scene
            .tell(&["SET", &format!("bull:cache:{{products@1}}:{name}"), "12345678"])
            .await;
    }
    let mut process = scene.process();
    process.misses(1);
    process.tell().await;
    for _ in 0..4 {
        scene.advance(DAY * 20);
        process.tell().await;
        assert_eq!(scene.misses().await, 1, "who has it open keeps it");
        assert!(
            scene
                .keys()
                .await
                .contains(&"bull:cache:{products@1}:n".to_owned())
        );
    }
    scene.advance(DAY * 14);
    assert!(scene.fleet().await.namespaces.contains_key("products@1"));
    scene.advance(DAY * 17);
    assert_eq!(scene.fleet().await, Fleet::default());
    scene.engine.tick();
    assert_eq!(scene.keys().await, ["bull:cache:{all}:namespaces"]);
}

#[tokio::test]
async fn entries_that_live_long_keep_their_namespace() {
    let scene = scene();
    let mut process = scene.process();
    let mut seen = present(&process.recorder, 0);
    seen.open.get_mut("products@1").unwrap().entry_life = DAY * 100;
    process.reporter.tell(seen).await.unwrap();
    scene.advance(DAY * 199);
    assert!(scene.fleet().await.namespaces.contains_key("products@1"));
    scene.advance(DAY * 2);
    assert_eq!(scene.fleet().await, Fleet::default());
}

#[tokio::test]
async fn the_task_reports_by_the_clock_and_ends_with_what_it_looks_at() {
    let scene = scene();
    let recorder = Arc::new(Recorder::new(scene.clock.clone()));
    let (looks, weak) = (Arc::new(AtomicU64::new(0)), Arc::downgrade(&recorder));
    let counted = Arc::clone(&looks);
    let reporting = Reporter::new(scene.store.clone(), scene.clock.clone()).start(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Some(present(&*weak.upgrade()?, 0))
    });
    while looks.load(Ordering::SeqCst) < 3 {
        scene.advance(EVERY);
        tokio::task::yield_now().await;
    }
    assert_eq!(scene.fleet().await.processes.len(), 1);
    drop(recorder);
    while !reporting.is_over.load(Ordering::SeqCst) {
        scene.advance(EVERY);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn garbage_among_the_reports_is_passed_over() {
    let scene = scene();
    scene
        .tell(&["ZADD", "bull:cache:{all}:processes", "1", "stranger"])
        .await;
    scene.tell(&["SET", "bull:cache:{all}:r:stranger:", "{"]).await;
    scene
        .tell(&["ZADD", "bull:cache:{all}:namespaces", "1", "gone@1"])
        .await;
    assert_eq!(scene.fleet().await, Fleet::default());
}

#[test]
fn reports_go_on_in_another_runtime_when_theirs_has_ended() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let looks = Arc::new(AtomicU64::new(0));
    let scene = scene();
    let recorder = Recorder::new(scene.clock.clone());
    let counted = Arc::clone(&looks);
    let reporter = Reporter::new(scene.store.clone(), scene.clock.clone());
    let first = runtime();
    let reporting = first.block_on(async {
        let reporting = reporter.start(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Some(present(&recorder, 0))
        });
        while looks.load(Ordering::SeqCst) < 1 {
            tokio::task::yield_now().await;
        }
        reporting
    });
    drop(first);
    runtime().block_on(async {
        reporting.go_on();
        while looks.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
    });
}
