//! Several keys: one question to the store, one query for all that is missing.

use oxherd::Oxherd;

use super::shop::{Database, Product};

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let database = Database::new();
    let products = oxherd.cache().namespace::<u64, Product>("products").open()?;
    let source = database.clone();
    products.get_or_load(&1, move || source.product(1)).await?;

    // The loader is told the keys that are missing, here 2, 3 and 404; what it leaves out is absent, and remembered so.
    let source = database.clone();
    let found = products
        .get_or_load_many(&[1, 2, 3, 404], move |missing| source.clone().products(missing))
        .await?;
    let ids: Vec<Option<u64>> = found
        .iter()
        .map(|product| product.as_ref().map(|product| product.id))
        .collect();
    assert_eq!(ids, [Some(1), Some(2), Some(3), None]);
    assert_eq!(database.asked(), 2);

    // Without a loader, and all at once away.
    assert_eq!(products.get_many(&[1, 2, 9]).await?.iter().flatten().count(), 2);
    assert_eq!(products.remove_many(&[1, 2, 3]).await?, 3);
    Ok(())
}
