//! Which keys are kept in memory alone.
//!
//! Nothing of them is told, so they are in no log and in no image and are gone after a restart. A list without a prefix
//! costs one comparison of a length, whatever is asked of it.
//! Next: `recorder.rs` (who asks), `../core/keeping.rs` (what waits for the journal because of them, and what does not).

use std::sync::Arc;

/// The prefixes of the names of such keys; none by default. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Volatile(Arc<[Box<[u8]>]>);

impl Volatile {
    /// Prefixes that another one begins are left out, and so are empty ones.
    pub(crate) fn of(prefixes: &[Vec<u8>]) -> Self {
        let mut sorted: Vec<&[u8]> = prefixes.iter().map(Vec::as_slice).collect();
        sorted.retain(|prefix| !prefix.is_empty());
        sorted.sort_unstable();
        // What begins with a prefix stands behind it, and nothing else in between.
        sorted.dedup_by(|next, kept| next.starts_with(kept));
        Self(sorted.into_iter().map(Box::from).collect())
    }

    /// Whether there are no such keys.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub(crate) fn covers(&self, key: &[u8]) -> bool {
        !self.is_empty() && self.has_prefix_of(key)
    }

    fn has_prefix_of(&self, key: &[u8]) -> bool {
        self.0.iter().any(|prefix| key.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Volatile;

    #[test]
    fn a_prefix_that_another_one_begins_is_left_out() {
        let prefixes = ["tmp:b", "cache:", "", "tmp:", "cache:", "tmp"].map(Vec::from);
        let kept: Vec<&[u8]> = vec![b"cache:", b"tmp"];
        assert_eq!(
            Volatile::of(&prefixes)
                .0
                .iter()
                .map(|kept| &**kept)
                .collect::<Vec<_>>(),
            kept
        );
        assert!(!Volatile::of(&[Vec::new()]).covers(b"anything"));
    }

    proptest! {
        #[test]
        fn a_key_is_covered_if_it_begins_with_a_prefix(
            prefixes in prop::collection::vec("[ab]{0,3}", 0..6),
            key in "[abc]{0,5}",
        ) {
            let given: Vec<Vec<u8>> = prefixes.iter().map(|prefix| prefix.clone().into_bytes()).collect();
            let begins = prefixes.iter().any(|prefix| !prefix.is_empty() && key.starts_with(prefix.as_str()));
            prop_assert_eq!(Volatile::of(&given).covers(key.as_bytes()), begins);
        }
    }
}
