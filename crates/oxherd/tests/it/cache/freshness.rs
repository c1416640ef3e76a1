//! How long values are good, what may be served afterwards, and when they are loaded ahead of time.
//!
//! Ages are by the clock of the cache, which these tests hold; what the store keeps ends by the store's.

use std::time::{Duration, Instant};

use oxherd::cache::{Freshness, LoadTimedOut, Loaded, Lookup, Namespace, NamespaceBuilder, Tag, Tiers, Ttl};
use oxherd::{Error, Timestamp};
use oxherd_testkit::eventually;

use super::source::{Load, Source, peek, peek_strict, read, reader};
use crate::scene::{PATIENCE, Scene, on_every_store_and_valkey};

const TTL: Duration = Duration::from_secs(100);
const MILLISECOND: Duration = Duration::from_millis(1);
const ALL_TIERS: [Tiers; 3] = [Tiers::Both, Tiers::Shared, Tiers::Local];

/// Exactly so long, with nothing left to chance.
fn exactly(ttl: Duration) -> Freshness {
    Freshness::of(ttl)
        .jitter(0.0)
        .refresh_ahead(0.0)
        .local_ttl(Ttl::DAY.0)
}

fn prices(scene: &Scene, freshness: Freshness, tiers: Tiers) -> Namespace<u64, String> {
    of(scene, tiers).freshness(freshness).open().unwrap()
}

/// A namespace for each choice of tiers.
fn of(scene: &Scene, tiers: Tiers) -> NamespaceBuilder<u64, String> {
    scene
        .oxherd
        .cache()
        .namespace(&format!("prices-{tiers:?}"))
        .tiers(tiers)
}

on_every_store_and_valkey! {
    async fn a_value_is_fresh_for_its_ttl_and_then_loaded_again(scene: Scene) {
        for tiers in ALL_TIERS {
            let (source, prices) = (Source::of("old"), prices(&scene, exactly(TTL), tiers));
            assert_eq!(read(&prices, &7, &source).await, "old");
            source.write("new");
            scene.clock.advance(TTL - MILLISECOND);
            assert_eq!(read(&prices, &7, &source).await, "old", "{tiers:?}");
            scene.clock.advance(MILLISECOND);
            assert_eq!(peek(&prices, &7).await, None, "{tiers:?}: what is past its TTL is not there");
            assert_eq!(read(&prices, &7, &source).await, "new", "{tiers:?}");
            assert_eq!(source.loads(), 2, "{tiers:?}");
        }
    }
}

on_every_store_and_valkey! {
    async fn what_was_written_together_does_not_end_together(scene: Scene) {
        let freshness = exactly(TTL).jitter(0.1);
        let prices = prices(&scene, freshness, Tiers::Shared);
        for id in 0..100 {
            prices.set(&id, id.to_string()).await.unwrap();
        }
        let left = async || {
            let mut left = 0;
            for id in 0..100 {
                left += usize::from(peek(&prices, &id).await.is_some());
            }
            left
        };
        scene.clock.advance(TTL.mul_f64(0.9) - MILLISECOND);
        assert_eq!(left().await, 100);
        scene.clock.advance(TTL / 20 + MILLISECOND);
        let half_way = left().await;
        assert!((10..=90).contains(&half_way), "{half_way} of 100 are left half-way");
        scene.clock.advance(TTL / 20);
        assert_eq!(left().await, 0, "the TTL is the bound");
    }
}

