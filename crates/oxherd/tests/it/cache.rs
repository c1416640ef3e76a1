//! What every user of a cache relies on: loaded once, gone when invalidated, in both tiers.
//! Next: `cache/` (one file for each promise), `cache/source.rs` (where values come from).

mod counters;
mod crowds;
mod failure;
mod freshness;
mod insight;
mod levels;
mod longest;
mod many;
mod outage;
mod polling;
mod read_through;
mod refusals;
mod runtimes;
mod several;
mod source;
mod stampede;
mod tags;
mod tenants;
mod tiers;
mod values;
mod words;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use oxherd::cache::{Namespace, Tag};

use crate::scene::on_every_store_and_valkey;

#[derive(Clone, Default)]
struct Source(Arc<AtomicUsize>);

impl Source {
    fn loads(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn load(self, id: u64) -> std::future::Ready<Result<String, Infallible>> {
        let loads = self.0.fetch_add(1, Ordering::SeqCst) + 1;
        std::future::ready(Ok(format!("{id} as of load {loads}")))
    }
}

async fn read(products: &Namespace<u64, String>, source: &Source, id: u64) -> String {
    let source = source.clone();
    let value = products
        .get_or_load(&id, move || source.load(id))
        .tag(Tag::new("all"))
        .await;
    (*value.unwrap()).clone()
}

on_every_store_and_valkey! {
    async fn what_was_loaded_is_not_loaded_again(scene: Scene) {
        let (here, there) = (scene.oxherd.clone(), scene.other_process().await);
        let source = Source::default();
        let mine = here.cache().namespace("products").open().unwrap();
        let theirs = there.cache().namespace("products").open().unwrap();
        for _ in 0..3 {
            assert_eq!(read(&mine, &source, 7).await, "7 as of load 1");
            assert_eq!(read(&theirs, &source, 7).await, "7 as of load 1");
        }
        assert_eq!(*mine.get(&7).await.unwrap().unwrap(), "7 as of load 1");
        assert_eq!(source.loads(), 1);
    }
}

on_every_store_and_valkey! {
    async fn what_was_removed_is_loaded_again_everywhere(scene: Scene) {
        let (here, there) = (scene.oxherd.clone(), scene.other_process().await);
        let source = Source::default();
        let mine = here.cache().namespace("products").open().unwrap();
        let theirs = there.cache().namespace::<u64, String>("products").open().unwrap();
        read(&mine, &source, 7).await;
        read(&theirs, &source, 7).await;
        assert!(mine.remove(&7).await.unwrap());
        assert!(mine.get(&7).await.unwrap().is_none());
        assert_eq!(read(&mine, &source, 7).await, "7 as of load 2");
        assert_eq!(*theirs.get(&7).strict().await.unwrap().unwrap(), "7 as of load 2");
    }
}

on_every_store_and_valkey! {
    async fn a_tag_takes_everything_along_that_depends_on_it(scene: Scene) {
        let source = Source::default();
        let mine = scene.oxherd.cache().namespace("products").open().unwrap();
        let theirs = scene.other_process().await.cache().namespace::<u64, String>("products").open().unwrap();
        for id in 0..3 {
            read(&mine, &source, id).await;
        }
        theirs.invalidate(&[Tag::new("all")]).await.unwrap();
        for id in 0..3 {
            assert!(mine.get(&id).strict().await.unwrap().is_none());
            assert!(theirs.get(&id).await.unwrap().is_none());
        }
    }
}

on_every_store_and_valkey! {
    async fn a_thousand_callers_cause_one_load(scene: Scene) {
        let source = Source::default();
        let mut callers = Vec::new();
        for _ in 0..4 {
            let oxherd = scene.other_process().await;
            let products = oxherd.cache().namespace::<u64, String>("products").open().unwrap();
            for _ in 0..250 {
                let (products, source) = (products.clone(), source.clone());
                callers.push(tokio::spawn(async move { read(&products, &source, 7).await }));
            }
        }
        for caller in callers {
            assert_eq!(caller.await.unwrap(), "7 as of load 1");
        }
        assert_eq!(source.loads(), 1);
    }
}
