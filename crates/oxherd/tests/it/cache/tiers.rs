//! What this process keeps, and how it hears that it is not true any more.

use std::time::Duration;

use oxherd::cache::{Freshness, Level, Namespace, Tag, Tiers, Ttl};
use oxherd::{Oxherd, Timestamp};
use oxherd_testkit::{FaultProxy, eventually};

use super::source::{Source, peek, peek_strict, read, read_here, read_tagged};
use crate::scene::{PATIENCE, on_every_store_and_valkey, on_stores};

fn prices(oxherd: &Oxherd) -> Namespace<u64, String> {
    oxherd.cache().namespace("prices").open().unwrap()
}

async fn forgets(prices: &Namespace<u64, String>, key: u64) {
    eventually("the change is heard of", PATIENCE, async || {
        peek(prices, &key).await.is_none()
    })
    .await;
}

on_every_store_and_valkey! {
    async fn a_value_that_this_process_has_is_not_asked_for_again(scene: Scene) {
        let (source, prices) = (Source::of("x"), prices(&scene.oxherd));
        prices.set(&7, "x".to_owned()).await.unwrap();
        read(&prices, &8, &source).await;
        for id in [7, 8] {
            assert_eq!(peek_strict(&prices, &id).await.as_deref(), Some("x"));
        }
        for _ in 0..10 {
            peek(&prices, &7).await.unwrap();
            peek(&prices, &8).await.unwrap();
        }
        let counts = prices.stats().counts;
        assert_eq!((counts.hits_local, counts.hits_shared, counts.misses), (20, 2, 1));
        assert_eq!(prices.stats().local.entries, 2);
    }
}

on_every_store_and_valkey! {
    async fn what_another_process_changes_is_heard_of(scene: Scene) {
        let (mine, theirs) = (prices(&scene.oxherd), prices(&scene.other_process().await));
        let (source, tag) = (Source::of("x"), Tag::new("eur"));
        for round in 0..3 {
            for id in 1..=4 {
                read_tagged(&mine, &id, &source, &tag).await;
                peek_strict(&mine, &id).await.unwrap();
                assert_eq!(peek(&mine, &id).await.as_deref(), Some("x"), "round {round}");
            }
            theirs.remove(&1).await.unwrap();
            forgets(&mine, 1).await;
            theirs.set(&2, "y".to_owned()).await.unwrap();
            let hears = async || peek(&mine, &2).await.as_deref() == Some("y");
            eventually("the write is heard of", PATIENCE, hears).await;
            theirs.invalidate(std::slice::from_ref(&tag)).await.unwrap();
            forgets(&mine, 3).await;
            assert_eq!(peek(&mine, &2).await.as_deref(), Some("y"), "it was written without the tag");
            theirs.clear().await.unwrap();
            forgets(&mine, 2).await;
        }
    }
}

on_every_store_and_valkey! {
    async fn what_the_store_has_said_before_an_answer_is_heard_before_it(scene: Scene) {
        let (mine, theirs) = (prices(&scene.oxherd), prices(&scene.other_process().await));
        let source = Source::of("x");
        for id in 0..50 {
            read_here(&mine, &id, &source).await;
            theirs.remove(&id).await.unwrap();
            // Whatever is asked on the same connection afterwards.
            assert_eq!(peek_strict(&mine, &1000).await, None);
            assert_eq!(peek(&mine, &id).await, None, "{id}");
        }
    }
}

on_every_store_and_valkey! {
    async fn what_another_tool_changes_is_heard_of(scene: Scene) {
        let (source, prices) = (Source::of("x"), prices(&scene.oxherd));
        for command in [
            "DEL bull:cache:{prices@1}:e::7:",
            "SET bull:cache:{prices@1}:e::7: garbage",
            "RENAME bull:cache:{prices@1}:e::7: elsewhere",
            "PEXPIRE bull:cache:{prices@1}:e::7: 1",
            "DEL bull:cache:{prices@1}:n",
            "FLUSHDB",
            "FLUSHALL",
        ] {
            read_here(&prices, &7, &source).await;
            assert_eq!(peek(&prices, &7).await.as_deref(), Some("x"), "{command}");
            scene.tell(command).await;
            forgets(&prices, 7).await;
        }
    }
}

