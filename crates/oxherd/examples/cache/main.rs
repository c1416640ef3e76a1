//! Every pattern of `docs/cache.md`, one a file.
//!
//! `cargo run -p oxherd --example cache` plays them all in memory, or on the store that `OXHERD_STORE` names; `-- tags tenants`
//! plays these two.
//! Next: `shop.rs` (the database they read), then any of them.

mod batch;
mod cache_aside;
mod counters;
mod delete_after_commit;
mod fenced;
mod keys;
mod negative;
mod outage;
mod packing;
mod quick_start;
mod read_through;
mod read_your_writes;
mod refresh_ahead;
mod rules;
mod sealing;
mod shop;
mod sliding;
mod stale_if_error;
mod stale_while_revalidate;
mod stats;
mod tags;
mod tenants;
mod tiers;
mod verify;
mod warm_up;
mod write_intent;
mod write_through;

use futures_util::future::BoxFuture;
use oxherd::{Oxherd, Store, StoreUrl};

/// One of them: ends with an error, or with a failed assertion, when it does not do what it says.
pub(crate) type Pattern = fn(Oxherd) -> BoxFuture<'static, oxherd::Result<()>>;

pub(crate) const PATTERNS: [(&str, Pattern); 26] = [
    ("quick_start", |oxherd| Box::pin(quick_start::run(oxherd))),
    ("keys", |oxherd| Box::pin(keys::run(oxherd))),
    ("cache_aside", |oxherd| Box::pin(cache_aside::run(oxherd))),
    ("read_through", |oxherd| Box::pin(read_through::run(oxherd))),
    ("batch", |oxherd| Box::pin(batch::run(oxherd))),
    ("warm_up", |oxherd| Box::pin(warm_up::run(oxherd))),
    ("negative", |oxherd| Box::pin(negative::run(oxherd))),
    ("delete_after_commit", |oxherd| {
        Box::pin(delete_after_commit::run(oxherd))
    }),
    ("write_through", |oxherd| Box::pin(write_through::run(oxherd))),
    ("fenced", |oxherd| Box::pin(fenced::run(oxherd))),
    ("read_your_writes", |oxherd| {
        Box::pin(read_your_writes::run(oxherd))
    }),
    ("write_intent", |oxherd| Box::pin(write_intent::run(oxherd))),
    ("tags", |oxherd| Box::pin(tags::run(oxherd))),
    ("tenants", |oxherd| Box::pin(tenants::run(oxherd))),
    ("rules", |oxherd| Box::pin(rules::run(oxherd))),
    ("stale_while_revalidate", |oxherd| {
        Box::pin(stale_while_revalidate::run(oxherd))
    }),
    ("stale_if_error", |oxherd| Box::pin(stale_if_error::run(oxherd))),
    ("refresh_ahead", |oxherd| Box::pin(refresh_ahead::run(oxherd))),
    ("sliding", |oxherd| Box::pin(sliding::run(oxherd))),
    ("counters", |oxherd| Box::pin(counters::run(oxherd))),
    ("tiers", |oxherd| Box::pin(tiers::run(oxherd))),
    ("packing", |oxherd| Box::pin(packing::run(oxherd))),
    ("sealing", |oxherd| Box::pin(sealing::run(oxherd))),
    ("outage", |oxherd| Box::pin(outage::run(oxherd))),
    ("verify", |oxherd| Box::pin(verify::run(oxherd))),
    ("stats", |oxherd| Box::pin(stats::run(oxherd))),
];

/// Plays one on a store, under a prefix that nothing else uses.
pub(crate) async fn play(pattern: Pattern, store: &str) -> oxherd::Result<()> {
    let prefix = format!("example-{}", uuid::Uuid::new_v4().simple());
    let url: StoreUrl = store.parse()?;
    let store = Store::connect(url.with_prefix(prefix)?).await?;
    pattern(Oxherd::on(store)).await
}

#[tokio::main]
async fn main() -> oxherd::Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let store = std::env::var("OXHERD_STORE").unwrap_or_else(|_| "memory:".to_owned());
    for (name, pattern) in PATTERNS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            play(pattern, &store).await?;
            use std::io::Write as _;
            // Whoever reads us may have gone; that is no error of ours.
            let _ = std::io::stdout().write_all(format!("{name}: as it says\n").as_bytes());
        }
    }
    Ok(())
}
