//! Many keys at once are no more to the store than few, and are kept like one.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use oxherd::cache::{Freshness, LoadTimedOut, Namespace, Ttl};
use oxherd::{Error, Oxherd};
use oxherd_testkit::eventually;

use crate::scene::{PATIENCE, on_every_store_and_valkey};

const KEYS: u64 = 20_000;

fn rows(oxherd: &Oxherd) -> Namespace<u64, u64> {
    let rows = oxherd
        .cache()
        .namespace("rows")
        .freshness(Freshness::of(Ttl::LONG));
    rows.open().unwrap()
}

on_every_store_and_valkey! {
    async fn very_many_keys_are_loaded_by_one_call_and_all_are_kept(scene: Scene) {
        let (rows, keys) = (rows(&scene.oxherd), (0..KEYS).collect::<Vec<_>>());
        let calls = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&calls);
        let load = move |missing: Vec<u64>| {
            counted.fetch_add(1, Ordering::SeqCst);
            async move {
                Ok::<_, Infallible>(missing.into_iter().map(|id| (id, id * 2)).collect::<HashMap<_, _>>())
            }
        };
        let loaded = rows.get_or_load_many(&keys, load).await.unwrap();
        assert!(loaded.iter().zip(&keys).all(|(row, id)| row.as_deref() == Some(&(id * 2))));
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        let theirs = self::rows(&scene.other_process().await);
        let kept = theirs.get_many(&keys).await.unwrap();
        assert_eq!(kept.iter().flatten().count(), keys.len());
        for space in [&rows, &theirs] {
            let counts = space.stats().counts;
            assert_eq!((counts.store_errors, counts.skipped_by_breaker), (0, 0), "{counts:?}");
        }
    }
}

on_every_store_and_valkey! {
    async fn a_loader_of_many_that_takes_too_long_is_given_up(scene: Scene) {
        let rows = scene.oxherd.cache().namespace::<u64, u64>("rows");
        let rows = rows.hard_timeout(Duration::from_millis(200)).open().unwrap();
        let never = |_: Vec<u64>| std::future::pending::<Result<HashMap<u64, u64>, Infallible>>();
        let counted = rows.clone();
        let reading = tokio::spawn(async move { rows.get_or_load_many(&[1, 2, 3], never).await });
        eventually("the load is given up", PATIENCE, async || {
            scene.clock.advance(Duration::from_millis(50));
            reading.is_finished()
        })
        .await;
        let error = reading.await.unwrap().unwrap_err();
        let Error::Load { source: cause, .. } = &error else { panic!("{error}") };
        assert!(cause.downcast_ref::<LoadTimedOut>().is_some(), "{cause:?}");
        assert_eq!(counted.stats().counts.loads_timed_out, 3);
    }
}