on_every_store_and_valkey! {
    async fn a_namespace_of_this_process_alone_asks_the_store_nothing(scene: Scene) {
        let prices = scene.oxherd.cache().namespace::<u64, String>("prices").tiers(Tiers::Local).open().unwrap();
        let (source, tag) = (Source::of("x"), Tag::new("eur"));
        assert_eq!(read_tagged(&prices, &7, &source, &tag).await, "x");
        assert_eq!(read_tagged(&prices, &7, &source, &tag).await, "x");
        assert_eq!(source.loads(), 1);
        prices.invalidate(&[tag]).await.unwrap();
        assert_eq!(peek(&prices, &7).await, None);
        prices.set(&7, "y".to_owned()).await.unwrap();
        assert_eq!(peek(&prices, &7).await.as_deref(), Some("y"));
        assert!(prices.remove(&7).await.unwrap());
        assert!(!prices.remove(&7).await.unwrap());
        prices.set(&7, "y".to_owned()).await.unwrap();
        prices.clear().await.unwrap();
        assert_eq!(peek(&prices, &7).await, None);
        let mut keys: Vec<String> = scene.ask(&["KEYS", "bull:cache:{prices@1}*"]).await;
        // What it counted is told to those who look.
        keys.retain(|key| !key.starts_with("bull:cache:{prices@1}:c") && !key.starts_with("bull:cache:{prices@1}:p:"));
        assert!(keys.is_empty(), "{keys:?}");
    }
}

on_every_store_and_valkey! {
    async fn a_namespace_of_the_store_alone_keeps_nothing_here(scene: Scene) {
        let prices = scene.oxherd.cache().namespace::<u64, String>("prices").tiers(Tiers::Shared).open().unwrap();
        let source = Source::of("x");
        read(&prices, &7, &source).await;
        peek(&prices, &7).await.unwrap();
        scene.tell("DEL bull:cache:{prices@1}:e::7:").await;
        assert_eq!(peek(&prices, &7).await, None, "at once");
        let counts = prices.stats().counts;
        assert_eq!((counts.hits_local, counts.hits_shared), (0, 1));
        assert_eq!(prices.stats().local.entries, 0);
    }
}

on_every_store_and_valkey! {
    async fn this_process_keeps_a_value_for_a_limited_time(scene: Scene) {
        let freshness = Freshness::of(Ttl::LONG).jitter(0.0).local_ttl(Duration::from_secs(20));
        let prices = scene.oxherd.cache().namespace::<u64, String>("prices").freshness(freshness).open().unwrap();
        read_here(&prices, &7, &Source::of("x")).await;
        let before = prices.stats().counts.hits_shared;
        let asked = || prices.stats().counts.hits_shared - before;
        scene.clock.advance(Duration::from_secs(20) - Duration::from_millis(1));
        peek(&prices, &7).await.unwrap();
        assert_eq!(asked(), 0);
        scene.clock.advance(Duration::from_millis(1));
        peek(&prices, &7).await.unwrap();
        assert_eq!(asked(), 1, "the store is asked");
        peek(&prices, &7).await.unwrap();
        assert_eq!(asked(), 1, "and it is kept for as long again");
    }
}

on_every_store_and_valkey! {
    async fn no_setting_of_the_clock_keeps_a_value_here_for_longer(scene: Scene) {
        const KEPT: Duration = Duration::from_secs(20);
        let freshness = Freshness::of(Ttl::DAY).jitter(0.0).local_ttl(KEPT);
        let prices = scene.oxherd.cache().namespace::<u64, String>("prices").freshness(freshness).open().unwrap();
        let shown = scene.clock.now();
        let settings = [Timestamp::from_millis(shown.as_millis() - 3_600_000), shown];
        for (id, set) in (1..).zip(settings) {
            read_here(&prices, &id, &Source::of("x")).await;
            let before = prices.stats().counts.hits_shared;
            scene.clock.set(set);
            scene.clock.advance(KEPT);
            peek(&prices, &id).await.unwrap();
            assert_eq!(prices.stats().counts.hits_shared - before, 1, "the store is asked of {id}");
        }
    }
}

on_every_store_and_valkey! {
    async fn no_setting_of_the_clock_makes_a_value_of_this_process_alone_live_longer(scene: Scene) {
        const TTL: Duration = Duration::from_secs(60);
        let freshness = Freshness::of(TTL).jitter(0.0);
        let prices =
            scene.oxherd.cache().namespace::<u64, String>("prices").tiers(Tiers::Local).freshness(freshness).open().unwrap();
        prices.set(&7, "x".to_owned()).await.unwrap();
        scene.clock.set(Timestamp::from_millis(scene.clock.now().as_millis() - 3_600_000));
        scene.clock.advance(TTL - Duration::from_millis(1));
        peek(&prices, &7).await.unwrap();
        scene.clock.advance(Duration::from_millis(1));
        assert_eq!(peek(&prices, &7).await, None);
    }
}

on_every_store_and_valkey! {
    async fn what_does_not_fit_into_this_process_is_in_the_store(scene: Scene) {
        let cache = scene.oxherd.cache_builder().local_bytes(100_000).open().unwrap();
        let prices = cache.namespace::<u64, String>("prices").open().unwrap();
        for id in 0..1000 {
            prices.set(&id, "x".repeat(500)).await.unwrap();
        }
        let local = prices.stats().local;
        assert!(local.bytes <= 100_000, "{} bytes", local.bytes);
        for id in 0..1000 {
            assert!(peek(&prices, &id).await.is_some());
        }
        assert!(prices.stats().counts.hits_shared > 500);
    }
}

