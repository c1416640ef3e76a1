//! The members of a JSON object, each value still as it was written.
//!
//! Read this way, an error can name its field, a doubled name is noticed instead of one winning silently, and
//! a body keeps its bytes (its numbers too) until they are signed and sent.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::problem::Problem;

/// Names and raw values in the order they were written.
pub(super) struct Members<'a> {
    pub(super) pairs: Vec<(String, &'a RawValue)>,
}

impl<'a> Members<'a> {
    pub(super) fn parse(text: &'a [u8], otherwise: Problem) -> Result<Self, Problem> {
        // Looked at first because serde's own message would repeat the value it found instead.
        let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
        if first != Some(&b'{') {
            let is_json = serde_json::from_slice::<&RawValue>(text).map(|_| otherwise);
            return Err(is_json.unwrap_or_else(|error| Problem::NotJson(error.to_string())));
        }
        serde_json::from_slice(text).map_err(|error| Problem::NotJson(error.to_string()))
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
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

/// A JSON string's text.
pub(super) fn text(value: &RawValue) -> Result<String, Problem> {
    serde_json::from_str(value.get()).map_err(|_| Problem::NotText)
}
