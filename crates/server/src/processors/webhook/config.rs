//! A `[[webhooks]]` table of `oxherd.toml`: which queues are delivered, how, and within which limits.
//!
//! ```toml
//! [[webhooks]]
//! queues = ["webhooks"]
//! secrets = ["whsec_…"]          # several sign at once while a secret is being changed
//! timeout = "15s"
//! ```
//!
//! Unknown keys are errors, every key but `queues` has a default, and secrets are redacted in `Debug` and in
//! serialised output. Reading checks each key alone; `check` checks them together.

use std::num::{NonZeroU16, NonZeroU32, NonZeroUsize};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::address::AddressPolicy;
use super::backoff::Backoff;
use super::client::READ_AT_MOST;
use super::duration::HumanDuration;
use super::network::Network;
use super::payload::Rules;
use super::secret::Secret;

const MOST_SECRETS: usize = 8;
const LONGEST_TIMEOUT: Duration = Duration::from_secs(3_600);

/// How the jobs of some queues are delivered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookConfig {
    /// The queues whose jobs are webhook deliveries. At least one.
    pub queues: Vec<String>,
    /// How many deliveries run at once in this process.
    pub concurrency: NonZeroUsize,
    /// Secrets that sign every message, at most eight. None: messages go unsigned.
    pub secrets: Vec<Secret>,
    /// How long an attempt may take from look-up to the end of the answer, when the job does not say.
    pub timeout: HumanDuration,
    /// The longest time-out that a job may ask for; at most an hour.
    pub max_timeout: HumanDuration,
    /// How long look-up, connection and TLS handshake may take.
    pub connect_timeout: HumanDuration,
    /// Private or otherwise special networks that may be dialled all the same.
    pub allow_networks: Vec<Network>,
    /// The ports that may be dialled.
    pub allow_ports: Vec<NonZeroU16>,
    /// The largest body that is sent, in bytes.
    pub max_body_bytes: NonZeroUsize,
    /// How much of the answer is kept, in bytes; at most 64 KiB, which is also the most that is read.
    pub response_bytes_kept: usize,
    /// How often a delivery is tried in all, for jobs that do not say.
    pub attempts: NonZeroU32,
    /// The waits between attempts, for jobs that do not say.
    pub backoff: Backoff,
    /// At most so many deliveries in so much time, over all processes.
    pub rate_limit: Option<RateLimit>,
}

/// At most `max` deliveries in each `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// How many.
    pub max: NonZeroU32,
    /// In how much time.
    pub per: HumanDuration,
}

/// A setting that cannot be: the key and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("webhooks.{key}: {problem}")]
pub struct ConfigError {
    key: &'static str,
    problem: String,
}

impl ConfigError {
    /// The key inside its `[[webhooks]]` table.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        self.key
    }
}

impl Default for WebhookConfig {
    fn default() -> Self {
        const HTTP: NonZeroU16 = NonZeroU16::new(80).unwrap();
        const HTTPS: NonZeroU16 = NonZeroU16::new(443).unwrap();
        Self {
            queues: Vec::new(),
            concurrency: const { NonZeroUsize::new(10).unwrap() },
            secrets: Vec::new(),
            timeout: HumanDuration::from_secs(15),
            max_timeout: HumanDuration::from_secs(60),
            connect_timeout: HumanDuration::from_secs(5),
            allow_networks: Vec::new(),
            allow_ports: vec![HTTP, HTTPS],
            max_body_bytes: const { NonZeroUsize::new(256 * 1024).unwrap() },
            response_bytes_kept: 4 * 1024,
            attempts: const { NonZeroU32::new(10).unwrap() },
            backoff: Backoff::default(),
            rate_limit: None,
        }
    }
}

