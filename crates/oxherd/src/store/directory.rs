//! A store's directory, for programs that look after its files: [`engine`](crate::engine) has the tools.
//!
//! Next: `embedded.rs` (how it is opened).

use std::path::Path;

use super::StoreUrl;
use super::url::Place;

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
