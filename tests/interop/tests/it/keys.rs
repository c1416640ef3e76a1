//! The layout promise: a script run by Node alone and by Oxherd alone leaves the same keys and the same events.
//!
//! `crate::side` runs a script on both; `oxherd_interop::keys` says what is compared and how.

mod adding;
mod changing;
mod deduplication;
mod flows;
mod limits;
mod processing;
mod retries;
mod stalls;
