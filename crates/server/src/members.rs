//! A JSON object as it was written: every member in order, values untouched, and a name that is there twice seen twice.
//!
//! Read this way, an error can name its field, a doubled name is noticed instead of one winning silently, and a value
//! keeps its bytes (its numbers too).

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of an object.
#[derive(Debug)]
pub(crate) struct Members<'a> {
    /// Names and values in the order of the text.
    pub(crate) pairs: Vec<(String, &'a RawValue)>,
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
