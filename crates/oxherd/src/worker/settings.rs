//! How a worker behaves.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::handler::panic_message;
use super::outcome::Failure;
use crate::job::Retention;

/// A named back-off strategy: from the failed attempt's number (from 1) and its reason to the wait before the next
/// one, or `None` to give up.
pub(super) type BackoffStrategy = Arc<dyn Fn(u32, &str) -> Option<Duration> + Send + Sync>;

/// A rate limit over all workers of a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limiter {
    pub(super) max: u32,
    pub(super) per: Duration,
}

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) name: Option<String>,
    pub(super) lock_duration: Duration,
    pub(super) stalled_interval: Duration,
    pub(super) max_stalled: u32,
    pub(super) drain_delay: Duration,
    pub(super) limiter: Option<Limiter>,
    pub(super) remove_on_complete: Retention,
    pub(super) remove_on_fail: Retention,
    pub(super) metrics_points: u32,
    pub(super) backoff_strategies: HashMap<String, BackoffStrategy>,
}

impl Settings {
    /// The wait that a named strategy asks for, `None` to give up, or why there is no answer. A strategy is the
    /// application's code and may panic.
    pub(super) fn ask_strategy(
        &self,
        name: &str,
        attempt: u32,
        failure: &Failure,
    ) -> Result<Option<Duration>, String> {
        let Some(strategy) = self.backoff_strategies.get(name) else {
            return Err(format!("this worker knows no back-off strategy {name:?}"));
        };
        catch_unwind(AssertUnwindSafe(|| strategy(attempt, &failure.reason)))
            .map_err(|panic| format!("back-off strategy {name:?} panicked: {}", panic_message(&*panic)))
    }
}

impl Default for Settings {
    /// BullMQ's defaults, so that mixed fleets agree.
    fn default() -> Self {
        Self {
            name: None,
            lock_duration: Duration::from_secs(30),
            stalled_interval: Duration::from_secs(30),
            max_stalled: 1,
            drain_delay: Duration::from_secs(5),
            limiter: None,
            remove_on_complete: Retention::KeepAll,
            remove_on_fail: Retention::KeepAll,
            metrics_points: 0,
            backoff_strategies: HashMap::new(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("name", &self.name)
            .field("lock_duration", &self.lock_duration)
            .field("stalled_interval", &self.stalled_interval)
            .field("max_stalled", &self.max_stalled)
            .field("drain_delay", &self.drain_delay)
            .field("limiter", &self.limiter)
            .field("remove_on_complete", &self.remove_on_complete)
            .field("remove_on_fail", &self.remove_on_fail)
            .field("metrics_points", &self.metrics_points)
            .field("backoff_strategies", &self.backoff_strategies.keys())
            .finish()
    }
}
