//! Two stores' keys side by side: the layout promise, checked on what is really stored.
//!
//! The same script is run by Node on one Redis and by Oxherd on another. What then lies in the keys must be equal
//! except for what cannot be: times, lock tokens, stack traces' text, the order of fields inside JSON.
//! Next: `keys/normal.rs` (what is not compared), `keys/difference.rs` (how a mismatch is shown).

mod difference;
mod normal;

use serde_json::{Map, Value, json};

pub use difference::{differences, differences_between};

use crate::peer::Peer;

/// Everything under the prefix `bull:`, as it is stored. Not a snapshot: nothing may be at work meanwhile.
pub async fn dump(peer: &Peer) -> Value {
    peer.call("dump", json!({"prefix": "bull:"})).await
}

/// The same dump with everything that two runs cannot have in common named instead of shown.
#[must_use]
pub fn normalised(dump: &Value) -> Value {
    let empty = Map::new();
    let keys = dump.as_object().unwrap_or(&empty);
    Value::Object(
        keys.iter()
            .map(|(key, content)| (key.clone(), normal::key(keys, key, content)))
            .collect(),
    )
}
