//! Locks among processes: one holder at a time, numbers that grow, and what becomes of holders that die or sleep.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use oxherd::lock::{Lock, LockGuard};
use oxherd::{Error, Oxherd};
use oxherd_testkit::{FaultProxy, RedisServer, contains, eventually};

use crate::scene::{PATIENCE, Scene, on_every_store};

const LEASE: &str = "bull:lock:{l}:l";
const FENCE: &str = "bull:lock:{l}:f";
const SHORT: Duration = Duration::from_millis(200);

fn lock(oxherd: &Oxherd) -> Lock {
    oxherd.lock("l").wait(PATIENCE)
}

async fn take(oxherd: &Oxherd) -> LockGuard {
    lock(oxherd)
        .try_acquire()
        .await
        .unwrap()
        .expect("the lock is free")
}

async fn is_taken(oxherd: &Oxherd) -> bool {
    lock(oxherd).try_acquire().await.unwrap().is_none()
}

/// Waits until somebody waits for the lock, and hears.
async fn until_awaited(scene: &Scene) {
    eventually("somebody waits", PATIENCE, async || {
        let heard: (String, u64) = scene.ask(&["PUBSUB", "NUMSUB", "bull:lock:wake"]).await;
        scene.ask::<usize>(&["STRLEN", LEASE]).await == 17 && heard.1 > 0
    })
    .await;
}

/// A holder in a runtime of its own, which ends without a word: as a process that is killed.
async fn die_holding(oxherd: &Oxherd, term: Duration) -> u64 {
    let lock = lock(oxherd).term(term);
    let life = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let guard = runtime.block_on(lock.acquire()).unwrap();
        drop(runtime);
        let fence = guard.fence();
        std::mem::forget(guard);
        fence
    });
    life.await.unwrap()
}

on_every_store! {
    async fn a_lock_has_one_holder_at_a_time(scene: Scene) {
        let other = scene.other_process().await;
        let held = lock(&scene.oxherd).owner("first").try_acquire().await.unwrap().unwrap();
        assert!(is_taken(&other).await);
        assert!(is_taken(&scene.oxherd).await, "also within a process");
        let error = lock(&other).wait(Duration::ZERO).acquire().await.unwrap_err();
        let Error::LockBusy { lock, owner, remaining } = &error else { panic!("{error}") };
        assert_eq!((lock.as_str(), owner.as_str()), ("l", "first"));
        assert!(*remaining <= Duration::from_secs(30) && *remaining > Duration::from_secs(9), "{remaining:?}");
        assert!(error.to_string().contains("held by \"first\""), "{error}");
        held.release().await.unwrap();
        let next = take(&other).await;
        assert!(!scene.oxherd.lock("another").try_acquire().await.unwrap().unwrap().is_lost());
        next.release().await.unwrap();
    }
}

on_every_store! {
    async fn a_dropped_guard_releases_the_lock(scene: Scene) {
        let other = scene.other_process().await;
        drop(take(&scene.oxherd).await);
        eventually("the lock is free", PATIENCE, async || !is_taken(&other).await).await;
    }
}

on_every_store! {
    async fn who_waits_is_told_of_the_release(scene: Scene) {
        let processes = [scene.other_process().await, scene.other_process().await];
        let mut held = take(&processes[0]).await;
        let began = Instant::now();
        for round in 1..=20 {
            let next = lock(&processes[round % 2]);
            let waiting = tokio::spawn(async move { next.acquire().await });
            until_awaited(&scene).await;
            held.release().await.unwrap();
            held = waiting.await.unwrap().unwrap();
        }
        // By looking from time to time alone, each would take half a second.
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    }
}

