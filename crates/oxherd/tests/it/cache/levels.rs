//! What a read returns after a write, at each level that promises something.

use std::time::Duration;

use oxherd::cache::{Level, Loaded, Namespace, NamespaceBuilder, Packing, Tiers};
use oxherd::{Error, Oxherd};
use oxherd_testkit::eventually;
use tokio::sync::watch;

use super::source::{Load, Source, peek, peek_strict, read, reader};
use crate::scene::{PATIENCE, Scene, on_every_store_and_valkey};

fn builder(oxherd: &Oxherd, level: Level) -> NamespaceBuilder<u64, String> {
    oxherd.cache().namespace("rows").level(level)
}

fn rows(oxherd: &Oxherd, level: Level) -> Namespace<u64, String> {
    builder(oxherd, level).open().unwrap()
}

/// A load of this version.
fn at(version: u64) -> impl FnOnce() -> Load<Loaded<String>> + Send + 'static {
    move || Box::pin(async move { Ok(Loaded::new(format!("v{version}")).version(version)) })
}

/// The same, held until the other end says so.
fn at_when(go: &watch::Sender<bool>, version: u64) -> impl FnOnce() -> Load<Loaded<String>> + Send + 'static {
    let mut gone = go.subscribe();
    move || {
        Box::pin(async move {
            gone.wait_for(|gone| *gone).await.unwrap();
            Ok(Loaded::new(format!("v{version}")).version(version))
        })
    }
}

async fn until_leased(scene: &Scene) {
    eventually("it loads", PATIENCE, async || {
        scene.exists("bull:cache:{rows@1}:l::7:").await
    })
    .await;
}

on_every_store_and_valkey! {
    async fn an_older_load_never_overwrites_a_newer_write(scene: Scene) {
        let (mine, theirs) = (rows(&scene.oxherd, Level::Fenced), rows(&scene.other_process().await, Level::Fenced));
        let go = watch::Sender::new(false);
        let held = at_when(&go, 1);
        let early = tokio::spawn({
            let mine = mine.clone();
            async move { mine.get_or_load(&7, held).await }
        });
        until_leased(&scene).await;
        theirs.set(&7, "v2".to_owned()).version(2).await.unwrap();
        go.send_replace(true);
        early.await.unwrap().unwrap();
        for rows in [&mine, &theirs] {
            assert_eq!(peek_strict(rows, &7).await.as_deref(), Some("v2"));
            assert_eq!(peek(rows, &7).await.as_deref(), Some("v2"));
        }
    }
}

on_every_store_and_valkey! {
    async fn a_load_from_a_replica_that_lags_is_not_kept(scene: Scene) {
        let rows = rows(&scene.oxherd, Level::Fenced);
        rows.remove(&7).version(5).await.unwrap();
        let answer = rows.get_or_load(&7, at(4)).await;
        assert_eq!(peek_strict(&rows, &7).await, None);
        assert_eq!(peek(&rows, &7).await, None);
        assert_eq!(rows.stats().counts.fills_refused_fenced, 1);
        // Nothing below the version, whatever the order.
        let error = answer.unwrap_err();
        assert!(matches!(error, Error::BehindVersion { wanted: 5, found: 4, .. }), "{error}");
        assert_eq!(*rows.get_or_load(&7, at(5)).await.unwrap(), "v5");
        assert_eq!(peek_strict(&rows, &7).await.as_deref(), Some("v5"));
    }
}

on_every_store_and_valkey! {
    async fn a_fence_that_is_too_high_goes_with_its_key_in_the_store_and_in_no_other_way(scene: Scene) {
        const MILLISECONDS: u64 = 1_800_000_000_000;
        const FENCE: &str = "bull:cache:{rows@1}:f::7:";
        let rows = rows(&scene.oxherd, Level::Fenced);
        let behind = async || {
            let error = rows.get_or_load(&7, at(5)).await.unwrap_err();
            assert!(matches!(error, Error::BehindVersion { wanted: MILLISECONDS, found: 5, .. }), "{error}");
            assert!(error.to_string().contains("fence"), "{error}");
        };
        rows.remove(&7).version(MILLISECONDS).await.unwrap();
        behind().await;
        rows.remove(&7).await.unwrap();
        behind().await;
        rows.remove(&7).version(6).await.unwrap();
        behind().await;
        rows.clear().await.unwrap();
        behind().await;
        scene.tell(&format!("DEL {FENCE}")).await;
        assert_eq!(*rows.get_or_load(&7, at(5)).await.unwrap(), "v5");

        // A value of such a version is a fence too, until it is removed as well.
        rows.set(&7, "v5".to_owned()).version(MILLISECONDS).await.unwrap();
        scene.tell(&format!("DEL {FENCE}")).await;
        rows.remove(&7).await.unwrap();
        assert_eq!(*rows.get_or_load(&7, at(5)).await.unwrap(), "v5");

        // Another namespace version has fences of its own.
        rows.remove(&7).version(MILLISECONDS).await.unwrap();
        let next = builder(&scene.oxherd, Level::Fenced).version(2).open().unwrap();
        assert_eq!(*next.get_or_load(&7, at(5)).await.unwrap(), "v5");
    }
}

