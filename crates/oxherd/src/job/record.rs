//! A job as its hash tells it.
//!
//! Any program may have written the hash, so every field is read on its own: what makes no sense is left at its
//! default and named in [`JobRecord::problems`], and the rest stays usable.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::id::JobId;
use super::options::JobOptions;
use crate::clock::Timestamp;
use crate::error::Error;

/// A field of a job's hash that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field's name in the hash.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Everything the store knows of a job.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JobRecord {
    /// The job's id.
    pub id: JobId,
    /// What kind of job it is.
    pub name: String,
    /// The payload, JSON exactly as the producer wrote it.
    pub data: String,
    /// The options it was added with.
    pub options: JobOptions,
    /// The options, JSON exactly as stored.
    pub raw_options: String,
    /// When it was created.
    pub timestamp: Timestamp,
    /// How long it is or was held back.
    pub delay: Duration,
    /// 0: none.
    pub priority: u32,
    /// Attempts that ended.
    pub attempts_made: u32,
    /// Attempts that began.
    pub attempts_started: u32,
    /// How often its worker went away.
    pub stalled: u32,
    /// When the latest attempt began.
    pub processed_on: Option<Timestamp>,
    /// When it completed or failed for good.
    pub finished_on: Option<Timestamp>,
    /// The worker that ran it, if that has a name.
    pub processed_by: Option<String>,
    /// Whatever the handler reported, JSON.
    pub progress: Option<Value>,
    /// What the handler returned, JSON as stored.
    pub return_value: Option<String>,
    /// Why the latest attempt failed.
    pub failed_reason: Option<String>,
    /// The error chain of each failed attempt, oldest first.
    pub stack_trace: Vec<String>,
    /// The full key of the job that waits for this one.
    pub parent_key: Option<String>,
    /// The scheduler this job is an iteration of.
    pub scheduler_id: Option<String>,
    /// The deduplication id this job holds.
    pub deduplication_id: Option<String>,
    /// A failure decided elsewhere: the next worker fails the job without running it.
    pub(crate) deferred_failure: Option<String>,
    /// Fields that could not be read.
    pub problems: Vec<FieldProblem>,
}

impl JobRecord {
    /// The payload as a type.
    ///
    /// # Errors
    /// [`Error::Data`] naming the field that is missing or wrong.
    pub fn data_as<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let refuse = |reason: String| Error::Data {
            name: self.name.clone(),
            source: reason.into(),
        };
        let mut text = serde_json::Deserializer::from_str(&self.data);
        let data = serde_path_to_error::deserialize(&mut text).map_err(|error| {
            let path = error.path().to_string();
            let reason = without_values(&error.into_inner().to_string());
            refuse(if path == "." {
                reason
            } else {
                format!("`{path}`: {reason}")
            })
        })?;
        text.end().map_err(|error| refuse(error.to_string()))?;
        Ok(data)
    }

    /// Whether the job can be run at all: its name, data and options can be read.
    pub(crate) fn unreadable(&self) -> Option<&FieldProblem> {
        self.problems
            .iter()
            .find(|problem| matches!(problem.field.as_str(), "name" | "data" | "opts"))
    }

    /// From the flat field/value list of the hash; of a field that is there twice the later counts.
    pub(crate) fn from_fields(id: String, fields: Vec<Vec<u8>>) -> Self {
        let mut reader = Reader {
            values: BTreeMap::new(),
            problems: Vec::new(),
        };
        let mut fields = fields.into_iter();
        while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
            reader
                .values
                .insert(String::from_utf8_lossy(&name).into_owned(), value);
        }
        reader.read(id)
    }
}

/// A decoding error in words that may stand in logs: what was expected where, but not the value that was there.
fn without_values(message: &str) -> String {
    for kind in [
        "invalid type",
        "invalid value",
        "invalid length",
        "unknown variant",
    ] {
        if message.starts_with(kind)
            && let Some((_value, expected)) = message.rsplit_once(", expected ")
        {
            return format!("{kind}, expected {expected}");
        }
    }
    message.to_owned()
}

struct Reader {
    values: BTreeMap<String, Vec<u8>>,
    problems: Vec<FieldProblem>,
}

