//! The lease: one process loads, and what it brings is as of the moment when it was given.
//!
//! A lease ends by itself, is renewed while its load runs, and is given back when the load brings nothing to keep. It can be asked for, renewed
//! and given back twice without harm, for all of it goes by its token.
//! Next: `lua/cache/lease.lua`, `lua/cache/renew.lua`, `lua/cache/release.lua`.

use std::time::Duration;

use super::millis;
use crate::cache::key::{KeyText, Tag};
use crate::cache::reading::EntryId;
use crate::cache::shared::Trouble;
use crate::cache::space::{Call, Site, Space};
use crate::cache::value::Header;
use crate::error::{Error, Result};
use crate::lock::{Hold, Token};
use crate::store::{CACHE_LEASE, CACHE_RELEASE, CACHE_RENEW};

/// What the store said to the wish to load.
pub(super) enum Lease {
    Granted { incarnation: [u8; 8], as_of: u64 },
    Changed,
    Busy { left: Duration },
    Marked,
}

/// Under what a loader runs.
#[derive(Debug)]
pub(crate) struct Tenure {
    pub(super) token: Token,
    pub(super) hold: Hold,
    pub(super) incarnation: [u8; 8],
    pub(super) as_of: u64,
}

impl Tenure {
    /// What is filled under it is judged like anything else, and not kept.
    pub(super) fn of_nobody(header: &Header, term: Duration) -> Self {
        Self {
            token: Token::random(),
            hold: Hold::new(tokio::time::Instant::now(), term),
            incarnation: header.incarnation,
            as_of: header.as_of,
        }
    }
}

impl Site {
    /// Asks for the lease, once more with the same token if the connection broke meanwhile.
    pub(super) async fn lease(
        &self,
        key: &KeyText,
        call: &Call,
        seen: &EntryId,
        token: Token,
    ) -> Result<Lease, Trouble> {
        let space = &self.space;
        let (life, least) = space.settings.stamp_life(space.settings.freshness.life());
        let mut question = CACHE_LEASE.call(space.keys.prefix());
        question
            .arg(key.as_bytes())
            .arg(&seen[..])
            .arg(token)
            .arg(millis(space.settings.loads.lease_term))
            .arg(1)
            .arg(&rand::random::<[u8; 8]>()[..])
            .arg(millis(life))
            .arg(millis(least));
        for stamp in Space::stamps(&call.tenant, call.tags.iter().map(Tag::as_str)) {
            question.arg(stamp);
        }
        let reply: Vec<redis::Value> = self.run(&CACHE_LEASE, &question).await?;
        let written = reply
            .get(3)
            .and_then(|written| redis::from_redis_value_ref(written).ok());
        let tags = call.tags.iter().map(Tag::as_str);
        self.wrote(written.unwrap_or(0), &call.tenant, tags);
        read_lease(reply).ok_or_else(|| {
            Trouble::Failed(Error::Reply {
                operation: CACHE_LEASE.operation(),
                reason: "unknown answer to the wish to load".to_owned(),
            })
        })
    }

    /// Another term for the lease of a load that takes longer than a third of it.
    pub(super) async fn renew(&self, key: &KeyText, tenure: &Tenure) -> Result<bool> {
        let term = self.space.settings.loads.lease_term;
        let mut question = CACHE_RENEW.call(self.space.keys.prefix());
        question.arg(key.as_bytes()).arg(tenure.token).arg(millis(term));
        let answer = self.run::<i64>(&CACHE_RENEW, &question).await;
        answer.map(|renewed| renewed == 1).map_err(|trouble| {
            self.troubled(&trouble);
            trouble.into_error("renew the lease of a load")
        })
    }

    pub(super) async fn release(&self, key: &KeyText, tenure: &Tenure) {
        let mut question = CACHE_RELEASE.call(self.space.keys.prefix());
        question
            .arg(key.as_bytes())
            .arg(tenure.token)
            .arg(&self.shared.prefix);
        // A lease that cannot be given back ends by itself.
        if let Err(trouble) = self.run::<i64>(&CACHE_RELEASE, &question).await {
            self.troubled(&trouble);
        }
    }
}

fn read_lease(reply: Vec<redis::Value>) -> Option<Lease> {
    use redis::from_redis_value;
    let mut parts = reply.into_iter();
    let word: String = from_redis_value(parts.next()?).ok()?;
    Some(match word.as_str() {
        "changed" => Lease::Changed,
        "marked" => Lease::Marked,
        "busy" => Lease::Busy {
            left: Duration::from_millis(from_redis_value(parts.next()?).ok()?),
        },
        "granted" => {
            let incarnation: Vec<u8> = from_redis_value(parts.next()?).ok()?;
            Lease::Granted {
                incarnation: incarnation.try_into().ok()?,
                as_of: from_redis_value(parts.next()?).ok()?,
            }
        }
        _ => return None,
    })
}
