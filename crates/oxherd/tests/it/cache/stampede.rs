//! One load, however many wait: callers that go away, loads that fail, processes that die.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use oxherd::cache::{LoadPanicked, Namespace, NamespaceBuilder, Tag, Tiers};
use oxherd::{Error, Oxherd};
use oxherd_testkit::eventually;

use super::source::{Load, Source, peek, peek_strict, read, reader};
use crate::scene::{PATIENCE, Scene, on_every_store_and_valkey};

const LEASE: &str = "bull:cache:{prices@1}:l::7:";
/// Nothing here may depend on the end of a lease or of patience.
const LONG: Duration = Duration::from_secs(600);

fn builder(oxherd: &Oxherd) -> NamespaceBuilder<u64, String> {
    let prices = oxherd.cache().namespace("prices");
    prices.lease_term(LONG).lock_wait(LONG)
}

fn prices(oxherd: &Oxherd) -> Namespace<u64, String> {
    builder(oxherd).open().unwrap()
}

/// Waits until another process waits for the lease.
async fn until_awaited(scene: &Scene) {
    eventually("somebody waits for the lease", PATIENCE, async || {
        scene.ask::<usize>(&["STRLEN", LEASE]).await == 17
    })
    .await;
}

/// A process that dies while it loads: its tasks end without a word.
async fn die_loading(oxherd: Oxherd, term: Duration, source: &Source) {
    let source = source.clone();
    let life = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let prices = builder(&oxherd).lease_term(term).open().unwrap();
            let before = source.loads();
            let loading = reader(&prices, &7, &source);
            source.until_loads(before + 1).await;
            drop(loading);
        });
        runtime.shutdown_background();
    });
    life.await.unwrap();
}

on_every_store_and_valkey! {
    async fn a_caller_that_goes_away_leaves_the_load_to_the_others(scene: Scene) {
        let (source, prices) = (Source::of("x"), prices(&scene.oxherd));
        source.hold();
        let first = reader(&prices, &7, &source);
        source.until_loads(1).await;
        let second = reader(&prices, &7, &source);
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        source.release();
        assert_eq!(*second.await.unwrap().unwrap(), "x");
        assert_eq!(source.loads(), 1);
    }
}

on_every_store_and_valkey! {
    async fn a_load_whose_callers_all_went_away_is_kept(scene: Scene) {
        let (source, prices) = (Source::of("x"), prices(&scene.oxherd));
        source.hold();
        let caller = reader(&prices, &7, &source);
        source.until_loads(1).await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        source.release();
        eventually("it is kept", PATIENCE, async || peek(&prices, &7).await.is_some()).await;
        assert_eq!(source.loads(), 1);
    }
}

on_every_store_and_valkey! {
    async fn a_loader_that_panics_is_an_error_of_all_who_wait_and_of_nobody_later(scene: Scene) {
        let prices = prices(&scene.oxherd);
        let (go, gone) = tokio::sync::watch::channel(false);
        let panics = move || -> Load<String> {
            let mut gone = gone.clone();
            Box::pin(async move {
                gone.wait_for(|gone| *gone).await.unwrap();
                panic!("no such column")
            })
        };
        let callers: Vec<_> = (0..5).map(|_| {
            let (prices, panics) = (prices.clone(), panics.clone());
            tokio::spawn(async move { prices.get_or_load(&7, panics).await })
        }).collect();
        eventually("all wait", PATIENCE, async || prices.stats().counts.misses == 5).await;
        go.send_replace(true);
        for caller in callers {
            let error = caller.await.unwrap().unwrap_err();
            let Error::Load { source, .. } = &error else { panic!("{error}") };
            assert!(source.downcast_ref::<LoadPanicked>().is_some(), "{source:?}");
            assert!(error.to_string().contains("no such column"), "{error}");
        }
        assert_eq!(read(&prices, &7, &Source::of("x")).await, "x");
    }
}

on_every_store_and_valkey! {
    async fn a_failed_load_is_the_same_error_for_all_who_waited(scene: Scene) {
        let (source, prices) = (Source::of("x"), prices(&scene.oxherd));
        source.breaks();
        source.hold();
        let callers: Vec<_> = (0..10).map(|_| reader(&prices, &7, &source)).collect();
        source.until_loads(1).await;
        eventually("all wait", PATIENCE, async || prices.stats().counts.misses == 10).await;
        source.release();
        for caller in callers {
            let error = caller.await.unwrap().unwrap_err().to_string();
            assert!(error.contains("cannot load key \"7\" of cache namespace \"prices@1\""), "{error}");
            assert!(error.contains("the database is down"), "{error}");
        }
        assert_eq!(source.loads(), 1);
        assert!(!scene.exists(LEASE).await, "the lease was given back");
        source.is_mended();
        assert_eq!(read(&prices, &7, &source).await, "x");
    }
}

