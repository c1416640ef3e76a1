//! What the engine says of a directory, in the words of this crate.
//!
//! Next: `embedded.rs` (how it is opened).

use oxherd_engine::ErrorKind;

use crate::error::OpenProblem;

/// Why a directory could not be opened.
pub(super) fn problem_of(kind: ErrorKind) -> OpenProblem {
    match kind {
        ErrorKind::Damaged => OpenProblem::Damaged,
        ErrorKind::Format => OpenProblem::Format,
        _ => OpenProblem::Directory,
    }
}
