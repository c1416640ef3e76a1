//! Warming up before traffic comes.

use oxherd::Oxherd;

use super::shop::{Database, Product};

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let database = Database::new();
    let source = database.clone();
    let products = oxherd
        .cache()
        .namespace::<u64, Product>("products")
        .read_through(move |id| source.clone().find(id))?;

    // At most 16 loads at once; what is warm already is not loaded. Failures are told and do not stop it.
    let report = products.warm_up(1..=10).await;
    assert_eq!((report.warm, report.absent, report.failed), (9, 1, 0));

    // From now on the database has nothing to do.
    assert_eq!(products.get(&7).await?.price, 1_290);
    assert_eq!(database.asked(), 10);
    Ok(())
}
