//! Workers: they take jobs from a queue and run their handlers.
//!
//! A worker is a dispatcher (the loop that talks to the queue), a listener (hears of work while idle), a keeper (a
//! thread that renews locks and brings back stalled jobs), and one task for each running handler. A store that goes
//! away stops none of them: they try on, and work goes on within two seconds of its return.
//! Next: `dispatcher.rs`, `exchange.rs` (its one call), `outcome.rs` (what a handler can say).

mod claim;
mod context;
mod dispatcher;
mod event;
mod exchange;
mod handler;
mod health;
mod keeper;
mod listener;
mod outcome;
mod settings;
mod verdict;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use context::JobContext;
pub use dispatcher::StopReport;
pub use event::{WorkerEvent, WorkerEvents};
pub use health::WorkerHealth;
pub use outcome::{Outcome, Stop};

use crate::error::{Error, Result};
use crate::job::{Job, LONGEST_DELAY, Retention};
use crate::queue::{Queue, QueueCore, QueueName};
use claim::Claims;
use dispatcher::{Dispatcher, Mode};
use event::Announcer;
use exchange::Exchanger;
use handler::Handlers;
use health::Signs;
use keeper::Keeper;
use listener::Listener;
use settings::{Limiter, Settings};

/// Sets up a [`Worker`]. Every setter states its default; they are BullMQ's, so that mixed fleets agree.
#[derive(Debug)]
#[must_use = "a worker takes no jobs until it is started"]
pub struct WorkerBuilder {
    core: QueueCore,
    handlers: Handlers,
    concurrency: usize,
    settings: Settings,
    problem: Option<String>,
}

/// Runs the jobs of one queue until it is stopped. Dropping it stops it at once and gives its jobs back.
#[derive(Debug)]
pub struct Worker {
    core: QueueCore,
    name: Option<String>,
    concurrency: Arc<AtomicUsize>,
    claims: Claims,
    announcer: Announcer,
    signs: Signs,
    nudge: watch::Sender<()>,
    mode: watch::Sender<Mode>,
    hurry: CancellationToken,
    running: JoinHandle<StopReport>,
}

impl Worker {
    /// A worker for this queue. Add handlers, then [`WorkerBuilder::start`].
    ///
    /// ```no_run
    /// # async fn example(queue: oxherd::Queue) -> oxherd::Result<()> {
    /// use oxherd::{JobContext, Worker};
    /// use serde_json::{Value, json};
    ///
    /// let worker = Worker::on(&queue)
    ///     .concurrency(20)
    ///     .handle_json("welcome", async |data: Value, context: JobContext| {
    ///         context.log(format!("mail to {}", data["user"])).await?;
    ///         Ok(json!({"sent": true}))
    ///     })
    ///     .start()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on(queue: &Queue) -> WorkerBuilder {
        WorkerBuilder {
            core: queue.core.clone(),
            handlers: Handlers::default(),
            concurrency: 1,
            settings: Settings::default(),
            problem: None,
        }
    }

    /// The queue it works on.
    #[must_use]
    pub fn queue(&self) -> &QueueName {
        &self.core.name
    }

    /// Changes how many jobs may run at once. Fewer than run now: none is stopped, and none is taken until some end.
    pub fn set_concurrency(&self, concurrency: usize) {
        self.concurrency.store(concurrency, Ordering::Relaxed);
        self.nudge.send_replace(());
    }

    /// How it is.
    #[must_use]
    pub fn health(&self) -> WorkerHealth {
        let concurrency = self.concurrency.load(Ordering::Relaxed);
        self.signs.read(
            &self.core.name,
            self.name.as_deref(),
            concurrency,
            self.claims.len(),
        )
    }

    /// Its events from now on.
    #[must_use]
    pub fn events(&self) -> WorkerEvents {
        self.announcer.listen()
    }

    /// Takes no more jobs, lets the running ones end within `grace`, gives the others back untouched, and tells the
    /// store of every outcome (for which it has 5 s more).
    pub async fn stop(self, grace: Duration) -> StopReport {
        self.begin_stop(grace);
        self.stopped().await
    }

    /// Ends the grace of a stop under way, from elsewhere.
    #[must_use]
    pub fn stopper(&self) -> WorkerStopper {
        WorkerStopper(self.hurry.clone())
    }

    fn begin_stop(&self, grace: Duration) {
        self.mode.send_replace(Mode::Stop {
            at: Instant::now() + grace.min(LONGEST_DELAY),
        });
    }

    /// Cancels the running handlers and gives their jobs back.
    pub async fn stop_now(self) -> StopReport {
        self.stop(Duration::ZERO).await
    }

    /// Waits for the end of a stop that has begun.
    async fn stopped(self) -> StopReport {
        match self.running.await {
            Ok(report) => report,
            Err(error) => {
                tracing::error!(queue = %self.core.name, %error, "the worker ended by a fault of its own");
                StopReport::default()
            }
        }
    }

    /// Works until `end` is ready, then stops within `grace`.
    pub async fn run_until(self, end: impl Future, grace: Duration) -> StopReport {
        end.await;
        self.stop(grace).await
    }
}

