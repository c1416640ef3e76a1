//! Several values in one call, with all that can be said of one.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oxherd::cache::{Freshness, Level, Loaded, Namespace, Tag, Tiers, Ttl};
use oxherd::{Error, Oxherd};
use oxherd_testkit::eventually;
use tokio::sync::watch;

use super::source::{peek, peek_strict};
use crate::scene::{PATIENCE, Scene, on_every_store_and_valkey};

type Rows = HashMap<u64, Loaded<String>>;

fn prices(scene: &Scene, level: Level) -> Namespace<u64, String> {
    prices_of(&scene.oxherd, level)
}

fn prices_of(oxherd: &Oxherd, level: Level) -> Namespace<u64, String> {
    oxherd.cache().namespace("prices").level(level).open().unwrap()
}

/// A loader of rows of these versions.
fn at(
    version: fn(u64) -> u64,
) -> impl Fn(Vec<u64>) -> Ready<Result<Rows, Infallible>> + Send + Sync + 'static {
    move |ids| {
        let row = |id| (id, Loaded::new(format!("v{}", version(id))).version(version(id)));
        ready(Ok(ids.into_iter().map(row).collect()))
    }
}

/// A loader that is not to be called.
fn nobody(_: Vec<u64>) -> Ready<Result<Rows, &'static str>> {
    ready(Err("the source is not asked"))
}

fn texts(values: &[Option<Arc<String>>]) -> Vec<Option<&str>> {
    values
        .iter()
        .map(|value| value.as_deref().map(String::as_str))
        .collect()
}

/// These keys as this process has them, which hears of no change any more: the runtime that would hear of them has ended.
async fn unhearing(oxherd: &Oxherd, level: Level, ids: [u64; 4]) -> Namespace<u64, String> {
    let oxherd = oxherd.clone();
    let life = tokio::task::spawn_blocking(move || {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let prices = prices_of(&oxherd, level);
            eventually("they are kept in the process", PATIENCE, async || {
                let before = prices.stats().counts.hits_local;
                prices.get_many(&ids).await.unwrap();
                prices.stats().counts.hits_local == before + 4
            })
            .await;
            prices
        })
    });
    life.await.unwrap()
}

on_every_store_and_valkey! {
    async fn several_are_loaded_with_the_tag_of_the_call(scene: Scene) {
        let (prices, tag) = (prices(&scene, Level::Delete), Tag::new("page"));
        let load = |ids: Vec<u64>| async move {
            let rows = ids.into_iter().map(|id| (id, Loaded::new(id.to_string()).tag(Tag::new("row").with(&id))));
            Ok::<HashMap<u64, Loaded<String>>, Infallible>(rows.collect())
        };
        let rows = prices.get_or_load_many(&[1, 2, 3], load).tag(tag.clone()).await.unwrap();
        assert_eq!(rows.iter().flatten().map(|row| row.as_str()).collect::<Vec<_>>(), ["1", "2", "3"]);
        prices.invalidate(&[Tag::new("row").with(&2)]).await.unwrap();
        assert_eq!(peek(&prices, &2).await, None, "by its own tag");
        assert!(peek(&prices, &1).await.is_some());
        prices.invalidate(&[tag]).await.unwrap();
        for id in [1, 3] {
            assert_eq!(peek_strict(&prices, &id).await, None, "by the tag of the call");
        }
    }
}

on_every_store_and_valkey! {
    async fn several_are_written_each_with_its_version(scene: Scene) {
        let prices = prices(&scene, Level::Fenced);
        let at = |version| Loaded::new(format!("v{version}")).version(version).tag(Tag::new("all"));
        prices.set_many([(&1, at(2)), (&2, at(5))]).await.unwrap();
        let error = prices.set_many([(&1, at(3)), (&2, at(4))]).await.unwrap_err();
        assert!(matches!(error, Error::CacheRefused { .. }), "{error}");
        assert_eq!(peek(&prices, &1).await.as_deref(), Some("v3"), "each is tried");
        assert_eq!(peek(&prices, &2).await.as_deref(), Some("v5"));
        prices.invalidate(&[Tag::new("all")]).await.unwrap();
        assert_eq!((peek(&prices, &1).await, peek(&prices, &2).await), (None, None));
    }
}

