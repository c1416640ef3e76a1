//! The one call between a worker and its queue: hand in what ended, take what is next.
//!
//! A call whose reply was lost is sent again with the same token until it is answered: jobs handed in by the first
//! copy answer that they are gone, jobs taken by it come back. No job is lost, and none starts a second time while its lock holds.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, RedisError, Value};

use super::event::{Announcer, WorkerEvent};
use super::health::Signs;
use super::settings::Settings;
use super::verdict::HandIn;
use crate::clock::{Timestamp, millis};
use crate::error::{Error, Result};
use crate::job::JobRecord;
use crate::queue::QueueCore;
use crate::store::{WORKER_EXCHANGE, WORKER_RECLAIM, decode, refused};

/// Jobs one call hands in, and jobs it takes.
pub(super) const JOBS_A_CALL: usize = 50;
/// A call without an answer for this long is given up and sent again on another connection.
const DEADLINE: Duration = Duration::from_millis(1500);
/// A call that was sent and not answered gets more time, up to this: its answer may just be large.
const LONGEST_DEADLINE: Duration = Duration::from_secs(24);
const FIRST_RETRY: Duration = Duration::from_millis(20);
const LONGEST_RETRY: Duration = Duration::from_millis(500);

pub(super) struct Request {
    pub(super) token: Arc<str>,
    pub(super) slots: usize,
    pub(super) handed_in: Vec<HandIn>,
}

pub(super) struct Reply {
    pub(super) request: Request,
    /// One a job handed in.
    pub(super) codes: Vec<i64>,
    pub(super) taken: Vec<JobRecord>,
    /// The queue is rate limited for this long.
    pub(super) rate_limit: Duration,
    /// When the earliest delayed job is due, if nothing was taken.
    pub(super) next_due: Option<Timestamp>,
    /// Ids in line that named no job.
    pub(super) dropped: Vec<String>,
    /// The call was sent more than once: a late copy may still run.
    pub(super) was_resent: bool,
}

/// Everything a call needs besides the request.
#[derive(Clone)]
pub(super) struct Exchanger {
    pub(super) core: QueueCore,
    pub(super) settings: Arc<Settings>,
    pub(super) announcer: Announcer,
    pub(super) signs: Signs,
}

impl Exchanger {
    /// Sends until it is answered.
    pub(super) async fn exchange(self, request: Request) -> Reply {
        let (mut was_resent, mut wait, mut deadline) = (false, FIRST_RETRY, DEADLINE);
        loop {
            let call = self.call(&request, was_resent);
            let mut connection = self.core.store.shared().with_deadline(deadline);
            let reply = match WORKER_EXCHANGE.run(&mut connection, &call).await {
                Ok(reply) => read(reply),
                Err(error) => {
                    if error.is_timeout() {
                        deadline = (deadline * 2).min(LONGEST_DEADLINE);
                    }
                    Err(self.explain(error).await)
                }
            };
            match reply {
                Ok((codes, taken, rate_limit_ms, next_due_ms, dropped, faults)) => {
                    for fault in faults {
                        tracing::error!(queue = %self.core.name, %fault, "the store could not do all that was asked");
                    }
                    if self.signs.exchanged() {
                        tracing::info!(queue = %self.core.name, "the worker goes on");
                        self.announcer.tell(|| WorkerEvent::Recovered);
                    }
                    return Reply {
                        request,
                        codes,
                        taken,
                        rate_limit: Duration::from_millis(rate_limit_ms),
                        next_due: (next_due_ms > 0).then(|| Timestamp::from_millis(next_due_ms)),
                        dropped,
                        was_resent,
                    };
                }
                Err(error) => {
                    if self.signs.trouble(error.to_string()) {
                        tracing::warn!(queue = %self.core.name, error = %chain(&error), "the worker cannot reach its queue; trying on");
                        self.announcer.tell(|| WorkerEvent::Trouble {
                            reason: error.to_string(),
                        });
                    }
                }
            }
            was_resent = true;
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_RETRY);
        }
    }

    /// The active jobs locked with this token.
    pub(super) async fn held_with(&self, token: &str) -> Result<Vec<String>> {
        let mut call = WORKER_RECLAIM.call(self.core.keys.prefix());
        call.arg(token);
        let ids: Vec<Vec<u8>> = self.core.store.run_safe(&WORKER_RECLAIM, &call).await?;
        Ok(texts(&ids))
    }

    fn call(&self, request: &Request, resend: bool) -> Cmd {
        let settings = &self.settings;
        let mut call = WORKER_EXCHANGE.call(self.core.keys.prefix());
        call.arg(self.core.clock.now().as_millis())
            .arg(&*request.token)
            .arg(millis(settings.lock_duration))
            .arg(request.slots)
            .arg(settings.name.as_deref().unwrap_or_default())
            .arg(settings.limiter.map_or(0, |limiter| limiter.max))
            .arg(settings.limiter.map_or(0, |limiter| millis(limiter.per)))
            .arg(settings.metrics_points)
            .arg(u8::from(resend));
        for job in &request.handed_in {
            job.write(&mut call);
        }
        call
    }

    async fn explain(&self, error: RedisError) -> Error {
        let error = refused("exchange jobs with the queue", error);
        self.core.store.explain(error, &self.core.keys).await
    }
}

type Parts = (Vec<i64>, Vec<JobRecord>, u64, u64, Vec<String>, Vec<String>);
type Raw = (Vec<i64>, Vec<Value>, u64, u64, Vec<Vec<u8>>, Vec<Vec<u8>>);

fn read(reply: Value) -> Result<Parts> {
    let (codes, taken, rate_limit, next_due, dropped, faults): Raw = decode("worker/exchange", reply)?;
    let taken = taken.into_iter().map(|job| {
        let (id, fields): (Vec<u8>, Vec<Vec<u8>>) = decode("worker/exchange", job)?;
        Ok(JobRecord::from_fields(
            String::from_utf8_lossy(&id).into_owned(),
            fields,
        ))
    });
    Ok((
        codes,
        taken.collect::<Result<_>>()?,
        rate_limit,
        next_due,
        texts(&dropped),
        texts(&faults),
    ))
}

/// What another program wrote may be no text at all.
pub(super) fn texts(bytes: &[Vec<u8>]) -> Vec<String> {
    bytes
        .iter()
        .map(|text| String::from_utf8_lossy(text).into_owned())
        .collect()
}

/// An error with its causes on one line, for the log.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
