//! Everything that depends on something is gone at once, however much it is, and nothing else is.

use std::time::Duration;

use oxherd::Error;
use oxherd::cache::{Freshness, Loaded, Namespace, Tag, Tiers};
use oxherd_testkit::eventually;
use tokio::sync::watch;

use super::source::{Load, Source, peek, peek_strict, read, read_tagged};
use crate::scene::{PATIENCE, Scene, on_every_store_and_valkey};

fn prices(scene: &Scene) -> Namespace<u64, String> {
    scene.oxherd.cache().namespace("prices").open().unwrap()
}

fn tag(name: &str) -> Tag {
    Tag::new(name)
}

/// A load whose tag only the value knows.
fn late(value: &'static str, tag: &'static str) -> impl FnOnce() -> Load<Loaded<String>> + Send + 'static {
    move || Box::pin(async move { Ok(Loaded::new(value.to_owned()).tag(Tag::new(tag))) })
}

/// The same, held until the other end says so.
fn late_when(
    go: &watch::Sender<bool>,
    value: &'static str,
    tag: &'static str,
) -> impl FnOnce() -> Load<Loaded<String>> + Send + 'static {
    let mut gone = go.subscribe();
    move || {
        Box::pin(async move {
            gone.wait_for(|gone| *gone).await.unwrap();
            Ok(Loaded::new(value.to_owned()).tag(Tag::new(tag)))
        })
    }
}

on_every_store_and_valkey! {
    async fn a_tag_is_invalidated_by_one_write_however_much_depends_on_it(scene: Scene) {
        let prices = prices(&scene);
        for id in 0..200 {
            prices.set(&id, id.to_string()).tag(tag("eur")).await.unwrap();
        }
        let before = scene.contents().await;
        prices.invalidate(&[tag("eur")]).await.unwrap();
        let after = scene.contents().await;
        let changed: Vec<&String> = after.keys().filter(|key| after.get(*key) != before.get(*key)).collect();
        assert_eq!(changed, ["bull:cache:{prices@1}:s", "bull:cache:{prices@1}:t::eur:"]);
        assert_eq!(before.len(), after.len());
        for id in 0..200 {
            assert_eq!(peek(&prices, &id).await, None);
        }
    }
}

on_every_store_and_valkey! {
    async fn only_what_has_the_tag_is_gone(scene: Scene) {
        let prices = prices(&scene);
        prices.set(&1, "1".to_owned()).tags([tag("eur"), tag("old")]).await.unwrap();
        prices.set(&2, "2".to_owned()).tag(Tag::new("eur").with(&1)).await.unwrap();
        prices.set(&3, "3".to_owned()).await.unwrap();
        prices.invalidate(&[tag("eur")]).await.unwrap();
        assert_eq!(peek(&prices, &1).await, None);
        assert_eq!(peek_strict(&prices, &1).await, None);
        for id in [2, 3] {
            assert_eq!(peek(&prices, &id).await, Some(id.to_string()));
            assert_eq!(peek_strict(&prices, &id).await, Some(id.to_string()));
        }
        prices.invalidate(&[tag("unused"), tag("old"), Tag::new("eur").with(&1)]).await.unwrap();
        assert_eq!(peek(&prices, &2).await, None);
        assert_eq!(peek(&prices, &3).await.as_deref(), Some("3"));
        prices.invalidate(&[]).await.unwrap();
        assert_eq!(prices.stats().counts.invalidated_tags, 4);
    }
}

on_every_store_and_valkey! {
    async fn a_tag_that_only_the_value_knows_is_as_good_as_any(scene: Scene) {
        let (mine, theirs) = (prices(&scene), scene.other_process().await.cache().namespace("prices").open().unwrap());
        let theirs: Namespace<u64, String> = theirs;
        assert_eq!(*mine.get_or_load(&7, late("old", "eur")).await.unwrap(), "old");
        assert_eq!(peek(&theirs, &7).await.as_deref(), Some("old"), "kept the first time already");
        theirs.invalidate(&[tag("eur")]).await.unwrap();
        assert_eq!(peek_strict(&mine, &7).await, None);
        eventually("it is heard", PATIENCE, async || peek(&mine, &7).await.is_none()).await;
        assert_eq!(*mine.get_or_load(&7, late("new", "eur")).await.unwrap(), "new");
        assert_eq!(peek(&theirs, &7).await.as_deref(), Some("new"));
    }
}

