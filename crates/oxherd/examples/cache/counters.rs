//! Counters: numbers that the store itself adds to, for a window of time.

use oxherd::Oxherd;
use oxherd::cache::{Freshness, Ttl};

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    // Without jitter, so that every window is as long as it says.
    let logins = oxherd
        .cache()
        .namespace::<(&str, u64), i64>("failed-logins")
        .freshness(Freshness::of(Ttl::SHORT).jitter(0.0))
        .open()?;

    // The first one begins the window; later ones do not prolong it. All processes count together.
    let who = ("203.0.113.7", 7);
    for count in 1..=3 {
        assert_eq!(logins.increment(&who, 1).await?, count);
    }
    assert_eq!(logins.increment(&who, -1).await?, 2);
    assert_eq!(logins.get(&who).strict().await?.as_deref(), Some(&2));

    // Back to zero.
    logins.remove(&who).await?;
    assert_eq!(logins.increment(&who, 1).await?, 1);
    Ok(())
}
