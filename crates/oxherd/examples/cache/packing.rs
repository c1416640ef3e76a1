//! Packing: how values become bytes. It may change at any time, because every entry says how it was written.

use oxherd::Oxherd;
use oxherd::cache::{Codec, Compression, Inspector, Packing};

use super::shop::Product;

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let packing = Packing::new()
        .with_codec(Codec::MessagePack) // or Json, Postcard
        .with_compression(Compression::Lz4) // or None; Zstd with the feature
        .with_compress_from(512) // bytes
        .with_max_value(1 << 20); // more is not kept: `Error::ValueTooLarge` of a write, a count of a load
    let pages = |oxherd: &Oxherd, packing| {
        oxherd
            .cache()
            .namespace::<u32, Vec<Product>>("pages")
            .packing(packing)
            .open()
    };
    let page = |count| {
        (0..count)
            .map(|id| Product {
                id,
                category: 1,
                price: 1_290,
                version: 1,
            })
            .collect::<Vec<_>>()
    };
    pages(&oxherd, packing)?.set(&1, page(25)).await?;

    // As it lies in the store.
    let entry = Inspector::new(oxherd.store().clone())
        .entry("pages@1", "", "1")
        .await?;
    let header = entry.as_ref().and_then(|entry| entry.header.as_ref());
    assert_eq!(
        header.map(|header| (header.codec, header.compression)),
        Some(("messagepack", "lz4"))
    );

    // A process that packs otherwise reads it all the same.
    let other = Oxherd::on(oxherd.store().clone());
    assert_eq!(
        pages(&other, Packing::new())?
            .get(&1)
            .await?
            .map(|page| page.len()),
        Some(25)
    );
    Ok(())
}
