//! What a level promises also when the source lags or fails, or the network has hidden an invalidation.
//! Next: `tests/chaos/tests/cache` (the same at random).

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use oxherd::cache::{Freshness, Level, Loaded, Namespace, Ttl};
use oxherd::{Error, Oxherd};
use oxherd_testkit::{FaultProxy, RedisServer, eventually};

use crate::scene::{PATIENCE, on_every_store};

const HOUR: Duration = Duration::from_secs(3600);

on_every_store! {
    async fn a_source_that_is_behind_the_fence_answers_nobody(scene: Scene) {
        let prices: Namespace<u64, u64> =
            scene.oxherd.cache().namespace("prices").level(Level::Fenced).open().unwrap();
        let replica = |version| move || async move { Ok::<_, Infallible>(Loaded::new(version).version(version)) };
        assert_eq!(*prices.get_or_load(&1, replica(4)).await.unwrap(), 4);
        prices.remove(&1).version(5).await.unwrap();
        match prices.get_or_load(&1, replica(4)).await {
            Err(Error::BehindVersion { wanted: 5, found: 4, .. }) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(*prices.get_or_load(&1, replica(6)).await.unwrap(), 6);
        // What is gone has no version: it is said, and not kept.
        prices.remove(&1).version(7).await.unwrap();
        let gone = || async { Ok::<_, Infallible>(Loaded::absent()) };
        assert!(prices.find_or_load(&1, gone).await.unwrap().is_none());
        assert_eq!(*prices.get_or_load(&1, replica(7)).await.unwrap(), 7);
    }
}

on_every_store! {
    async fn a_source_that_is_behind_the_fence_answers_nobody_after_an_eviction_either(scene: Scene) {
        let prices: Namespace<u64, u64> =
            scene.oxherd.cache().namespace("prices").level(Level::Fenced).open().unwrap();
        prices.remove(&1).version(5).await.unwrap();
        let (begins, has_begun) = tokio::sync::oneshot::channel();
        let (go, gate) = tokio::sync::oneshot::channel::<()>();
        let load = move || async move {
            begins.send(()).unwrap();
            gate.await.map(|()| Loaded::new(4).version(4))
        };
        let reading = tokio::spawn({
            let prices = prices.clone();
            async move { prices.get_or_load(&1, load).await }
        });
        has_begun.await.unwrap();
        let evicted: Vec<String> = scene.ask(&["KEYS", "*:cache:{prices@1}:n"]).await;
        assert_eq!(scene.ask::<u64>(&["DEL", &evicted[0]]).await, 1);
        go.send(()).unwrap();
        match reading.await.unwrap() {
            Err(Error::BehindVersion { wanted: 5, found: 4, .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_invalidated_unheard_is_not_served_when_the_source_fails() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let here = Oxherd::connect(&proxy.url()).await.unwrap();
    let there = Oxherd::connect(&server.url()).await.unwrap();
    let open = |oxherd: &Oxherd| -> Namespace<u64, u64> {
        let freshness = Freshness::of(Ttl::LONG).stale_if_error(HOUR);
        oxherd
            .cache()
            .namespace("prices")
            .freshness(freshness)
            .open()
            .unwrap()
    };
    let (mine, theirs) = (open(&here), open(&there));
    mine.get_or_load(&1, || async { Ok::<_, Infallible>(4) })
        .await
        .unwrap();
    let is_live = |expected| {
        let cache = here.cache();
        async move { eventually("the channel", PATIENCE, async || cache.is_live() == expected).await }
    };
    is_live(true).await;
    assert!(mine.get(&1).await.unwrap().is_some());
    proxy.refuse(true);
    proxy.cut_all();
    is_live(false).await;
    assert!(theirs.remove(&1).await.unwrap());
    // Store and source both fail: nobody knows better.
    let down = || async { Err::<u64, _>(io::Error::other("down")) };
    assert_eq!(*mine.get_or_load(&1, down).await.unwrap(), 4);
    proxy.refuse(false);
    is_live(true).await;
    // The breaker may be open yet, and then the store is not asked.
    eventually("the store is asked", PATIENCE, async || {
        here.cache().breaker().permit().is_ok()
    })
    .await;
    match mine.get_or_load(&1, down).await {
        Err(Error::Load { .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_past_this_process_is_not_answered_by_an_older_load_of_an_outage() {
    let server = RedisServer::start().await;
    let proxy = FaultProxy::start(server.addr()).await;
    let here = Oxherd::connect(&proxy.url()).await.unwrap();
    let there = Oxherd::connect(&server.url()).await.unwrap();
    let mine: Namespace<u64, u64> = here.cache().namespace("prices").open().unwrap();
    let theirs: Namespace<u64, u64> = there.cache().namespace("prices").open().unwrap();
    mine.get(&0).await.unwrap();
    let is_live = async || here.cache().is_live();
    eventually("the channel is there", PATIENCE, is_live).await;
    proxy.refuse(true);
    proxy.cut_all();
    eventually("the channel is gone", PATIENCE, async || !is_live().await).await;
    let (begins, has_begun) = tokio::sync::oneshot::channel();
    let (go, gate) = tokio::sync::oneshot::channel::<()>();
    let slow = mine.clone();
    let slow = tokio::spawn(async move {
        let load = move || async move {
            begins.send(()).unwrap();
            gate.await.map(|()| 4)
        };
        slow.get_or_load(&1, load).await.map(|value| *value)
    });
    has_begun.await.unwrap();
    // The row is 5 by now.
    theirs.remove(&1).await.unwrap();
    let misses = mine.stats().counts.misses;
    let strict = mine.clone();
    let strict = tokio::spawn(async move {
        let load = || async { Ok::<_, Infallible>(5) };
        strict.get_or_load(&1, load).strict().await.map(|value| *value)
    });
    let waits = async || mine.stats().counts.misses > misses;
    eventually("it waits for the load under way", PATIENCE, waits).await;
    go.send(()).unwrap();
    assert_eq!(strict.await.unwrap().unwrap(), 5);
    assert_eq!(slow.await.unwrap().unwrap(), 4);
}