on_every_store_and_valkey! {
    async fn a_sliding_value_lives_as_long_as_it_is_read(scene: Scene) {
        let prices = prices(&scene, exactly(TTL).sliding(), Tiers::Both);
        let (source, tag) = (Source::of("x"), Tag::new("currency"));
        prices.get_or_load(&7, source.loader()).tag(tag).await.unwrap();
        let entry = "bull:cache:{prices-Both@1}:e::7:";
        let stamp = "bull:cache:{prices-Both@1}:t::currency:";
        let left = async |key: &str| scene.ask::<i64>(&["PTTL", key]).await;
        // As if most of its time had passed at the store.
        scene.tell(&format!("PEXPIRE {entry} 30000")).await;
        scene.tell(&format!("PEXPIRE {stamp} 30000")).await;
        assert_eq!(peek_strict(&prices, &7).await.as_deref(), Some("x"));
        assert!(left(entry).await <= 30_000, "no quarter of the TTL has passed: the store is not told");
        for _ in 0..5 {
            scene.tell(&format!("PEXPIRE {entry} 30000")).await;
            scene.clock.advance(TTL / 2);
            assert_eq!(peek(&prices, &7).await.as_deref(), Some("x"));
            eventually("its life is prolonged", PATIENCE, async || left(entry).await > 90_000).await;
        }
        let outlives = left(stamp).await - left(entry).await;
        assert!(outlives > 0, "a stamp outlives what depends on it: {outlives}");
        assert_eq!(source.loads(), 1);
        scene.tell(&format!("DEL {entry}")).await;
        eventually("it ends", PATIENCE, async || peek(&prices, &7).await.is_none()).await;
    }
}

on_every_store_and_valkey! {
    async fn a_sliding_value_of_this_process_alone_ends_when_nobody_reads_it(scene: Scene) {
        let prices = prices(&scene, exactly(TTL).sliding(), Tiers::Local);
        let source = Source::of("x");
        read(&prices, &7, &source).await;
        for _ in 0..5 {
            scene.clock.advance(TTL / 2 + MILLISECOND);
            assert_eq!(peek(&prices, &7).await.as_deref(), Some("x"));
        }
        scene.clock.advance(TTL);
        assert_eq!(peek(&prices, &7).await, None);
    }
}

on_every_store_and_valkey! {
    async fn a_sliding_value_of_this_process_alone_is_prolonged_by_a_touch(scene: Scene) {
        let prices = prices(&scene, exactly(TTL).sliding(), Tiers::Local);
        assert!(!prices.touch(&7).await.unwrap(), "there is none");
        read(&prices, &7, &Source::of("x")).await;
        for _ in 0..5 {
            scene.clock.advance(TTL - MILLISECOND);
            assert!(prices.touch(&7).await.unwrap());
        }
        assert_eq!(prices.stats().counts.hits_local, 0, "a touch is no read");
        assert_eq!(peek(&prices, &7).await.as_deref(), Some("x"));
        scene.clock.advance(TTL);
        assert!(!prices.touch(&7).await.unwrap());
    }
}

on_every_store_and_valkey! {
    async fn a_stale_value_is_served_while_one_load_refreshes_it(scene: Scene) {
        for tiers in ALL_TIERS {
            let freshness = exactly(TTL).stale_while_revalidate(TTL);
            let (source, prices) = (Source::of("old"), prices(&scene, freshness, tiers));
            read(&prices, &7, &source).await;
            source.write("new");
            source.hold();
            scene.clock.advance(TTL + MILLISECOND);
            for _ in 0..50 {
                assert_eq!(read(&prices, &7, &source).await, "old", "{tiers:?}");
            }
            source.until_loads(2).await;
            assert_eq!(read(&prices, &7, &source).await, "old", "{tiers:?}");
            source.release();
            eventually("it is refreshed", PATIENCE, async || peek(&prices, &7).await.is_some()).await;
            assert_eq!(read(&prices, &7, &source).await, "new", "{tiers:?}");
            assert_eq!(source.loads(), 2, "{tiers:?}");
            assert!(prices.stats().counts.stale_revalidating >= 51);
            scene.clock.advance(TTL * 2 + MILLISECOND);
            source.write("newest");
            assert_eq!(read(&prices, &7, &source).await, "newest", "{tiers:?}: too old to be served");
        }
    }
}