/// Stops a worker at once, even while [`Worker::stop`] waits for its handlers; cheap to clone.
#[derive(Clone, Debug)]
pub struct WorkerStopper(CancellationToken);

impl WorkerStopper {
    /// Cancels the running handlers and gives their jobs back.
    pub fn stop_now(&self) {
        self.0.cancel();
    }
}

impl WorkerBuilder {
    /// Handles jobs of a Rust type, which are known by `J::NAME`.
    pub fn handle<J, F, Fut>(mut self, handler: F) -> Self
    where
        J: Job,
        F: Fn(J, JobContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome<J::Output>> + Send + 'static,
    {
        let is_new = self.handlers.add_typed(handler);
        self.refuse_unless(is_new, || format!("two handlers for jobs named {:?}", J::NAME))
    }

    /// Handles plain JSON jobs of one name.
    pub fn handle_json<F, Fut>(mut self, name: &str, handler: F) -> Self
    where
        F: Fn(Value, JobContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome<Value>> + Send + 'static,
    {
        let is_new = self.handlers.add_json(name, handler);
        self.refuse_unless(is_new, || format!("two handlers for jobs named {name:?}"))
    }

    /// Handles jobs of all names that have no handler of their own. Without it such a job is a failed attempt.
    pub fn handle_any<F, Fut>(mut self, handler: F) -> Self
    where
        F: Fn(Value, JobContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome<Value>> + Send + 'static,
    {
        let is_new = self.handlers.set_fallback(handler);
        self.refuse_unless(is_new, || "two handlers for all other names".to_owned())
    }

    /// How many jobs may run at once. Default 1.
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// The worker's name, written into the jobs it runs. Default: none.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = Some(name.into());
        self
    }

    /// For how long a job is held without a sign of life. Default 30 s; renewed every third of it.
    pub fn lock_duration(mut self, duration: Duration) -> Self {
        self.settings.lock_duration = duration;
        self.refuse_outside("lock_duration", duration, Duration::from_millis(100))
    }

    /// How often one of the queue's workers looks for stalled jobs. Default 30 s. A job is brought back one to two
    /// intervals after its lock ended.
    pub fn stalled_interval(mut self, interval: Duration) -> Self {
        self.settings.stalled_interval = interval;
        self.refuse_outside("stalled_interval", interval, Duration::from_millis(50))
    }

    /// How often a job may stall; once more and it fails. Default 1.
    pub fn max_stalled(mut self, times: u32) -> Self {
        self.settings.max_stalled = times;
        self
    }

    /// After how long without news an idle worker looks for itself. Default 5 s.
    pub fn drain_delay(mut self, delay: Duration) -> Self {
        self.settings.drain_delay = delay;
        self.refuse_outside("drain_delay", delay, Duration::from_millis(50))
    }

    /// At most `max` jobs of the queue start in each `per`, over all its workers. Default: no limit.
    pub fn limiter(mut self, max: u32, per: Duration) -> Self {
        self.settings.limiter = Some(Limiter { max, per });
        self.refuse_unless(max > 0, || "limiter needs at least 1 job".to_owned())
            .refuse_outside("limiter", per, Duration::from_millis(1))
    }

    /// What is kept of completed jobs that do not say so themselves. Default: all.
    pub fn remove_on_complete(mut self, retention: Retention) -> Self {
        self.settings.remove_on_complete = retention;
        self
    }

    /// What is kept of failed jobs that do not say so themselves. Default: all.
    pub fn remove_on_fail(mut self, retention: Retention) -> Self {
        self.settings.remove_on_fail = retention;
        self
    }

    /// Counts finished jobs in the store: totals, and a point a minute for so many minutes. Default 0: no counting.
    pub fn metrics(mut self, points: u32) -> Self {
        self.settings.metrics_points = points;
        self
    }

    /// A strategy for jobs with [`crate::Backoff::custom`] of this name: from the failed attempt's number (from 1)
    /// and its reason to the wait, or `None` to give up.
    pub fn backoff_strategy<S>(mut self, name: impl Into<String>, strategy: S) -> Self
    where
        S: Fn(u32, &str) -> Option<Duration> + Send + Sync + 'static,
    {
        self.settings
            .backoff_strategies
            .insert(name.into(), Arc::new(strategy));
        self
    }

    /// Starts to take jobs.
    ///
    /// # Errors
    /// [`Error::WorkerSetup`] for settings that cannot work; [`Error::StoreUnavailable`] when the store is away now
    /// (later it may come and go), [`Error::WrongKeyType`].
    pub async fn start(self) -> Result<Worker> {
        let queue = self.core.name.to_string();
        if self.handlers.is_empty() {
            return Err(Error::WorkerSetup {
                queue,
                reason: "it has no handler".to_owned(),
            });
        }
        if let Some(reason) = self.problem {
            return Err(Error::WorkerSetup { queue, reason });
        }
        self.core.introduce().await?;

        let (claims, announcer, signs) = (Claims::default(), Announcer::new(), Signs::default());
        let stop_keeper = CancellationToken::new();
        Keeper::new(
            self.core.clone(),
            claims.clone(),
            announcer.clone(),
            &self.settings,
            stop_keeper.clone(),
        )
        .spawn()?;

        let (ask_listener, requests) = mpsc::channel(1);
        let (tell, heard) = mpsc::channel(1);
        let listener = Listener {
            core: self.core.clone(),
            signs: signs.clone(),
            worker_name: self.settings.name.clone(),
            drain_delay: self.settings.drain_delay,
        };
        tokio::spawn(listener.run(requests, tell));

        let (nudge, nudged) = watch::channel(());
        let (mode, mode_seen) = watch::channel(Mode::Work);
        let hurry = CancellationToken::new();
        let concurrency = Arc::new(AtomicUsize::new(self.concurrency));
        let name = self.settings.name.clone();
        let dispatcher = Dispatcher {
            exchanger: Exchanger {
                core: self.core.clone(),
                settings: Arc::new(self.settings),
                announcer: announcer.clone(),
                signs: signs.clone(),
            },
            handlers: Arc::new(self.handlers),
            claims: claims.clone(),
            concurrency: Arc::clone(&concurrency),
            nudged,
            mode: mode_seen,
            hurry: hurry.clone(),
            ask_listener,
            heard,
            worker_id: uuid::Uuid::new_v4().to_string(),
            keeper: stop_keeper.drop_guard(),
        };
        let running = tokio::spawn(dispatcher.run());
        Ok(Worker {
            core: self.core,
            name,
            concurrency,
            claims,
            announcer,
            signs,
            nudge,
            mode,
            hurry,
            running,
        })
    }

    fn refuse_outside(self, setting: &str, value: Duration, least: Duration) -> Self {
        self.refuse_unless(value >= least && value <= LONGEST_DELAY, || {
            format!(
                "{setting} must be from {} to {} ms",
                least.as_millis(),
                LONGEST_DELAY.as_millis()
            )
        })
    }

    fn refuse_unless(mut self, is_fine: bool, problem: impl FnOnce() -> String) -> Self {
        if !is_fine && self.problem.is_none() {
            self.problem = Some(problem());
        }
        self
    }
}
