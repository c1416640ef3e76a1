//! What a script's surroundings do for it.
//!
//! The engine lends a host to each run. Its methods are called while the run holds the engine's lock, never after it
//! ended.
//! Next: `call.rs`, which calls it.

use crate::reply::Reply;

/// Runs the commands of one script.
pub(crate) trait Host {
    /// One `redis.call` or `redis.pcall`; the reply may be an error. There is at least one argument.
    fn call(&mut self, args: &[&[u8]]) -> Reply;

    /// `redis.log`; the level is 0 (debug) to 3 (warning).
    fn log(&mut self, level: i64, message: &[u8]);

    /// Whether the script has written yet, which protects it from being stopped for running long.
    fn has_written(&self) -> bool;

    /// `redis.setresp`: the script reads replies as RESP2 or RESP3 from now on.
    fn set_resp(&mut self, version: u8);

    /// `redis.acl_check_cmd`: whether the user may run a command; nothing if there is no such command.
    fn may_run(&mut self, args: &[&[u8]]) -> Option<bool>;
}
