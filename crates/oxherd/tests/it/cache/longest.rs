//! The longest times there may be neither overflow nor make anybody wait; longer ones are refused.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use oxherd::Error;
use oxherd::cache::{Freshness, Level, Loaded, NamespaceBuilder, Tag, Tiers};

use super::source::{Source, peek, peek_strict, read};
use crate::scene::on_every_store_and_valkey;

const DAY: Duration = Duration::from_secs(24 * 3600);
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Everything as long as it may be.
fn longest() -> Freshness {
    Freshness::of(LONGEST)
        .jitter(0.5)
        .local_ttl(LONGEST)
        .negative_ttl(LONGEST)
        .retry_after_error(LONGEST)
        .refresh_ahead(10.0)
}

on_every_store_and_valkey! {
    async fn the_longest_times_are_times_like_others(scene: Scene) {
        let stale = longest().stale_while_revalidate(LONGEST).stale_if_error(LONGEST);
        for tiers in [Tiers::Both, Tiers::Shared, Tiers::Local] {
            for (kind, freshness) in [("stale", stale), ("sliding", longest().sliding())] {
                let prices = scene
                    .oxherd
                    .cache()
                    .namespace::<u64, String>(&format!("{kind}-{tiers:?}"))
                    .tiers(tiers)
                    .freshness(freshness)
                    .fence_life(LONGEST)
                    .outage_ttl(LONGEST)
                    .verify(1.0)
                    .open()
                    .unwrap();
                let (source, what) = (Source::of("x"), format!("{kind} {tiers:?}"));
                let tag = Tag::new("all");
                let load = prices.get_or_load(&7, source.loader()).tag(tag.clone()).ttl(LONGEST);
                assert_eq!(*load.await.unwrap(), "x", "{what}");
                // In half the time that jitter leaves of it.
                scene.clock.advance(LONGEST / 4);
                assert_eq!(read(&prices, &7, &source).await, "x", "{what}");
                assert_eq!(peek_strict(&prices, &7).await.as_deref(), Some("x"), "{what}");
                prices.touch(&7).await.unwrap();
                prices.set(&8, "y".to_owned()).ttl(LONGEST).await.unwrap();
                assert_eq!(peek(&prices, &8).await.as_deref(), Some("y"), "{what}");
                let none = || async { Ok::<_, Infallible>(Loaded::absent().ttl(Duration::MAX)) };
                assert_eq!(prices.find_or_load(&9, none).await.unwrap(), None, "{what}");
                prices.invalidate(&[tag]).await.unwrap();
                assert_eq!(peek(&prices, &7).await, None, "{what}");
                prices.clear().await.unwrap();
                assert_eq!(peek(&prices, &8).await, None, "{what}");
            }
        }
    }
}

on_every_store_and_valkey! {
    async fn the_longest_times_have_an_end(scene: Scene) {
        let freshness = longest().stale_if_error(LONGEST);
        for tiers in [Tiers::Both, Tiers::Shared, Tiers::Local] {
            let prices = scene
                .oxherd
                .cache()
                .namespace::<u64, String>(&format!("prices-{tiers:?}"))
                .tiers(tiers)
                .freshness(freshness)
                .open()
                .unwrap();
            let source = Source::of("old");
            read(&prices, &7, &source).await;
            source.breaks();
            scene.clock.advance(LONGEST);
            assert_eq!(read(&prices, &7, &source).await, "old", "{tiers:?}: its source fails");
            scene.clock.advance(LONGEST);
            let error = prices.get_or_load(&7, source.loader()).await.unwrap_err();
            assert!(matches!(error, Error::Load { .. }), "{tiers:?}: {error}");
        }
    }
}

on_every_store_and_valkey! {
    async fn a_sampler_of_every_hit_of_a_year_makes_nobody_wait(scene: Scene) {
        let prices = scene
            .oxherd
            .cache()
            .namespace::<u64, String>("prices")
            .freshness(Freshness::of(YEAR).local_ttl(YEAR))
            .verify(1.0)
            .open()
            .unwrap();
        let source = Source::of("x");
        for _ in 0..200 {
            assert_eq!(read(&prices, &7, &source).await, "x");
        }
        while prices.stats().counts.verified == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(prices.stats().counts.stale_rate(), Some(0.0));
    }
}

on_every_store_and_valkey! {
    async fn a_longer_time_is_refused(scene: Scene) {
        let open = || -> NamespaceBuilder<u64, String> { scene.oxherd.cache().namespace("prices") };
        let over = LONGEST + Duration::from_millis(1);
        for time in [over, Duration::from_secs(u64::MAX), Duration::MAX] {
            let of = Freshness::of(DAY);
            for (option, refused) in [
                ("ttl", open().freshness(Freshness::of(time))),
                ("negative_ttl", open().freshness(of.negative_ttl(time))),
                ("local_ttl", open().freshness(of.local_ttl(time))),
                ("stale_while_revalidate", open().freshness(of.stale_while_revalidate(time))),
                ("stale_if_error", open().freshness(of.stale_if_error(time))),
                ("retry_after_error", open().freshness(of.retry_after_error(time))),
                ("hard_timeout", open().hard_timeout(time)),
                ("lease_term", open().lease_term(time)),
                ("lock_wait", open().lock_wait(time)),
                ("fence_life", open().fence_life(time)),
                ("outage_ttl", open().outage_ttl(time)),
            ] {
                let error = refused.open().unwrap_err().to_string();
                assert!(error.contains(&format!("`{option}`")), "{error}");
            }
        }
        let prices = open().level(Level::Delete).open().unwrap();
        let source = Source::of("x");
        let nobody = |_: Vec<u64>| async { Err::<HashMap<u64, String>, _>("the source is not asked") };
        read(&prices, &7, &source).await;
        let refused = [
            prices.set(&7, "y".to_owned()).ttl(over).await.unwrap_err(),
            prices.get_or_load(&7, source.loader()).ttl(Duration::MAX).await.unwrap_err(),
            prices.find_or_load(&8, source.loader()).ttl(over).await.unwrap_err(),
            prices.get_or_load(&8, source.loader()).ttl(over).detailed().await.unwrap_err(),
            prices.get_or_load_many(&[7], nobody).ttl(over).await.unwrap_err(),
            prices.get_or_load_many(&[7, 8], nobody).ttl(Duration::MAX).await.unwrap_err(),
            prices.intend(&7, Duration::MAX).await.unwrap_err(),
        ];
        for error in refused {
            assert!(matches!(error, Error::CacheOption { .. }), "{error}");
        }
        assert_eq!((peek(&prices, &7).await.as_deref(), source.loads()), (Some("x"), 1));
    }
}