impl WebhookConfig {
    /// Checks what no key can check alone.
    ///
    /// # Errors
    /// [`ConfigError`] names the key and what would be right.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |key, problem: &str| {
            Err(ConfigError {
                key,
                problem: problem.to_owned(),
            })
        };
        if self.queues.is_empty() || self.queues.iter().any(String::is_empty) {
            return wrong("queues", "name at least one queue, and none by an empty name");
        }
        let doubled = self
            .queues
            .iter()
            .enumerate()
            .find(|(position, name)| self.queues.iter().skip(position + 1).any(|other| other == *name));
        if let Some((_, name)) = doubled {
            return wrong("queues", &format!("names {name:?} twice"));
        }
        if self.secrets.len() > MOST_SECRETS {
            return wrong(
                "secrets",
                "list at most 8: keep the current one and those still being replaced",
            );
        }
        if self.max_timeout.is_zero() || self.max_timeout.get() > LONGEST_TIMEOUT {
            return wrong("max_timeout", "must be more than 0 and at most 1h");
        }
        if self.timeout.is_zero() || self.timeout > self.max_timeout {
            let most = self.max_timeout;
            return wrong(
                "timeout",
                &format!("must be more than 0 and at most max_timeout ({most})"),
            );
        }
        if self.connect_timeout.is_zero() || self.connect_timeout > self.max_timeout {
            let most = self.max_timeout;
            return wrong(
                "connect_timeout",
                &format!("must be more than 0 and at most max_timeout ({most})"),
            );
        }
        if self.allow_ports.is_empty() {
            return wrong(
                "allow_ports",
                "list at least one port; leave the key out for 80 and 443",
            );
        }
        if self.response_bytes_kept > READ_AT_MOST {
            return wrong("response_bytes_kept", "must be at most 65536");
        }
        if self.backoff.waits().is_empty() {
            return wrong(
                "backoff",
                "list at least one wait, such as [\"5s\"]; leave the key out for the default",
            );
        }
        if self.rate_limit.is_some_and(|limit| limit.per.is_zero()) {
            return wrong("rate_limit.per", "must be more than 0");
        }
        Ok(())
    }

    /// What payloads are checked against, for `Payload::parse` when jobs are added.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules {
            max_body_bytes: self.max_body_bytes.get(),
            max_timeout: self.max_timeout.get(),
            addresses: AddressPolicy::new(&self.allow_networks, &self.allow_ports),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(toml: &str) -> WebhookConfig {
        toml::from_str(toml).unwrap()
    }

    fn check(toml: &str) -> Result<(), String> {
        read(toml).check().map_err(|error| error.to_string())
    }

    #[test]
    fn a_queue_is_enough_and_the_rest_has_its_default() {
        let config = read("queues = ['webhooks']");
        assert_eq!(config.check(), Ok(()));
        assert_eq!(config.concurrency.get(), 10);
        assert_eq!(config.timeout.get(), Duration::from_secs(15));
        assert_eq!(config.max_body_bytes.get(), 262_144);
        assert_eq!(config.attempts.get(), 10);
        assert_eq!(config.backoff.waits().len(), 9);
    }

    #[test]
    fn every_key_is_read() {
        let config = read(
            "queues = ['a', 'b']\nconcurrency = 3\ntimeout = '2s'\nmax_timeout = 30000\nconnect_timeout = '1s'\n\
             secrets = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw']\nallow_networks = ['10.0.0.0/8', '::1']\n\
             allow_ports = [8443]\nmax_body_bytes = 1000\nresponse_bytes_kept = 0\nattempts = 3\n\
             backoff = ['1s', 2000]\nrate_limit = { max = 5, per = '1s' }\n",
        );
        assert_eq!(config.check(), Ok(()));
        assert_eq!(config.max_timeout.get(), Duration::from_secs(30));
        assert_eq!(config.backoff.wait_after(9, 0.0), Duration::from_secs(2));
        assert_eq!(config.rate_limit.unwrap().max.get(), 5);
    }

    #[test]
    fn unknown_keys_and_wrong_values_are_errors() {
        for toml in [
            "queues = ['a']\nretries = 3",
            "queues = ['a']\nconcurrency = 0",
            "queues = ['a']\ntimeout = '15'",
            "queues = ['a']\ntimeout = -1",
            "queues = ['a']\nallow_ports = [0]",
            "queues = ['a']\nallow_networks = ['10.0.0.5/8']",
            "queues = ['a']\nsecrets = ['whsec_short']",
            "queues = ['a']\nrate_limit = { max = 5, per = '1s', burst = 2 }",
        ] {
            assert!(toml::from_str::<WebhookConfig>(toml).is_err(), "{toml}");
        }
    }

    #[test]
    fn settings_that_do_not_fit_together_are_named() {
        for (toml, key) in [
            ("", "webhooks.queues: "),
            ("queues = ['a', 'a']", "webhooks.queues: names \"a\" twice"),
            ("queues = ['a']\ntimeout = '61s'", "webhooks.timeout: "),
            ("queues = ['a']\ntimeout = 0", "webhooks.timeout: "),
            ("queues = ['a']\nmax_timeout = '2h'", "webhooks.max_timeout: "),
            (
                "queues = ['a']\nconnect_timeout = 0",
                "webhooks.connect_timeout: ",
            ),
            ("queues = ['a']\nallow_ports = []", "webhooks.allow_ports: "),
            (
                "queues = ['a']\nresponse_bytes_kept = 65537",
                "webhooks.response_bytes_kept: ",
            ),
            ("queues = ['a']\nbackoff = []", "webhooks.backoff: "),
            (
                "queues = ['a']\nrate_limit = { max = 1, per = 0 }",
                "webhooks.rate_limit.per: ",
            ),
        ] {
            let error = check(toml).unwrap_err();
            assert!(error.starts_with(key), "{error}");
        }
    }

    #[test]
    fn secrets_show_neither_in_debug_nor_in_output_nor_in_messages() {
        let config = read("queues = ['a']\nsecrets = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw']");
        assert!(!format!("{config:?}").contains("MfKQ9r8G"));
        assert!(!toml::to_string(&config).unwrap().contains("MfKQ9r8G"));
        let broken = "queues = ['a']\nsecrets = ['whsec_MfKQ9r8G']";
        let error = toml::from_str::<WebhookConfig>(broken).unwrap_err();
        assert!(!error.message().contains("MfKQ9r8G"));
    }
}
