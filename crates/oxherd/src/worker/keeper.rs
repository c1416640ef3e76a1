//! The thread that keeps locks alive and brings back stalled jobs.
//!
//! It has its own runtime and its own connection: a handler that blocks or burns every thread of the application's
//! runtime cannot keep a lock from being renewed.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::claim::{Claim, Claims};
use super::event::{Announcer, WorkerEvent};
use super::exchange::texts;
use super::settings::Settings;
use crate::clock::millis;
use crate::error::{Error, Result};
use crate::job::JobId;
use crate::queue::QueueCore;
use crate::store::{Connection, WORKER_EXTEND_LOCKS, WORKER_RECOVER_STALLED, decode, refused};

/// Locks renewed in one call.
const CLAIMS_A_CALL: usize = 500;
const WATCHDOG: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_millis(200);

pub(super) struct Keeper {
    pub(super) core: QueueCore,
    pub(super) claims: Claims,
    pub(super) announcer: Announcer,
    pub(super) lock_duration: Duration,
    pub(super) stalled_interval: Duration,
    pub(super) max_stalled: u32,
    pub(super) stop: CancellationToken,
}

impl Keeper {
    pub(super) fn new(
        core: QueueCore,
        claims: Claims,
        announcer: Announcer,
        settings: &Settings,
        stop: CancellationToken,
    ) -> Self {
        let Settings {
            lock_duration,
            stalled_interval,
            max_stalled,
            ..
        } = *settings;
        Self {
            core,
            claims,
            announcer,
            lock_duration,
            stalled_interval,
            max_stalled,
            stop,
        }
    }

    /// Starts the thread; it ends when `stop` is cancelled.
    pub(super) fn spawn(self) -> Result<()> {
        let failed = |queue: &str, error: std::io::Error| Error::WorkerSetup {
            queue: queue.to_owned(),
            reason: format!("cannot start the thread that renews locks: {error}"),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(self.core.name.as_str(), error))?;
        let queue = self.core.name.clone();
        let thread = std::thread::Builder::new().name("oxherd-keeper".to_owned());
        let started = thread.spawn(move || runtime.block_on(self.run()));
        started.map(drop).map_err(|error| failed(queue.as_str(), error))
    }

    async fn run(self) {
        let tick = (self.lock_duration / 6).clamp(Duration::from_millis(10), Duration::from_secs(5));
        let mut connection = None;
        let mut next_check = Instant::now();
        loop {
            let result = self.turn(&mut connection, &mut next_check).await;
            let pause = match result {
                Ok(()) => tick.min(
                    next_check
                        .saturating_duration_since(Instant::now())
                        .max(Duration::from_millis(5)),
                ),
                Err(error) => {
                    tracing::debug!(queue = %self.core.name, %error, "cannot renew locks; reconnecting");
                    connection = None;
                    RETRY
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn turn(&self, connection: &mut Option<Connection>, next_check: &mut Instant) -> Result<()> {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(
                self.core
                    .store
                    .dedicated(self.core.keys.prefix(), WATCHDOG)
                    .await?,
            ),
        };
        self.renew(connection).await?;
        if Instant::now() >= *next_check {
            self.recover(connection).await?;
            *next_check = Instant::now() + self.stalled_interval;
        }
        Ok(())
    }

    async fn renew(&self, connection: &mut Connection) -> Result<()> {
        for claims in self
            .claims
            .older_than(self.lock_duration / 3)
            .chunks(CLAIMS_A_CALL)
        {
            let mut call = WORKER_EXTEND_LOCKS.call(self.core.keys.prefix());
            call.arg(millis(self.lock_duration));
            for claim in claims {
                call.arg(&*claim.id).arg(&*claim.token).arg(claim.starts);
            }
            let at = Instant::now();
            let reply = WORKER_EXTEND_LOCKS.run(connection, &call).await;
            let lost: Vec<Vec<u8>> = decode(
                "renew locks",
                reply.map_err(|error| refused("renew locks", error))?,
            )?;
            self.claims.renewed(claims, at);
            for claim in claims
                .iter()
                .filter(|claim| lost.iter().any(|id| **id == *claim.id.as_bytes()))
            {
                self.lose(claim);
            }
        }
        Ok(())
    }

    fn lose(&self, claim: &Claim) {
        // The job may have ended between the call and now; then nobody is told.
        if self.claims.lose(claim) {
            tracing::warn!(queue = %self.core.name, job = %claim.id, "lock lost; the handler is told to stop and its outcome will not count");
            self.announcer.tell(|| WorkerEvent::LockLost {
                id: JobId::existing(&*claim.id),
            });
        }
    }

    async fn recover(&self, connection: &mut Connection) -> Result<()> {
        let mut call = WORKER_RECOVER_STALLED.call(self.core.keys.prefix());
        call.arg(self.core.clock.now().as_millis())
            .arg(millis(self.stalled_interval))
            .arg(self.max_stalled);
        let reply = WORKER_RECOVER_STALLED.run(connection, &call).await;
        let reply = reply.map_err(|error| refused("look for stalled jobs", error))?;
        let recovered: Option<Vec<Vec<u8>>> = decode("look for stalled jobs", reply)?;
        for id in texts(&recovered.unwrap_or_default()) {
            tracing::warn!(queue = %self.core.name, job = %id, "stalled: its worker went away; the job is in line again");
            self.announcer.tell(|| WorkerEvent::Stalled {
                id: JobId::existing(id),
            });
        }
        Ok(())
    }
}
