//! Delete after commit: the usual way to write. A load that read the old row is not kept, however late it ends.

use std::sync::Arc;

use oxherd::Oxherd;

use super::shop::{Database, Pause, Product};

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let database = Database::new();
    let products = oxherd.cache().namespace::<u64, Product>("products").open()?;

    // A reader has read the old row, and is slow to return it.
    let pause = Arc::new(Pause::default());
    let (source, stop) = (database.clone(), Arc::clone(&pause));
    let slow = || async move {
        let product = source.product(7).await;
        stop.here().await;
        product
    };
    let reader = async { products.get_or_load(&7, slow).await };
    let writer = async {
        pause.reached().await;
        database.set_price(7, 990); // commit first,
        products.remove(&7).await?; // then remove: the reader's lease is void
        pause.resume();
        Ok(())
    };
    let (old, written) = tokio::join!(reader, writer);
    let (old, ()) = (old?, written?);
    // The reader began before the write and may have what was there.
    assert_eq!(old.price, 1_290);

    // Whoever comes later may not: it was not kept.
    assert!(products.get(&7).await?.is_none());
    let source = database.clone();
    assert_eq!(
        products.get_or_load(&7, move || source.product(7)).await?.price,
        990
    );
    Ok(())
}
