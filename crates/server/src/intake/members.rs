//! Looking into a job's JSON before its options are understood.

use std::collections::HashSet;

use serde_json::value::RawValue;

pub(super) use crate::members::Members;

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
