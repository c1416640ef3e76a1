//! Read your writes: a client carries the version it wrote, and never sees less, whichever process it comes to.

use oxherd::{Error, Oxherd};

use super::shop::{Database, Product};

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let database = Database::new();
    let versioned = |oxherd: &Oxherd| {
        let products = oxherd.cache().namespace::<u64, Product>("products");
        products.version_of(|product: &Product| product.version).open()
    };
    let here = versioned(&oxherd)?;
    // Another process, with an old price in its memory.
    let there = versioned(&Oxherd::on(oxherd.store().clone()))?;
    let source = database.clone();
    there.get_or_load(&7, move || source.product(7)).await?;

    // A client writes here. The version goes back with the response, in a cookie or header.
    let product = database.set_price(7, 990);
    here.set(&7, product.clone()).version(product.version).await?;
    let token = product.version;

    // Its next request comes there, faster than any notice of the change could be.
    let source = database.clone();
    let seen = there
        .get_or_load(&7, move || source.product(7))
        .min_version(token)
        .await?;
    assert_eq!(seen.price, 990);

    // Where even the source does not have it yet (a replica that lags), the caller is told, and can ask the primary.
    let source = database.clone();
    let ahead = there
        .get_or_load(&7, move || source.product(7))
        .min_version(token + 1)
        .await;
    assert!(matches!(ahead, Err(Error::BehindVersion { .. })));
    Ok(())
}
