//! The sampler: a share of the hits is compared with the source, so that forgotten invalidations show.

use oxherd::Oxherd;

use super::shop::{Database, Product};

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let database = Database::new();
    let source = database.clone();
    let products = oxherd
        .cache()
        .namespace::<u64, Product>("products")
        .verify(1.0) // every hit; 0.001 is one in a thousand
        .read_through(move |id| source.clone().product(id))?;

    products.get(&7).await?;
    // Behind the answers the source is asked as well. What differs is looked at again after a second, and then was stale.
    let counts = || products.namespace().stats().counts;
    while counts().verified == 0 {
        products.get(&7).await?;
        tokio::task::yield_now().await;
    }
    assert_eq!(counts().stale_rate(), Some(0.0));
    Ok(())
}
