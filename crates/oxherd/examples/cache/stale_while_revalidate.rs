//! Stale while revalidate: after the TTL nobody waits; one load refreshes the entry behind the answer.

use std::time::Duration;

use oxherd::cache::{Freshness, Ttl};
use oxherd::{Clock, Oxherd};

use super::shop::{Database, Product};

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    // Time that only moves when it is told to.
    let (clock, time) = Clock::manual(Clock::system().now());
    let database = Database::new();
    let source = database.clone();
    let freshness = Freshness::of(Ttl::SHORT).stale_while_revalidate(Duration::from_secs(600));
    let products = oxherd
        .with_clock(clock)
        .cache()
        .namespace::<u64, Product>("products")
        .freshness(freshness)
        .read_through(move |id| source.clone().product(id))?;

    products.get(&7).await?;
    database.set_price(7, 990);
    time.advance(Duration::from_secs(120));

    // Past its TTL: answered at once, with what is there.
    assert_eq!(products.get(&7).await?.price, 1_290);
    // And soon with what the load behind it brought.
    while products.get(&7).await?.price != 990 {
        tokio::task::yield_now().await;
    }
    assert_eq!(database.asked(), 2);
    Ok(())
}
