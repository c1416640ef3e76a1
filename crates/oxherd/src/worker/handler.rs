//! Handlers: which function runs which job.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;
use serde_json::Value;

use super::context::JobContext;
use super::outcome::{Failure, Outcome, Reason, Stop};
use crate::job::Job;

/// A value as JSON text, or why there is none.
type Ended = Outcome<String>;
type Running = Pin<Box<dyn Future<Output = Ended> + Send>>;
type Handler = Arc<dyn Fn(JobContext) -> Running + Send + Sync>;

/// The handlers of one worker.
#[derive(Clone, Default)]
pub(super) struct Handlers {
    by_name: HashMap<String, Handler>,
    fallback: Option<Handler>,
}

impl Handlers {
    /// A handler for jobs of a Rust type. `false` when the name has one already.
    pub(super) fn add_typed<J, F, Fut>(&mut self, handle: F) -> bool
    where
        J: Job,
        F: Fn(J, JobContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome<J::Output>> + Send + 'static,
    {
        let handle = Arc::new(handle);
        let handler: Handler = Arc::new(move |context| {
            let handle = Arc::clone(&handle);
            Box::pin(async move {
                // The same data will not decode at the next attempt either.
                let job = context.record().data_as::<J>().map_err(Stop::fail)?;
                to_json(&handle(job, context).await?)
            })
        });
        self.by_name.insert(J::NAME.to_owned(), handler).is_none()
    }

    /// A handler for plain JSON jobs of one name. `false` when the name has one already.
    pub(super) fn add_json<F, Fut>(&mut self, name: &str, handle: F) -> bool
    where
        F: Fn(Value, JobContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome<Value>> + Send + 'static,
    {
        self.by_name
            .insert(name.to_owned(), json_handler(handle))
            .is_none()
    }

    /// The handler for names that have none. `false` when there is one already.
    pub(super) fn set_fallback<F, Fut>(&mut self, handle: F) -> bool
    where
        F: Fn(Value, JobContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome<Value>> + Send + 'static,
    {
        self.fallback.replace(json_handler(handle)).is_none()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty() && self.fallback.is_none()
    }

    /// Runs the handler of this job; a panic is a failed attempt.
    pub(super) async fn run(&self, context: JobContext) -> Ended {
        let Some(handler) = self.by_name.get(context.name()).or(self.fallback.as_ref()) else {
            return Err(Stop::retry(self.unknown_name(context.name())));
        };
        // The call itself may panic before it returns a future.
        let started = AssertUnwindSafe(async { handler(context).await });
        match started.catch_unwind().await {
            Ok(ended) => ended,
            Err(panic) => {
                let failure = Failure::new(format_args!("handler panicked: {}", panic_message(&*panic)));
                Err(Stop(Reason::Retry { failure, after: None }))
            }
        }
    }

    fn unknown_name(&self, name: &str) -> String {
        let mut known: Vec<_> = self.by_name.keys().map(String::as_str).collect();
        known.sort_unstable();
        format!(
            "this worker has no handler for jobs named {name:?}; it has: {}",
            known.join(", ")
        )
    }
}

fn json_handler<F, Fut>(handle: F) -> Handler
where
    F: Fn(Value, JobContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Outcome<Value>> + Send + 'static,
{
    let handle = Arc::new(handle);
    Arc::new(move |context| {
        let handle = Arc::clone(&handle);
        Box::pin(async move {
            let data = context.record().data_as::<Value>().map_err(Stop::fail)?;
            to_json(&handle(data, context).await?)
        })
    })
}

/// The work is done but cannot be told: trying again would only do it twice.
fn to_json(value: &impl serde::Serialize) -> Ended {
    serde_json::to_string(value).map_err(|error| {
        let mut failure = Failure::from_error(&error);
        failure.reason = format!("the handler's result cannot become JSON: {}", failure.reason);
        Stop(Reason::Fail(failure))
    })
}

pub(super) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}

impl std::fmt::Debug for Handlers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handlers")
            .field("names", &self.by_name.keys())
            .field("any", &self.fallback.is_some())
            .finish()
    }
}
