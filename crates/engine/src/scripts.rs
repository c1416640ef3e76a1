//! Scripts.

/// The scripts that were loaded, and the machine that runs them.
#[derive(Debug, Default)]
pub(crate) struct Scripts {}

impl Scripts {
    /// How many scripts are known.
    pub(crate) fn len(&self) -> usize {
        0
    }

    /// Bytes the machine holds.
    pub(crate) fn memory(&self) -> usize {
        0
    }
}
