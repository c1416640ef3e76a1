//! A store's directory, for programs that look after its files: [`engine`](crate::engine) has the tools.
//!
//! Next: `embedded.rs` (how it is opened).

use std::path::Path;

use oxherd_engine::ErrorKind;

use super::StoreUrl;
use super::url::Place;
use crate::error::OpenProblem;

impl StoreUrl {
    /// The directory of an `embedded:` store.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match self.place() {
            Place::Embedded(embedded) => Some(&embedded.directory),
            _ => None,
        }
    }
}

/// Why a directory could not be opened.
pub(super) fn problem_of(kind: ErrorKind) -> OpenProblem {
    match kind {
        ErrorKind::Damaged => OpenProblem::Damaged,
        ErrorKind::Format => OpenProblem::Format,
        _ => OpenProblem::Directory,
    }
}
