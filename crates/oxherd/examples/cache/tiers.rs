//! One tier alone: this process, or the store.

use oxherd::Oxherd;
use oxherd::cache::Tiers;

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let other_process = Oxherd::on(oxherd.store().clone());

    // This process alone: what only it can know, or what is cheap to make. The store is never asked.
    let parsed = |oxherd: &Oxherd| {
        oxherd
            .cache()
            .namespace::<str, u64>("parsed")
            .tiers(Tiers::Local)
            .open()
    };
    parsed(&oxherd)?.set("1 + 1", 2).await?;
    assert!(parsed(&oxherd)?.get("1 + 1").await?.is_some());
    assert!(parsed(&other_process)?.get("1 + 1").await?.is_none());

    // The store alone: large values, or values that each process reads once. Every read asks the store.
    let reports = |oxherd: &Oxherd| {
        oxherd
            .cache()
            .namespace::<u64, String>("reports")
            .tiers(Tiers::Shared)
            .open()
    };
    reports(&oxherd)?.set(&7, "a long report".to_owned()).await?;
    assert!(reports(&other_process)?.get(&7).await?.is_some());
    assert_eq!(other_process.cache().stats().local.entries, 0);
    Ok(())
}
