//! The sampler: a share of the hits is compared with the source, so that forgotten invalidations show.

use std::time::Duration;

use oxherd::cache::{Freshness, Ttl};
use oxherd::{Clock, Oxherd};

use super::shop::{Database, Product, advance_until};

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let (clock, time) = Clock::manual(Clock::system().now());
    let database = Database::new();
    let source = database.clone();
    let a_year = Duration::from_secs(365 * 24 * 3600);
    let products = oxherd
        .with_clock(clock)
        .cache()
        .namespace::<u64, Product>("products")
        .freshness(Freshness::of(Ttl(a_year)).local_ttl(a_year))
        .verify(1.0) // every hit; 0.001 is one in a thousand
        .read_through(move |id| source.clone().product(id))?;

    products.get(&7).await?;
    // Somebody writes and forgets to invalidate.
    database.set_price(7, 990);
    // Until a hit was compared: the source is asked behind the answer.
    while database.asked() < 2 {
        assert_eq!(products.get(&7).await?.price, 1_290);
    }
    // What differs is looked at again after a second; what is served even then was stale.
    let counts = || products.namespace().stats().counts;
    advance_until(&time, || counts().verified > 0).await;
    assert_eq!(counts().stale_rate(), Some(1.0));
    Ok(())
}