on_every_store_and_valkey! {
    async fn a_stale_value_is_refreshed_by_one_process(scene: Scene) {
        let freshness = exactly(TTL).stale_while_revalidate(TTL);
        let source = Source::of("old");
        let mut processes = Vec::new();
        for _ in 0..3 {
            let oxherd = scene.other_process().await;
            let prices = oxherd.cache().namespace::<u64, String>("prices").freshness(freshness).open().unwrap();
            assert_eq!(read(&prices, &7, &source).await, "old");
            processes.push(prices);
        }
        source.write("new");
        source.hold();
        scene.clock.advance(TTL + MILLISECOND);
        for prices in &processes {
            assert_eq!(read(prices, &7, &source).await, "old");
        }
        source.until_loads(2).await;
        source.release();
        for prices in &processes {
            eventually("it is refreshed", PATIENCE, async || read(prices, &7, &source).await == "new").await;
        }
        assert_eq!(source.loads(), 2);
    }
}

on_every_store_and_valkey! {
    async fn a_stale_value_stands_in_for_a_source_that_fails_up_to_an_age(scene: Scene) {
        for tiers in ALL_TIERS {
            let freshness = exactly(TTL).stale_if_error(TTL * 3);
            let (source, prices) = (Source::of("old"), prices(&scene, freshness, tiers));
            read(&prices, &7, &source).await;
            source.breaks();
            scene.clock.advance(TTL + MILLISECOND);
            assert_eq!(peek(&prices, &7).await, None, "{tiers:?}: only an error makes it good enough");
            assert_eq!(read(&prices, &7, &source).await, "old", "{tiers:?}");
            scene.clock.advance(TTL * 3 - MILLISECOND * 2);
            assert_eq!(read(&prices, &7, &source).await, "old", "{tiers:?}");
            assert_eq!(prices.stats().counts.stale_on_error, 2, "{tiers:?}");
            scene.clock.advance(MILLISECOND);
            let error = prices.get_or_load(&7, source.loader()).await.unwrap_err();
            assert!(matches!(error, Error::Load { .. }), "{tiers:?}: {error}");
            assert!(error.to_string().contains("the database is down"), "{error}");
            source.is_mended();
            source.write("new");
            assert_eq!(read(&prices, &7, &source).await, "new", "{tiers:?}");
        }
    }
}

on_every_store_and_valkey! {
    async fn what_was_invalidated_never_stands_in(scene: Scene) {
        for tiers in ALL_TIERS {
            let freshness = exactly(TTL).stale_if_error(TTL).stale_while_revalidate(TTL);
            let (source, prices) = (Source::of("old"), prices(&scene, freshness, tiers));
            let tag = Tag::new("all");
            for age in [Duration::ZERO, TTL + MILLISECOND] {
                for id in 1..=3 {
                    prices.get_or_load(&id, source.loader()).tag(tag.clone()).await.unwrap();
                }
                scene.clock.advance(age);
                source.breaks();
                prices.remove(&1).await.unwrap();
                prices.get_or_load(&1, source.loader()).await.unwrap_err();
                prices.invalidate(std::slice::from_ref(&tag)).await.unwrap();
                prices.get_or_load(&2, source.loader()).await.unwrap_err();
                prices.clear().await.unwrap();
                prices.get_or_load(&3, source.loader()).await.unwrap_err();
                source.is_mended();
            }
        }
    }
}

on_every_store_and_valkey! {
    async fn a_source_that_failed_is_asked_again_in_time_however_the_clock_is_set(scene: Scene) {
        let pause = Duration::from_secs(2);
        let freshness = exactly(TTL).stale_if_error(TTL * 3).retry_after_error(pause);
        let (source, prices) = (Source::of("old"), prices(&scene, freshness, Tiers::Both));
        read(&prices, &7, &source).await;
        scene.clock.advance(TTL + MILLISECOND);
        source.breaks();
        assert_eq!(read(&prices, &7, &source).await, "old");
        assert_eq!(source.loads(), 2);
        // As late as before, nearly, and much later.
        scene.clock.set(Timestamp::from_millis(scene.clock.now().as_millis() - 60_000));
        scene.clock.advance(Duration::from_secs(60) + pause / 2);
        assert_eq!(read(&prices, &7, &source).await, "old");
        assert_eq!(source.loads(), 3);
    }
}

