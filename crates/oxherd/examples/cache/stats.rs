//! Figures: what a cache does for a program. The same numbers of all processes: `oxherd cache stats`, and `/metrics`.

use std::time::Duration;

use oxherd::Oxherd;

use super::shop::{Database, Product};

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let database = Database::new();
    let cache = oxherd.cache();
    let products = cache.namespace::<u64, Product>("products").open()?;
    for id in [7, 7, 7, 8] {
        let source = database.clone();
        products.get_or_load(&id, move || source.product(id)).await?;
    }

    let stats = products.stats();
    assert_eq!((stats.counts.hits(), stats.counts.misses), (2, 2)); // by tier: hits_local, hits_shared
    assert_eq!(stats.counts.hit_rate(), Some(0.5));
    assert!(stats.counts.miss_penalty() < Some(Duration::from_secs(1)));
    let p99 = stats.latency.loads.quantile(0.99);
    assert!(p99.is_some_and(|p99| p99 < Duration::from_secs(1)));
    assert!(stats.local.bytes > 0);

    // All namespaces of this process.
    let (counts, last_minute) = cache.stats().total();
    assert_eq!((counts.reads(), last_minute.hits), (4, 2));
    Ok(())
}
