//! Rules: one table says what a change makes untrue. Writers say what changed, and need not know who caches it.

use oxherd::Oxherd;
use oxherd::cache::{Rules, Tag};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct PriceChanged {
    shop: String,
    product: u64,
    category: u64,
}

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let cache = oxherd.cache();
    let prices = cache.namespace::<u64, u64>("prices").open()?;
    let lists = cache.namespace::<str, Vec<u64>>("lists").open()?;

    let rules = Rules::new()
        .tenant_of(|change: &PriceChanged| change.shop.clone())
        .remove(&prices, |change: &PriceChanged| vec![change.product])
        .invalidate(&lists, |change: &PriceChanged| {
            vec![Tag::new("category").with(&change.category)]
        })
        .named::<PriceChanged>("price.changed");

    let (prices, lists) = (prices.tenant("acme")?, lists.tenant("acme")?);
    prices.set(&7, 1_290).await?;
    lists
        .set("bargains", vec![7, 8])
        .tag(Tag::new("category").with(&1))
        .await?;

    // After the commit:
    let change = PriceChanged {
        shop: "acme".to_owned(),
        product: 7,
        category: 1,
    };
    let applied = rules.apply(&change).await?;
    assert_eq!((applied.keys, applied.tags), (1, 1));
    assert!(prices.get(&7).await?.is_none());
    assert!(lists.get("bargains").await?.is_none());

    // The same from a job or an event of another program: by name, as JSON.
    let json = br#"{"shop":"acme","product":7,"category":1}"#;
    assert_eq!(rules.apply_json("price.changed", json).await?, applied);
    Ok(())
}
