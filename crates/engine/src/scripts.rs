//! Scripts.
#[derive(Debug, Default)]
pub(crate) struct Scripts {}
