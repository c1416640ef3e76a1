//! Read-through: a namespace that knows its loader, and any asynchronous function made a cached one.

use std::convert::Infallible;

use oxherd::Oxherd;

use super::shop::{Database, Product};

/// Asks a slow service.
async fn cents_of(currency: String) -> Result<u64, Infallible> {
    Ok(if currency == "GBP" { 117 } else { 100 })
}

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let cache = oxherd.cache();

    // An asynchronous function of one argument, cached.
    let rates = cache.namespace("rates").read_through(cents_of)?;
    assert_eq!(*rates.get(&"GBP".to_owned()).await?, 117);

    // Callers need no database, only this handle.
    let database = Database::new();
    let source = database.clone();
    let products = cache
        .namespace::<u64, Product>("products")
        .read_through(move |id| source.clone().product(id))?;
    for _ in 0..3 {
        assert_eq!(products.get(&7).await?.price, 1_290);
    }
    assert_eq!(database.asked(), 1);

    // Writing and invalidating is the namespace's.
    let product = database.set_price(7, 990);
    products.namespace().remove(&product.id).await?;
    assert_eq!(products.get(&7).await?.price, 990);
    Ok(())
}
