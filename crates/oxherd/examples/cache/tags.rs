//! Tags: what many entries depend on goes by one write, however many they are.

use oxherd::Oxherd;
use oxherd::cache::{Loaded, Tag};

use super::shop::{Database, Product};

fn category(id: u64) -> Tag {
    Tag::new("category").with(&id)
}

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let database = Database::new();
    let products = oxherd.cache().namespace::<u64, Product>("products").open()?;

    for id in 1..=9 {
        let source = database.clone();
        // Only the row says which category it is in, so that tag is learnt from it.
        let load = move || async move {
            let product = source.product(id).await?;
            let tag = category(product.category);
            Ok::<_, std::io::Error>(Loaded::new(product).tag(tag))
        };
        // That it is part of the catalogue is known before; named here, an invalidation while it loads is seen more exactly.
        products.get_or_load(&id, load).tag(Tag::new("catalogue")).await?;
    }

    // Category 1 changed: products 1, 4 and 7.
    products.invalidate(&[category(1)]).await?;
    assert_eq!(products.get_many(&[1, 4, 7]).await?.iter().flatten().count(), 0);
    assert_eq!(products.get_many(&[2, 3, 5]).await?.iter().flatten().count(), 3);

    // The catalogue changed: all of them.
    products.invalidate(&[Tag::new("catalogue")]).await?;
    assert!(products.get(&2).await?.is_none());
    Ok(())
}
