//! Keys are typed: no format strings at call sites, and no two keys that look alike by accident.

use oxherd::Oxherd;
use oxherd::cache::{Bounds, CacheKey, KeyWriter, Matching};

/// A page of a search. Its parts are escaped and joined by `/`.
struct Page<'a> {
    words: &'a str,
    number: u32,
}

impl CacheKey for Page<'_> {
    fn write(&self, key: &mut KeyWriter) {
        key.text("search").text(self.words).part(&self.number);
    }
}

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let cache = oxherd.cache();
    // Version 2 of what pages look like: a program with another version never reads these.
    let pages = cache.namespace::<Page<'_>, Vec<u64>>("pages").version(2).open()?;
    pages
        .set(
            &Page {
                words: "red shoes",
                number: 1,
            },
            vec![7, 8],
        )
        .await?;
    assert!(
        pages
            .get(&Page {
                words: "red shoes",
                number: 2
            })
            .await?
            .is_none()
    );

    // Integers, text, UUIDs, tuples and slices are keys as they are.
    let stock = cache.namespace::<(u64, &str), u32>("stock").open()?;
    stock.set(&(7, "Lyon"), 12).await?;
    stock.set(&(8, "Lyon"), 3).await?;
    assert_eq!(stock.get(&(7, "Lyon")).await?.as_deref(), Some(&12));

    // By pattern, for repairs: it walks all keys of the store. Programs use tags.
    let removed = stock
        .remove_matching(Matching::Prefix("7/"), Bounds::default())
        .await?;
    assert_eq!((removed.removed, removed.complete), (1, true));
    Ok(())
}
