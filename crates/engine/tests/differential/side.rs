//! One of the two that are compared.
//!
//! Both are driven by raw bytes of RESP and answer in raw frames. What a client is owed and what reached it unasked
//! come in the order in which the side sent them.
//! Next: `real.rs` (a redis-server), `embedded.rs` (the engine).

use crate::frame::Frame;
use crate::step::{Protocol, encode};

/// How long a reply may take before the side counts as silent.
pub(crate) const SILENCE: std::time::Duration = std::time::Duration::from_secs(10);

pub(crate) trait Side {
    fn name(&self) -> &'static str;

    /// Drops all clients, data and scripts, then connects one client per protocol.
    fn begin(&mut self, protocols: &[Protocol]);

    /// The id of a client, as `CLIENT ID` says.
    fn client_id(&mut self, client: usize) -> i64;

    /// Hands over bytes of one or several commands.
    fn send(&mut self, client: usize, bytes: &[u8]);

    /// Waits for `count` replies; what came unasked in between (pushes) is among the frames.
    ///
    /// Fewer frames than asked mean that the side kept silent.
    fn replies(&mut self, client: usize, count: usize) -> Vec<Frame>;

    /// Returns when everything sent so far is executed, and all that follows from it has reached its client.
    fn settle(&mut self);

    /// What has reached a client and was not taken yet.
    fn arrived(&mut self, client: usize) -> Vec<Frame>;

    /// Sets the clock to the machine's, for a side that has a clock of its own.
    fn set_time(&mut self, now_ms: u64);

    /// Ends the waits whose time has come, for a side that does so only when told.
    fn end_waits(&mut self) {}

    /// One command and its reply.
    fn call(&mut self, client: usize, arguments: &[Vec<u8>]) -> Frame {
        let mut bytes = Vec::new();
        encode(arguments, &mut bytes);
        self.send(client, &bytes);
        let mut frames = self.replies(client, 1);
        frames
            .pop()
            .unwrap_or_else(|| panic!("{} does not answer {arguments:?}", self.name()))
    }
}

/// The machine's clock, which a real server shares.
pub(crate) fn machine_time_ms() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .expect("the clock is past 1970");
    u64::try_from(since.as_millis()).expect("the clock is sane")
}
