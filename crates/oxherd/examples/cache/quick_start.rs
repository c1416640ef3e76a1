//! The shortest program with a cache.

use oxherd::Oxherd;
use oxherd::cache::{Freshness, Ttl};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Product {
    name: String,
}

async fn load(id: u64) -> Result<Product, std::io::Error> {
    let name = std::future::ready(format!("product {id}")).await; // your database
    Ok(Product { name })
}

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let ten_minutes = Freshness::of(Ttl::MEDIUM);
    let products = oxherd
        .cache()
        .namespace::<u64, Product>("products")
        .freshness(ten_minutes)
        .open()?;

    // Loaded once, whoever asks, in whichever process.
    let product = products.get_or_load(&42, || load(42)).await?;
    assert_eq!(product.name, "product 42");

    // After the commit of a write: whoever asks now has it loaded again.
    products.remove(&42).await?;
    Ok(())
}
