//! The members of a payload, with errors in the payload's own words. The body keeps its bytes until they are signed
//! and sent.

use serde_json::value::RawValue;

use super::problem::Problem;
pub(super) use crate::members::Members;

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

/// A JSON string's text.
pub(super) fn text(value: &RawValue) -> Result<String, Problem> {
    serde_json::from_str(value.get()).map_err(|_| Problem::NotText)
}
