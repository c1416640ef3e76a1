//! Counters: numbers that the store itself adds to.
//!
//! A namespace of `i64` holds them. A counter begins with the first increment and ends with its TTL, which increments do not prolong: a count of
//! a window. It may be evicted or cleared like everything in a cache; what must not be lost belongs elsewhere.
//! Next: `lua/cache/increment.lua`.

use std::time::Duration;

use super::key::CacheKey;
use super::loading::{Fresh, millis};
use super::namespace::Namespace;
use super::space::AnyValue;
use super::value::{Envelope, Header};
use crate::error::{Error, Result};
use crate::store::CACHE_INCREMENT;

impl<K: CacheKey + ?Sized> Namespace<K, i64> {
    /// Adds to a counter, and returns the sum. One that is not there begins at zero.
    ///
    /// # Errors
    /// [`Error::CacheRefused`] when the sum, or what is added to, would leave ±(2⁵³ − 1), what is there is no counter, or a write of the key is announced;
    /// [`Error::OutcomeUnknown`] when the reply was lost; [`Error::StoreUnavailable`] when nothing was sent; [`Error::Store`] when the store
    /// refuses (full, no rights); [`Error::CacheOption`] in a namespace of this process alone; [`Error::CacheKey`].
    pub async fn increment(&self, key: &K, by: i64) -> Result<i64> {
        let key = self.key(key)?;
        let site = &self.site;
        let space = &site.space;
        if !space.settings.keeps_shared() {
            return Err(site.needs_store("tiers", "counters"));
        }
        let fresh = Fresh {
            value: Some(std::sync::Arc::new(0_i64) as AnyValue),
            ttl: None,
            version: None,
            tags: Vec::new(),
        };
        let call = self.call();
        let header = Header {
            // It ends with its TTL: nothing loads it that could fail.
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            ..site.header_of(&call, &fresh, Duration::ZERO, None)
        };
        let entry = Envelope::encode_counter(&header, 0, space.place(&key))?;
        // Without `\x01` and `0`: length and digits.
        let tail = entry.get(52..entry.len().saturating_sub(2)).unwrap_or_default();
        let (stamp_life, stamp_least) = space.settings.stamp_life(header.ttl);
        let mut question = CACHE_INCREMENT.call(space.keys.prefix());
        question
            .arg(key.as_bytes())
            .arg(by)
            .arg(entry.get(..28).unwrap_or_default())
            .arg(tail)
            .arg(millis(header.ttl))
            .arg(&rand::random::<[u8; 8]>()[..])
            .arg(millis(stamp_life))
            .arg(millis(stamp_least))
            .arg(&site.shared.prefix);
        for stamp in super::space::Space::stamps(&call.tenant, []) {
            question.arg(stamp);
        }
        let answer: Result<(String, u8), _> = {
            let _forgetting = site.forgetting(&key);
            site.run_once(&CACHE_INCREMENT, &question).await
        };
        let (answer, written) =
            answer.map_err(|trouble| site.failed(trouble, "add to the counter at", &key))?;
        site.wrote(written, &call.tenant, []);
        match answer.as_str() {
            "marked" => Err(site.refused(&key, "a write of it is announced")),
            "other" => Err(site.refused(&key, "what is there is no counter")),
            "range" => Err(site.refused(
                &key,
                "the sum, or what is added to, would leave the range of ±(2^53 - 1)",
            )),
            sum => sum.parse().map_err(|_| Error::Reply {
                operation: CACHE_INCREMENT.operation(),
                reason: format!("{sum:?} is no number"),
            }),
        }
    }
}
