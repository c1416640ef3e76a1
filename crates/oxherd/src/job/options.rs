//! What a producer can ask for when it adds a job.
//!
//! One struct, three forms: setters in Rust, JSON with BullMQ's public names (strict: an unknown or wrong option is
//! an error that names it), and the JSON in the job's hash with BullMQ's short names (lenient: other programs write
//! there, and what we do not know is theirs).

use std::time::Duration;

use serde_json::{Map, Value};

use super::backoff::{Backoff, LONGEST_DELAY};
use super::id::JobId;
use super::retention::Retention;
use crate::clock::{Timestamp, millis};
use crate::error::Error;

/// The largest priority: 2^21 - 1.
pub(crate) const LOWEST_PRIORITY: u32 = 2_097_151;
/// The last millisecond whose delayed score a double holds exactly: 2^53 / 4096, in 2039.
const LATEST_TIMESTAMP: u64 = 1 << 41;

/// How a job is to be run. The default is one attempt, at once, kept for ever.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobOptions {
    /// The producer's own id; a job with this id that is there already is left as it is.
    pub job_id: Option<JobId>,
    /// How often the job may be tried in all. Default and least: once (0 counts as 1).
    pub attempts: u32,
    /// The wait between attempts. Default: none.
    pub backoff: Option<Backoff>,
    /// Not before this long after `timestamp`. Default: at once.
    pub delay: Option<Duration>,
    /// From 1 (first) to 2,097,151 (last), after all jobs without one. Default 0: none.
    pub priority: Option<u32>,
    /// Ahead of the jobs that wait, instead of behind them.
    pub lifo: Option<bool>,
    /// What is kept when the job completes. Default: the worker's.
    pub remove_on_complete: Option<Retention>,
    /// What is kept when the job fails for good. Default: the worker's.
    pub remove_on_fail: Option<Retention>,
    /// Log rows kept. Default: all.
    pub keep_logs: Option<u32>,
    /// Attempts whose error chains are kept, the latest. Default: all.
    pub stack_trace_limit: Option<u32>,
    /// Bytes of JSON the data may have.
    pub size_limit: Option<usize>,
    /// When the job was created. Default: when it is added.
    pub timestamp: Option<Timestamp>,
}

impl JobOptions {
    /// From JSON with public names, as in `{"attempts": 3, "backoff": {"type": "exponential", "delay": 1000}}`.
    ///
    /// # Errors
    /// [`Error::JobOption`] naming the option that is unknown or out of range, [`Error::JobId`].
    pub fn from_json(value: &Value) -> Result<Self, Error> {
        let Value::Object(fields) = value else {
            return Err(option("opts", "must be an object"));
        };
        let mut options = Self::default();
        for (name, value) in fields {
            options.set(name, value)?;
        }
        Ok(options)
    }

