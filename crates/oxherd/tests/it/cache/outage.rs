//! A store that is away costs nobody the answer, whoever asks and however little time they have.

use std::future::IntoFuture as _;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use oxherd::breaker::State;
use oxherd::cache::{Level, Namespace, Tag, Tiers};
use oxherd::{Error, Oxherd};
use oxherd_testkit::{FaultProxy, eventually};
use tokio::time::timeout;

use super::source::{Source, peek_strict, read, read_tagged};
use crate::scene::{PATIENCE, Scene, on_every_store_and_valkey, on_stores};

macro_rules! on_servers {
    ($($behaviour:tt)*) => {
        on_stores! { [on_redis, on_valkey] $($behaviour)* }
    };
}

async fn behind(scene: &Scene) -> (FaultProxy, Oxherd) {
    let proxy = FaultProxy::start(scene.server().addr()).await;
    let far = scene.behind(&proxy).await;
    (proxy, far)
}

on_servers! {
    async fn callers_in_a_hurry_are_answered_although_the_store_is_silent(scene: Scene) {
        let (proxy, far) = behind(&scene).await;
        for tiers in [Tiers::Both, Tiers::Shared] {
            let cache = far.cache_builder().open().unwrap();
            let prices = cache.namespace::<u64, String>(&format!("prices-{tiers:?}")).tiers(tiers).open().unwrap();
            let source = Source::of("x");
            for id in 0..100 {
                read(&prices, &id, &source).await;
            }
            proxy.blackhole(true);
            let mut ids = 1000..;
            eventually("everybody is answered", PATIENCE, async || {
                let reads = ids.by_ref().take(20).map(|id| {
                    let (prices, loader) = (&prices, source.loader());
                    async move { timeout(Duration::from_millis(50), prices.get_or_load(&id, loader)).await.is_ok() }
                });
                join_all(reads).await.into_iter().all(|is_answered| is_answered)
            })
            .await;
            assert_eq!(cache.breaker().state(), State::Open, "{tiers:?}");
            proxy.blackhole(false);
            proxy.cut_all();
            eventually("the store is asked again", PATIENCE, async || {
                scene.clock.advance(Duration::from_secs(1));
                prices.set(&1, "x".to_owned()).await.is_ok() && cache.breaker().state() == State::Closed
            })
            .await;
        }
    }
}

on_every_store_and_valkey! {
    async fn callers_who_go_away_do_not_speak_against_a_store_that_answers(scene: Scene) {
        let cache = scene.oxherd.cache();
        let prices = cache.namespace::<u64, String>("prices").open().unwrap();
        peek_strict(&prices, &1).await;
        for id in 0..100 {
            drop(prices.get(&id).strict().into_future().now_or_never());
        }
        peek_strict(&prices, &1).await;
        eventually("what became of them is known", PATIENCE, async || {
            cache.breaker().snapshot().window.calls >= 100
        })
        .await;
        assert_eq!(cache.breaker().snapshot().window.failures, 0);
        assert_eq!(cache.breaker().state(), State::Closed);
    }
}

on_servers! {
    async fn a_store_that_is_gone_costs_nobody_but_the_first_any_time(scene: Scene) {
        let (proxy, far) = behind(&scene).await;
        let deadline = Duration::from_secs(2);
        let cache = far.cache_builder().deadline(deadline).open().unwrap();
        cache.breaker().disable();
        let prices = cache.namespace::<u64, String>("prices").tiers(Tiers::Shared).open().unwrap();
        let source = Source::of("x");
        read(&prices, &1, &source).await;
        proxy.refuse(true);
        proxy.cut_all();
        // It may be back in a moment.
        read(&prices, &2, &source).await;
        let began = Instant::now();
        for id in 100..150 {
            assert_eq!(read(&prices, &id, &source).await, "x");
        }
        assert!(began.elapsed() < deadline, "{:?}", began.elapsed());
        let error = prices.set(&1, "y".to_owned()).await.unwrap_err();
        assert!(error.is_store_unavailable(), "{error}");
        assert!(error.to_string().contains("prices@1"), "{error}");
        proxy.refuse(false);
        eventually("it is asked again", PATIENCE, async || prices.set(&3, "x".to_owned()).await.is_ok()).await;
    }
}

