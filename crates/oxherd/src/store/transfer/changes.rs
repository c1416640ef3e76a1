//! Whether the source changed while it was read.
//!
//! Every key is looked at once more: its expiry, its size, a stream's last entry. That finds whatever a queue at work
//! does, since each step of a job adds to a stream and moves an id from one key to another; a value overwritten by one
//! of the same size passes unseen.

use std::collections::HashMap;

use redis::{Pipeline, Value};

use super::row::{Kind, shown};
use super::source::{Listing, Seen, Source, counting, list};
use super::{Fault, Steps};
use crate::error::Result;
use crate::store::Store;

/// Keys looked at in one round trip.
const BATCH: usize = 500;

/// What is not as it was read.
pub(super) async fn find(
    store: &Store,
    pattern: Option<&[u8]>,
    listing: &Listing,
    operation: &'static str,
    steps: &mut Steps<'_>,
) -> Result<Vec<Fault>> {
    let mut source = Source::new(store, operation);
    let mut changes = Vec::new();
    let read: Vec<(&Vec<u8>, Seen)> = listing
        .iter()
        .filter_map(|(key, seen)| Some((key, (*seen)?)))
        .collect();
    for batch in read.chunks(BATCH) {
        changes.extend(source.compare(batch).await?);
        steps.checked(batch.len());
    }
    let now = list(store, pattern, operation).await?;
    let appeared = now.keys().filter(|key| !listing.contains_key(*key));
    changes.extend(appeared.map(|key| Fault {
        key: shown(key),
        reason: "appeared".to_owned(),
    }));
    Ok(changes)
}

impl Source {
    async fn compare(&mut self, batch: &[(&Vec<u8>, Seen)]) -> Result<Vec<Fault>> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("TIME");
        for (key, seen) in batch {
            pipeline.cmd("PEXPIRETIME").arg(key.as_slice());
            match seen.kind {
                Kind::Stream => pipeline.cmd("XINFO").arg("STREAM").arg(key.as_slice()),
                kind => pipeline.cmd(counting(kind)).arg(key.as_slice()),
            };
        }
        let mut replies = self.ask_all(&pipeline).await?.into_iter();
        let (seconds, micros): (i64, i64) = self.next(&mut replies)?;
        let now = seconds * 1000 + micros / 1000;
        let mut changes = Vec::new();
        for (key, seen) in batch {
            let expiry: i64 = self.next(&mut replies)?;
            let size = replies.next().unwrap_or(Value::Nil).extract_error();
            let reason = if expiry == -2 {
                // Its time was over, there as well as in the copy. The time was asked a moment before.
                if seen.expires_at.is_some_and(|at| at <= now + 1000) {
                    continue;
                }
                "was removed"
            } else if seen.expires_at != (expiry >= 0).then_some(expiry) {
                "expires at another time"
            } else if size.is_ok_and(|size| self.is_as_before(size, *seen)) {
                continue;
            } else {
                "was changed"
            };
            changes.push(Fault {
                key: shown(key),
                reason: reason.to_owned(),
            });
        }
        Ok(changes)
    }

    fn is_as_before(&self, reply: Value, seen: Seen) -> bool {
        if seen.kind != Kind::Stream {
            return redis::from_redis_value::<u64>(reply).is_ok_and(|size| size == seen.size);
        }
        let facts = redis::from_redis_value::<HashMap<String, Value>>(reply);
        facts.is_ok_and(|facts| {
            self.mark(facts)
                .is_ok_and(|mark| (mark.length, mark.stamp()) == (seen.size, seen.stamp))
        })
    }
}