on_every_store_and_valkey! {
    async fn an_older_write_is_refused(scene: Scene) {
        for level in [Level::Delete, Level::Fenced] {
            let rows = rows(&scene.other_process().await, level);
            rows.set(&7, "v2".to_owned()).version(2).await.unwrap();
            let error = rows.set(&7, "v1".to_owned()).version(1).await.unwrap_err();
            assert!(matches!(error, Error::CacheRefused { .. }), "{error}");
            assert_eq!(peek(&rows, &7).await.as_deref(), Some("v2"));
            rows.set(&7, "v2 again".to_owned()).version(2).await.unwrap();
            rows.set(&7, "v3".to_owned()).version(3).await.unwrap();
            assert_eq!(peek_strict(&rows, &7).await.as_deref(), Some("v3"));
            rows.remove(&7).version(4).await.unwrap();
            rows.set(&7, "v3".to_owned()).version(3).await.unwrap_err();
            assert_eq!(peek(&rows, &7).await, None);
            scene.tell("FLUSHALL").await;
        }
    }
}

on_every_store_and_valkey! {
    async fn a_removal_of_a_version_leaves_what_is_newer(scene: Scene) {
        let rows = rows(&scene.oxherd, Level::Fenced);
        rows.set(&7, "v5".to_owned()).version(5).await.unwrap();
        assert!(!rows.remove(&7).version(5).await.unwrap());
        assert_eq!(peek_strict(&rows, &7).await.as_deref(), Some("v5"));
        assert!(!rows.remove(&7).version(3).await.unwrap());
        assert_eq!(peek(&rows, &7).await.as_deref(), Some("v5"));
        assert!(rows.remove(&7).version(6).await.unwrap());
        assert_eq!(peek(&rows, &7).await, None);
        // A late message about an older write does not lower the fence.
        rows.remove(&7).version(2).await.unwrap();
        rows.set(&7, "v5".to_owned()).version(5).await.unwrap_err();
        let above = u64::MAX;
        rows.set(&7, "last".to_owned()).version(above).await.unwrap();
        assert_eq!(peek_strict(&rows, &7).await.as_deref(), Some("last"));
    }
}

on_every_store_and_valkey! {
    async fn what_has_no_version_is_not_kept_behind_a_fence(scene: Scene) {
        let rows = rows(&scene.oxherd, Level::Fenced);
        let source = Source::of("x");
        assert_eq!(read(&rows, &7, &source).await, "x");
        assert_eq!(peek(&rows, &7).await, None);
        assert!(!scene.exists("bull:cache:{rows@1}:l::7:").await, "the lease was given back");
        let error = rows.set(&7, "x".to_owned()).await.unwrap_err();
        assert!(error.to_string().contains("call `.version(…)`"), "{error}");
    }
}

on_every_store_and_valkey! {
    async fn a_value_may_know_its_version(scene: Scene) {
        let of_length = |text: &String| text.len() as u64;
        let rows = builder(&scene.oxherd, Level::Fenced).version_of(of_length).open().unwrap();
        assert_eq!(read(&rows, &7, &Source::of("333")).await, "333");
        assert_eq!(peek(&rows, &7).await.as_deref(), Some("333"));
        rows.set(&7, "22".to_owned()).await.unwrap_err();
        rows.set(&7, "4444".to_owned()).await.unwrap();
        assert!(rows.get(&7).min_version(4).await.unwrap().is_some());
        assert!(rows.get(&7).min_version(5).await.unwrap().is_none());
    }
}

on_every_store_and_valkey! {
    async fn nobody_reads_less_than_his_own_write(scene: Scene) {
        for level in [Level::Delete, Level::Fenced] {
            let (mine, theirs) = (rows(&scene.other_process().await, level), rows(&scene.other_process().await, level));
            assert_eq!(*mine.get_or_load(&7, at(1)).await.unwrap(), "v1");
            assert_eq!(*theirs.get_or_load(&7, at(1)).await.unwrap(), "v1");
            // Written at the source; nobody has told the cache yet.
            assert!(mine.get(&7).min_version(2).await.unwrap().is_none());
            assert_eq!(*mine.get_or_load(&7, at(2)).min_version(2).await.unwrap(), "v2");
            assert_eq!(*theirs.get_or_load(&7, at(2)).min_version(2).await.unwrap(), "v2");
            assert_eq!(peek_strict(&mine, &7).await.as_deref(), Some("v2"));
            assert_eq!(*mine.get_or_load(&7, at(9)).min_version(1).await.unwrap(), "v2", "newer is good enough");
            scene.tell("FLUSHALL").await;
        }
    }
}

