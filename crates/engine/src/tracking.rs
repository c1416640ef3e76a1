//! Client-side caching: who is told when a key changes.

use crate::arguments::Args;
use crate::client::{Client, Seat};
use crate::commands::Command;
use crate::core::Core;

/// How a client tracks.
#[derive(Debug, Default)]
pub(crate) struct Mode {}

/// What is tracked.
#[derive(Debug, Default)]
pub(crate) struct Tracking {}

impl Tracking {
    /// A key has changed, by the command of this client (none: it expired).
    pub(crate) fn changed(&mut self, _key: &[u8], _by: Option<Seat>) {}

    pub(crate) fn is_on(&self) -> bool {
        false
    }

    /// A client has read keys.
    pub(crate) fn read(&mut self, _client: &Client, _command: &Command, _args: Args<'_>) {}

    /// A client has left.
    pub(crate) fn forget(&mut self, _client: &Client) {}

    /// Whole databases were emptied.
    pub(crate) fn flushed(&mut self) {}
}

/// Sends what trackers are to be told.
pub(crate) fn flush(_core: &mut Core) {}