on_servers! {
    async fn a_store_that_is_gone_for_a_moment_costs_no_error(scene: Scene) {
        let (proxy, far) = behind(&scene).await;
        let cache = far.cache_builder().deadline(Duration::from_secs(15)).open().unwrap();
        let prices = cache.namespace::<u64, String>("prices").open().unwrap();
        let source = Source::of("x");
        read(&prices, &1, &source).await;
        for round in 1..=3 {
            proxy.refuse(true);
            proxy.cut_all();
            eventually("the loss is noticed", PATIENCE, async || !cache.is_live()).await;
            let writing = tokio::spawn({
                let prices = prices.clone();
                async move { prices.set(&2, format!("{round}")).await }
            });
            let refused = proxy.refused();
            eventually("it tries in vain", PATIENCE, async || proxy.refused() > refused + 1).await;
            proxy.refuse(false);
            writing.await.unwrap().unwrap();
            assert_eq!(peek_strict(&prices, &2).await, Some(format!("{round}")));
        }
        assert_eq!(prices.stats().counts.store_errors, 0);
    }
}

on_servers! {
    async fn a_short_deadline_is_kept(scene: Scene) {
        let (proxy, far) = behind(&scene).await;
        let cache = far.cache_builder().deadline(Duration::from_millis(20)).open().unwrap();
        cache.breaker().disable();
        let prices = cache.namespace::<u64, String>("prices").tiers(Tiers::Shared).open().unwrap();
        let source = Source::of("x");
        eventually("it is connected", PATIENCE, async || prices.set(&1, "x".to_owned()).await.is_ok()).await;
        proxy.blackhole(true);
        let mut fastest = Duration::MAX;
        for id in 10..15 {
            let began = Instant::now();
            assert_eq!(read(&prices, &id, &source).await, "x");
            fastest = fastest.min(began.elapsed());
        }
        assert!(fastest < Duration::from_millis(150), "{fastest:?}");
    }
}

/// A process whose user has these rights.
async fn with_rights(scene: &Scene, rights: &str) -> Oxherd {
    scene
        .tell(&format!("ACL SETUSER app reset on >pw {rights}"))
        .await;
    scene
        .process_at(&format!("redis://app:pw@{}", scene.server().addr()))
        .await
}

on_servers! {
    async fn who_may_not_use_the_channels_is_told_so(scene: Scene) {
        let far = with_rights(&scene, "~bull:* +@all resetchannels").await;
        let prices: Namespace<u64, String> = far.cache().namespace("prices").open().unwrap();
        for _ in 0..3 {
            let error = prices.set(&1, "x".to_owned()).await.unwrap_err();
            assert!(matches!(error, Error::Store { .. }), "{error:?}");
            let text = error.to_string();
            assert!(text.contains("NoPerm") && text.contains("channel"), "{text}");
        }
        let source = Source::of("x");
        let began = Instant::now();
        for id in 0..50 {
            assert_eq!(read(&prices, &id, &source).await, "x");
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        scene.tell("ACL SETUSER app &bull:cache:*").await;
        eventually("it may now", PATIENCE, async || prices.set(&1, "x".to_owned()).await.is_ok()).await;
    }
}

/// As `docs/cache-operations.md` has it.
const RIGHTS: &str =
    "~bull:cache:* &bull:cache:* +@read +@write +@connection +@pubsub +@scripting -@dangerous +time +info";

on_servers! {
    async fn these_rights_are_enough(scene: Scene) {
        let far = with_rights(&scene, RIGHTS).await;
        let prices: Namespace<u64, String> = far.cache().namespace("prices").level(Level::Intent).open().unwrap();
        let (source, tag) = (Source::of("x"), Tag::new("eur"));
        let count: Namespace<u64, i64> = far.cache().namespace("counts").open().unwrap();
        read_tagged(&prices, &1, &source, &tag).await;
        assert_eq!(peek_strict(&prices, &1).await.as_deref(), Some("x"), "it is kept");
        prices.invalidate(&[tag]).await.unwrap();
        assert_eq!(peek_strict(&prices, &1).await, None);
        prices.intend(&1, Duration::from_secs(5)).await.unwrap().conclude().await.unwrap();
        prices.set(&2, "y".to_owned()).await.unwrap();
        assert!(prices.remove(&2).await.unwrap());
        prices.tenant("acme").unwrap().clear().await.unwrap();
        prices.clear().await.unwrap();
        count.increment(&1, 2).await.unwrap();
        assert!(far.cache().is_live(), "it hears of changes");
        assert_eq!(prices.stats().counts.store_errors, 0);
    }
}
