//! Where a value belongs. A seal holds only there, so values cannot be swapped between keys, namespaces or tenants.
//! Next: `seal.rs`.

use smallvec::SmallVec;

use super::layout::{AT_CREATED, AT_INCARNATION};

/// Where a value belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    /// The tenant; empty for none.
    pub(crate) tenant: &'a str,
    /// The namespace with its version.
    pub(crate) namespace: &'a str,
    /// The key's text, without tenant and namespace.
    pub(crate) key: &'a str,
}

impl Place<'_> {
    /// What a seal vouches for besides the value: the place, and the header but for the two fields that scripts write.
    ///
    /// Each text has its length in front, so that no two places give the same bytes.
    pub(super) fn vouched(self, head: &[u8]) -> SmallVec<[u8; 256]> {
        let mut bytes = SmallVec::new();
        for text in [self.tenant, self.namespace, self.key] {
            bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes.extend_from_slice(head.get(..AT_INCARNATION).unwrap_or(head));
        bytes.extend_from_slice(head.get(AT_CREATED..).unwrap_or_default());
        bytes
    }
}
