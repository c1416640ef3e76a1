//! The loop at the heart of a worker.
//!
//! It alone decides when the queue is asked. While one call is under way, jobs that end and slots that become free
//! gather; the next call carries them all (natural batching). Idle, it waits for the listener and asks at once.

mod answer;
mod attempt;
mod suspicion;

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::attempt::{Attempt, Ended};
use self::suspicion::SUSPICION;
use super::claim::{Claim, Claims};
use super::event::WorkerEvent;
use super::exchange::{Exchanger, JOBS_A_CALL, Reply, Request};
use super::handler::Handlers;
use super::listener::{Heard, put_back};
use super::verdict::{HandIn, Verdict};
use crate::clock::{Clock, Timestamp};
use crate::job::JobId;

/// After the handlers' time is over, how long the store may take to hear of it.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// The longest rest between two looks at a rate-limited queue.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// What the worker is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Work,
    /// Take nothing more, and give back what still runs at that moment.
    Stop {
        at: Instant,
    },
}

/// What a worker did about its jobs while stopping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StopReport {
    /// Jobs that ended in time.
    pub finished: u64,
    /// Jobs put back in line untouched, for other workers.
    pub given_back: u64,
    /// Jobs whose outcome the store could not be told: they stall and run again elsewhere.
    pub unreported: u64,
}

/// The loop and what it works with.
pub(super) struct Dispatcher {
    pub(super) exchanger: Exchanger,
    pub(super) handlers: Arc<Handlers>,
    pub(super) claims: Claims,
    pub(super) concurrency: Arc<AtomicUsize>,
    pub(super) nudged: watch::Receiver<()>,
    pub(super) mode: watch::Receiver<Mode>,
    pub(super) hurry: CancellationToken,
    pub(super) ask_listener: mpsc::Sender<()>,
    pub(super) heard: mpsc::Receiver<Heard>,
    pub(super) worker_id: String,
    /// Ends the keeper with this loop, also when the runtime goes away under it: nobody's locks must not be renewed.
    pub(super) keeper: DropGuard,
}

/// How far a stop is.
#[derive(Clone, Copy, Debug)]
enum Stopping {
    /// Handlers may end until then.
    Grace { until: Instant },
    /// Nothing runs any more; the store may hear of it until then.
    LastWords { until: Instant },
}

/// The dispatcher's memory between two turns of its loop.
struct State {
    running: HashMap<Claim, AbortHandle>,
    attempts: HashMap<Claim, Attempt>,
    handed_in: VecDeque<HandIn>,
    in_flight: Option<Pin<Box<dyn Future<Output = Reply> + Send>>>,
    ended: mpsc::UnboundedReceiver<Ended>,
    report_end: mpsc::UnboundedSender<Ended>,
    /// Active jobs locked with a token of ours, as the store tells.
    found: mpsc::UnboundedReceiver<(Arc<str>, Vec<String>)>,
    report_found: mpsc::UnboundedSender<(Arc<str>, Vec<String>)>,
    /// The queue may hold something for us.
    may_have_work: bool,
    /// The listener heard of work after the call under way was sent, and so perhaps after the store executed it.
    heard_meanwhile: bool,
    is_listening: bool,
    next_due: Option<Timestamp>,
    rest_until: Option<Instant>,
    suspects: Vec<(Arc<str>, Instant)>,
    /// Markers on their way back.
    passing_on: JoinSet<()>,
    tokens: u64,
    stopping: Option<Stopping>,
    is_hurried: bool,
    report: StopReport,
}

