//! Refresh ahead: an entry that is read often is loaded again before it ends, the earlier the slower its loads are.

use std::time::Duration;

use oxherd::cache::{Freshness, Ttl};
use oxherd::{Clock, Oxherd};

use super::shop::{Database, Product};

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let (clock, time) = Clock::manual(Clock::system().now());
    let database = Database::new();
    let source = database.clone();
    let slow = move |id| {
        let database = source.clone();
        async move {
            // A query that takes its time; how long is measured, and kept with the entry.
            tokio::time::sleep(Duration::from_millis(20)).await;
            database.product(id).await
        }
    };
    let products = oxherd
        .with_clock(clock)
        .cache()
        .namespace::<u64, Product>("products")
        // 1 is usual and on already, 0 is never; 10 begins ten times as early.
        .freshness(Freshness::of(Ttl::SHORT).jitter(0.0).refresh_ahead(10.0))
        .read_through(slow)?;

    products.get(&7).await?;
    database.set_price(7, 990);
    // Fresh for another 10 ms: readers have what is there, until one of them draws the lot and has it loaded behind its answer.
    time.advance(Duration::from_millis(59_990));
    while products.get(&7).await?.price != 990 {
        tokio::task::yield_now().await;
    }
    // Nobody found nothing: the first read of all was the only miss.
    assert_eq!(products.namespace().stats().counts.misses, 1);
    Ok(())
}
