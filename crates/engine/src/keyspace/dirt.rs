//! What a collection says of its changes to whoever keeps them.
//!
//! Next: `changes.rs` (elements by name), `list/changes.rs` (chunks), `stream/dirt.rs` (parts of streams).

/// What of a collection a journal must write anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dirt<P> {
    /// Everything: the collection is small, or it is no longer laid out as it was.
    Whole,
    /// These parts. One that is no longer there is gone.
    Parts(Vec<P>),
}