on_every_store! {
    async fn never_two_are_inside(scene: Scene) {
        let processes = [scene.other_process().await, scene.other_process().await];
        let inside = Arc::new(AtomicU32::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..10 {
            let lock = lock(&processes[task % 2]);
            let inside = Arc::clone(&inside);
            tasks.spawn(async move {
                let mut fences = Vec::new();
                for _ in 0..5 {
                    let held = lock.acquire().await.unwrap();
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    tokio::task::yield_now().await;
                    assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
                    fences.push(held.fence());
                    held.release().await.unwrap();
                }
                fences
            });
        }
        let mut fences = tasks.join_all().await.concat();
        fences.sort_unstable();
        fences.dedup();
        assert_eq!(fences.len(), 50, "each holder has a number of its own");
    }
}

on_every_store! {
    async fn a_holder_that_dies_is_followed_after_its_term(scene: Scene) {
        let other = scene.other_process().await;
        let began = Instant::now();
        let dead = die_holding(&other, SHORT).await;
        let next = lock(&scene.oxherd).acquire().await.unwrap();
        assert!(began.elapsed() >= SHORT, "{:?}", began.elapsed());
        assert!(next.fence() > dead);
    }
}

on_every_store! {
    async fn a_holder_that_lives_keeps_the_lock_beyond_its_term(scene: Scene) {
        let other = scene.other_process().await;
        let held = lock(&scene.oxherd).term(SHORT).acquire().await.unwrap();
        let error = lock(&other).wait(5 * SHORT).acquire().await.unwrap_err();
        assert!(matches!(error, Error::LockBusy { .. }), "{error}");
        assert!(!held.is_lost());
        assert!(held.remaining() <= SHORT);
        held.release().await.unwrap();
    }
}

on_every_store! {
    async fn a_holder_that_sleeps_past_its_term_sees_that_it_lost_the_lock(scene: Scene) {
        let sleeper = lock(&scene.oxherd).term(SHORT);
        let (wake, sleep) = std::sync::mpsc::channel::<()>();
        let (tell, told) = tokio::sync::oneshot::channel();
        let thread = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let held = sleeper.acquire().await.unwrap();
                tell.send(held.fence()).unwrap();
                // Nothing runs on this runtime meanwhile, also no renewal.
                sleep.recv().unwrap();
                assert!(held.is_lost());
                assert_eq!(held.remaining(), Duration::ZERO);
                let error = held.run(async { panic!("this must not run any more") }).await.unwrap_err();
                assert!(matches!(&error, Error::LockLost { lock } if lock == "l"), "{error}");
                held.lost().await;
                let error = held.release().await.unwrap_err();
                assert!(matches!(error, Error::LockLost { .. }), "{error}");
            });
        });
        let first = told.await.unwrap();
        let other = scene.other_process().await;
        let held = lock(&other).acquire().await.unwrap();
        assert!(held.fence() > first);
        wake.send(()).unwrap();
        thread.await.unwrap();
        assert!(!held.is_lost(), "the late release was not of this lock");
        assert!(is_taken(&scene.oxherd).await);
    }
}

