//! Fences: row versions keep old rows out, also those that a lagging replica hands out long after the write.

use oxherd::cache::Level;
use oxherd::{Error, Oxherd};

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

    // The replica lags: what it says is neither kept nor returned.
    let source = replica.clone();
    let behind = products.get_or_load(&7, move || source.product(7)).await;
    assert!(matches!(behind, Err(Error::BehindVersion { wanted, .. }) if wanted == product.version));
    assert_eq!(products.stats().counts.fills_refused_fenced, 1);

    // Ask the primary then.
    let source = database.clone();
    let product = products.get_or_load(&7, move || source.product(7)).await?;
    assert_eq!(product.price, 990);
    assert_eq!(products.get(&7).await?, Some(product));
    Ok(())
}
