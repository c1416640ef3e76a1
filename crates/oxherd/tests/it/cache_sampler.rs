//! The sampler compares hits of either tier with their source.

use std::convert::Infallible;
use std::time::Duration;

use oxherd::cache::{Freshness, Tiers, Ttl};

use crate::scene::{Scene, on_every_store};

on_every_store! {
    async fn a_hit_of_the_store_is_compared_with_its_source(scene: Scene) {
        let products = scene
            .oxherd
            .cache()
            .namespace::<u64, u64>("products")
            .tiers(Tiers::Shared)
            .freshness(Freshness::of(Ttl::DAY))
            .verify(1.0)
            .open()
            .unwrap();
        products.set(&7, 1).await.unwrap();
        // The source says something else, and nobody has invalidated.
        let (said, mut asked) = tokio::sync::mpsc::unbounded_channel();
        let load = move || async move {
            let _ = said.send(());
            Ok::<_, Infallible>(2)
        };
        assert_eq!(*products.get_or_load(&7, load).await.unwrap(), 1);
        asked.recv().await.unwrap();
        while products.stats().counts.verified == 0 {
            scene.clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
        assert_eq!(products.stats().counts.stale_rate(), Some(1.0));
    }
}

#[tokio::test]
async fn a_hit_of_this_process_is_compared_with_its_source() {
    let scene = Scene::in_memory().await;
    let products = scene.oxherd.cache().namespace::<u64, u64>("products");
    let products = products.tiers(Tiers::Local).freshness(Freshness::of(Ttl::DAY));
    let products = products.verify(1.0).open().unwrap();
    products.set(&7, 1).await.unwrap();
    let load = || async { Ok::<_, Infallible>(2) };
    assert_eq!(*products.get_or_load(&7, load).await.unwrap(), 1);
    while products.stats().counts.verified == 0 {
        scene.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    assert_eq!(products.stats().counts.stale_rate(), Some(1.0));
    assert_eq!(
        *products.get_or_load(&7, load).await.unwrap(),
        1,
        "it is compared, not replaced"
    );
}
