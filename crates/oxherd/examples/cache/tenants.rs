//! Tenants: keys and tags of one can neither be read nor invalidated by another.

use std::convert::Infallible;

use oxherd::Oxherd;
use oxherd::cache::Tag;

/// Asks the database for one tenant's page.
async fn title(tenant: String, page: u64) -> Result<String, Infallible> {
    Ok(format!("page {page} of {tenant}"))
}

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let settings = oxherd.cache().namespace::<str, String>("settings").open()?;
    // From the authenticated request, not from its body.
    let (acme, globex) = (settings.tenant("acme")?, settings.tenant("globex")?);

    acme.set("colour", "red".to_owned())
        .tag(Tag::new("theme"))
        .await?;
    globex
        .set("colour", "blue".to_owned())
        .tag(Tag::new("theme"))
        .await?;
    assert_eq!(
        acme.get("colour").await?.as_deref().map(String::as_str),
        Some("red")
    );

    // A tag is the tenant's own.
    acme.invalidate(&[Tag::new("theme")]).await?;
    assert!(acme.get("colour").await?.is_none());
    assert!(globex.get("colour").await?.is_some());

    // All of one tenant, by one write; `settings.clear()` is everybody.
    globex.clear().await?;
    assert!(globex.get("colour").await?.is_none());

    // A loader for all tenants is told whose value it loads.
    let titles = oxherd.cache().namespace("titles").read_through_tenants(title)?;
    assert_eq!(*titles.tenant("acme")?.get(&12).await?, "page 12 of acme");
    Ok(())
}
