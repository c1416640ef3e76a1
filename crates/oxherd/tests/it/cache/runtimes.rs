//! A cache outlives the runtime that used it first, and what blocks one of its threads.

use std::time::{Duration, Instant};

use oxherd::Oxherd;
use oxherd::cache::{Freshness, Namespace, Tier, Ttl};
use oxherd_testkit::eventually;

use super::source::{peek, peek_strict};
use crate::scene::{PATIENCE, on_every_store_and_valkey};

fn prices(oxherd: &Oxherd) -> Namespace<u64, String> {
    let for_long = Freshness::of(Ttl::LONG).local_ttl(Duration::from_secs(3600));
    oxherd
        .cache()
        .namespace("prices")
        .freshness(for_long)
        .open()
        .unwrap()
}

/// Reads until this process has it by itself.
async fn until_here(prices: &Namespace<u64, String>) {
    eventually("it is kept in the process", PATIENCE, async || {
        let nobody = || async { Err::<String, _>("the source is not asked") };
        let found = prices.get_or_load(&7, nobody).detailed().await.unwrap();
        found.tier == Some(Tier::Local)
    })
    .await;
}

/// A cache that was used on a runtime that has ended.
async fn after_a_runtime(oxherd: Oxherd) -> Namespace<u64, String> {
    let life = tokio::task::spawn_blocking(move || {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let prices = prices(&oxherd);
            until_here(&prices).await;
            prices
        })
    });
    life.await.unwrap()
}

on_every_store_and_valkey! {
    async fn what_a_process_holds_is_not_trusted_when_its_runtime_has_ended(scene: Scene) {
        let theirs = prices(&scene.other_process().await);
        for mine in [scene.oxherd.clone(), scene.other_process().await] {
            theirs.set(&7, "old".to_owned()).await.unwrap();
            let prices = after_a_runtime(mine.clone()).await;
            assert!(!mine.cache().is_live());
            theirs.set(&7, "new".to_owned()).await.unwrap();
            assert_eq!(peek(&prices, &7).await.as_deref(), Some("new"));
            // On this runtime it is as good as it was.
            until_here(&prices).await;
            assert!(mine.cache().is_live());
            theirs.set(&7, "newer".to_owned()).await.unwrap();
            eventually("it hears of it", PATIENCE, async || {
                peek(&prices, &7).await.as_deref() == Some("newer")
            })
            .await;
        }
    }
}

/// Has a thread with a runtime of its own read what `theirs` changes meanwhile, by `reading`, and says whether it came to see that.
async fn sees_what_others_change(
    mine: Oxherd,
    theirs: &Namespace<u64, String>,
    reading: impl FnOnce(&tokio::runtime::Runtime, &Namespace<u64, String>) -> bool + Send + 'static,
) -> bool {
    theirs.set(&7, "old".to_owned()).await.unwrap();
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let life = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let prices = prices(&mine);
        runtime.block_on(until_here(&prices));
        ready.send(()).unwrap();
        reading(&runtime, &prices)
    });
    is_ready.await.unwrap();
    theirs.set(&7, "new".to_owned()).await.unwrap();
    life.await.unwrap()
}

on_every_store_and_valkey! {
    async fn who_does_nothing_but_read_hears_of_changes_all_the_same(scene: Scene) {
        let theirs = prices(&scene.other_process().await);
        let mine = scene.other_process().await;
        let reading = |runtime: &tokio::runtime::Runtime, prices: &Namespace<u64, String>| {
            runtime.block_on(async {
                let began = Instant::now();
                // Nothing here ever waits.
                while began.elapsed() < PATIENCE {
                    if peek(prices, &7).await.as_deref() == Some("new") {
                        return true;
                    }
                }
                false
            })
        };
        assert!(sees_what_others_change(mine, &theirs, reading).await);
    }
}

on_every_store_and_valkey! {
    async fn what_a_process_holds_is_not_trusted_while_nobody_runs_what_listens(scene: Scene) {
        let theirs = prices(&scene.other_process().await);
        let mine = scene.other_process().await;
        let reading = |runtime: &tokio::runtime::Runtime, prices: &Namespace<u64, String>| {
            let began = Instant::now();
            // Each of them is answered by the first poll, before any other task of the runtime has a turn.
            while began.elapsed() < PATIENCE {
                if runtime.block_on(peek(prices, &7)).as_deref() == Some("new") {
                    return true;
                }
            }
            false
        };
        assert!(sees_what_others_change(mine, &theirs, reading).await);
    }
}

on_every_store_and_valkey! {
    async fn what_is_loaded_by_blocking_a_thread_for_longer_than_a_lease_is_kept(scene: Scene) {
        let prices = scene.oxherd.cache().namespace::<u64, String>("prices");
        let prices = prices.lease_term(Duration::from_secs(2)).open().unwrap();
        let slow = || async {
            std::thread::sleep(Duration::from_secs(3));
            Ok::<_, std::convert::Infallible>("dear".to_owned())
        };
        assert_eq!(*prices.get_or_load(&7, slow).await.unwrap(), "dear");
        assert_eq!(peek_strict(&prices, &7).await.as_deref(), Some("dear"));
        // Nobody has it renewed for ever.
        assert!(prices.remove(&7).await.unwrap());
        assert_eq!(peek_strict(&prices, &7).await, None);
    }
}

on_every_store_and_valkey! {
    async fn what_a_loader_that_waits_first_and_then_blocks_its_thread_loads_is_kept(scene: Scene) {
        let prices = scene.oxherd.cache().namespace::<u64, String>("prices");
        let prices = prices.lease_term(Duration::from_secs(2)).open().unwrap();
        // Whoever wakes up for the end of the wait serves the timers of this runtime, and goes on with the loader.
        let slow = || async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            std::thread::sleep(Duration::from_secs(3));
            Ok::<_, std::convert::Infallible>("dear".to_owned())
        };
        assert_eq!(*prices.get_or_load(&7, slow).await.unwrap(), "dear");
        assert_eq!(peek_strict(&prices, &7).await.as_deref(), Some("dear"));
    }
}
