//! Sliding TTL: sessions that live as long as somebody uses them.

use std::time::Duration;

use oxherd::Oxherd;
use oxherd::cache::{Freshness, Inspector, Tag};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Session {
    user: u64,
}

pub(crate) async fn run(oxherd: Oxherd) -> oxherd::Result<()> {
    let half_an_hour = Duration::from_secs(1800);
    let sessions = oxherd
        .cache()
        .namespace::<str, Session>("sessions")
        .freshness(Freshness::of(half_an_hour).jitter(0.0).sliding())
        .open()?;

    // Log in, here for a minute only; the tag ends all sessions of a user at once.
    let user = Tag::new("user").with(&7);
    sessions
        .set("f3a9", Session { user: 7 })
        .ttl(Duration::from_secs(60))
        .tag(user.clone())
        .await?;

    // A read prolongs it by its own TTL (at most four times in a TTL); `touch` by the namespace's, without reading it.
    assert_eq!(sessions.get("f3a9").await?.map(|session| session.user), Some(7));
    assert!(sessions.touch("f3a9").await?);
    let entry = Inspector::new(oxherd.store().clone())
        .entry("sessions@1", "", "f3a9")
        .await?;
    let left = entry.and_then(|entry| entry.expires_in_ms);
    assert!(left > Some(29 * 60_000), "{left:?}");

    // Log out everywhere.
    sessions.invalidate(&[user]).await?;
    assert!(sessions.get("f3a9").await?.is_none());
    Ok(())
}