on_every_store_and_valkey! {
    async fn a_removal_whose_caller_goes_away_is_not_forgotten_here(scene: Scene) {
        let prices = prices(&scene.oxherd);
        for id in 0..20 {
            prices.set(&id, "x".to_owned()).await.unwrap();
            peek_strict(&prices, &id).await.unwrap();
            // Asked once, and dropped before the answer.
            let mut removal = prices.remove(&id).into_future();
            let _ = futures_util::poll!(&mut removal);
            drop(removal);
            forgets(&prices, id).await;
            assert_eq!(peek_strict(&prices, &id).await, None);
        }
    }
}

/// On the servers alone: a network that can fail is before a server.
macro_rules! on_servers {
    ($($behaviour:tt)*) => {
        on_stores! { [on_redis, on_valkey] $($behaviour)* }
    };
}

on_servers! {
    async fn what_was_changed_while_the_channel_was_down_is_not_believed(scene: Scene) {
        let proxy = FaultProxy::start(scene.server().addr()).await;
        let (mine, theirs) = (prices(&scene.behind(&proxy).await), prices(&scene.oxherd));
        let source = Source::of("x");
        for id in 1..=3 {
            read_here(&mine, &id, &source).await;
        }
        proxy.refuse(true);
        proxy.cut_all();
        eventually("the loss is noticed", PATIENCE, async || peek(&mine, &1).await.is_none()).await;
        theirs.remove(&1).await.unwrap();
        theirs.set(&2, "y".to_owned()).await.unwrap();
        proxy.refuse(false);
        eventually("it is back", PATIENCE, async || peek(&mine, &3).await.is_some()).await;
        assert_eq!(peek(&mine, &1).await, None);
        assert_eq!(peek(&mine, &2).await.as_deref(), Some("y"));
        theirs.remove(&2).await.unwrap();
        forgets(&mine, 2).await;
    }
}

on_servers! {
    async fn a_channel_that_is_silent_is_noticed_within_seconds(scene: Scene) {
        let proxy = FaultProxy::start(scene.server().addr()).await;
        let far = scene.behind(&proxy).await;
        let (mine, theirs) = (prices(&far), prices(&scene.oxherd));
        read_here(&mine, &7, &Source::of("x")).await;
        assert!(far.cache().is_live());
        proxy.blackhole(true);
        theirs.remove(&7).await.unwrap();
        eventually("the silence is noticed", PATIENCE, async || !far.cache().is_live()).await;
        assert_eq!(peek(&mine, &7).await, None);
    }
}

on_servers! {
    async fn at_the_lowest_level_the_time_here_is_the_bound(scene: Scene) {
        let proxy = FaultProxy::start(scene.server().addr()).await;
        let far = scene.behind(&proxy).await;
        let freshness = Freshness::of(Ttl::LONG).jitter(0.0).local_ttl(Duration::from_secs(20));
        let mine = far.cache().namespace::<u64, String>("prices").level(Level::Ttl).freshness(freshness).open().unwrap();
        let theirs = prices(&scene.oxherd);
        let source = Source::of("old");
        read_here(&mine, &7, &source).await;
        proxy.refuse(true);
        proxy.cut_all();
        eventually("the loss is noticed", PATIENCE, async || !far.cache().is_live()).await;
        theirs.remove(&7).await.unwrap();
        source.write("new");
        scene.clock.advance(Duration::from_secs(20) - Duration::from_millis(1));
        assert_eq!(read(&mine, &7, &source).await, "old");
        scene.clock.advance(Duration::from_millis(1));
        assert_eq!(read(&mine, &7, &source).await, "new");
    }
}

on_servers! {
    async fn where_nobody_may_track_changes_are_announced(scene: Scene) {
        scene.tell("ACL SETUSER limited on nopass ~* &* +@all -client|tracking").await;
        let url = format!("redis://limited:any@{}", scene.server().addr());
        let (mine, theirs) = (scene.process_at(&url).await, scene.process_at(&url).await);
        let (mine, theirs) = (prices(&mine), prices(&theirs));
        let (source, tag) = (Source::of("x"), Tag::new("eur"));
        for id in 1..=3 {
            read_tagged(&mine, &id, &source, &tag).await;
            peek_strict(&mine, &id).await.unwrap();
        }
        for id in 1..=3 {
            assert_eq!(peek(&mine, &id).await.as_deref(), Some("x"));
        }
        assert_eq!(mine.stats().counts.hits_local, 3);
        theirs.remove(&1).await.unwrap();
        forgets(&mine, 1).await;
        theirs.invalidate(&[tag]).await.unwrap();
        forgets(&mine, 2).await;
        read(&mine, &3, &source).await;
        theirs.clear().await.unwrap();
        forgets(&mine, 3).await;
    }
}
