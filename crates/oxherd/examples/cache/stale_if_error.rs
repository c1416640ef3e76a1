//! Stale if error: when the source fails, or takes too long, what was good before is better than nothing.

use std::sync::Arc;
use std::time::Duration;

use oxherd::cache::{Freshness, Ttl};
use oxherd::{Clock, Oxherd};

use super::shop::{Database, Pause, Product};

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let (clock, time) = Clock::manual(Clock::system().now());
    let database = Database::new();
    let products = oxherd
        .with_clock(clock)
        .cache()
        .namespace::<u64, Product>("products")
        .freshness(Freshness::of(Ttl::SHORT).stale_if_error(Duration::from_secs(3600)))
        .soft_timeout(Duration::from_millis(200)) // then stale is served, and the load goes on
        .hard_timeout(Duration::from_secs(10)) // then the load is given up
        .open()?;
    let source = database.clone();
    products.get_or_load(&7, move || source.product(7)).await?;
    time.advance(Duration::from_secs(120));

    // The database is down.
    database.set_down(true);
    let source = database.clone();
    assert_eq!(
        products.get_or_load(&7, move || source.product(7)).await?.price,
        1_290
    );
    assert_eq!(products.stats().counts.stale_on_error, 1);

    // It is back, and slow. One that failed is left alone for a second (`retry_after_error`).
    time.advance(Duration::from_secs(2));
    database.set_down(false);
    database.set_price(7, 990);
    let pause = Arc::new(Pause::default());
    let (source, stop) = (database.clone(), Arc::clone(&pause));
    let slow = || async move {
        stop.here().await;
        source.product(7).await
    };
    let reader = async { products.get_or_load(&7, slow).await };
    let clock_hand = async {
        pause.reached().await;
        time.advance(Duration::from_millis(200));
    };
    let (stale, ()) = tokio::join!(reader, clock_hand);
    assert_eq!(stale?.price, 1_290);
    assert_eq!(products.stats().counts.stale_on_timeout, 1);

    // The load went on, and what it brought is kept.
    pause.resume();
    while products.get(&7).await?.is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(products.get(&7).await?.map(|product| product.price), Some(990));
    Ok(())
}