impl Dispatcher {
    /// Works until it is told to stop and everything is handed in.
    pub(super) async fn run(mut self) -> StopReport {
        let (report_end, ended) = mpsc::unbounded_channel();
        let (report_found, found) = mpsc::unbounded_channel();
        let mut state = State {
            running: HashMap::new(),
            attempts: HashMap::new(),
            handed_in: VecDeque::new(),
            in_flight: None,
            ended,
            report_end,
            found,
            report_found,
            may_have_work: true,
            heard_meanwhile: false,
            is_listening: false,
            next_due: None,
            rest_until: None,
            suspects: Vec::new(),
            passing_on: JoinSet::new(),
            tokens: 0,
            stopping: None,
            is_hurried: false,
            report: StopReport::default(),
        };
        loop {
            self.ask(&mut state);
            if state.stopping.is_some() && state.is_done() {
                break;
            }
            let clock = self.exchanger.core.clock.clone();
            tokio::select! {
                biased;
                reply = answer(&mut state.in_flight) => {
                    state.in_flight = None;
                    self.on_reply(&mut state, reply);
                }
                Some(ended) = state.ended.recv() => {
                    self.on_end(&mut state, ended);
                    while let Ok(ended) = state.ended.try_recv() {
                        self.on_end(&mut state, ended);
                    }
                }
                Some((token, ids)) = state.found.recv() => self.on_found(&mut state, &token, ids),
                changed = self.mode.changed(), if state.stopping.is_none() => self.on_mode(&mut state, changed.is_err()),
                () = self.hurry.cancelled(), if !state.is_hurried => {
                    state.is_hurried = true;
                    if !matches!(state.stopping, Some(Stopping::LastWords { .. })) {
                        self.begin_stop(&mut state, Instant::now());
                    }
                }
                Some(heard) = self.heard.recv() => self.on_heard(&mut state, heard),
                Ok(()) = self.nudged.changed() => {}
                () = due(&clock, state.next_due), if state.stopping.is_none() => {
                    state.next_due = None;
                    state.may_have_work = true;
                }
                () = at(state.rest_until) => {
                    state.rest_until = None;
                    state.may_have_work = true;
                }
                () = at(state.suspects.iter().map(|(_, due)| *due).min()) => self.look_for_suspects(&mut state),
                () = at(state.stopping.map(Stopping::until)) => match state.stopping {
                    Some(Stopping::LastWords { .. }) => {
                        state.report.unreported = u64::try_from(state.attempts.len()).unwrap_or(u64::MAX);
                        tracing::warn!(
                            queue = %self.exchanger.core.name,
                            jobs = state.report.unreported,
                            "stopped without the store's word for these jobs; they will stall and run again"
                        );
                        break;
                    }
                    _ => self.give_back_running(&mut state),
                },
            }
        }
        drop(self.keeper);
        state.passing_on.join_all().await;
        // What the listener hears from now on it puts back itself.
        self.heard.close();
        while let Some(heard) = self.heard.recv().await {
            put_back(&self.exchanger.core, heard).await;
        }
        state.report
    }

    /// Sends what gathered, or asks for work, or listens for it.
    fn ask(&self, state: &mut State) {
        if state.in_flight.is_some() {
            return;
        }
        let slots = if state.stopping.is_some() || state.rest_until.is_some() {
            0
        } else {
            self.concurrency
                .load(Ordering::Relaxed)
                .saturating_sub(state.running.len())
                .min(JOBS_A_CALL)
        };
        if state.handed_in.is_empty() && !(slots > 0 && state.may_have_work) {
            if slots > 0 && !state.is_listening {
                state.is_listening = self.ask_listener.try_send(()).is_ok();
            }
            return;
        }
        state.tokens += 1;
        let count = state.handed_in.len().min(JOBS_A_CALL);
        let request = Request {
            token: format!("{}:{}", self.worker_id, state.tokens).into(),
            slots,
            handed_in: state.handed_in.drain(..count).collect(),
        };
        state.heard_meanwhile = false;
        state.in_flight = Some(Box::pin(self.exchanger.clone().exchange(request)));
    }

    fn on_reply(&self, state: &mut State, reply: Reply) {
        let Request {
            token,
            slots,
            handed_in,
        } = reply.request;
        for (job, code) in handed_in.into_iter().zip(reply.codes) {
            self.on_code(state, job, code, reply.was_resent);
        }
        let has_dropped = !reply.dropped.is_empty();
        // Markers that very old clients left in the list are no jobs either, but nothing was lost with them.
        for id in reply.dropped.into_iter().filter(|id| !id.starts_with("0:")) {
            tracing::warn!(queue = %self.exchanger.core.name, job = %id, "an id in line named no job and was dropped; another program removed the job's key");
            self.exchanger.announcer.tell(|| WorkerEvent::Dropped {
                id: JobId::existing(id),
            });
        }
        if reply.was_resent {
            let now = Instant::now();
            state
                .suspects
                .extend(SUSPICION.iter().map(|later| (Arc::clone(&token), now + *later)));
        }
        if slots > 0 {
            // Fewer than asked for means there is no more at the moment.
            state.may_have_work = reply.taken.len() >= slots || has_dropped || state.heard_meanwhile;
            if let Some(due) = reply.next_due {
                state.next_due = Some(due);
            }
            if !reply.rate_limit.is_zero() {
                state.rest_until = Some(Instant::now() + reply.rate_limit.min(LONGEST_REST));
            }
            if reply.taken.is_empty() && state.running.is_empty() {
                self.exchanger.announcer.tell(|| WorkerEvent::Idle);
            }
        }
        for job in reply.taken {
            let claim = Claim {
                id: job.id.as_str().into(),
                token: Arc::clone(&token),
                starts: job.attempts_started,
            };
            if !state.running.contains_key(&claim) {
                self.start(state, job, claim);
            }
        }
    }

