//! Webhook delivery after Standard Webhooks 1.0.0: a job says where to and what, the server signs and sends
//! it.
//!
//! Guarantees: only addresses that the policy allows are dialled, checked on the address itself and not on
//! the name; no redirect and no proxy is followed; every attempt ends within its time-out and reads a bounded
//! answer; the `webhook-id` stays the same over all attempts, so that receivers can drop duplicates. Delivery
//! is at least once: a receiver whose answer was lost gets the same message again.
//!
//! Next: `config.rs` (what can be set), `payload.rs` (what a job says), `deliver.rs` (one attempt and how it
//! ends), `sign.rs` and `verify.rs` (the signature from both sides), `address.rs` and `dial.rs` (what may be
//! dialled).

mod address;
mod backoff;
mod client;
mod config;
mod deliver;
mod dial;
mod duration;
mod headers;
mod members;
mod network;
mod payload;
mod problem;
mod reason;
mod retry_after;
mod secret;
mod sign;
mod trust;
mod verify;

pub use address::{AddressPolicy, RefusedAddress};
pub use backoff::Backoff;
pub use client::{Answer, BodyEnd};
pub use config::{ConfigError, RateLimit, WebhookConfig};
pub use deliver::{Courier, CourierError, Delivery};
pub use dial::{Resolve, SystemResolver};
pub use duration::{DurationError, HumanDuration};
pub use network::{Network, NetworkError};
pub use payload::{Payload, Rules};
pub use problem::{PayloadError, Problem};
pub use reason::{Failure, Reason};
pub use secret::{Secret, SecretError};
pub use sign::{ID_HEADER, MessageId, MessageIdError, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign};
pub use trust::trusted_roots;
pub use verify::{DEFAULT_TOLERANCE, VerifyError, verify};
