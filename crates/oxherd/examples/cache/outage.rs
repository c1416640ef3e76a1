//! Outage: without its store a cache is slow, and not an error. Only those who must be heard are told.

use std::time::Duration;

use oxherd::Oxherd;

use super::shop::{Database, Product};

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let database = Database::new();
    let cache = oxherd
        .cache_builder()
        .deadline(Duration::from_millis(200)) // one question to the store; then the loader answers
        .open()?;
    let products = cache.namespace::<u64, Product>("products").open()?;

    // As after many failures: the store is left alone for a while, so that nobody waits for it.
    cache.breaker().force_open();

    // Reads go to the source.
    let source = database.clone();
    assert_eq!(
        products.get_or_load(&7, move || source.product(7)).await?.price,
        1_290
    );
    assert!(products.get(&8).await?.is_none());

    // An invalidation that could not be delivered is an error, because others may go on reading the old value.
    database.set_price(7, 990);
    let undelivered = products.remove(&7).await;
    assert!(
        undelivered
            .as_ref()
            .is_err_and(oxherd::Error::is_store_unavailable)
    );

    // This process does not read past it, and repeats it as soon as the store answers.
    assert_eq!(cache.pending_invalidations(), 1);
    cache.breaker().reset(); // by hand; else by itself
    while cache.pending_invalidations() > 0 {
        tokio::task::yield_now().await;
    }
    let source = database.clone();
    assert_eq!(
        products.get_or_load(&7, move || source.product(7)).await?.price,
        990
    );
    assert!(products.stats().counts.skipped_by_breaker > 0);
    Ok(())
}
