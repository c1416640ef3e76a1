//! Who is subscribed to which channels and patterns.

use std::collections::HashMap;

use crate::client::{Client, Seat};

/// All subscriptions.
#[derive(Debug, Default)]
pub(crate) struct PubSub {
    pub(crate) channels: HashMap<Box<[u8]>, Vec<Seat>>,
    pub(crate) patterns: HashMap<Box<[u8]>, Vec<Seat>>,
}

impl PubSub {
    /// A client has left.
    pub(crate) fn forget(&mut self, _client: &Client) {}
}