    /// Checks the ranges that setters cannot.
    ///
    /// # Errors
    /// [`Error::JobOption`] naming the option.
    pub fn validate(&self) -> Result<(), Error> {
        if self.priority.is_some_and(|priority| priority > LOWEST_PRIORITY) {
            return Err(option(
                "priority",
                &format!("must be a whole number from 0 to {LOWEST_PRIORITY}"),
            ));
        }
        if self.delay.is_some_and(|delay| delay > LONGEST_DELAY) {
            return Err(option(
                "delay",
                &format!("must be at most {} ms", LONGEST_DELAY.as_millis()),
            ));
        }
        if let Some(backoff) = &self.backoff {
            backoff.validate().map_err(|reason| option("backoff", &reason))?;
        }
        if self
            .timestamp
            .is_some_and(|timestamp| timestamp.as_millis() > LATEST_TIMESTAMP)
        {
            return Err(option(
                "timestamp",
                &format!("must be at most {LATEST_TIMESTAMP} ms"),
            ));
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), Error> {
        let refuse = |reason: &str| option(name, reason);
        let whole = |most: u64| {
            let number = value.as_u64().filter(|number| *number <= most);
            number.ok_or_else(|| {
                option(
                    name,
                    &format!("must be a whole number from 0 to {most}, not {value}"),
                )
            })
        };
        let small = || whole(u64::from(u32::MAX)).map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        match name {
            "jobId" => {
                let id = value.as_str().ok_or_else(|| refuse("must be a string"))?;
                self.job_id = Some(id.parse()?);
            }
            "attempts" => self.attempts = small()?,
            "backoff" => self.backoff = Some(Backoff::from_json(value).map_err(|reason| refuse(&reason))?),
            "delay" => {
                self.delay = Some(Duration::from_millis(whole(
                    u64::try_from(LONGEST_DELAY.as_millis()).unwrap_or(u64::MAX),
                )?));
            }
            "priority" => {
                let priority = whole(u64::from(LOWEST_PRIORITY))?;
                self.priority = Some(u32::try_from(priority).unwrap_or(LOWEST_PRIORITY));
            }
            "lifo" => self.lifo = Some(value.as_bool().ok_or_else(|| refuse("must be true or false"))?),
            "removeOnComplete" => {
                self.remove_on_complete =
                    Some(Retention::from_json(value).map_err(|reason| refuse(&reason))?);
            }
            "removeOnFail" => {
                self.remove_on_fail = Some(Retention::from_json(value).map_err(|reason| refuse(&reason))?);
            }
            "keepLogs" => self.keep_logs = Some(small()?),
            "stackTraceLimit" => self.stack_trace_limit = Some(small()?),
            "sizeLimit" => self.size_limit = Some(small()? as usize),
            "timestamp" => self.timestamp = Some(Timestamp::from_millis(whole(LATEST_TIMESTAMP)?)),
            _ => {
                return Err(refuse(
                    "unknown option; known are jobId, attempts, backoff, delay, priority, lifo, removeOnComplete, \
                     removeOnFail, keepLogs, stackTraceLimit, sizeLimit and timestamp",
                ));
            }
        }
        Ok(())
    }

    /// From the hash of a job that any program may have written: what is wrong or unknown is left at its default and
    /// named in the second part.
    pub(crate) fn from_wire(text: &str) -> Result<(Self, Vec<Error>), serde_json::Error> {
        let fields: Map<String, Value> = serde_json::from_str(text)?;
        let (mut options, mut problems) = (Self::default(), Vec::new());
        for (name, value) in &fields {
            let name = if name == "kl" { "keepLogs" } else { name };
            // Existing jobs carry ids of every form; the hash's own key is what counts.
            if name == "jobId" || !Self::is_ours(name) {
                continue;
            }
            if let Err(problem) = options.set(name, &leniently(name, value)) {
                problems.push(problem);
            }
        }
        Ok((options, problems))
    }

    fn is_ours(name: &str) -> bool {
        matches!(
            name,
            "attempts"
                | "backoff"
                | "delay"
                | "priority"
                | "lifo"
                | "removeOnComplete"
                | "removeOnFail"
                | "keepLogs"
                | "stackTraceLimit"
                | "sizeLimit"
                | "timestamp"
        )
    }

    /// The JSON that the job's hash holds. As BullMQ does, `attempts` is always there and the rest only if given.
    pub(crate) fn to_wire(&self) -> String {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        };
        put("attempts", Some(self.attempts.into()));
        put("jobId", self.job_id.as_ref().map(|id| id.as_str().into()));
        put("backoff", self.backoff.as_ref().map(Backoff::to_json));
        put("delay", self.delay.map(|delay| millis(delay).into()));
        put("priority", self.priority.map(Value::from));
        put("lifo", self.lifo.map(Value::from));
        put(
            "removeOnComplete",
            self.remove_on_complete.map(Retention::to_json),
        );
        put("removeOnFail", self.remove_on_fail.map(Retention::to_json));
        put("kl", self.keep_logs.map(Value::from));
        put("stackTraceLimit", self.stack_trace_limit.map(Value::from));
        put("sizeLimit", self.size_limit.map(Value::from));
        put(
            "timestamp",
            self.timestamp.map(|timestamp| timestamp.as_millis().into()),
        );
        Value::Object(fields).to_string()
    }
}