impl Reader {
    fn read(mut self, id: String) -> JobRecord {
        let name = self.text("name").unwrap_or_else(|| {
            self.problem("name", "is missing".to_owned());
            String::new()
        });
        // Producers without data write none; other clients read that as an empty object too.
        let data = self.text("data").unwrap_or_else(|| "{}".to_owned());
        let raw_options = self.text("opts").unwrap_or_else(|| "{}".to_owned());
        let options = match JobOptions::from_wire(&raw_options) {
            Ok((options, problems)) => {
                for problem in problems {
                    self.problem("opts (ignored)", problem.to_string());
                }
                options
            }
            Err(error) => {
                self.problem("opts", format!("is no JSON object: {error}"));
                JobOptions::default()
            }
        };
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&data) {
            self.problem("data", format!("is no JSON: {error}"));
        }
        let attempts_made = self.number("atm").or_else(|| self.number("attemptsMade"));
        let progress = self.json("progress");
        let stack_trace = self.json("stacktrace");
        let parent_key = self.text("parentKey");
        JobRecord {
            id: JobId::existing(id),
            name,
            data,
            options,
            raw_options,
            timestamp: Timestamp::from_millis(self.number("timestamp").unwrap_or(0)),
            delay: Duration::from_millis(self.number("delay").unwrap_or(0)),
            priority: self.count("priority"),
            attempts_made: narrow(attempts_made.unwrap_or(0)),
            attempts_started: self.count("ats"),
            stalled: self.count("stc"),
            processed_on: self.number("processedOn").map(Timestamp::from_millis),
            finished_on: self.number("finishedOn").map(Timestamp::from_millis),
            processed_by: self.text("pb"),
            progress,
            return_value: self.text("returnvalue"),
            failed_reason: self.text("failedReason"),
            stack_trace: stack_trace.unwrap_or_default(),
            parent_key,
            scheduler_id: self.text("rjk"),
            deduplication_id: self.text("deid"),
            deferred_failure: self.text("defa"),
            problems: self.problems,
        }
    }

    fn problem(&mut self, field: &str, reason: String) {
        self.problems.push(FieldProblem {
            field: field.to_owned(),
            reason,
        });
    }

    fn text(&mut self, field: &str) -> Option<String> {
        match String::from_utf8(self.values.remove(field)?) {
            Ok(text) => Some(text),
            Err(error) => {
                self.problem(field, "is not UTF-8".to_owned());
                Some(String::from_utf8_lossy(error.as_bytes()).into_owned())
            }
        }
    }

    /// Whole and not negative; a fraction another program wrote is cut off.
    fn number(&mut self, field: &str) -> Option<u64> {
        let text = self.text(field)?;
        match text.parse::<u64>() {
            Ok(number) => Some(number),
            Err(_) => match text.parse::<f64>() {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "checked to be in range"
                )]
                Ok(number) if (0.0..9e15).contains(&number) => Some(number as u64),
                _ => {
                    self.problem(field, "is no number".to_owned());
                    None
                }
            },
        }
    }

    fn count(&mut self, field: &str) -> u32 {
        narrow(self.number(field).unwrap_or(0))
    }

    fn json<T: DeserializeOwned>(&mut self, field: &str) -> Option<T> {
        let text = self.text(field)?;
        match serde_json::from_str(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(field, format!("is not the JSON expected: {error}"));
                None
            }
        }
    }
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::JobRecord;

    fn fields(pairs: &[(&str, &str)]) -> Vec<Vec<u8>> {
        pairs
            .iter()
            .flat_map(|(name, value)| [name.as_bytes().to_vec(), value.as_bytes().to_vec()])
            .collect()
    }

    #[test]
    fn garbage_is_named_and_the_rest_is_read() {
        let record = JobRecord::from_fields(
            "7".into(),
            fields(&[
                ("name", "mail"),
                ("data", "{"),
                ("opts", "[]"),
                ("timestamp", "now"),
                ("atm", "2"),
                ("progress", "50"),
            ]),
        );
        assert_eq!(record.attempts_made, 2);
        assert_eq!(record.progress, Some(50.into()));
        let named: Vec<_> = record
            .problems
            .iter()
            .map(|problem| problem.field.as_str())
            .collect();
        assert_eq!(named, ["opts", "data", "timestamp"]);
        assert_eq!(
            record.unreadable().map(|problem| problem.field.as_str()),
            Some("opts")
        );
    }

    #[test]
    fn a_payload_that_does_not_decode_is_not_repeated_in_the_error() {
        #[derive(Debug, serde::Deserialize)]
        struct Payment {
            #[expect(dead_code, reason = "only decoded")]
            card: u64,
        }
        let of = |data: &str| JobRecord::from_fields("1".into(), fields(&[("name", "pay"), ("data", data)]));
        let error = of(r#"{"card":"4111, expected 1111"}"#)
            .data_as::<Payment>()
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("expected u64") && !error.contains("4111"),
            "{error}"
        );
        let error = of("{}").data_as::<Payment>().unwrap_err().to_string();
        assert!(error.contains("missing field `card`"), "{error}");
    }

    proptest! {
        #[test]
        fn no_hash_makes_the_reader_panic(
            pairs in proptest::collection::vec(
                (
                    prop_oneof![
                        Just("name"), Just("data"), Just("opts"), Just("timestamp"), Just("delay"), Just("priority"),
                        Just("atm"), Just("stacktrace"), Just("progress"), Just("processedOn"), Just("parentKey"),
                    ],
                    prop_oneof![
                        any::<Vec<u8>>(),
                        "[-0-9.eE{}\\[\\]\",:a-z]{0,20}".prop_map(String::into_bytes),
                    ],
                ),
                0..12,
            ),
        ) {
            let flat = pairs.into_iter().flat_map(|(name, value)| [name.as_bytes().to_vec(), value]).collect();
            let _ = JobRecord::from_fields("1".into(), flat);
        }
    }
}