on_every_store! {
    async fn a_lock_is_kept_beside_a_holder_that_blocks_one_thread_of_several(scene: Scene) {
        for waits_first in [false, true] {
            let lock = lock(&scene.oxherd).term(Duration::from_secs(2));
            let holder = tokio::spawn(async move {
                let held = lock.acquire().await.unwrap();
                if waits_first {
                    // Whoever wakes up for the end of the wait serves the timers of this runtime, and goes on here.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                std::thread::sleep(Duration::from_secs(3));
                assert!(!held.is_lost(), "{waits_first}");
                held.release().await
            });
            holder.await.unwrap().unwrap();
        }
    }
}

on_every_store! {
    async fn work_is_cancelled_when_the_lock_is_taken_away(scene: Scene) {
        let held = lock(&scene.oxherd).term(Duration::from_millis(300)).acquire().await.unwrap();
        assert_eq!(held.run(async { 7 }).await.unwrap(), 7);
        scene.tell(&format!("DEL {LEASE}")).await;
        let error = held.run(std::future::pending::<()>()).await.unwrap_err();
        assert!(matches!(error, Error::LockLost { .. }), "{error}");
        let error = held.release().await.unwrap_err();
        assert!(matches!(error, Error::LockLost { .. }), "{error}");
    }
}

on_every_store! {
    async fn numbers_grow_whatever_becomes_of_the_counter(scene: Scene) {
        let mut last = 0;
        let mut next = async |before: &str| {
            scene.tell(before).await;
            let held = take(&scene.oxherd).await;
            assert!(held.fence() > last, "{} after {last}", held.fence());
            last = held.fence();
            held.release().await.unwrap();
            last
        };
        next("PING").await;
        next("PING").await;
        next(&format!("DEL {FENCE}")).await;
        next(&format!("SET {FENCE} nonsense")).await;
        // A store whose clock was ahead: the counter goes on.
        assert_eq!(next(&format!("SET {FENCE} 9000000000000000")).await, 9_000_000_000_000_001);
        assert_eq!(next("PING").await, 9_000_000_000_000_002);
        for impossible in ["9007199254740991", "99999999999999999999999999"] {
            scene.tell(&format!("SET {FENCE} {impossible}")).await;
            let error = lock(&scene.oxherd).try_acquire().await.unwrap_err();
            assert!(error.to_string().contains("LOCK_FENCE"), "{error}");
            assert!(!scene.exists(LEASE).await);
        }
    }
}

on_every_store! {
    async fn what_a_lock_leaves_behind_ends_by_itself(scene: Scene) {
        let held = lock(&scene.oxherd).owner("me").acquire().await.unwrap();
        let mut keys: Vec<String> = scene.ask(&["KEYS", "*"]).await;
        keys.sort_unstable();
        assert_eq!(keys, [FENCE, LEASE]);
        let term: u64 = scene.ask(&["PTTL", LEASE]).await;
        assert!((1..=30_000).contains(&term), "{term}");
        let fence = held.fence();
        held.release().await.unwrap();
        assert_eq!(scene.ask::<Vec<String>>(&["KEYS", "*"]).await, [FENCE]);
        assert_eq!(scene.ask::<String>(&["GET", FENCE]).await, format!("{fence} me"));
        let life: u64 = scene.ask(&["TTL", FENCE]).await;
        assert!((86_000..=86_400).contains(&life), "{life}");
    }
}

on_every_store! {
    async fn a_foreign_key_is_left_alone(scene: Scene) {
        scene.tell(&format!("LPUSH {LEASE} x")).await;
        let before = scene.contents().await;
        let error = lock(&scene.oxherd).try_acquire().await.unwrap_err();
        assert!(matches!(&error, Error::Store { .. }) && error.to_string().contains("WRONGTYPE"), "{error}");
        scene.assert_unchanged(&before, "a refused lock").await;
        // A text that no lock wrote counts as somebody's, for as long as it is there.
        scene.tell(&format!("DEL {LEASE}")).await;
        scene.tell(&format!("SET {LEASE} other")).await;
        let error = lock(&scene.oxherd).wait(Duration::from_millis(50)).acquire().await.unwrap_err();
        assert!(matches!(error, Error::LockBusy { .. }), "{error}");
        assert_eq!(scene.ask::<String>(&["GET", LEASE]).await, "other");
    }
}

on_every_store! {
    async fn who_gives_up_waiting_takes_nothing(scene: Scene) {
        let other = scene.other_process().await;
        let held = take(&scene.oxherd).await;
        let waiting = tokio::spawn({
            let lock = lock(&other);
            async move { lock.acquire().await.map(drop) }
        });
        until_awaited(&scene).await;
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        held.release().await.unwrap();
        let held = take(&scene.oxherd).await;
        held.release().await.unwrap();
        eventually("nobody listens any more", PATIENCE, async || {
            let heard: (String, u64) = scene.ask(&["PUBSUB", "NUMSUB", "bull:lock:wake"]).await;
            heard.1 == 0
        })
        .await;
    }
}

on_every_store! {
    async fn names_and_options_that_cannot_be_used_are_named(scene: Scene) {
        let oxherd = &scene.oxherd;
        let long = "x".repeat(201);
        let cases = [
            (oxherd.lock(""), "name"),
            (oxherd.lock("a b"), "name"),
            (oxherd.lock("{a}"), "name"),
            (oxherd.lock("ü"), "name"),
            (oxherd.lock(&long), "name"),
            (oxherd.lock("l").term(Duration::from_millis(99)), "term"),
            (oxherd.lock("l").term(Duration::MAX), "term"),
            (oxherd.lock("l").wait(Duration::MAX), "wait"),
            (oxherd.lock("l").owner("a\nb"), "owner"),
            (oxherd.lock("l").owner("x".repeat(101)), "owner"),
        ];
        for (lock, expected) in cases {
            let error = lock.try_acquire().await.unwrap_err();
            assert!(matches!(&error, Error::LockOption { option, .. } if *option == expected), "{error}");
            let error = lock.acquire().await.unwrap_err();
            assert!(matches!(&error, Error::LockOption { option, .. } if *option == expected), "{error}");
        }
        assert_eq!(scene.ask::<u64>(&["DBSIZE"]).await, 0);
        let held = oxherd.lock("orders/7:invoice.v2@eu_west-1:meta").try_acquire().await.unwrap().unwrap();
        assert_eq!(held.name(), "orders/7:invoice.v2@eu_west-1:meta");
        assert!(oxherd.store().queues().await.unwrap().is_empty(), "no key looks like a queue's");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_wait_in_one_process_do_not_all_ask_at_each_release() {
    const WAITING: u64 = 50;
    let scene = Scene::on_redis().await;
    let held = take(&scene.oxherd).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..WAITING {
        let lock = lock(&scene.oxherd);
        tasks.spawn(async move { lock.acquire().await.unwrap().release().await.unwrap() });
    }
    let calls = async || {
        let stats: String = scene.ask(&["INFO", "commandstats"]).await;
        let calls = stats
            .lines()
            .find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        calls.unwrap().split(',').next().unwrap().parse::<u64>().unwrap()
    };
    eventually("all have asked", PATIENCE, async || calls().await > WAITING).await;
    until_awaited(&scene).await;
    held.release().await.unwrap();
    tasks.join_all().await;
    // Each asked once, then in its turn once or twice, and released.
    assert!(calls().await < 5 * WAITING, "{}", calls().await);
}

struct Lossy {
    server: RedisServer,
    proxy: FaultProxy,
    steady: Oxherd,
    far: Oxherd,
}

impl Lossy {
    async fn new() -> Self {
        let server = RedisServer::start().await;
        let proxy = FaultProxy::start(server.addr()).await;
        let steady = Oxherd::connect(&server.url()).await.unwrap();
        let far = Oxherd::connect(&proxy.url()).await.unwrap();
        // The server knows the scripts.
        take(&far).await.release().await.unwrap();
        Self {
            server,
            proxy,
            steady,
            far,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_whose_grant_was_lost_on_the_way_is_held_all_the_same() {
    let lossy = Lossy::new().await;
    lossy.proxy.lose_next_reply_where(contains("EVALSHA"));
    let held = take(&lossy.far).await;
    assert_eq!(lossy.proxy.lost_replies(), 1);
    assert!(is_taken(&lossy.steady).await);
    lossy.proxy.lose_next_reply_where(contains("EVALSHA"));
    held.release().await.unwrap();
    assert_eq!(lossy.proxy.lost_replies(), 2);
    take(&lossy.steady).await.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_finds_out_by_itself_when_no_notice_comes() {
    let lossy = Lossy::new().await;
    let held = take(&lossy.steady).await;
    let waiting = tokio::spawn({
        let lock = lock(&lossy.far);
        async move { lock.acquire().await }
    });
    let mut raw = lossy.server.connection().await;
    eventually("it listens", PATIENCE, async || {
        let mut heard = redis::cmd("PUBSUB");
        heard.arg("NUMSUB").arg("bull:lock:wake");
        heard.query_async::<(String, u64)>(&mut raw).await.unwrap().1 == 1
    })
    .await;
    // New connections are refused, so the subscription does not come back; commands go on.
    lossy.proxy.refuse(true);
    let mut kill = redis::cmd("CLIENT");
    kill.arg("KILL").arg("TYPE").arg("pubsub");
    assert_eq!(
        kill.query_async::<u64>(&mut lossy.server.connection().await)
            .await
            .unwrap(),
        1
    );
    held.release().await.unwrap();
    let held = waiting.await.unwrap().unwrap();
    held.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_without_a_store_stops_at_the_end_of_its_term() {
    let lossy = Lossy::new().await;
    let held = lock(&lossy.far)
        .term(Duration::from_millis(400))
        .acquire()
        .await
        .unwrap();
    lossy.proxy.blackhole(true);
    let error = held.run(std::future::pending::<()>()).await.unwrap_err();
    assert!(matches!(error, Error::LockLost { .. }), "{error}");
    lossy.proxy.blackhole(false);
    lossy.proxy.cut_all();
    let next = lock(&lossy.steady).acquire().await.unwrap();
    assert!(next.fence() > held.fence());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_that_was_cut_comes_back() {
    let scene = Scene::on_redis().await;
    let processes = [scene.other_process().await, scene.other_process().await];
    let mut held = take(&processes[0]).await;
    for round in 1..=3 {
        let next = lock(&processes[round % 2]);
        let waiting = tokio::spawn(async move { next.acquire().await });
        until_awaited(&scene).await;
        let cut: u64 = scene.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        assert!(cut > 0);
        until_awaited(&scene).await;
        held.release().await.unwrap();
        held = waiting.await.unwrap().unwrap();
    }
}