on_every_store_and_valkey! {
    async fn a_source_that_fails_is_left_alone_for_a_while(scene: Scene) {
        let pause = Duration::from_secs(2);
        for tiers in ALL_TIERS {
            let freshness = exactly(TTL).stale_if_error(TTL * 3).stale_while_revalidate(TTL).retry_after_error(pause);
            let (source, prices) = (Source::of("old"), prices(&scene, freshness, tiers));
            read(&prices, &7, &source).await;
            source.breaks();
            let has_failed = async |loads: usize| {
                eventually("the source is asked", PATIENCE, async || {
                    assert_eq!(read(&prices, &7, &source).await, "old", "{tiers:?}");
                    source.loads() == loads && prices.stats().counts.loads_failed == loads as u64 - 1
                }).await;
            };
            // While it would be refreshed in the background, and later, when every reader would wait.
            let mut loads = 1;
            for age in [TTL + MILLISECOND, TTL] {
                scene.clock.advance(age);
                for _ in 0..2 {
                    loads += 1;
                    has_failed(loads).await;
                    for _ in 0..20 {
                        assert_eq!(read(&prices, &7, &source).await, "old", "{tiers:?}");
                    }
                    assert_eq!(source.loads(), loads, "{tiers:?}");
                    scene.clock.advance(pause);
                }
            }
            prices.remove(&7).await.unwrap();
            prices.get_or_load(&7, source.loader()).await.unwrap_err();
            source.is_mended();
            source.write("new");
            assert_eq!(read(&prices, &7, &source).await, "new", "{tiers:?}: without a stale value there is no pause");
        }
    }
}

on_every_store_and_valkey! {
    async fn after_the_soft_time_out_the_stale_value_is_served_and_the_load_goes_on(scene: Scene) {
        for tiers in ALL_TIERS {
            let source = Source::of("old");
            let prices = of(&scene, tiers)
                .freshness(exactly(TTL).stale_if_error(TTL))
                .soft_timeout(Duration::from_millis(10))
                .hard_timeout(Duration::from_secs(60))
                .fence_life(Duration::from_secs(60))
                .open()
                .unwrap();
            read(&prices, &7, &source).await;
            source.write("new");
            source.hold();
            scene.clock.advance(TTL + MILLISECOND);
            let reader = reader(&prices, &7, &source);
            source.until_loads(2).await;
            eventually("the reader is served", PATIENCE, async || {
                scene.clock.advance(Duration::from_millis(10));
                reader.is_finished()
            }).await;
            assert_eq!(*reader.await.unwrap().unwrap(), "old", "{tiers:?}");
            assert_eq!(prices.stats().counts.stale_on_timeout, 1);
            source.release();
            eventually("the load ends", PATIENCE, async || peek(&prices, &7).await.is_some()).await;
            assert_eq!(read(&prices, &7, &source).await, "new", "{tiers:?}");
            assert_eq!(source.loads(), 2, "{tiers:?}");
        }
    }
}

on_every_store_and_valkey! {
    async fn without_a_stale_value_the_soft_time_out_waits(scene: Scene) {
        let source = Source::of("new");
        let prices = of(&scene, Tiers::Both).soft_timeout(Duration::from_millis(10)).open().unwrap();
        source.hold();
        let reader = reader(&prices, &7, &source);
        source.until_loads(1).await;
        scene.clock.advance(Duration::from_secs(5));
        source.release();
        assert_eq!(*reader.await.unwrap().unwrap(), "new");
    }
}

on_every_store_and_valkey! {
    async fn a_load_that_takes_too_long_is_given_up(scene: Scene) {
        let source = Source::of("x");
        let limit = Duration::from_millis(10);
        let prices = of(&scene, Tiers::Both).hard_timeout(limit).open().unwrap();
        source.hold();
        let reader = reader(&prices, &7, &source);
        source.until_loads(1).await;
        eventually("the load is given up", PATIENCE, async || {
            scene.clock.advance(limit);
            reader.is_finished()
        }).await;
        let error = reader.await.unwrap().unwrap_err();
        let Error::Load { source: cause, .. } = &error else { panic!("{error}") };
        assert!(cause.downcast_ref::<LoadTimedOut>().is_some(), "{cause:?}");
        assert!(error.to_string().contains("longer than 10 ms"), "{error}");
        source.release();
        assert_eq!(read(&prices, &7, &source).await, "x", "it is not in the way of the next");
        assert_eq!(prices.stats().counts.loads_timed_out, 1);
    }
}