on_every_store_and_valkey! {
    async fn a_late_tag_without_a_stamp_is_kept_the_second_time_when_others_were_invalidated(scene: Scene) {
        let prices = prices(&scene);
        let go = watch::Sender::new(false);
        let held = late_when(&go, "first", "eur");
        let reader = tokio::spawn({
            let prices = prices.clone();
            async move { prices.get_or_load(&7, held).await }
        });
        eventually("it loads", PATIENCE, async || scene.exists("bull:cache:{prices@1}:l::7:").await).await;
        prices.invalidate(&[tag("another")]).await.unwrap();
        go.send_replace(true);
        assert_eq!(*reader.await.unwrap().unwrap(), "first");
        assert_eq!(peek(&prices, &7).await, None, "nobody knows whether `eur` was invalidated meanwhile");
        assert_eq!(prices.stats().counts.fills_refused_tag, 1);
        assert_eq!(*prices.get_or_load(&7, late("second", "eur")).await.unwrap(), "second");
        assert_eq!(peek(&prices, &7).await.as_deref(), Some("second"));
    }
}

on_every_store_and_valkey! {
    async fn a_late_tag_that_was_invalidated_during_the_load_voids_it(scene: Scene) {
        let prices = prices(&scene);
        for round in 0..2 {
            let go = watch::Sender::new(false);
            let held = late_when(&go, "old", "eur");
            let began = prices.stats().counts.misses;
            let early = tokio::spawn({
                let prices = prices.clone();
                async move { prices.get_or_load(&7, held).await }
            });
            eventually("it loads", PATIENCE, async || scene.exists("bull:cache:{prices@1}:l::7:").await).await;
            prices.invalidate(&[tag("eur")]).await.unwrap();
            let late = tokio::spawn({
                let prices = prices.clone();
                async move { prices.get_or_load(&7, late("new", "eur")).await }
            });
            eventually("it waits", PATIENCE, async || prices.stats().counts.misses == began + 2).await;
            go.send_replace(true);
            assert_eq!(*early.await.unwrap().unwrap(), "old");
            assert_eq!(*late.await.unwrap().unwrap(), "new", "round {round}");
            assert_eq!(peek_strict(&prices, &7).await.as_deref(), Some("new"));
            prices.invalidate(&[tag("eur")]).await.unwrap();
        }
    }
}

on_every_store_and_valkey! {
    async fn what_has_lost_a_stamp_is_a_miss(scene: Scene) {
        for lost in ["t::eur:", "n", "s"] {
            for tiers in [Tiers::Both, Tiers::Shared] {
                let name = format!("prices-{}-{tiers:?}", &lost[..1]);
                let prices = scene.oxherd.cache().namespace::<u64, String>(&name).tiers(tiers).open().unwrap();
                let source = Source::of("old");
                read_tagged(&prices, &7, &source, &tag("eur")).await;
                prices.invalidate(&[tag("another")]).await.unwrap();
                scene.tell(&format!("DEL bull:cache:{{{name}@1}}:{lost}")).await;
                source.write("new");
                if lost == "s" {
                    // Entries do not need it; whoever needs it makes everything anew.
                    prices.invalidate(&[tag("another")]).await.unwrap();
                }
                assert_eq!(peek_strict(&prices, &7).await, None, "{lost} {tiers:?}");
                eventually("it is heard", PATIENCE, async || peek(&prices, &7).await.is_none()).await;
                assert_eq!(read_tagged(&prices, &7, &source, &tag("eur")).await, "new", "{lost} {tiers:?}");
                assert_eq!(peek_strict(&prices, &7).await.as_deref(), Some("new"), "{lost} {tiers:?}");
            }
        }
    }
}

on_every_store_and_valkey! {
    async fn a_namespace_is_cleared_by_one_write_and_alone(scene: Scene) {
        let prices = prices(&scene);
        let open = |name: &str, version: u32| {
            let other = scene.oxherd.cache().namespace::<u64, String>(name).version(version);
            other.open().unwrap()
        };
        let others = [open("prices", 2), open("price", 1)];
        let source = Source::of("x");
        for id in 0..50 {
            read(&prices, &id, &source).await;
        }
        for other in &others {
            assert_eq!(read(other, &1, &source).await, "x");
        }
        assert_eq!(source.loads(), 52, "versions do not share");
        let before = scene.contents().await;
        prices.clear().await.unwrap();
        let after = scene.contents().await;
        let changed: Vec<&String> = after.keys().filter(|key| after.get(*key) != before.get(*key)).collect();
        assert_eq!(changed, ["bull:cache:{prices@1}:n"]);
        for id in 0..50 {
            assert_eq!(peek(&prices, &id).await, None);
            assert_eq!(peek_strict(&prices, &id).await, None);
        }
        for other in &others {
            assert_eq!(peek(other, &1).await.as_deref(), Some("x"));
        }
        source.write("y");
        assert_eq!(read(&prices, &1, &source).await, "y");
        assert_eq!(prices.stats().counts.invalidated_namespaces, 1);
    }
}

