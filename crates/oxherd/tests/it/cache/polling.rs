//! A read does nothing before it is polled.

use std::collections::HashMap;
use std::future::{IntoFuture as _, Ready, ready};

use oxherd::cache::Lookup;

use super::source::{Source, peek, read_here};
use crate::scene::on_every_store_and_valkey;

/// A loader that is not to be called.
fn nobody(_: Vec<u64>) -> Ready<Result<HashMap<u64, String>, &'static str>> {
    ready(Err("the source is not asked"))
}

on_every_store_and_valkey! {
    async fn a_read_that_is_awaited_after_a_write_sees_it(scene: Scene) {
        let prices = scene.oxherd.cache().namespace::<u64, String>("prices").open().unwrap();
        let source = Source::of("old");
        read_here(&prices, &7, &source).await;
        assert_eq!(peek(&prices, &7).await.as_deref(), Some("old"));
        let get = prices.get(&7).into_future();
        let load = prices.get_or_load(&7, source.loader()).into_future();
        let find = prices.find_or_load(&7, source.loader()).into_future();
        let looked = prices.get(&7).lookup();
        let several = prices.get_many(&[7]).into_future();
        let load_several = prices.get_or_load_many(&[7], nobody).into_future();
        prices.set(&7, "new".to_owned()).await.unwrap();
        source.write("new");
        assert_eq!(get.await.unwrap().as_deref().map(String::as_str), Some("new"));
        assert_eq!(*load.await.unwrap(), "new");
        assert_eq!(find.await.unwrap().as_deref().map(String::as_str), Some("new"));
        match looked.await.unwrap() {
            Lookup::Hit(value) => assert_eq!(*value, "new"),
            other => panic!("{other:?}"),
        }
        for values in [several.await.unwrap(), load_several.await.unwrap()] {
            assert_eq!(values[0].as_deref().map(String::as_str), Some("new"));
        }
    }
}

on_every_store_and_valkey! {
    async fn a_read_that_is_awaited_after_a_removal_sees_it(scene: Scene) {
        let prices = scene.oxherd.cache().namespace::<u64, String>("prices").open().unwrap();
        let source = Source::of("old");
        read_here(&prices, &7, &source).await;
        let get = prices.get(&7).into_future();
        let load = prices.get_or_load(&7, source.loader()).into_future();
        let several = prices.get_many(&[7]).into_future();
        source.write("new");
        prices.remove(&7).await.unwrap();
        assert_eq!(get.await.unwrap(), None);
        assert_eq!(several.await.unwrap(), [None]);
        assert_eq!(*load.await.unwrap(), "new");
    }
}

on_every_store_and_valkey! {
    async fn a_read_that_nobody_awaits_counts_for_nothing(scene: Scene) {
        let prices = scene.oxherd.cache().namespace::<u64, String>("prices").verify(1.0).open().unwrap();
        let source = Source::of("x");
        read_here(&prices, &7, &source).await;
        let before = prices.stats().counts;
        drop(prices.get(&7).into_future());
        drop(prices.get_or_load(&7, source.loader()).into_future());
        drop(prices.get_many(&[7]).strict().into_future());
        drop(prices.get_or_load_many(&[7, 8], nobody).into_future());
        let after = prices.stats().counts;
        assert_eq!((after.hits(), after.misses), (before.hits(), before.misses));
        assert_eq!(source.loads(), 1);
    }
}