on_every_store_and_valkey! {
    async fn values_are_refreshed_ahead_of_their_end_by_chance(scene: Scene) {
        const KEYS: u64 = 200;
        // A source that takes its time: the chance depends on how much.
        let slow = || -> Load<u64> {
            Box::pin(async {
                let began = Instant::now();
                tokio::time::sleep(Duration::from_millis(30)).await;
                Ok(u64::try_from(began.elapsed().as_millis()).unwrap())
            })
        };
        for (beta, share) in [(0.0, 0..=0), (1.0, 30..=130)] {
            let name = format!("prices-{beta:.0}");
            let prices = scene.oxherd.cache().namespace::<u64, u64>(&name)
                .freshness(exactly(TTL).refresh_ahead(beta)).concurrent_loads(1000).open().unwrap();
            let load_all = async || {
                let reads = (0..KEYS).map(|id| {
                    let prices = prices.clone();
                    tokio::spawn(async move { *prices.get_or_load(&id, slow).await.unwrap() })
                });
                let mut took = Vec::new();
                for read in reads.collect::<Vec<_>>() {
                    took.push(read.await.unwrap());
                }
                took.sort_unstable();
                took[took.len() / 2]
            };
            let took = load_all().await;
            scene.clock.advance(TTL / 2);
            load_all().await;
            assert_eq!(prices.stats().counts.loads_ok, KEYS, "not before half of the TTL");
            // One load before the end: by XFetch the chance is 37 %.
            scene.clock.advance(TTL / 2 - Duration::from_millis(took));
            load_all().await;
            let refreshed = || prices.stats().counts.loads_ok - KEYS;
            eventually("refreshes end", PATIENCE, async || {
                let before = refreshed();
                tokio::task::yield_now().await;
                before >= *share.start() && before == refreshed()
            }).await;
            assert!(share.contains(&refreshed()), "{} of {KEYS} with beta {beta}", refreshed());
        }
    }
}

on_every_store_and_valkey! {
    async fn a_loader_says_ttl_version_and_tags(scene: Scene) {
        let prices = prices(&scene, exactly(TTL), Tiers::Both);
        let load = |value: &'static str| move || -> Load<Loaded<String>> {
            let loaded = Loaded::new(value.to_owned()).ttl(TTL * 2).version(3).tag(Tag::new("eur"));
            Box::pin(async move { Ok(loaded) })
        };
        assert_eq!(*prices.get_or_load(&7, load("old")).await.unwrap(), "old");
        scene.clock.advance(TTL + MILLISECOND);
        assert_eq!(*prices.get_or_load(&7, load("new")).await.unwrap(), "old", "its own TTL");
        assert_eq!(*prices.get(&7).min_version(3).await.unwrap().unwrap(), "old", "its version");
        assert!(prices.get(&7).min_version(4).await.unwrap().is_none());
        prices.invalidate(&[Tag::new("eur")]).await.unwrap();
        assert!(prices.get(&7).await.unwrap().is_none(), "its tag");
        assert_eq!(*prices.get_or_load(&7, load("new")).await.unwrap(), "new");
        scene.clock.advance(TTL * 2);
        assert!(prices.get(&7).await.unwrap().is_none());
    }
}

on_every_store_and_valkey! {
    async fn a_call_may_say_its_own_ttl(scene: Scene) {
        let (source, prices) = (Source::of("x"), prices(&scene, exactly(TTL), Tiers::Both));
        prices.get_or_load(&1, source.loader()).ttl(Duration::from_secs(10)).await.unwrap();
        prices.set(&2, "y".to_owned()).ttl(TTL * 2).await.unwrap();
        scene.clock.advance(Duration::from_secs(10));
        assert_eq!(peek(&prices, &1).await, None);
        scene.clock.advance(TTL);
        assert_eq!(peek(&prices, &2).await.as_deref(), Some("y"));
    }
}