on_every_store_and_valkey! {
    async fn who_waits_for_another_process_is_woken(scene: Scene) {
        for (round, tiers) in [Tiers::Both, Tiers::Shared].into_iter().enumerate() {
            let name = format!("prices{round}");
            let lease = format!("bull:cache:{{{name}@1}}:l::7:");
            let source = Source::of("x");
            let open = |oxherd: &Oxherd| {
                let prices = oxherd.cache().namespace::<u64, String>(&name).tiers(tiers);
                prices.lease_term(LONG).lock_wait(LONG).open().unwrap()
            };
            let (mine, theirs) = (open(&scene.oxherd), open(&scene.other_process().await));
            source.hold();
            let first = reader(&mine, &7, &source);
            source.until_loads(1).await;
            let second = reader(&theirs, &7, &source);
            eventually("somebody waits for the lease", PATIENCE, async || {
                scene.ask::<usize>(&["STRLEN", &lease]).await == 17
            }).await;
            source.release();
            for caller in [first, second] {
                assert_eq!(*caller.await.unwrap().unwrap(), "x");
            }
            assert_eq!(source.loads(), 1);
            assert_eq!(theirs.stats().counts.waits_across_processes, 1);
        }
    }
}

on_every_store_and_valkey! {
    async fn who_waits_for_a_load_that_fails_loads_next(scene: Scene) {
        let (mine, theirs) = (prices(&scene.oxherd), prices(&scene.other_process().await));
        let (broken, good) = (Source::of("x"), Source::of("y"));
        broken.breaks();
        broken.hold();
        let first = reader(&mine, &7, &broken);
        broken.until_loads(1).await;
        let second = reader(&theirs, &7, &good);
        until_awaited(&scene).await;
        broken.release();
        first.await.unwrap().unwrap_err();
        assert_eq!(*second.await.unwrap().unwrap(), "y");
    }
}

on_every_store_and_valkey! {
    async fn the_lease_of_a_process_that_died_ends_and_one_other_takes_over(scene: Scene) {
        let source = Source::of("x");
        let survivors = [prices(&scene.oxherd), prices(&scene.other_process().await)];
        source.hold();
        die_loading(scene.other_process().await, Duration::from_millis(300), &source).await;
        assert!(scene.exists(LEASE).await);
        let callers = survivors.each_ref().map(|prices| reader(prices, &7, &source));
        source.until_loads(2).await;
        source.release();
        for caller in callers {
            assert_eq!(*caller.await.unwrap().unwrap(), "x");
        }
        assert_eq!(source.loads(), 2, "one by the dead, one by a survivor");
    }
}

on_every_store_and_valkey! {
    async fn a_load_that_is_longer_than_its_lease_keeps_it(scene: Scene) {
        let source = Source::of("x");
        let term = Duration::from_millis(600);
        let mine = builder(&scene.oxherd).lease_term(term).open().unwrap();
        let theirs = builder(&scene.other_process().await).lease_term(term).open().unwrap();
        source.hold();
        let callers = [reader(&mine, &7, &source)];
        source.until_loads(1).await;
        let waiting = reader(&theirs, &7, &source);
        let (mut renewals, mut before) = (0, i64::MAX);
        eventually("the lease is renewed", PATIENCE, async || {
            let left = scene.ask::<i64>(&["PTTL", LEASE]).await;
            assert!(left > 0, "the lease is held throughout");
            renewals += usize::from(left > before);
            before = left;
            renewals >= 6
        }).await;
        assert_eq!(source.loads(), 1);
        source.release();
        for caller in callers.into_iter().chain([waiting]) {
            assert_eq!(*caller.await.unwrap().unwrap(), "x");
        }
        assert_eq!(source.loads(), 1);
        assert_eq!(mine.stats().counts.fills_taken, 1);
    }
}

on_every_store_and_valkey! {
    async fn who_has_waited_long_enough_loads_for_himself_alone(scene: Scene) {
        let (source, own) = (Source::of("x"), Source::of("y"));
        let mine = prices(&scene.oxherd);
        let theirs = builder(&scene.other_process().await).lock_wait(Duration::from_millis(50)).open().unwrap();
        source.hold();
        let first = reader(&mine, &7, &source);
        source.until_loads(1).await;
        assert_eq!(read(&theirs, &7, &own).await, "y");
        assert_eq!(peek(&theirs, &7).await, None, "it is kept by nobody");
        source.release();
        assert_eq!(*first.await.unwrap().unwrap(), "x");
        assert_eq!(peek(&theirs, &7).await.as_deref(), Some("x"));
    }
}

