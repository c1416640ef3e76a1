//! A JSON object as it was written: every member in order, values untouched, and a name that is there twice seen twice.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of an object.
#[derive(Debug)]
pub(super) struct Members<'a> {
    /// Names and values in the order of the text.
    pub(super) pairs: Vec<(String, &'a RawValue)>,
}

impl<'a> Members<'a> {
    /// The members, if the value is an object.
    pub(super) fn of(value: &'a RawValue) -> Option<Self> {
        serde_json::from_str(value.get()).ok()
    }
}

/// The path of the first name that an object, or one within it, has twice. For text that was parsed before: a parser's
/// limit on nesting bounds the recursion here.
pub(super) fn repeated(path: &str, json: &str) -> Option<String> {
    let members: Members<'_> = serde_json::from_str(json).ok()?;
    let mut seen = HashSet::new();
    members.pairs.iter().find_map(|(name, value)| {
        let path = format!("{path}.{name}");
        if !seen.insert(name) {
            return Some(path);
        }
        repeated(&path, value.get())
    })
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Members { pairs })
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}