    fn on_end(&self, state: &mut State, ended: Ended) {
        if state.running.remove(&ended.claim).is_none() {
            return;
        }
        if !self.claims.drop_claim(&ended.claim) {
            // The keeper said already that the lock is lost: this outcome does not count.
            state.attempts.remove(&ended.claim);
            return;
        }
        if let Some(attempt) = state.attempts.get_mut(&ended.claim) {
            attempt.ran = ended.ran;
        }
        if state.stopping.is_some() {
            state.report.finished += 1;
        }
        state.handed_in.push_back(HandIn {
            claim: ended.claim,
            verdict: ended.verdict,
        });
    }

    fn on_heard(&self, state: &mut State, heard: Heard) {
        state.is_listening = false;
        match heard {
            Heard::Due(due) => state.next_due = Some(state.next_due.map_or(due, |known| known.min(due))),
            Heard::Work | Heard::Silence => {
                state.may_have_work = true;
                state.heard_meanwhile = state.in_flight.is_some();
            }
        }
        let is_full = self.concurrency.load(Ordering::Relaxed) <= state.running.len();
        if is_full || state.stopping.is_some() {
            self.pass_on(state, heard);
        }
    }

    /// Leaves news to other workers.
    fn pass_on(&self, state: &mut State, heard: Heard) {
        let core = self.exchanger.core.clone();
        while state.passing_on.try_join_next().is_some() {}
        state
            .passing_on
            .spawn(async move { put_back(&core, heard).await });
    }

    fn on_mode(&mut self, state: &mut State, is_abandoned: bool) {
        let mode = *self.mode.borrow_and_update();
        match mode {
            Mode::Stop { at } => self.begin_stop(state, at),
            Mode::Work if is_abandoned => self.begin_stop(state, Instant::now()),
            Mode::Work => {}
        }
    }

    fn begin_stop(&self, state: &mut State, at: Instant) {
        self.exchanger.signs.stopping();
        state.stopping = Some(Stopping::Grace { until: at });
        if let Some(due) = state.next_due.take() {
            self.pass_on(state, Heard::Due(due));
        }
    }

    /// The time for handlers is over.
    fn give_back_running(&self, state: &mut State) {
        // Who ended in time is done, also if nobody looked yet.
        while let Ok(ended) = state.ended.try_recv() {
            self.on_end(state, ended);
        }
        let running: Vec<_> = state.running.drain().collect();
        for (claim, handler) in running {
            self.claims.lose(&claim);
            handler.abort();
            state.report.given_back += 1;
            state.handed_in.push_back(HandIn {
                claim,
                verdict: Verdict::Release,
            });
        }
        state.stopping = Some(Stopping::LastWords {
            until: Instant::now() + LAST_WORDS,
        });
    }
}

impl Stopping {
    const fn until(self) -> Instant {
        match self {
            Self::Grace { until } | Self::LastWords { until } => until,
        }
    }
}

impl State {
    fn is_done(&self) -> bool {
        self.running.is_empty() && self.handed_in.is_empty() && self.in_flight.is_none()
    }
}

async fn answer(in_flight: &mut Option<Pin<Box<dyn Future<Output = Reply> + Send>>>) -> Reply {
    match in_flight {
        Some(call) => call.await,
        None => std::future::pending().await,
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}

async fn due(clock: &Clock, due: Option<Timestamp>) {
    match due {
        Some(due) => clock.sleep_until(due).await,
        None => std::future::pending().await,
    }
}
