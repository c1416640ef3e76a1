//! The lease: one process loads, and what it brings is as of the moment when it was given.
//!
//! A lease ends by itself, is renewed while its load runs (by a task of its own, so that a loader that blocks its thread does not
//! keep that up), and is given back when the load brings nothing to keep. It can be asked for, renewed
//! and given back twice without harm, for all of it goes by its token.
//! Next: `lua/cache/lease.lua`, `lua/cache/renew.lua`, `lua/cache/release.lua`.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::millis;
use crate::cache::batch::Place;
use crate::cache::key::{KeyText, Tag};
use crate::cache::reading::EntryId;
use crate::cache::shared::Trouble;
use crate::cache::space::{Call, Site, Space};
use crate::cache::value::Header;
use crate::error::{Error, Result};
use crate::lock::{Hold, Token, keep_in_turn, let_begin};
use crate::store::{CACHE_LEASE, CACHE_RELEASE, CACHE_RENEW};

/// What the store said to the wish to load.
pub(super) enum Lease {
    Granted {
        /// A moment before it was asked for.
        asked: Instant,
        incarnation: [u8; 8],
        as_of: u64,
    },
    Changed,
    Busy {
        left: Duration,
    },
    Marked,
}

/// Under what a loader runs.
#[derive(Debug)]
pub(crate) struct Tenure {
    pub(super) token: Token,
    pub(super) hold: Arc<Hold>,
    pub(super) incarnation: [u8; 8],
    pub(super) as_of: u64,
    /// Where its scripts wait for their turn.
    pub(super) batch: Option<Arc<Place>>,
}

/// The task that renews a lease; it ends with this.
pub(super) struct Renewing(JoinHandle<()>);

impl Drop for Renewing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Tenure {
    /// What is filled under it is judged like anything else, and not kept.
    pub(super) fn of_nobody(header: &Header, term: Duration) -> Self {
        Self {
            token: Token::random(),
            hold: Arc::new(Hold::new(Instant::now(), term)),
            incarnation: header.incarnation,
            as_of: header.as_of,
            batch: None,
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
            .arg(millis(space.lease_term(call.batch.as_ref())))
            .arg(1)
            .arg(&rand::random::<[u8; 8]>()[..])
            .arg(millis(life))
            .arg(millis(least));
        for stamp in Space::stamps(&call.tenant, call.tags.iter().map(Tag::as_str)) {
            question.arg(stamp);
        }
        let _turn = Place::turn(call.batch.as_ref()).await;
        // With its turn: the store counts the term from no earlier.
        let asked = Instant::now();
        let reply: Vec<redis::Value> = self.run(&CACHE_LEASE, &question).await?;
        let written = reply
            .get(3)
            .and_then(|written| redis::from_redis_value_ref(written).ok());
        let tags = call.tags.iter().map(Tag::as_str);
        self.wrote(written.unwrap_or(0), &call.tenant, tags);
        read_lease(reply, asked).ok_or_else(|| {
            Trouble::Failed(Error::Reply {
                operation: CACHE_LEASE.operation(),
                reason: "unknown answer to the wish to load".to_owned(),
            })
        })
    }

    /// Renews the lease for as long as what is returned is there.
    pub(super) async fn renewing(&self, key: &KeyText, tenure: &Tenure) -> Renewing {
        let (site, key, token) = (self.clone(), key.clone(), tenure.token);
        let (hold, batch) = (Arc::clone(&tenure.hold), tenure.batch.clone());
        let renewing = Renewing(tokio::spawn(async move {
            let turn = || Place::turn(batch.as_ref());
            keep_in_turn(&hold, turn, || site.renew(&key, token, batch.as_ref())).await;
        }));
        let_begin().await;
        renewing
    }

    /// Another term for the lease of a load that takes longer than a third of it. Its turn has come.
    async fn renew(&self, key: &KeyText, token: Token, batch: Option<&Arc<Place>>) -> Result<bool> {
        let term = self.space.lease_term(batch);
        let mut question = CACHE_RENEW.call(self.space.keys.prefix());
        question.arg(key.as_bytes()).arg(token).arg(millis(term));
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
        let _turn = Place::turn(tenure.batch.as_ref()).await;
        // A lease that cannot be given back ends by itself.
        if let Err(trouble) = self.run::<i64>(&CACHE_RELEASE, &question).await {
            self.troubled(&trouble);
        }
    }
}

impl Space {
    /// How long a lease lasts: longer for one of many, so that what keeps them all is bounded.
    pub(super) fn lease_term(&self, batch: Option<&Arc<Place>>) -> Duration {
        let term = self.settings.loads.lease_term;
        batch.map_or(term, |place| place.term(term))
    }
}

fn read_lease(reply: Vec<redis::Value>, asked: Instant) -> Option<Lease> {
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
                asked,
                incarnation: incarnation.try_into().ok()?,
                as_of: from_redis_value(parts.next()?).ok()?,
            }
        }
        _ => return None,
    })
}