on_every_store_and_valkey! {
    async fn several_are_written_as_they_are(scene: Scene) {
        let prices = prices(&scene, Level::Delete);
        prices.set_many([(&1, "one".to_owned()), (&2, "two".to_owned())]).await.unwrap();
        let long = Loaded::new("three".to_owned()).ttl(Duration::from_secs(600));
        prices.set_many([(&3, long), (&4, Loaded::absent())]).await.unwrap();
        scene.clock.advance(Duration::from_secs(120));
        let left: Vec<_> = prices.get_many(&[1, 2, 3, 4]).await.unwrap();
        assert_eq!(left.iter().map(Option::is_some).collect::<Vec<_>>(), [false, false, true, false]);
    }
}

on_every_store_and_valkey! {
    async fn a_strict_read_of_several_sees_what_this_process_did_not_hear_of(scene: Scene) {
        const IDS: [u64; 4] = [1, 2, 3, 4];
        let theirs = prices_of(&scene.other_process().await, Level::Ttl);
        theirs.set_many(IDS.iter().map(|id| (id, "old".to_owned()))).await.unwrap();
        let mine = unhearing(&scene.oxherd, Level::Ttl, IDS).await;
        theirs.set_many(IDS.iter().map(|id| (id, "new".to_owned()))).await.unwrap();
        assert_eq!(texts(&mine.get_many(&IDS).await.unwrap()), [Some("old"); 4]);
        assert_eq!(texts(&mine.get_or_load_many(&IDS, nobody).await.unwrap()), [Some("old"); 4]);
        assert_eq!(texts(&mine.get_many(&[1, 2]).strict().await.unwrap()), [Some("new"); 2]);
        assert_eq!(texts(&mine.get_or_load_many(&[3, 4], nobody).strict().await.unwrap()), [Some("new"); 2]);
    }
}

on_every_store_and_valkey! {
    async fn of_several_those_below_the_least_version_are_not_there(scene: Scene) {
        for tiers in [Tiers::Both, Tiers::Shared, Tiers::Local] {
            let rows = scene.oxherd.cache().namespace(&format!("rows-{tiers:?}")).tiers(tiers);
            let rows: Namespace<u64, String> = rows.open().unwrap();
            rows.get_or_load_many(&[1, 2, 3], at(|id| id)).await.unwrap();
            let before = rows.stats().counts;
            let found = rows.get_many(&[1, 2, 3]).min_version(2).await.unwrap();
            assert_eq!(texts(&found), [None, Some("v2"), Some("v3")], "{tiers:?}");
            let counts = rows.stats().counts;
            assert_eq!((counts.hits() - before.hits(), counts.misses - before.misses), (2, 1), "{tiers:?}");

            let asked = Arc::<Mutex<Vec<u64>>>::default();
            let noted = Arc::clone(&asked);
            let load = move |ids: Vec<u64>| {
                noted.lock().unwrap().extend(&ids);
                at(|_| 9)(ids)
            };
            let found = rows.get_or_load_many(&[1, 2, 3], load).min_version(3).await.unwrap();
            assert_eq!(texts(&found), [Some("v9"), Some("v9"), Some("v3")], "{tiers:?}");
            asked.lock().unwrap().sort_unstable();
            assert_eq!(*asked.lock().unwrap(), [1, 2], "{tiers:?}: what is below is loaded, and nothing else");
            let found = rows.get_many(&[1, 2, 3]).min_version(9).await.unwrap();
            assert_eq!(texts(&found), [Some("v9"), Some("v9"), None], "{tiers:?}: and kept");
        }
    }
}