on_every_store_and_valkey! {
    async fn that_there_is_nothing_is_remembered_for_a_shorter_time(scene: Scene) {
        for tiers in ALL_TIERS {
            let freshness = exactly(TTL).negative_ttl(Duration::from_secs(5));
            let prices = prices(&scene, freshness, tiers);
            let nothing = || -> Load<Option<String>> { Box::pin(async { Ok(None) }) };
            let unasked = || -> Load<Option<String>> { Box::pin(async { panic!("it is known to be absent") }) };
            assert_eq!(prices.find_or_load(&7, nothing).await.unwrap(), None);
            assert_eq!(prices.find_or_load(&7, unasked).await.unwrap(), None);
            assert_eq!(prices.get(&7).lookup().await.unwrap(), Lookup::Absent, "{tiers:?}");
            assert_eq!(prices.get(&8).lookup().await.unwrap(), Lookup::Miss, "{tiers:?}");
            assert_eq!(peek(&prices, &7).await, None);
            let error = prices.get_or_load(&7, unasked).await.unwrap_err();
            assert!(matches!(error, Error::Absent { .. }), "{error}");
            assert!(prices.stats().counts.absent_hits >= 3, "{tiers:?}");
            scene.clock.advance(Duration::from_secs(5));
            let there = || -> Load<Option<String>> { Box::pin(async { Ok(Some("x".to_owned())) }) };
            assert_eq!(prices.find_or_load(&7, there).await.unwrap().unwrap().as_str(), "x", "{tiers:?}");
            prices.set_absent(&7).await.unwrap();
            assert_eq!(prices.get(&7).lookup().await.unwrap(), Lookup::Absent, "{tiers:?}");
            prices.remove(&7).await.unwrap();
            assert_eq!(prices.get(&7).lookup().await.unwrap(), Lookup::Miss, "{tiers:?}");
        }
    }
}

on_every_store_and_valkey! {
    async fn that_there_is_nothing_is_not_remembered_for_longer_because_it_is_asked_for(scene: Scene) {
        for tiers in ALL_TIERS {
            let seconds = Duration::from_secs;
            let prices = prices(&scene, exactly(TTL).sliding().negative_ttl(seconds(5)), tiers);
            let nothing = || -> Load<Option<String>> { Box::pin(async { Ok(None) }) };
            let unasked = || -> Load<Option<String>> { Box::pin(async { panic!("it is known to be absent") }) };
            assert_eq!(prices.find_or_load(&7, nothing).await.unwrap(), None);
            for _ in 0..2 {
                scene.clock.advance(seconds(2));
                assert_eq!(prices.find_or_load(&7, unasked).await.unwrap(), None, "{tiers:?}");
                assert!(!prices.touch(&7).await.unwrap(), "{tiers:?}");
            }
            scene.clock.advance(seconds(1));
            let there = || -> Load<Option<String>> { Box::pin(async { Ok(Some("x".to_owned())) }) };
            assert_eq!(prices.find_or_load(&7, there).await.unwrap().unwrap().as_str(), "x", "{tiers:?}");
        }
    }
}

on_every_store_and_valkey! {
    async fn a_stale_value_does_not_stand_in_when_it_became_too_old_during_the_load(scene: Scene) {
        for tiers in ALL_TIERS {
            let freshness = exactly(TTL).stale_if_error(TTL * 3);
            let (source, prices) = (Source::of("old"), prices(&scene, freshness, tiers));
            read(&prices, &7, &source).await;
            scene.clock.advance(TTL * 2);
            source.hold();
            let waiting = tokio::spawn({
                let (prices, loader) = (prices.clone(), source.loader());
                async move { prices.get_or_load(&7, loader).await }
            });
            source.until_loads(2).await;
            scene.clock.advance(TTL * 2);
            source.breaks();
            source.release();
            let error = waiting.await.unwrap().unwrap_err();
            assert!(matches!(error, Error::Load { .. }), "{tiers:?}: {error}");
        }
    }
}