on_every_store_and_valkey! {
    async fn more_than_32_tags_are_refused_on_writing_and_not_kept_on_loading(scene: Scene) {
        let prices = prices(&scene);
        let tags = |count: u32| (0..count).map(|at| Tag::new("t").with(&at));
        prices.set(&1, "x".to_owned()).tags(tags(32)).await.unwrap();
        assert_eq!(peek_strict(&prices, &1).await.as_deref(), Some("x"));
        prices.invalidate(&[Tag::new("t").with(&31_u32)]).await.unwrap();
        assert_eq!(peek_strict(&prices, &1).await, None);
        let error = prices.set(&2, "x".to_owned()).tags(tags(33)).await.unwrap_err();
        assert!(matches!(error, Error::CacheTags { count: 33, limit: 32, .. }), "{error}");
        let source = Source::of("x");
        let value = prices.get_or_load(&3, source.loader()).tags(tags(33)).await.unwrap();
        assert_eq!(*value, "x");
        assert_eq!(peek(&prices, &3).await, None);
        assert!(!scene.exists("bull:cache:{prices@1}:l::3:").await, "the lease was given back");
        let long = Tag::new(&"x".repeat(200));
        let error = prices.set(&4, "x".to_owned()).tag(long.clone()).await.unwrap_err();
        assert!(matches!(error, Error::CacheTag { .. }), "{error}");
        assert_eq!(*prices.get_or_load(&4, source.loader()).tag(long).await.unwrap(), "x");
        assert_eq!(peek(&prices, &4).await, None);
    }
}

on_every_store_and_valkey! {
    async fn the_same_tag_twice_is_one(scene: Scene) {
        let prices = prices(&scene);
        let source = Source::of("x");
        let twice = [tag("eur"), tag("eur")];
        prices.get_or_load(&1, source.loader()).tags(twice.clone()).await.unwrap();
        prices.set(&2, "x".to_owned()).tags(twice.clone()).await.unwrap();
        for id in [1, 2] {
            let found = prices.get(&id).tag(tag("eur")).tag(tag("eur")).strict().await.unwrap();
            assert_eq!(found.unwrap().as_str(), "x");
        }
        prices.invalidate(&twice).await.unwrap();
        for id in [1, 2] {
            assert_eq!(peek(&prices, &id).await, None);
        }
    }
}

on_every_store_and_valkey! {
    async fn stamps_outlive_the_longest_entry_that_has_them(scene: Scene) {
        let prices = prices(&scene);
        let day = Duration::from_secs(24 * 3600);
        prices.set(&1, "x".to_owned()).tag(tag("eur")).ttl(day).await.unwrap();
        prices.set(&2, "x".to_owned()).tag(tag("eur")).await.unwrap();
        prices.invalidate(&[tag("eur")]).await.unwrap();
        prices.set(&2, "x".to_owned()).tag(tag("eur")).await.unwrap();
        let left = async |key: &str| scene.ask::<i64>(&["PTTL", &format!("bull:cache:{{prices@1}}:{key}")]).await;
        let (stamp, entry) = (left("t::eur:").await, left("e::1:").await);
        assert!(stamp > entry, "{stamp} ms of the stamp, {entry} ms of the entry");
    }
}

on_every_store_and_valkey! {
    async fn a_touch_does_not_find_what_was_invalidated(scene: Scene) {
        for tiers in [Tiers::Both, Tiers::Shared, Tiers::Local] {
            let sessions = scene.oxherd.cache().namespace::<u64, String>(&format!("sessions-{tiers:?}"));
            let sessions = sessions.tiers(tiers).freshness(Freshness::of(Duration::from_secs(60)).sliding());
            let sessions = sessions.open().unwrap().tenant("acme").unwrap();
            let begin = async || sessions.set(&1, "x".to_owned()).tag(tag("user")).await.unwrap();
            begin().await;
            assert!(sessions.touch(&1).await.unwrap(), "{tiers:?}");
            sessions.invalidate(&[tag("user")]).await.unwrap();
            assert!(!sessions.touch(&1).await.unwrap(), "{tiers:?}");
            begin().await;
            assert!(sessions.touch(&1).await.unwrap(), "{tiers:?}");
            sessions.clear().await.unwrap();
            assert!(!sessions.touch(&1).await.unwrap(), "{tiers:?}");
            assert_eq!(peek_strict(&sessions, &1).await, None, "{tiers:?}");
        }
    }
}
