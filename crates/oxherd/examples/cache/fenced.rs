//! Fences: row versions keep old rows out, also those that a lagging replica hands out long after the write.

use oxherd::Oxherd;
use oxherd::cache::Level;

use super::shop::{Database, Product};

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let database = Database::new();
    let replica = database.copy();
    let products = oxherd
        .cache()
        .namespace::<u64, Product>("products")
        .level(Level::Fenced)
        .version_of(|product: &Product| product.version) // `version = version + 1` in every UPDATE
        .open()?;

    // After the commit: nothing below this version is kept for the fence's life, ten minutes unless told otherwise.
    let product = database.set_price(7, 990);
    products.remove(&7).version(product.version).await?;

    // The replica lags. Who loads from it gets what it says; the cache does not keep it.
    for _ in 0..3 {
        let source = replica.clone();
        let old = products.get_or_load(&7, move || source.product(7)).await?;
        assert_eq!(old.version, 1);
        assert!(products.get(&7).await?.is_none());
    }
    assert_eq!(products.stats().counts.fills_refused_fenced, 3);

    // It has caught up.
    replica.set_price(7, 990);
    let source = replica.clone();
    products.get_or_load(&7, move || source.product(7)).await?;
    assert_eq!(products.get(&7).await?.map(|product| product.version), Some(2));
    Ok(())
}
