//! One attempt to deliver a webhook, and how it ended.
//!
//! A `Courier` belongs to one `[[webhooks]]` table and keeps its connections. It checks the payload anew,
//! signs with the time it is given, sends, and sorts the outcome: delivered (2xx), to be tried again, or
//! refused for good. It neither retries nor waits: that is the queue's work. Next: `reason.rs` (what is
//! final), `client.rs` (the sending).

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::ClientConfig;

use super::client::{Answer, Client};
use super::config::{ConfigError, WebhookConfig};
use super::dial::{Resolve, SystemResolver};
use super::payload::{Payload, Rules};
use super::problem::PayloadError;
use super::reason::Reason;
use super::retry_after::retry_after;
use super::secret::Secret;
use super::sign::{MessageId, sign};
use super::trust::trusted_roots;

/// How one attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an attempt that failed must be tried again or given up"]
pub enum Delivery {
    /// The receiver took the message with a 2xx.
    Delivered(Answer),
    /// Another attempt may succeed.
    RetryLater {
        /// How long the receiver asked to wait with `Retry-After`, at most a day; else the job's own backoff
        /// applies.
        after: Option<Duration>,
        /// What went wrong.
        reason: Reason,
    },
    /// No attempt can succeed.
    Refused {
        /// What went wrong.
        reason: Reason,
    },
}

impl Delivery {
    /// The receiver's answer, if there was one.
    #[must_use]
    pub const fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Delivered(answer) => Some(answer),
            Self::RetryLater { reason, .. } | Self::Refused { reason } => reason.answer(),
        }
    }

    fn failed(reason: Reason, after: Option<Duration>) -> Self {
        if reason.is_final() {
            Self::Refused { reason }
        } else {
            Self::RetryLater { after, reason }
        }
    }
}

/// Why a courier could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CourierError {
    /// The configuration does not fit together.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No certificate authorities where the environment says they are.
    #[error("cannot read the certificate authorities that SSL_CERT_FILE or SSL_CERT_DIR name")]
    Trust(#[source] io::Error),
}

/// Delivers the messages of one `[[webhooks]]` table. Share it: it holds the connections.
#[derive(Debug)]
pub struct Courier {
    client: Client,
    rules: Rules,
    secrets: Vec<Secret>,
    timeout: Duration,
}

impl Courier {
    /// A courier that looks names up with the operating system and trusts the machine's certificate
    /// authorities.
    ///
    /// # Errors
    /// [`CourierError`] when the configuration does not fit together or the authorities cannot be read.
    pub fn new(config: &WebhookConfig) -> Result<Self, CourierError> {
        config.check()?;
        let trust = trusted_roots().map_err(CourierError::Trust)?;
        Self::with(config, Arc::new(SystemResolver), trust)
    }

    /// A courier with another resolver and other trusted authorities. `trust` must not name ALPN protocols.
    ///
    /// # Errors
    /// [`CourierError::Config`] when the configuration does not fit together.
    pub fn with(
        config: &WebhookConfig,
        resolver: Arc<dyn Resolve>,
        mut trust: ClientConfig,
    ) -> Result<Self, CourierError> {
        config.check()?;
        // The connector sets them itself and would panic on any that are there.
        trust.alpn_protocols.clear();
        let rules = config.rules();
        let client = Client::new(config, rules.addresses.clone(), resolver, trust);
        Ok(Self {
            client,
            rules,
            secrets: config.secrets.clone(),
            timeout: config.timeout.get(),
        })
    }

    /// Checks a payload as `deliver` will, without sending anything.
    ///
    /// # Errors
    /// [`PayloadError`] names the first field that is wrong.
    pub fn check(&self, payload: &[u8]) -> Result<Payload, PayloadError> {
        Payload::parse(payload, &self.rules)
    }

    /// Makes one attempt, started at `now`, with the JSON of a job's data. Ends within the job's time-out.
    /// Dropping the future gives up the attempt; the receiver may have had the message all the same.
    pub async fn deliver(&self, id: &MessageId, payload: &[u8], now: SystemTime) -> Delivery {
        let payload = match self.check(payload) {
            Ok(payload) => payload,
            Err(error) => return Delivery::failed(error.into(), None),
        };
        let limit = payload.timeout().unwrap_or(self.timeout);
        let signature = sign(&self.secrets, id, now, payload.body());
        let mut request = payload.into_request();
        request.headers_mut().extend(signature);

        let (answer, retry_header) = match self.client.send(request, limit).await {
            Ok(answered) => answered,
            Err(reason) => return Delivery::failed(reason, None),
        };
        if (200..300).contains(&answer.status) {
            return Delivery::Delivered(answer);
        }
        let answered_at = now.checked_add(answer.duration).unwrap_or(now);
        let after = retry_header.and_then(|value| retry_after(&value, answered_at));
        Delivery::failed(Reason::Answered(answer), after)
    }
}
