//! How a command ends: one exit code, and an error that says what was tried and what to do.
//!
//! The codes are part of the interface, scripts rely on them. This is the one table from the library's errors to
//! codes; commands add failures of their own with the constructors here.
//! Next: `output.rs` (how a failure is printed).

use std::error::Error as StdError;
use std::io;
use std::process::ExitCode;

use oxherd::OpenProblem;
use oxherd_server::problem::write_refusal;

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Anything that has no code of its own.
    Failed = 1,
    /// The call makes no sense: an unknown flag, broken JSON, an option out of its range.
    Usage = 2,
    /// There is no such job, queue, cache namespace or entry.
    NotFound = 3,
    /// What was asked is not possible now: wrong state, locked, queue full.
    Refused = 4,
    /// The store does not answer.
    Unreachable = 5,
}

impl Code {
    /// The code's name in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NotFound => "not-found",
            Self::Refused => "refused",
            Self::Unreachable => "store-unreachable",
        }
    }

    /// The number the process ends with.
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.number())
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    message: String,
    causes: Vec<String>,
    help: Option<String>,
    is_broken_pipe: bool,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            causes: Vec::new(),
            help: None,
            is_broken_pipe: false,
        }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Code::Failed, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, message)
    }

    /// What clap says of a wrong call, for readers that want JSON.
    pub(crate) fn of_arguments(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        let (message, rest) = text.split_once("\n\n").unwrap_or((text.as_str(), ""));
        let message = message.strip_prefix("error: ").unwrap_or(message).trim();
        let failure = Self::usage(message);
        match rest.trim() {
            "" => failure,
            rest => failure.help(rest),
        }
    }

    /// The same failure with its cause and the cause's causes.
    pub(crate) fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let cause = cause.into();
        self.is_broken_pipe |= cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        self.add_causes(Some(&*cause));
        self
    }

    /// The same failure with what to do about it.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Layers repeat what the layer below said; each sentence is kept once.
    fn add_causes<'a>(&mut self, mut cause: Option<&'a (dyn StdError + 'static)>) {
        while let Some(error) = cause {
            let text = error.to_string();
            let last = self.causes.last().unwrap_or(&self.message);
            if !last.contains(&text) {
                self.causes.push(text);
            }
            cause = error.source();
        }
    }

    pub(crate) const fn code(&self) -> Code {
        self.code
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// From the nearest cause to the first.
    pub(crate) fn causes(&self) -> &[String] {
        &self.causes
    }

    pub(crate) fn remedy(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Whether our own output could not be written because nobody reads it any more.
    pub(crate) const fn is_broken_pipe(&self) -> bool {
        self.is_broken_pipe
    }
}

impl From<oxherd::Error> for Failure {
    fn from(error: oxherd::Error) -> Self {
        use oxherd::Error as E;

        if let E::TransferStopped { written, source } = error {
            let mut failure = Self::from(*source);
            failure.message = format!("{}; {written} keys were written before", failure.message);
            return failure;
        }

        let (code, help) = match &error {
            E::StoreUrl { .. } => (Code::Usage, Some("set --store or OXHERD_STORE")),
            E::QueueName { .. }
            | E::JobId { .. }
            | E::JobOption { .. }
            | E::Data { .. }
            | E::DataTooLarge { .. }
            | E::WorkerSetup { .. }
            | E::CacheName { .. }
            | E::CacheKey { .. }
            | E::Dump { .. } => (Code::Usage, None),
            E::Open { problem, .. } => (Code::Unreachable, Some(help_to_open(*problem))),
            E::StoreUnavailable { .. } => (Code::Unreachable, Some(HELP_TO_REACH)),
            E::OutcomeUnknown { .. } => (Code::Unreachable, Some("look at the queue before you try again")),
            E::JobNotFound { .. } => (
                Code::NotFound,
                Some(
                    "finished jobs may have been removed already; `oxherd queue list` shows the queues there are",
                ),
            ),
            E::JobState { .. } | E::JobRefused { .. } => {
                (Code::Refused, Some("`oxherd job show` tells where the job is"))
            }
            E::QueueFull { .. } => (Code::Refused, None),
            E::KeysExist { .. } => (Code::Refused, Some("--replace replaces them")),
            E::SameStore { .. } => (Code::Refused, Some("check --from and --to")),
            E::Store { source, .. } => (Code::Failed, write_refusal(&source.to_string())),
            _ => (Code::Failed, None),
        };
        let mut failure = Self::new(code, error.to_string());
        failure.add_causes(error.source());
        failure.is_broken_pipe =
            matches!(&error, E::DumpFile { source, .. } if source.kind() == io::ErrorKind::BrokenPipe);
        failure.help = help.map(ToOwned::to_owned);
        failure
    }
}

const HELP_TO_REACH: &str = "check --store (or OXHERD_STORE) and that the server runs";

/// What to do about a store that does not open.
fn help_to_open(problem: OpenProblem) -> &'static str {
    match problem {
        OpenProblem::Damaged => "`oxherd store check` tells what is damaged, what can be recovered, and how",
        OpenProblem::Format => "use the version of Oxherd that wrote them, or a newer one",
        OpenProblem::Directory => {
            "--store (or OXHERD_STORE) must name a directory that this user may read and write, or one that can be made"
        }
        OpenProblem::InUse => "stop that process, or wait until it has read its data",
        _ => HELP_TO_REACH,
    }
}

/// Only our own output is written without a sentence of its own around the error.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::failed("cannot write the output").because(error)
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, Failure};

    #[test]
    fn each_cause_is_told_once() {
        let inner = std::io::Error::other("connection refused");
        let error = oxherd::Error::Store {
            operation: "job/add".to_owned(),
            source: Box::new(inner),
        };
        let failure = Failure::from(error);
        assert_eq!(failure.code(), Code::Failed);
        assert_eq!(failure.message(), "cannot job/add: connection refused");
        assert!(failure.causes().is_empty(), "{:?}", failure.causes());
    }

    #[test]
    fn a_store_that_takes_no_changes_comes_with_the_remedy() {
        let error = oxherd::Error::Store {
            operation: "job/add".to_owned(),
            source: Box::new(std::io::Error::other("OOM command not allowed")),
        };
        assert!(
            Failure::from(error)
                .remedy()
                .is_some_and(|help| help.contains("maxmemory"))
        );
    }

    #[test]
    fn a_reader_who_went_away_is_recognised() {
        let gone = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        assert!(Failure::from(gone).is_broken_pipe());
        let full = std::io::Error::other("no space left");
        assert!(!Failure::from(full).is_broken_pipe());
    }
}
