//! Numbers that the store adds to.

use std::time::Duration;

use oxherd::Error;
use oxherd::cache::{Freshness, Namespace};

use crate::scene::{Scene, on_every_store_and_valkey};

/// The last number up to which a double tells all of them apart.
const MOST: i64 = 9_007_199_254_740_991;

fn counts(scene: &Scene, freshness: Freshness) -> Namespace<u64, i64> {
    let counts = scene.oxherd.cache().namespace("counts");
    counts.freshness(freshness.jitter(0.0)).open().unwrap()
}

on_every_store_and_valkey! {
    async fn a_counter_is_refused_where_numbers_are_not_told_apart(scene: Scene) {
        let counts = counts(&scene, Freshness::of(Duration::from_secs(60)));
        for sign in [1, -1] {
            counts.remove(&1).await.unwrap();
            assert_eq!(counts.increment(&1, sign * MOST).await.unwrap(), sign * MOST);
            for by in [sign, sign * 2, sign * MOST, sign * i64::MAX, -sign * i64::MAX] {
                let error = counts.increment(&1, by).await.unwrap_err();
                assert!(matches!(error, Error::CacheRefused { .. }), "{by}: {error}");
                assert!(error.to_string().contains("2^53 - 1"), "{error}");
            }
            assert_eq!(counts.get(&1).strict().await.unwrap().as_deref(), Some(&(sign * MOST)));
            assert_eq!(counts.increment(&1, -sign).await.unwrap(), sign * (MOST - 1));
            // Somebody may have put it there.
            counts.set(&1, sign * i64::MAX).await.unwrap();
            counts.increment(&1, -sign * MOST).await.unwrap_err();
            assert_eq!(counts.get(&1).strict().await.unwrap().as_deref(), Some(&(sign * i64::MAX)));
        }
    }
}

on_every_store_and_valkey! {
    async fn a_counter_does_not_go_on_from_what_is_kept_for_failures_alone(scene: Scene) {
        let hour = Duration::from_secs(3600);
        let counts = counts(&scene, Freshness::of(Duration::from_secs(60)).stale_if_error(hour));
        counts.set(&1, 100).await.unwrap();
        assert_eq!(counts.increment(&1, 1).await.unwrap(), 101);
        // As a minute later, when its TTL has passed.
        scene.tell("PEXPIRE bull:cache:{counts@1}:e::1: 3599999").await;
        assert_eq!(counts.increment(&1, 1).await.unwrap(), 1);
        assert_eq!(counts.increment(&1, 1).await.unwrap(), 2);
    }
}