/// What other programs write beside or behind what we know: fields of their own, fractions from their arithmetic.
fn leniently(name: &str, value: &Value) -> Value {
    let known: &[&str] = match name {
        "backoff" => &["type", "delay", "jitter"],
        "removeOnComplete" | "removeOnFail" => &["age", "count", "limit"],
        _ => &[],
    };
    let whole = |value: &Value| match value.as_f64() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be in range"
        )]
        Some(number) if value.as_u64().is_none() && (0.0..9e15).contains(&number) => {
            Value::from(number as u64)
        }
        _ => value.clone(),
    };
    match value {
        Value::Object(fields) if !known.is_empty() => {
            let kept = fields
                .iter()
                .filter(|(field, value)| known.contains(&field.as_str()) && !value.is_null());
            let kept = kept.map(|(field, value)| {
                (
                    field.clone(),
                    if field == "jitter" {
                        value.clone()
                    } else {
                        whole(value)
                    },
                )
            });
            Value::Object(kept.collect())
        }
        value => whole(value),
    }
}

fn option(name: &str, reason: &str) -> Error {
    Error::JobOption {
        option: name.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Backoff, Duration, JobOptions, Retention};

    #[test]
    fn wrong_options_are_named() {
        for (options, named) in [
            (json!({"attempts": -1}), "`attempts`"),
            (json!({"attempts": "3"}), "`attempts`"),
            (json!({"priority": 2_097_152}), "`priority`"),
            (json!({"priority": 1.5}), "`priority`"),
            (json!({"delay": -5}), "`delay`"),
            (json!({"retries": 3}), "`retries`"),
            (json!({"lifo": 1}), "`lifo`"),
            (json!({"backoff": {"type": "fixed", "delay": -1}}), "`backoff`"),
            (json!({"backoff": {"type": "fixed", "jitter": 2}}), "jitter"),
            (json!({"removeOnComplete": {"days": 3}}), "`days`"),
            (json!({"jobId": "17"}), "whole numbers"),
            (json!([]), "`opts`"),
        ] {
            let error = JobOptions::from_json(&options).unwrap_err().to_string();
            assert!(error.contains(named), "{options}: {error}");
        }
    }

    #[test]
    fn the_wire_form_reads_back_as_it_was() {
        let options = JobOptions::from_json(&json!({
            "attempts": 3, "backoff": 1000, "delay": 5, "priority": 7, "lifo": true, "keepLogs": 9,
            "removeOnComplete": true, "removeOnFail": {"age": 10, "count": 5}, "stackTraceLimit": 2,
            "sizeLimit": 100, "timestamp": 1_700_000_000_000_u64,
        }))
        .unwrap();
        let (read, problems) = JobOptions::from_wire(&options.to_wire()).unwrap();
        assert_eq!(read, options);
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn fields_and_fractions_of_other_programs_do_not_cost_a_back_off() {
        let text = r#"{"attempts":3,"backoff":{"type":"tide","delay":1000.7,"max":60000},"removeOnComplete":{"age":0.5,"x":1}}"#;
        let (options, problems) = JobOptions::from_wire(text).unwrap();
        assert!(problems.is_empty(), "{problems:?}");
        let backoff = Backoff::Custom {
            strategy: "tide".into(),
            delay: Some(Duration::from_secs(1)),
        };
        assert_eq!(options.backoff, Some(backoff));
        let keep = Retention::Keep {
            age: Some(Duration::ZERO),
            count: None,
            limit: None,
        };
        assert_eq!(options.remove_on_complete, Some(keep));
    }

    #[test]
    fn what_another_program_wrote_is_read_as_far_as_it_makes_sense() {
        let text =
            r#"{"attempts":-1,"delay":"x","fpof":true,"unknownThing":{"x":{}},"removeOnFail":3,"kl":7}"#;
        let (options, problems) = JobOptions::from_wire(text).unwrap();
        assert_eq!(options.remove_on_fail, Some(Retention::KeepLatest(3)));
        assert_eq!(options.keep_logs, Some(7));
        assert_eq!(problems.len(), 2, "{problems:?}");
    }
}
