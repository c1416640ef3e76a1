//! An engine that this process has, and how it is left.
//!
//! Whoever leaves shuts the door first, so that nothing is acknowledged any more, and then makes everything durable. Both
//! have an end: a script that goes on for ever keeps neither the program nor, where it lets the journal work, the flush.
//! Next: `embedded.rs` (how a directory is taken), `succession.rs` (who takes it next).

use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use oxherd_engine::{Engine, Server};
use tokio::sync::oneshot;

use super::holder::{Notice, Stage};
use crate::error::{Cause, Error, Result};

/// How long those who came in through the socket may take for their last replies.
pub(super) const LAST_REPLIES: Duration = Duration::from_secs(3);
/// The same when a program ends without asking anybody.
const HASTE: Duration = Duration::from_secs(1);
/// How long letting go of what is durable may take: with the two others less than six seconds.
const LETTING_GO: Duration = Duration::from_millis(400);
/// How long the last changes may take to be durable once the door is shut.
pub(super) const LAST_CHANGES: Duration = Duration::from_millis(2500);

/// An engine that this process has.
pub(super) struct Holding {
    pub(super) engine: Engine,
    /// Lets other processes in.
    door: Mutex<Option<Server>>,
    /// Where others read what this process does with its directory.
    notice: Mutex<Option<Notice>>,
    /// What was acknowledged may not be on the disk yet, or the disk may keep who lets go of the engine.
    must_flush: bool,
}

impl Holding {
    /// An engine that others look after.
    pub(super) fn of(engine: Engine, must_flush: bool) -> Self {
        Self {
            engine,
            door: Mutex::default(),
            notice: Mutex::default(),
            must_flush,
        }
    }

    /// A directory that this process has taken.
    pub(super) fn of_directory(engine: Engine, door: Option<Server>, notice: Notice) -> Self {
        notice.say(if door.is_some() {
            Stage::Serving
        } else {
            Stage::Alone
        });
        Self {
            engine,
            door: Mutex::new(door),
            notice: Mutex::new(Some(notice)),
            must_flush: true,
        }
    }

    /// Lets nobody in any more, and makes everything durable. Ends within six seconds.
    pub(super) async fn close(&self) -> Result<()> {
        if let Some(door) = self.begin_to_leave(Stage::Leaving)
            && tokio::time::timeout(LAST_REPLIES, door.shutdown()).await.is_err()
        {
            tracing::warn!(
                "who came in through the socket is not done in time, for a script still runs or somebody does not read; it is left"
            );
        }
        let failed = |source: Cause| Error::Store {
            operation: "close the store".to_owned(),
            source,
        };
        match tokio::time::timeout(LAST_CHANGES, flush(&self.engine)).await {
            Ok(flushed) => flushed.map_err(failed),
            Err(_elapsed) => Err(failed(kept().into())),
        }
    }

    /// Closes it and lets go of it, as one of these stages, which waits for the disk.
    pub(super) async fn give_up(self, stage: Stage) -> Result<()> {
        let door = self.begin_to_leave(stage);
        *self.door.lock().unwrap_or_else(PoisonError::into_inner) = door;
        let closed = self.close().await;
        let (done, left) = oneshot::channel();
        beside("oxherd-leave", move || {
            drop(self);
            // Whoever asked may have gone.
            let _ = done.send(());
        });
        // At the latest with the process.
        let _ = tokio::time::timeout(LETTING_GO, left).await;
        closed
    }

    /// Says it once, and takes the door away.
    fn begin_to_leave(&self, stage: Stage) -> Option<Server> {
        let notice = self.notice.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(notice) = notice {
            notice.say(stage);
        }
        self.door.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Holding {
    /// Programs end without asking anybody: what is only acknowledged by then shall not end with them.
    fn drop(&mut self) {
        let door = self.begin_to_leave(Stage::Leaving);
        if !self.must_flush {
            return;
        }
        if let Some(door) = door {
            shut(door);
        }
        let (done, outcome) = std::sync::mpsc::sync_channel(1);
        let engine = self.engine.clone();
        beside("oxherd-flush", move || {
            let flushed = engine.flush();
            // Whoever lets go last waits for the journal's thread: when the disk hangs, that is this thread.
            drop(engine);
            let _ = done.send(flushed);
        });
        let error: Cause = match outcome.recv_timeout(LAST_CHANGES) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.into(),
            Err(RecvTimeoutError::Timeout) => kept().into(),
            Err(RecvTimeoutError::Disconnected) => unanswered().into(),
        };
        tracing::error!(error, "the last changes could not be kept");
    }
}

/// Makes everything durable.
async fn flush(engine: &Engine) -> std::result::Result<(), Cause> {
    let (done, outcome) = oneshot::channel();
    let engine = engine.clone();
    beside("oxherd-flush", move || {
        let _ = done.send(engine.flush());
    });
    answer_of(outcome).await
}

/// How a flush ended; one that panicked has kept nothing.
async fn answer_of(
    outcome: oneshot::Receiver<std::result::Result<(), oxherd_engine::Error>>,
) -> std::result::Result<(), Cause> {
    match outcome.await {
        Ok(flushed) => Ok(flushed?),
        Err(_gone) => Err(unanswered().into()),
    }
}

/// Shuts the door, and waits a little for the last replies to leave.
fn shut(door: Server) {
    // Who comes next must not find it open while that thread starts.
    let mut closing = Box::pin(door.shutdown());
    if closing.as_mut().now_or_never().is_some() {
        return;
    }
    let (done, shut) = std::sync::mpsc::sync_channel(1);
    beside("oxherd-shut", move || {
        if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() {
            runtime.block_on(closing);
        }
        let _ = done.send(());
    });
    // Otherwise it ends with the process.
    let _ = shut.recv_timeout(HASTE);
}

/// Does on a thread of its own what waits for the disk or for scripts: the end of a runtime waits for its blocking tasks.
/// Without a thread it is done at once.
pub(super) fn beside(name: &str, act: impl FnOnce() + Send + 'static) {
    let act = std::sync::Arc::new(Mutex::new(Some(act)));
    let acting = std::sync::Arc::clone(&act);
    let take = |act: &Mutex<Option<_>>| act.lock().unwrap_or_else(PoisonError::into_inner).take();
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        if let Some(act) = take(&acting) {
            act();
        }
    });
    if started.is_err()
        && let Some(act) = take(&act)
    {
        act();
    }
}

/// What keeps a flush from its end.
fn kept() -> std::io::Error {
    let reason = "a script has kept the engine, or the disk the journal, for too long; what was acknowledged is as safe \
                  as `fsync` says";
    std::io::Error::new(std::io::ErrorKind::TimedOut, reason)
}

/// A flush that panicked.
fn unanswered() -> std::io::Error {
    std::io::Error::other("the flush ended without an answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_flush_that_ends_without_an_answer_has_kept_nothing() {
        let (done, outcome) = oneshot::channel();
        drop(done);
        let error = answer_of(outcome).await.unwrap_err();
        assert!(error.to_string().contains("without an answer"), "{error}");
    }

    #[test]
    fn closing_and_letting_go_end_within_six_seconds() {
        assert!(LAST_REPLIES + LAST_CHANGES + LETTING_GO < Duration::from_secs(6));
    }
}
