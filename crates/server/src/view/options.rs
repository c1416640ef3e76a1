//! A job's options as stored, under the public names that producers use.
//!
//! The stored form abbreviates some names (BullMQ 6.7.0); unknown ones stay as they are, since other programs add
//! their own.

use serde_json::{Map, Value};

const LONG_NAMES: [(&str, &str); 6] = [
    ("kl", "keepLogs"),
    ("de", "deduplication"),
    ("fpof", "failParentOnFailure"),
    ("cpof", "continueParentOnFailure"),
    ("idof", "ignoreDependencyOnFailure"),
    ("rdof", "removeDependencyOnFailure"),
];

/// The options with long names; a text that is no object comes back unchanged.
pub(super) fn with_long_names(stored: &str) -> String {
    let Ok(fields) = serde_json::from_str::<Map<String, Value>>(stored) else {
        return stored.to_owned();
    };
    let (mut named, mut telemetry) = (Map::new(), Map::new());
    for (name, value) in fields {
        match name.as_str() {
            "tm" => drop(telemetry.insert("metadata".to_owned(), value)),
            "omc" => drop(telemetry.insert("omitContext".to_owned(), value)),
            short => {
                let long = LONG_NAMES.iter().find(|(known, _)| *known == short);
                let name = long.map_or(name.clone(), |(_, long)| (*long).to_owned());
                named.insert(name, value);
            }
        }
    }
    if !telemetry.is_empty() {
        named.insert("telemetry".to_owned(), Value::Object(telemetry));
    }
    Value::Object(named).to_string()
}

#[cfg(test)]
mod tests {
    use super::with_long_names;

    #[test]
    fn abbreviations_are_spelled_out() {
        assert_eq!(
            with_long_names(r#"{"kl":5,"attempts":3,"tm":"x","omc":true,"mine":1}"#),
            r#"{"attempts":3,"keepLogs":5,"mine":1,"telemetry":{"metadata":"x","omitContext":true}}"#
        );
        assert_eq!(with_long_names("[]"), "[]");
    }
}
