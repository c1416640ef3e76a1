//! Several values in one call, with all that can be said of one.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use oxherd::Error;
use oxherd::cache::{Level, Loaded, Namespace, Tag};

use super::source::{peek, peek_strict};
use crate::scene::{Scene, on_every_store_and_valkey};

fn prices(scene: &Scene, level: Level) -> Namespace<u64, String> {
    scene
        .oxherd
        .cache()
        .namespace("prices")
        .level(level)
        .open()
        .unwrap()
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
