//! What the workers of both sides do, in Node's words and in Oxherd's.

use std::time::Duration;

use oxherd::{JobContext, Outcome, Retention, Stop, WorkerBuilder};
use serde_json::{Value, json};
use tokio::sync::watch;

/// Longer than any test runs.
const TEN_MINUTES: Duration = Duration::from_secs(600);
const MESSAGE: &str = "failed on purpose";

/// What a worker does with its jobs; the peer has handlers that do the same.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Handler {
    /// Returns the data.
    Echo,
    /// Fails in the first so many attempts.
    Fail { times: u32 },
    /// Fails without another attempt.
    FailForGood,
    /// Two progress reports after three log rows.
    Report,
    /// Stays in the handler until released.
    Hold,
    /// Asks once to run again in ten minutes.
    Delay,
    /// Asks once for a rest of ten minutes.
    RateLimit,
}

/// How a worker is set up besides its handler; by default as both programs do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) name: Option<&'static str>,
    /// Completed jobs that are kept.
    pub(crate) keep_completed: Option<u64>,
    /// Minutes of metrics.
    pub(crate) metrics_points: u32,
    /// Jobs that may start within ten minutes.
    pub(crate) limit: Option<u32>,
    pub(crate) stalled_interval: Option<Duration>,
}

impl Handler {
    pub(super) fn for_node(self) -> Value {
        match self {
            Self::Echo => json!({"kind": "echo"}),
            Self::Fail { times } => json!({"kind": "failTimes", "times": times, "message": MESSAGE}),
            Self::FailForGood => {
                json!({"kind": "failTimes", "times": 99, "message": MESSAGE, "unrecoverable": true})
            }
            Self::Report => {
                json!({"kind": "progress", "progress": [50, {"step": 2}], "logs": ["a", "b", "c"]})
            }
            Self::Hold => json!({"kind": "hold"}),
            Self::Delay => json!({"kind": "delayOnce", "ms": TEN_MINUTES.as_millis() as u64}),
            Self::RateLimit => json!({"kind": "rateLimitOnce", "ms": TEN_MINUTES.as_millis() as u64}),
        }
    }

    pub(super) async fn run(
        self,
        data: Value,
        context: JobContext,
        mut released: watch::Receiver<bool>,
    ) -> Outcome<Value> {
        let record = context.record();
        match self {
            Self::Fail { times } if record.attempts_made < times => return Err(Stop::retry(MESSAGE)),
            Self::FailForGood => return Err(Stop::fail(MESSAGE)),
            Self::Delay if record.attempts_started <= 1 => return Err(Stop::delay_for(TEN_MINUTES)),
            Self::RateLimit if record.attempts_started <= 1 => return Err(Stop::rate_limited(TEN_MINUTES)),
            Self::Report => {
                for row in ["a", "b", "c"] {
                    context.log(row).await?;
                }
                context.progress(&50).await?;
                context.progress(&json!({"step": 2})).await?;
            }
            Self::Hold => {
                released.wait_for(|is_released| *is_released).await?;
            }
            Self::Echo | Self::Fail { .. } | Self::Delay | Self::RateLimit => {}
        }
        Ok(data)
    }
}

impl Settings {
    pub(super) fn for_node(self) -> Value {
        let mut options = json!({"concurrency": 1});
        let mut set = |option: &str, value: Option<Value>| {
            if let Some(value) = value {
                options[option] = value;
            }
        };
        set("name", self.name.map(Value::from));
        set(
            "removeOnComplete",
            self.keep_completed.map(|count| json!({"count": count})),
        );
        set(
            "metrics",
            (self.metrics_points > 0).then(|| json!({"maxDataPoints": self.metrics_points})),
        );
        let duration = TEN_MINUTES.as_millis() as u64;
        set(
            "limiter",
            self.limit.map(|max| json!({"max": max, "duration": duration})),
        );
        set(
            "stalledInterval",
            self.stalled_interval
                .map(|interval| json!(interval.as_millis() as u64)),
        );
        options
    }

    pub(super) fn apply(self, mut worker: WorkerBuilder) -> WorkerBuilder {
        worker = worker.concurrency(1).metrics(self.metrics_points);
        if let Some(name) = self.name {
            worker = worker.name(name);
        }
        if let Some(count) = self.keep_completed {
            worker = worker.remove_on_complete(Retention::KeepLatest(count));
        }
        if let Some(max) = self.limit {
            worker = worker.limiter(max, TEN_MINUTES);
        }
        if let Some(interval) = self.stalled_interval {
            worker = worker.stalled_interval(interval);
        }
        worker
    }
}
