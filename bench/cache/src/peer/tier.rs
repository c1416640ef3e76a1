//! The library's tier in this process by itself: what a hit of its `get_or_load` is built on, with every check that
//! such a hit makes (validity, end, freshness, refresh ahead of time), without the building of the key.

use std::sync::Arc;

use super::{Peer, TTL, Value};
use crate::clock::Clock;
use crate::local::{Held, Local, Meta, NamespaceNumber, Validity};

const NAMESPACE: NamespaceNumber = NamespaceNumber(1);
const TENANT: &str = "acme";
const BYTES: u32 = 200;

pub(super) struct Tier {
    local: Arc<Local>,
    clock: Clock,
}

impl Tier {
    pub(super) fn new(capacity: usize) -> Self {
        // Room is counted in bytes; all entries weigh the same.
        let scale = Self {
            local: Arc::new(Local::new(1 << 20, None)),
            clock: Clock::system(),
        };
        scale.put(&crate::trace::text(0), Arc::new(Value::new(0)));
        let entry = scale.local.counts().bytes;
        Self {
            local: Arc::new(Local::new(entry * capacity as u64, None)),
            clock: Clock::system(),
        }
    }
}

impl Peer for Tier {
    fn name(&self) -> &'static str {
        "oxherd_tier"
    }

    fn has_ttl(&self) -> bool {
        true
    }

    fn has_flights(&self) -> bool {
        true
    }

    fn get(&self, key: &str) -> Option<Arc<Value>> {
        let (now, ticks) = (self.clock.now_coarse(), self.clock.ticks());
        let value = self.local.look(NAMESPACE, key.as_bytes(), |held| {
            let meta = held.meta();
            let is_usable = self.local.validity(held) == Validity::Valid
                && !held.is_over(now, ticks)
                && now < meta.fresh_until
                && now < meta.refresh_from;
            if is_usable { held.value() } else { None }
        });
        value.flatten()
    }

    fn get_or_load(&self, key: &str) -> Option<Arc<Value>> {
        self.get(key)
    }

    fn put(&self, key: &str, value: Arc<Value>) {
        let pending = self.local.pending(NAMESPACE, key.as_bytes());
        let (as_of, created) = (self.local.moment(), self.clock.now());
        let ends = created.after(TTL);
        let meta = Meta {
            fresh_until: ends,
            refresh_from: ends,
            ends,
            id: [0; 16],
            version: 0,
            created,
            lasts: TTL,
            ttl: TTL,
            stale_while_revalidate: TTL,
            stale_if_error: TTL,
            load_micros: 0,
            tags: Box::default(),
            is_sliding: false,
        };
        let cells = self.local.cells(NAMESPACE, TENANT, ["users"]);
        pending.fill(&Arc::new(Held::new(
            Some(value),
            BYTES,
            meta,
            cells,
            as_of,
            self.clock.ticks(),
        )));
    }
}
