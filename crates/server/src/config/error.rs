//! What is wrong with the configuration: every fault with its place, its key and the remedy.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `oxherd.toml:3`, `OXHERD_LISTEN` or `--listen`.
    pub place: String,
    /// The key, such as `listen` or `queues.mail.max_waiting`; empty when the place says it.
    pub key: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl Fault {
    pub(super) fn new(place: String, key: &str, problem: String) -> Self {
        Self {
            place,
            key: key.to_owned(),
            problem,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(formatter, "{}: {}", self.place, self.problem),
            key => write!(formatter, "{}: {key}: {}", self.place, self.problem),
        }
    }
}

/// Everything that is wrong with the configuration, one fault a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    faults: Vec<Fault>,
}

impl ConfigError {
    /// The faults, in the order of the settings.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl From<Vec<Fault>> for ConfigError {
    fn from(faults: Vec<Fault>) -> Self {
        Self { faults }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, fault) in self.faults.iter().enumerate() {
            if position > 0 {
                formatter.write_str("\n")?;
            }
            fault.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
