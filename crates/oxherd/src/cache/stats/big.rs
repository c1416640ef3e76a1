//! The largest values that were written: a short list in which each key stands with its last known size.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Keys on the list.
const KEPT: usize = 16;

/// A key with a large value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BigKey {
    /// The tenant; empty when there is none.
    pub tenant: String,
    /// The key within namespace and tenant, as text.
    pub key: String,
    /// Bytes of its envelope when it was last written.
    pub bytes: u64,
}

impl BigKey {
    /// Of a key as `TENANT:KEY:`.
    pub(crate) fn of(text: &[u8], bytes: u64) -> Self {
        let (tenant, key) = tenant_and_key(text);
        Self { tenant, key, bytes }
    }
}

/// Tenant and key of `TENANT:KEY:`.
pub(crate) fn tenant_and_key(text: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(text);
    let text = text.strip_suffix(':').unwrap_or(&text);
    let (tenant, key) = text.split_once(':').unwrap_or(("", text));
    (tenant.to_owned(), key.to_owned())
}

/// The largest, largest first; of equal keys the first is kept.
pub(crate) fn largest(mut keys: Vec<BigKey>) -> Vec<BigKey> {
    keys.sort_by(|one, two| two.bytes.cmp(&one.bytes).then_with(|| one.key.cmp(&two.key)));
    let mut kept: Vec<BigKey> = Vec::with_capacity(KEPT);
    for key in keys {
        let is_known = kept
            .iter()
            .any(|other| other.key == key.key && other.tenant == key.tenant);
        if !is_known && kept.len() < KEPT {
            kept.push(key);
        }
    }
    kept
}

#[derive(Debug, Default)]
pub(crate) struct Big(Mutex<Vec<(Box<[u8]>, u64)>>);

impl Big {
    /// A value was written.
    pub(crate) fn wrote(&self, key: &[u8], bytes: u64) {
        let mut list = self.0.lock();
        if let Some(known) = list.iter_mut().find(|known| &*known.0 == key) {
            known.1 = bytes;
            return;
        }
        if list.len() < KEPT {
            list.push((key.into(), bytes));
            return;
        }
        if let Some(smallest) = list.iter_mut().min_by_key(|known| known.1)
            && smallest.1 < bytes
        {
            *smallest = (key.into(), bytes);
        }
    }

    pub(crate) fn snapshot(&self) -> Vec<BigKey> {
        let list = self.0.lock();
        largest(list.iter().map(|(key, bytes)| BigKey::of(key, *bytes)).collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_largest_stay_with_their_last_size() {
        let big = Big::default();
        for number in 0..100_u64 {
            big.wrote(format!("acme:{number}:").as_bytes(), number);
        }
        big.wrote(b"acme:99:", 7);
        let keys = big.snapshot();
        assert_eq!(keys.len(), KEPT);
        assert_eq!(
            (keys[0].tenant.as_str(), keys[0].key.as_str(), keys[0].bytes),
            ("acme", "98", 98)
        );
        assert_eq!((keys[15].key.as_str(), keys[15].bytes), ("99", 7));
        // The small one leaves first.
        big.wrote(b"acme:new:", 50);
        assert!(big.snapshot().iter().all(|key| key.key != "99"));
    }
}
