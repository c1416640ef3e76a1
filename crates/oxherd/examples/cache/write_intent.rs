//! Write intent: the strictest level. The cache is out of the way before the write begins.

use std::time::Duration;

use oxherd::Oxherd;
use oxherd::cache::Level;

use super::shop::{Database, Product};

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let database = Database::new();
    let products = oxherd
        .cache()
        .namespace::<u64, Product>("products")
        .level(Level::Intent) // every read asks the store
        .open()?;
    let source = database.clone();
    products.get_or_load(&7, move || source.product(7)).await?;

    // When this fails, do not write.
    let intent = products.intend(&7, Duration::from_secs(5)).await?;

    // From here on nobody reads it from the cache and nobody keeps it: every reader asks the database.
    for asked in 2..4 {
        let source = database.clone();
        products.get_or_load(&7, move || source.product(7)).await?;
        assert_eq!(database.asked(), asked);
    }

    // Commit, in less time than remains; otherwise roll back.
    assert!(intent.remaining() > Duration::ZERO);
    database.set_price(7, 990);
    assert!(intent.conclude().await?, "the announcement stood until now");

    let source = database.clone();
    assert_eq!(
        products.get_or_load(&7, move || source.product(7)).await?.price,
        990
    );
    assert_eq!(products.get(&7).await?.map(|product| product.price), Some(990));
    Ok(())
}