on_every_store_and_valkey! {
    async fn a_source_that_is_behind_is_told_so(scene: Scene) {
        let rows = rows(&scene.oxherd, Level::Delete);
        let error = rows.get_or_load(&7, at(1)).min_version(2).await.unwrap_err();
        assert!(matches!(error, Error::BehindVersion { wanted: 2, found: 1, .. }), "{error}");
        assert!(error.to_string().contains("replica that lags"), "{error}");
        assert_eq!(*rows.get_or_load(&7, at(2)).min_version(2).await.unwrap(), "v2");
    }
}

on_every_store_and_valkey! {
    async fn who_needs_a_version_does_not_take_what_another_waits_for(scene: Scene) {
        let rows = rows(&scene.oxherd, Level::Delete);
        let go = watch::Sender::new(false);
        let held = at_when(&go, 1);
        let first = tokio::spawn({
            let rows = rows.clone();
            async move { rows.get_or_load(&7, held).await }
        });
        until_leased(&scene).await;
        let second = tokio::spawn({
            let rows = rows.clone();
            async move { rows.get_or_load(&7, at(2)).min_version(2).await }
        });
        eventually("both wait", PATIENCE, async || rows.stats().counts.misses == 2).await;
        go.send_replace(true);
        assert_eq!(*first.await.unwrap().unwrap(), "v1");
        assert_eq!(*second.await.unwrap().unwrap(), "v2");
    }
}

on_every_store_and_valkey! {
    async fn while_a_write_is_announced_everybody_reads_past_the_cache(scene: Scene) {
        for level in [Level::Delete, Level::Intent] {
            let (mine, theirs) = (rows(&scene.other_process().await, level), rows(&scene.other_process().await, level));
            let source = Source::of("old");
            assert_eq!(read(&mine, &7, &source).await, "old");
            assert_eq!(read(&theirs, &7, &source).await, "old");
            let intent = mine.intend(&7, Duration::from_secs(60)).await.unwrap();
            assert!(intent.remaining() > Duration::from_secs(50));
            for rows in [&mine, &theirs] {
                let before = source.loads();
                for _ in 0..2 {
                    assert_eq!(rows.get_or_load(&7, source.loader()).strict().await.unwrap().as_str(), "old");
                }
                assert_eq!(source.loads(), before + 2, "each read asks the source");
                assert_eq!(peek_strict(rows, &7).await, None);
                let error = rows.set(&7, "old".to_owned()).await.unwrap_err();
                assert!(error.to_string().contains("a write of it is announced"), "{error}");
            }
            source.write("new");
            assert_eq!(theirs.get_or_load(&7, source.loader()).strict().await.unwrap().as_str(), "new");
            assert!(intent.conclude().await.unwrap());
            for rows in [&mine, &theirs] {
                assert_eq!(read(rows, &7, &source).await, "new");
            }
            let before = source.loads();
            assert_eq!(read(&mine, &7, &source).await, "new");
            assert_eq!(source.loads(), before, "it is kept again");
            scene.tell("FLUSHALL").await;
        }
    }
}

on_every_store_and_valkey! {
    async fn a_load_that_an_announcement_overtook_is_not_kept(scene: Scene) {
        let rows = rows(&scene.oxherd, Level::Intent);
        let source = Source::of("old");
        source.hold();
        let early = reader(&rows, &7, &source);
        source.until_loads(1).await;
        let intent = rows.intend(&7, Duration::from_secs(60)).await.unwrap();
        source.write("new");
        assert!(intent.conclude().await.unwrap());
        let late = reader(&rows, &7, &source);
        eventually("it waits", PATIENCE, async || rows.stats().counts.misses == 2).await;
        source.release();
        assert_eq!(early.await.unwrap().unwrap().as_str(), "old");
        assert_eq!(late.await.unwrap().unwrap().as_str(), "new");
        assert_eq!(peek(&rows, &7).await.as_deref(), Some("new"));
    }
}

