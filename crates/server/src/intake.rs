//! From a request's JSON to a job that may be added: every field checked, every fault named.
//!
//! A job is `{"name": …, "data": …, "opts": {…}}`; only `name` must be there, `data` is `{}` when left out and is
//! stored byte for byte as it was written. Jobs of a queue that a `[[webhooks]]` table names are checked as deliveries,
//! and get that table's attempts and waits when they bring none of their own.
//! Next: `members.rs` (objects without surprises), `processors/webhook/payload.rs` (what a delivery needs).

mod members;

use std::collections::HashMap;

use oxherd::{Backoff, Error, JobOptions, NewJob};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::config::Config;
use crate::processors::webhook::{Payload, Rules};
use members::{Members, repeated};

/// The back-off strategy that the built-in webhook worker knows.
pub(crate) const WEBHOOK_BACKOFF: &str = "webhook";

/// A field of a job that cannot be, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFault {
    /// The path of the field, such as `opts.attempts`; empty for the job as a whole.
    pub field: String,
    /// What is wrong and what would be right.
    pub detail: String,
    /// Whether it is wrong only for being too large.
    pub is_too_large: bool,
}

/// Checks jobs before they are added.
#[derive(Debug)]
pub struct Intake {
    webhooks: HashMap<String, Deliveries>,
}

/// What the jobs of a webhook queue must keep to, and what they get.
#[derive(Clone, Debug)]
struct Deliveries {
    rules: Rules,
    attempts: u32,
}

impl Intake {
    /// The checks that these settings ask for.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut webhooks = HashMap::new();
        for table in &config.webhooks {
            let deliveries = Deliveries {
                rules: table.config.rules(),
                attempts: table.config.attempts.get(),
            };
            for queue in &table.config.queues {
                webhooks.insert(queue.clone(), deliveries.clone());
            }
        }
        Self { webhooks }
    }

    /// A job of this queue from its JSON.
    ///
    /// # Errors
    /// [`JobFault`] names the first field that is missing, unknown or wrong.
    pub fn read(&self, queue: &str, job: &RawValue) -> Result<NewJob, JobFault> {
        let members = Members::of(job).ok_or_else(|| {
            fault(
                "",
                "must be an object such as {\"name\": \"welcome\", \"data\": {\"user\": 7}, \"opts\": {}}",
            )
        })?;
        let (mut name, mut data, mut options) = (None, None, None);
        for (key, value) in members.pairs {
            let slot = match key.as_str() {
                "name" => &mut name,
                "data" => &mut data,
                "opts" => &mut options,
                _ => return Err(fault(&key, "is unknown; a job has name, data and opts")),
            };
            if slot.replace(value).is_some() {
                return Err(fault(&key, "is there more than once"));
            }
        }
        let name = name.ok_or_else(|| fault("name", "is missing; it says what kind of job this is"))?;
        let name = serde_json::from_str::<String>(name.get())
            .ok()
            .filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| fault("name", "must be a string that is not empty"))?;
        let data = data.map_or("{}", RawValue::get);
        self.finish(queue, name, data, options.map(RawValue::get))
    }

    /// A job of this queue from parts that are text: a form, a command line.
    ///
    /// # Errors
    /// [`JobFault`] names the first field that is wrong.
    pub fn assemble(&self, queue: &str, name: &str, data: &str, options: &str) -> Result<NewJob, JobFault> {
        if name.is_empty() {
            return Err(fault("name", "must be a string that is not empty"));
        }
        let data = if data.trim().is_empty() { "{}" } else { data };
        let options = (!options.trim().is_empty()).then_some(options);
        self.finish(queue, name.to_owned(), data, options)
    }

    fn finish(
        &self,
        queue: &str,
        name: String,
        data: &str,
        options: Option<&str>,
    ) -> Result<NewJob, JobFault> {
        let given: Value = match options.map(serde_json::from_str).transpose() {
            Ok(None | Some(Value::Null)) => Value::Object(serde_json::Map::new()),
            Ok(Some(given)) => given,
            Err(error) => return Err(fault("opts", &format!("cannot be read: {error}"))),
        };
        if let Some(path) = options.and_then(|text| repeated("opts", text)) {
            return Err(fault(&path, "is there more than once"));
        }
        let mut options = JobOptions::from_json(&given)?;
        if let Some(deliveries) = self.webhooks.get(queue) {
            Payload::parse(data.as_bytes(), &deliveries.rules).map_err(|error| {
                let field = match error.field() {
                    "payload" => "data".to_owned(),
                    inner => format!("data.{inner}"),
                };
                fault(&field, &error.problem().to_string())
            })?;
            if given.get("attempts").is_none() {
                options.attempts = deliveries.attempts;
            }
            if given.get("backoff").is_none() {
                options.backoff = Some(Backoff::custom(WEBHOOK_BACKOFF));
            }
        }
        if let Some(limit) = options.size_limit.filter(|limit| data.len() > *limit) {
            return Err(Error::DataTooLarge {
                name,
                size: data.len(),
                limit,
            }
            .into());
        }
        Ok(NewJob::from_json(name, data)?.with_options(options))
    }
}