on_every_store_and_valkey! {
    async fn only_so_many_loads_run_at_once(scene: Scene) {
        let source = Source::of("x");
        let prices = builder(&scene.oxherd).concurrent_loads(3).open().unwrap();
        source.hold();
        let callers: Vec<_> = (0..20).map(|id| reader(&prices, &id, &source)).collect();
        source.until_loads(3).await;
        eventually("all wait", PATIENCE, async || prices.stats().counts.misses == 20).await;
        source.release();
        for caller in callers {
            assert_eq!(*caller.await.unwrap().unwrap(), "x");
        }
        assert_eq!((source.loads(), source.most_running()), (20, 3));
    }
}

on_every_store_and_valkey! {
    async fn a_load_that_reads_its_own_namespace_does_not_wait_for_itself(scene: Scene) {
        let prices = builder(&scene.oxherd).concurrent_loads(1).open().unwrap();
        let other = scene.oxherd.cache().namespace::<u64, String>("other").concurrent_loads(1).open().unwrap();
        let source = Source::of("x");
        // Of two rows, of several at once, and of a row that another namespace makes of one of this.
        let (rows, made) = (prices.clone(), other.clone());
        let parts = source.clone();
        let page = move || async move {
            let one = rows.get_or_load(&1, parts.loader()).await?;
            let load = parts.clone();
            let many = rows
                .get_or_load_many(&[2, 3], move |ids| {
                    let load = load.clone();
                    async move { Ok::<_, std::io::Error>(ids.into_iter().zip(std::iter::repeat(load.load().await?)).collect()) }
                })
                .await?;
            let inner = rows.clone();
            let from = move || async move { inner.get_or_load(&4, parts.loader()).await.map(|row| row.to_string()) };
            let four = made.get_or_load(&4, from).await?;
            Ok::<_, Error>(format!("{one}{}{four}", many.iter().flatten().map(|row| row.as_str()).collect::<String>()))
        };
        assert_eq!(*prices.get_or_load(&100, page).await.unwrap(), "xxxx");
        for id in 1..=4 {
            assert_eq!(peek(&prices, &id).await.as_deref(), Some("x"), "{id} is kept");
        }
        assert_eq!(source.loads(), 3);
    }
}

/// A load under way that will read row 1 once it is told to.
async fn page_of_one(
    prices: &Namespace<u64, String>,
    source: &Source,
) -> (
    tokio::task::JoinHandle<Arc<String>>,
    tokio::sync::oneshot::Sender<()>,
) {
    let (begins, has_begun) = tokio::sync::oneshot::channel();
    let (go, gate) = tokio::sync::oneshot::channel::<()>();
    let (rows, part) = (prices.clone(), source.clone());
    let page = move || async move {
        begins.send(()).unwrap();
        gate.await.unwrap();
        rows.get_or_load(&1, part.loader())
            .await
            .map(|row| row.to_string())
    };
    let prices = prices.clone();
    let outer = tokio::spawn(async move { prices.get_or_load(&100, page).await.unwrap() });
    has_begun.await.unwrap();
    (outer, go)
}

on_every_store_and_valkey! {
    async fn a_load_that_reads_what_waits_for_it_does_not_wait(scene: Scene) {
        let prices = builder(&scene.oxherd).concurrent_loads(1).open().unwrap();
        let source = Source::of("x");
        let (outer, go) = page_of_one(&prices, &source).await;
        // Somebody else wants the same row, and waits for the only right to load.
        let waiting = reader(&prices, &1, &source);
        eventually("it waits", PATIENCE, async || prices.stats().counts.misses == 2).await;
        go.send(()).unwrap();
        assert_eq!(*outer.await.unwrap(), "x");
        assert_eq!(*waiting.await.unwrap().unwrap(), "x");
    }
}

on_every_store_and_valkey! {
    async fn a_load_that_reads_what_a_call_of_many_waits_for_does_not_wait(scene: Scene) {
        let prices = builder(&scene.oxherd).concurrent_loads(1).open().unwrap();
        let source = Source::of("x");
        let (outer, go) = page_of_one(&prices, &source).await;
        // A call of many has the lease, and waits for the only right to load.
        let many = tokio::spawn({
            let prices = prices.clone();
            let load = |keys: Vec<u64>| async move {
                Ok::<_, Infallible>(keys.into_iter().map(|key| (key, "x".to_owned())).collect::<HashMap<_, _>>())
            };
            async move { prices.get_or_load_many(&[1], load).await }
        });
        eventually("it has the lease", PATIENCE, async || scene.exists("bull:cache:{prices@1}:l::1:").await).await;
        go.send(()).unwrap();
        assert_eq!(*outer.await.unwrap(), "x");
        assert_eq!(many.await.unwrap().unwrap()[0].as_deref().map(String::as_str), Some("x"));
    }
}