on_every_store_and_valkey! {
    async fn each_of_several_writers_has_his_own_announcement(scene: Scene) {
        let (mine, theirs) = (rows(&scene.oxherd, Level::Intent), rows(&scene.other_process().await, Level::Intent));
        let source = Source::of("x");
        let minute = Duration::from_secs(60);
        let (first, second) = (mine.intend(&7, minute).await.unwrap(), theirs.intend(&7, minute).await.unwrap());
        assert!(first.conclude().await.unwrap());
        read(&mine, &7, &source).await;
        assert_eq!(peek(&mine, &7).await, None, "the second still stands");
        assert!(second.conclude_at(3).await.unwrap());
        mine.set(&7, "x".to_owned()).version(2).await.unwrap_err();
        read(&mine, &8, &source).await;
        assert_eq!(peek(&mine, &8).await.as_deref(), Some("x"));
        assert_eq!(*mine.get_or_load(&7, at(3)).await.unwrap(), "v3");
        assert_eq!(peek(&theirs, &7).await.as_deref(), Some("v3"));
    }
}

on_every_store_and_valkey! {
    async fn an_announcement_ends_with_its_term(scene: Scene) {
        let rows = rows(&scene.oxherd, Level::Intent);
        let source = Source::of("x");
        let short = rows.intend(&7, Duration::from_millis(50)).await.unwrap();
        drop(rows.intend(&7, Duration::from_millis(100)).await.unwrap());
        eventually("it is kept again", PATIENCE, async || {
            read(&rows, &7, &source).await;
            peek(&rows, &7).await.is_some()
        }).await;
        assert_eq!(short.remaining(), Duration::ZERO);
        assert!(!short.conclude().await.unwrap(), "it had ended");
        assert_eq!(peek(&rows, &7).await, None, "what was kept meanwhile may be from before the commit");
        assert!(!scene.exists("bull:cache:{rows@1}:w::7:").await);
    }
}

on_every_store_and_valkey! {
    async fn a_read_of_a_version_that_is_not_there_counts_as_a_miss(scene: Scene) {
        for tiers in [Tiers::Both, Tiers::Shared] {
            let rows = builder(&scene.other_process().await, Level::Delete).tiers(tiers).open().unwrap();
            rows.set(&7, "v2".to_owned()).version(2).await.unwrap();
            assert_eq!(rows.get(&7).min_version(3).await.unwrap(), None);
            let counts = rows.stats().counts;
            assert_eq!((counts.hits(), counts.misses), (0, 1), "{tiers:?}");
            assert!(rows.get(&7).min_version(2).await.unwrap().is_some());
            assert_eq!((rows.stats().counts.hits(), rows.stats().counts.misses), (1, 1), "{tiers:?}");
        }
    }
}

on_every_store_and_valkey! {
    async fn a_load_below_the_fence_answers_nobody_even_if_it_is_too_large_to_keep(scene: Scene) {
        let packing = Packing::new().with_max_value(100);
        let rows = builder(&scene.oxherd, Level::Fenced).packing(packing).open().unwrap();
        let large = |version: u64| {
            move || async move { Ok::<_, std::convert::Infallible>(Loaded::new("x".repeat(1_000)).version(version)) }
        };
        rows.remove(&7).version(5).await.unwrap();
        match rows.get_or_load(&7, large(4)).await {
            Err(Error::BehindVersion { wanted: 5, found: 4, .. }) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(rows.get_or_load(&7, large(5)).await.unwrap().len(), 1_000);
    }
}

on_every_store_and_valkey! {
    async fn what_has_no_version_is_a_miss_at_fenced_whoever_kept_it(scene: Scene) {
        // As a process of an earlier release, which knows of no versions.
        let (earlier, rows) = (rows(&scene.other_process().await, Level::Delete), rows(&scene.oxherd, Level::Fenced));
        rows.remove(&7).version(5).await.unwrap();
        let source = Source::of("v4");
        assert_eq!(read(&earlier, &7, &source).await, "v4");
        earlier.set(&8, "old".to_owned()).await.unwrap();
        assert_eq!(peek_strict(&earlier, &7).await.as_deref(), Some("v4"), "it is kept");
        for id in [7, 8] {
            assert_eq!(peek(&rows, &id).await, None);
            assert_eq!(peek_strict(&rows, &id).await, None);
        }
        assert_eq!(rows.get_many(&[7, 8]).await.unwrap(), [None, None]);
        for id in [7, 8] {
            assert_eq!(*rows.get_or_load(&id, at(5)).await.unwrap(), "v5");
            assert_eq!(peek_strict(&rows, &id).await.as_deref(), Some("v5"), "it has taken its place");
        }
    }
}

on_every_store_and_valkey! {
    async fn a_counter_needs_no_version_at_fenced(scene: Scene) {
        let counts = scene.oxherd.cache().namespace::<u64, i64>("counts").level(Level::Fenced).open().unwrap();
        assert_eq!(counts.increment(&1, 5).await.unwrap(), 5);
        assert_eq!(counts.get(&1).await.unwrap().as_deref(), Some(&5));
        assert_eq!(counts.increment(&1, 1).await.unwrap(), 6);
        assert_eq!(counts.get(&1).strict().await.unwrap().as_deref(), Some(&6));
    }
}