fn fault(field: &str, detail: &str) -> JobFault {
    JobFault {
        field: field.to_owned(),
        detail: detail.to_owned(),
        is_too_large: false,
    }
}

impl From<Error> for JobFault {
    fn from(error: Error) -> Self {
        let field = match &error {
            Error::JobOption { option, .. } if option == "opts" => "opts".to_owned(),
            Error::JobOption { option, .. } => format!("opts.{option}"),
            Error::JobId { .. } => "opts.jobId".to_owned(),
            _ => "data".to_owned(),
        };
        let detail = match &error {
            // The field says already which option it is.
            Error::JobOption { reason, .. } => reason.clone(),
            Error::JobId { reason, .. } => (*reason).to_owned(),
            // The outer message only says that the data is at fault.
            Error::Data { source, .. } => format!("is no valid JSON: {source}"),
            other => other.to_string(),
        };
        Self {
            field,
            detail,
            is_too_large: matches!(error, Error::DataTooLarge { .. }),
        }
    }
}

impl std::fmt::Display for JobFault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.field.as_str() {
            "" => write!(formatter, "a job {}", self.detail),
            field => write!(formatter, "`{field}` {}", self.detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intake(toml: &str) -> Intake {
        let file = crate::config::ConfigFile {
            path: "oxherd.toml".into(),
            text: toml.to_owned(),
        };
        Intake::new(&Config::resolve(&Default::default(), &Default::default(), Some(&file)).unwrap())
    }

    fn read(intake: &Intake, json: &str) -> Result<NewJob, String> {
        let raw = RawValue::from_string(json.to_owned()).unwrap();
        intake.read("hooks", &raw).map_err(|fault| fault.to_string())
    }

    #[test]
    fn every_fault_names_its_field() {
        let intake = intake("");
        for (json, start) in [
            ("[]", "a job must be an object"),
            ("{}", "`name` is missing"),
            (r#"{"name":7}"#, "`name` must be a string"),
            (r#"{"name":""}"#, "`name` must be a string"),
            (r#"{"name":"a","nam":1}"#, "`nam` is unknown"),
            (r#"{"name":"a","name":"b"}"#, "`name` is there more than once"),
            (r#"{"name":"a","opts":[]}"#, "`opts` must be an object"),
            (
                r#"{"name":"a","opts":{"attempts":2,"delay":1,"a\u0074tempts":3}}"#,
                "`opts.attempts` is there more than once",
            ),
            (
                r#"{"name":"a","opts":{"backoff":{"type":"fixed","delay":1,"delay":2}}}"#,
                "`opts.backoff.delay` is there more than once",
            ),
            (
                r#"{"name":"a","opts":{"retries":3}}"#,
                "`opts.retries` unknown option",
            ),
            (
                r#"{"name":"a","opts":{"attempts":-1}}"#,
                "`opts.attempts` must be a whole number",
            ),
            (
                r#"{"name":"a","opts":{"jobId":"7"}}"#,
                "`opts.jobId` whole numbers",
            ),
            (
                r#"{"name":"a","data":{"x":1},"opts":{"sizeLimit":3}}"#,
                "`data` data of job",
            ),
        ] {
            let error = read(&intake, json).unwrap_err();
            assert!(error.starts_with(start), "{json}: {error}");
        }
    }

    #[test]
    fn options_from_a_form_are_checked_for_repeats_too() {
        let options = r#" {"attempts":2, "attempts":3} "#;
        let fault = intake("").assemble("q", "a", "", options).unwrap_err();
        assert_eq!(fault.field, "opts.attempts");
        // What a job carries is its own business.
        intake("")
            .assemble("q", "a", r#"{"x":1,"x":2}"#, r#"{"delay":1}"#)
            .unwrap();
    }

    #[test]
    fn a_delivery_is_checked_and_gets_its_tables_attempts() {
        let intake = intake("[[webhooks]]\nqueues = ['hooks']\nattempts = 4");
        let job = read(
            &intake,
            r#"{"name":"x","data":{"url":"https://example.com","body":1}}"#,
        )
        .unwrap();
        assert_eq!(job.options.attempts, 4);
        assert_eq!(job.options.backoff, Some(Backoff::custom("webhook")));
        let own =
            r#"{"name":"x","data":{"url":"https://example.com","body":1},"opts":{"attempts":2,"backoff":5}}"#;
        let own = read(&intake, own).unwrap();
        assert_eq!(own.options.attempts, 2);
        assert_ne!(own.options.backoff, job.options.backoff);
        for (data, start) in [
            (r#"{"body":1}"#, "`data.url` is missing"),
            ("7", "`data` must be a JSON object"),
            (r#"{"url":"http://127.0.0.1/","body":1}"#, "`data.url` "),
        ] {
            let error = read(&intake, &format!(r#"{{"name":"x","data":{data}}}"#)).unwrap_err();
            assert!(error.starts_with(start), "{data}: {error}");
        }
    }
}
