//! Write-through: what was committed is put into the cache, with the version that the row has now.

use oxherd::{Error, Oxherd};

use super::shop::{Database, Product};

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let database = Database::new();
    let products = oxherd.cache().namespace::<u64, Product>("products").open()?;

    let first = database.set_price(7, 990);
    let second = database.set_price(7, 890);

    // Two writers, and the later one is first here. After the commit:
    products.set(&7, second.clone()).version(second.version).await?;
    let late = products.set(&7, first.clone()).version(first.version).await;

    // Nothing older ever replaces it; the older writer has nothing to do.
    assert!(matches!(late, Err(Error::CacheRefused { .. })));
    assert_eq!(products.get(&7).await?.map(|product| product.price), Some(890));
    assert_eq!(database.asked(), 0);
    Ok(())
}
