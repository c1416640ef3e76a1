//! Negative caching: that there is no such thing is an answer too.

use std::time::Duration;

use oxherd::cache::{Freshness, Lookup, Ttl};
use oxherd::{Error, Oxherd};

use super::shop::{Database, Product};

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let database = Database::new();
    let freshness = Freshness::of(Ttl::MEDIUM).negative_ttl(Duration::from_secs(30));
    let products = oxherd
        .cache()
        .namespace::<u64, Product>("products")
        .freshness(freshness)
        .open()?;

    // The loader returns an `Option`. Whoever asks for things that do not exist asks the database once in 30 s.
    for _ in 0..3 {
        let source = database.clone();
        assert!(
            products
                .find_or_load(&404, move || source.find(404))
                .await?
                .is_none()
        );
    }
    assert_eq!(database.asked(), 1);
    // Known to be absent is not the same as not known.
    assert_eq!(products.get(&404).lookup().await?, Lookup::Absent);
    assert_eq!(products.get(&405).lookup().await?, Lookup::Miss);

    // Where it must exist, absence is an error.
    let source = database.clone();
    let missing = products.get_or_load(&404, move || source.find(404)).await;
    assert!(matches!(missing, Err(Error::Absent { .. })));

    // Created: invalidate it as any other write.
    database.set_price(404, 500);
    products.remove(&404).await?;
    let source = database.clone();
    assert!(
        products
            .find_or_load(&404, move || source.find(404))
            .await?
            .is_some()
    );
    Ok(())
}
