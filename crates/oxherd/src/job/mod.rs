//! Jobs: what a producer adds, and what the store knows of it afterwards.
//!
//! A Rust type becomes a job by implementing [`Job`]; jobs of programs in other languages are plain names and JSON.
//! Next: `options.rs` (what can be asked for), `record.rs` (what is stored), `crate::queue` (how it gets there).

mod backoff;
mod id;
mod options;
mod record;
mod retention;
mod state;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use backoff::Backoff;
pub(crate) use backoff::LONGEST_DELAY;
pub use id::JobId;
pub use options::JobOptions;
pub use record::{FieldProblem, JobRecord};
pub use retention::Retention;
pub use state::{JobState, UnknownState};

use crate::error::{Error, Result};

/// A Rust type that is a job.
///
/// ```
/// use oxherd::{Job, JobOptions};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Welcome {
///     user: u64,
/// }
///
/// impl Job for Welcome {
///     const QUEUE: &'static str = "mail";
///     const NAME: &'static str = "welcome";
///     type Output = ();
///
///     fn options() -> JobOptions {
///         JobOptions { attempts: 3, ..JobOptions::default() }
///     }
/// }
/// ```
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// The queue it goes to.
    const QUEUE: &'static str;
    /// Its name there, by which workers choose the handler.
    const NAME: &'static str;
    /// What its handler returns.
    type Output: Serialize + DeserializeOwned + Send;

    /// The options of each such job unless the producer says otherwise.
    #[must_use]
    fn options() -> JobOptions {
        JobOptions::default()
    }
}

/// A job that is ready to be added: name, payload and options.
#[derive(Clone, Debug)]
pub struct NewJob {
    pub(crate) name: String,
    pub(crate) data: String,
    /// How it is to be run.
    pub options: JobOptions,
}

impl NewJob {
    /// A job from a name and anything serde can turn into JSON.
    ///
    /// # Errors
    /// [`Error::Data`] when the payload cannot become JSON.
    pub fn new(name: impl Into<String>, data: &impl Serialize) -> Result<Self> {
        let name = name.into();
        match serde_json::to_string(data) {
            Ok(data) => Ok(Self {
                name,
                data,
                options: JobOptions::default(),
            }),
            Err(error) => Err(Error::Data {
                name,
                source: error.into(),
            }),
        }
    }

    /// A job from a name and JSON text, which is stored as it is.
    ///
    /// # Errors
    /// [`Error::Data`] when the text is no JSON.
    pub fn from_json(name: impl Into<String>, data: impl Into<String>) -> Result<Self> {
        let (name, data) = (name.into(), data.into());
        match serde_json::from_str::<serde::de::IgnoredAny>(&data) {
            Ok(_) => Ok(Self {
                name,
                data,
                options: JobOptions::default(),
            }),
            Err(error) => Err(Error::Data {
                name,
                source: error.into(),
            }),
        }
    }

    /// A job of a Rust type, with that type's options.
    ///
    /// # Errors
    /// [`Error::Data`] when the payload cannot become JSON.
    pub fn of<J: Job>(job: &J) -> Result<Self> {
        Ok(Self {
            options: J::options(),
            ..Self::new(J::NAME, job)?
        })
    }

    /// The same job with these options.
    #[must_use]
    pub fn with_options(mut self, options: JobOptions) -> Self {
        self.options = options;
        self
    }

    /// Everything that can be refused before the store is asked.
    pub(crate) fn validate(&self) -> Result<()> {
        self.options.validate()?;
        match self.options.size_limit {
            Some(limit) if self.data.len() > limit => Err(Error::DataTooLarge {
                name: self.name.clone(),
                size: self.data.len(),
                limit,
            }),
            _ => Ok(()),
        }
    }
}
