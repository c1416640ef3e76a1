//! Cache-aside: the call brings its loader along.

use std::future::IntoFuture;

use futures_util::future::join_all;
use oxherd::{Error, Oxherd};

use super::shop::{Database, Product};

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let database = Database::new();
    let products = oxherd.cache().namespace::<u64, Product>("products").open()?;

    // A hundred callers, one query. It goes on when its callers go away.
    let read = |_| {
        let database = database.clone();
        products
            .get_or_load(&7, move || database.product(7))
            .into_future()
    };
    for product in join_all((0..100).map(read)).await {
        assert_eq!(product?.price, 1_290);
    }
    assert_eq!(database.asked(), 1);

    // A loader's error goes to everybody who waited, and is not kept.
    database.set_down(true);
    let source = database.clone();
    let failed = products.get_or_load(&8, move || source.product(8)).await;
    assert!(
        matches!(failed, Err(Error::Load { source, .. }) if source.downcast_ref::<std::io::Error>().is_some())
    );
    Ok(())
}
