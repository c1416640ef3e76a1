//! `oxherd job add`: one job from the shell.
//!
//! The data is stored as it was given, byte for byte. Everything about the job is checked before the store is asked.

use std::io::Read as _;
use std::time::Duration;

use clap::Args;
use oxherd::{Added, NewJob, QueueName};
use oxherd_server::intake::Intake;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::args::{Global, length_of_time};
use crate::connect;
use crate::exit::Failure;
use crate::output::Output;

/// Add a job
///
/// Prints the job's id. A job with the same --id that is there already is left as it is, which is no failure.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  oxherd job add mail welcome --data '{\"user\": 7}'
  oxherd job add mail welcome --data @welcome.json --delay 10m --attempts 3
  oxherd job add mail digest --id march-1 --opts '{\"attempts\": 3, \"backoff\": 1000}'")]
pub(crate) struct Add {
    /// The queue
    queue: QueueName,
    /// The job's name, by which workers choose the handler
    name: String,
    /// The job's data: JSON, @FILE, or - for stdin
    #[arg(
        long,
        value_name = "JSON|@FILE|-",
        default_value = "{}",
        allow_hyphen_values = true
    )]
    data: String,
    /// Options as a JSON object with BullMQ's names; the flags below come first
    #[arg(long, value_name = "JSON")]
    opts: Option<String>,
    /// The job's own id [default: the queue counts]
    #[arg(long)]
    id: Option<String>,
    /// Not before this long from now, as in 90s or 10m; without a unit milliseconds
    #[arg(long, value_name = "TIME", value_parser = length_of_time)]
    delay: Option<Duration>,
    /// From 1 (first) to 2097151 (last), after all jobs without one
    #[arg(long, value_name = "N")]
    priority: Option<u32>,
    /// How often it may be tried in all [default: once]
    #[arg(long, value_name = "N")]
    attempts: Option<u32>,
    /// Ahead of the jobs that wait, instead of behind them
    #[arg(long)]
    lifo: bool,
}

#[derive(Serialize)]
struct Outcome<'a> {
    id: &'a str,
    queue: &'a str,
    /// It was there already.
    duplicate: bool,
}

impl Add {
    pub(crate) async fn run(self, global: &Global, output: &Output) -> Result<(), Failure> {
        let config = connect::settings(global, output)?;
        let job = self.job(&Intake::new(&config))?;
        let queue = connect::view_of(config, output)
            .await?
            .queue(self.queue.as_str())?;
        let Added { id, already_there } = queue.add_job(job).await?;
        let outcome = Outcome {
            id: id.as_str(),
            queue: self.queue.as_str(),
            duplicate: already_there,
        };
        output.one(&outcome, || match (output.is_quiet(), already_there) {
            (true, _) => id.to_string(),
            (false, false) => format!("added job {id} to queue {:?}", outcome.queue),
            (false, true) => format!(
                "job {id} is in queue {:?} already; it was left as it is",
                outcome.queue
            ),
        })
    }

    fn job(&self, intake: &Intake) -> Result<NewJob, Failure> {
        let data = self.read_data()?;
        let data = data.trim();
        if data.is_empty() {
            return Err(Failure::usage("`data` is empty").help("leave --data out for a job without data"));
        }
        let options = Value::Object(self.options()?).to_string();
        let job = intake.assemble(self.queue.as_str(), &self.name, data, &options);
        job.map_err(|fault| {
            let failure = Failure::usage(format!("cannot add the job: {fault}"));
            match fault.field.as_str() {
                "data" if !fault.is_too_large => failure
                    .help("quote JSON for the shell, as in --data '{\"user\": 7}'; text alone is '\"text\"'"),
                _ => failure,
            }
        })
    }

    fn read_data(&self) -> Result<String, Failure> {
        let cannot = |from: String, error: std::io::Error| {
            Failure::usage(format!("cannot read `data` from {from} (--data)")).because(error)
        };
        if self.data == "-" {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            return read
                .map(|_| text)
                .map_err(|error| cannot("stdin".to_owned(), error));
        }
        match self.data.strip_prefix('@') {
            Some(path) => {
                std::fs::read_to_string(path).map_err(|error| cannot(format!("file {path:?}"), error))
            }
            None => Ok(self.data.clone()),
        }
    }

    /// The flags on top of `--opts`, by their public names.
    fn options(&self) -> Result<Map<String, Value>, Failure> {
        let given = self
            .opts
            .as_deref()
            .map(serde_json::from_str::<Map<_, _>>)
            .transpose();
        let mut options = match given {
            Ok(given) => given.unwrap_or_default(),
            Err(error) => {
                return Err(Failure::usage("`opts` is no JSON object (--opts)")
                    .because(error)
                    .help("quote it for the shell, as in --opts '{\"attempts\": 3}'"));
            }
        };
        let delay = self
            .delay
            .map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        let flags = [
            ("jobId", self.id.clone().map(Value::from)),
            ("attempts", self.attempts.map(Value::from)),
            ("delay", delay.map(Value::from)),
            ("priority", self.priority.map(Value::from)),
            ("lifo", self.lifo.then_some(Value::Bool(true))),
        ];
        let given = flags
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        options.extend(given);
        Ok(options)
    }
}
