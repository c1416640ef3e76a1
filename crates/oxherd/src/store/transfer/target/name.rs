//! Temporary names of keys that are being built.
//!
//! On a cluster a key can only be renamed within its slot, so the name carries the key's hash tag.

/// In the name of every temporary key.
const MARK: &[u8] = b"}oxherd-transfer:";

/// Whether a key is one that a transfer builds.
pub(in crate::store::transfer) fn is_temporary(key: &[u8]) -> bool {
    key.starts_with(b"{") && key.windows(MARK.len()).any(|part| part == MARK)
}

/// A name in the same slot of a cluster as the key.
pub(super) fn temporary(key: &[u8], run: &str, number: u64) -> Vec<u8> {
    let tag = hash_tag(key).unwrap_or(key);
    let mut name = Vec::with_capacity(tag.len() + 50);
    name.push(b'{');
    name.extend_from_slice(tag);
    name.extend_from_slice(MARK);
    name.extend_from_slice(format!("{run}:{number}").as_bytes());
    name
}

/// What stands between the first brace and the next closing one, if anything does.
fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|byte| *byte == b'{')?;
    let (_, rest) = key.split_at_checked(open + 1)?;
    let close = rest.iter().position(|byte| *byte == b'}')?;
    rest.get(..close).filter(|tag| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{is_temporary, temporary};

    #[test]
    fn temporary_names_stay_in_the_slot_of_their_key() {
        for (key, tag) in [
            ("bull:q:1", "{bull:q:1}"),
            ("{app}:q:1", "{app}"),
            ("a{b}c{d}", "{b}"),
            ("{}a", "{{}a}"),
        ] {
            let name = temporary(key.as_bytes(), "run", 1);
            assert!(name.starts_with(tag.as_bytes()), "{key}");
            assert!(is_temporary(&name), "{key}");
            assert!(!is_temporary(key.as_bytes()), "{key}");
        }
    }
}