on_every_store_and_valkey! {
    async fn a_key_that_is_named_twice_within_a_load_is_there_twice(scene: Scene) {
        let prices = builder(&scene.oxherd).concurrent_loads(1).open().unwrap();
        let rows = prices.clone();
        let page = move || async move {
            let load = |keys: Vec<u64>| async move {
                Ok::<_, Infallible>(keys.into_iter().map(|key| (key, "x".to_owned())).collect::<HashMap<_, _>>())
            };
            let twice = rows.get_or_load_many(&[7, 7], load).await?;
            Ok::<_, Error>(format!("{twice:?}"))
        };
        assert_eq!(*prices.get_or_load(&100, page).await.unwrap(), r#"[Some("x"), Some("x")]"#);
        assert_eq!(peek(&prices, &7).await.as_deref(), Some("x"), "nobody takes it for absent");
    }
}

/// The ways to say that a value is not what it was.
#[derive(Clone, Copy, Debug)]
enum Way {
    Remove,
    Tag,
    Tenant,
    Clear,
    Set,
}

async fn overtake(scene: &Scene, way: Way, is_remote: bool, tiers: Tiers) {
    let what = format!("{way:?}, remote: {is_remote}, {tiers:?}");
    let name = format!("prices-{way:?}-{is_remote}-{tiers:?}");
    let open = |oxherd: &Oxherd| {
        let prices = oxherd.cache().namespace::<u64, String>(&name).tiers(tiers);
        prices
            .lease_term(LONG)
            .lock_wait(LONG)
            .open()
            .unwrap()
            .tenant("acme")
            .unwrap()
    };
    let mine = open(&scene.oxherd);
    let other = if is_remote {
        open(&scene.other_process().await)
    } else {
        mine.clone()
    };
    let source = Source::of("old");
    source.hold();
    let tag = Tag::new("all");
    let read = |prices: &Namespace<u64, String>| {
        let (prices, loader, tag) = (prices.clone(), source.loader(), tag.clone());
        tokio::spawn(async move { prices.get_or_load(&7, loader).tag(tag).await })
    };
    let early = read(&mine);
    source.until_loads(1).await;
    source.write("new");
    match way {
        Way::Remove => assert!(!other.remove(&7).await.unwrap(), "there is nothing yet"),
        Way::Tag => other.invalidate(std::slice::from_ref(&tag)).await.unwrap(),
        Way::Tenant => other.clear().await.unwrap(),
        Way::Clear => {
            let whole = scene.oxherd.cache().namespace::<u64, String>(&name).tiers(tiers);
            whole
                .lease_term(LONG)
                .lock_wait(LONG)
                .open()
                .unwrap()
                .clear()
                .await
                .unwrap();
        }
        Way::Set => other.set(&7, "new".to_owned()).await.unwrap(),
    }
    let late = read(&mine);
    eventually(
        "the late caller waits, or has been answered",
        PATIENCE,
        async || late.is_finished() || mine.stats().counts.misses >= 2,
    )
    .await;
    source.release();
    assert_eq!(
        *early.await.unwrap().unwrap(),
        "old",
        "{what}: who came before the load has its answer"
    );
    assert_eq!(
        *late.await.unwrap().unwrap(),
        "new",
        "{what}: who came after the invalidation has not"
    );
    for prices in [&mine, &other] {
        assert_eq!(
            peek(prices, &7).await.as_deref(),
            Some("new"),
            "{what}: the old one was not kept"
        );
        if tiers != Tiers::Local {
            assert_eq!(
                peek_strict(prices, &7).await.as_deref(),
                Some("new"),
                "{what}: nor in the store"
            );
        }
    }
}

on_every_store_and_valkey! {
    async fn a_load_that_was_overtaken_by_an_invalidation_answers_only_who_came_before(scene: Scene) {
        for way in [Way::Remove, Way::Tag, Way::Tenant, Way::Clear, Way::Set] {
            for is_remote in [false, true] {
                for tiers in [Tiers::Both, Tiers::Shared] {
                    overtake(&scene, way, is_remote, tiers).await;
                }
            }
            overtake(&scene, way, false, Tiers::Local).await;
        }
    }
}