on_every_store_and_valkey! {
    async fn a_source_of_several_that_is_behind_is_told_so(scene: Scene) {
        let rows = prices(&scene, Level::Delete);
        rows.get_or_load_many(&[1, 2], at(|_| 3)).await.unwrap();
        // What a loader leaves out has no version.
        let empty = |_: Vec<u64>| ready(Ok::<Rows, Infallible>(Rows::new()));
        for (error, version) in [
            (rows.get_or_load_many(&[1, 1, 2], at(|id| id + 2)).min_version(4).await.unwrap_err(), 3),
            (rows.get_or_load_many(&[8], empty).min_version(4).await.unwrap_err(), 0),
        ] {
            match error {
                Error::BehindVersion { wanted: 4, found, .. } if found == version => {}
                other => panic!("{other}"),
            }
        }
    }
}

on_every_store_and_valkey! {
    async fn several_take_nothing_below_their_version_from_a_load_of_somebody_else(scene: Scene) {
        let rows = prices(&scene, Level::Delete);
        let go = watch::Sender::new(false);
        let mut gone = go.subscribe();
        let slow = move || async move {
            gone.wait_for(|gone| *gone).await.unwrap();
            Ok::<_, Infallible>(Loaded::new("v1".to_owned()).version(1))
        };
        let first = tokio::spawn({
            let rows = rows.clone();
            async move { rows.get_or_load(&7, slow).await }
        });
        eventually("it loads", PATIENCE, async || scene.exists("bull:cache:{prices@1}:l::7:").await).await;
        let second = tokio::spawn({
            let rows = rows.clone();
            async move { rows.get_or_load_many(&[7, 8], at(|_| 2)).min_version(2).await }
        });
        eventually("both wait", PATIENCE, async || rows.stats().counts.misses == 3).await;
        go.send_replace(true);
        assert_eq!(*first.await.unwrap().unwrap(), "v1");
        assert_eq!(texts(&second.await.unwrap().unwrap()), [Some("v2"); 2]);
    }
}

on_every_store_and_valkey! {
    async fn a_call_for_several_may_say_its_own_ttl(scene: Scene) {
        let freshness = Freshness::of(Duration::from_secs(100)).jitter(0.0).refresh_ahead(0.0).local_ttl(Ttl::DAY.0);
        let rows = scene.oxherd.cache().namespace::<u64, String>("rows").freshness(freshness).open().unwrap();
        let short = Duration::from_secs(10);
        rows.get_or_load_many(&[1, 2], at(|id| id)).ttl(short).await.unwrap();
        rows.get_or_load_many(&[2, 3], at(|id| id)).await.unwrap();
        scene.clock.advance(short - Duration::from_millis(1));
        assert_eq!(texts(&rows.get_many(&[1, 2, 3]).await.unwrap()), [Some("v1"), Some("v2"), Some("v3")]);
        scene.clock.advance(Duration::from_millis(1));
        assert_eq!(texts(&rows.get_many(&[1, 2, 3]).await.unwrap()), [None, None, Some("v3")]);
    }
}

/// How often the store was asked for several strings.
async fn questions(scene: &Scene) -> u64 {
    let stats: String = scene.ask(&["INFO", "commandstats"]).await;
    let calls = stats
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_mget:calls="));
    calls.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

on_every_store_and_valkey! {
    async fn a_tag_that_several_are_expected_to_have_spares_a_question(scene: Scene) {
        let tag = Tag::new("eur");
        let tagged = |text: &str| Loaded::new(text.to_owned()).tag(tag.clone());
        prices(&scene, Level::Delete).set_many([(&1, tagged("a")), (&2, tagged("b"))]).await.unwrap();
        for (named, expected) in [(None, 2), (Some(tag.clone()), 1)] {
            let theirs = prices_of(&scene.other_process().await, Level::Delete);
            assert_eq!(peek(&theirs, &9).await, None, "it hears of changes");
            let before = questions(&scene).await;
            assert_eq!(texts(&theirs.get_many(&[1, 2]).tags(named).await.unwrap()), [Some("a"), Some("b")]);
            assert_eq!(questions(&scene).await - before, expected);
        }
    }
}
