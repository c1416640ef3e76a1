//! A lock that is held: renewed in the background, released when its guard goes.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::renewal::{Hold, Lost, keep, let_begin};
use super::{FENCE_LIFE, Token, ask};
use crate::clock::millis;
use crate::error::{Error, Result};
use crate::store::{LOCK_RELEASE, LOCK_RENEW, LockKeys, Store, decode, refused};

/// A token in the store's hands: what is needed to keep the lock, and to let it go.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) store: Store,
    pub(super) keys: Arc<LockKeys>,
    pub(super) token: Token,
    pub(super) name: Arc<str>,
    pub(super) term: Duration,
}

/// A lock that is held. It is renewed by a task of the runtime that acquired it, until the guard is released or dropped.
///
/// [`LockGuard::run`] is the safest way to use it. Whoever works beside it looks at [`LockGuard::lost`] or
/// [`LockGuard::remaining`] and stops in time.
#[must_use = "a lock is released when its guard is dropped"]
pub struct LockGuard {
    claim: Claim,
    fence: u64,
    hold: Arc<Hold>,
    /// Dropped, or told who wants the answer: the task releases the lock and ends.
    end: Option<oneshot::Sender<oneshot::Sender<Result<()>>>>,
}

impl Claim {
    async fn renew(&self) -> Result<bool> {
        let mut call = LOCK_RENEW.call_on(&[&self.keys.lease, &self.keys.fence]);
        call.arg(self.token)
            .arg(millis(self.term))
            .arg(millis(FENCE_LIFE.max(self.term)));
        let kept: u8 = self.store.run_safe(&LOCK_RENEW, &call).await?;
        Ok(kept == 1)
    }

    /// Lets the lock go. An error when it was not ours any more.
    async fn release(&self, hold: &Hold) -> Result<()> {
        let mut call = LOCK_RELEASE.call_on(&[&self.keys.lease]);
        call.arg(self.token).arg(&self.keys.wake);
        let (reply, is_resent) = ask(&self.store, &LOCK_RELEASE, &call).await;
        let reply = reply.map_err(|error| refused("release the lock", error))?;
        let was_held: u8 = decode("release the lock", reply)?;
        // The first of two may have released it.
        if was_held == 1 || (is_resent && !hold.is_lost()) {
            return Ok(());
        }
        Err(self.lost())
    }

    /// Lets go of what may or may not have been taken.
    pub(super) fn release_in_background(self, runtime: &Handle) {
        runtime.spawn(async move {
            let mut call = LOCK_RELEASE.call_on(&[&self.keys.lease]);
            call.arg(self.token).arg(&self.keys.wake);
            if let Err(error) = self.store.run_safe::<u8>(&LOCK_RELEASE, &call).await {
                tracing::debug!(lock = %self.name, %error, "cannot release a lock; it ends with its term");
            }
        });
    }

    fn lost(&self) -> Error {
        Error::LockLost {
            lock: self.name.to_string(),
        }
    }
}

impl LockGuard {
    pub(super) async fn new(claim: Claim, fence: u64, hold: Hold) -> Self {
        let hold = Arc::new(hold);
        let (end, ended) = oneshot::channel();
        let tending = tend(claim.clone(), Arc::clone(&hold), ended);
        // First, so that whoever gives up here lets go of the lock.
        let guard = Self {
            claim,
            fence,
            hold,
            end: Some(end),
        };
        tokio::spawn(tending);
        let_begin().await;
        guard
    }

    /// The lock's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.claim.name
    }

    /// The number of this holder: higher than that of every holder before. A resource that remembers the highest it has
    /// seen, and refuses lower ones, is safe even from a holder that slept past its term.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// For how long the lock is certainly held if it is not renewed again; zero when it is lost. A renewal lifts it to the
    /// term.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.hold.remaining()
    }

    /// Whether it is lost. It stays so.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.hold.is_lost()
    }

    /// Ends when the lock is lost: its term ended before it could be renewed, or the store says that it is not held any
    /// more. The future is independent of the guard, and never ends if that is released first.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        let hold = Arc::clone(&self.hold);
        async move { hold.lost().await }
    }

    /// Runs a future under the lock, and drops it at its next `.await` when the lock is lost.
    ///
    /// # Errors
    /// [`Error::LockLost`] when the future did not end in time.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        self.hold.protect(work).await.map_err(|Lost| self.claim.lost())
    }

    /// Releases the lock and waits until the store has done so. If this future is dropped the lock is released all the same.
    ///
    /// # Errors
    /// [`Error::LockLost`] when it was not held until now, so that somebody else may have held it meanwhile;
    /// [`Error::StoreUnavailable`] when the store is away: then it ends with its term at the latest.
    pub async fn release(mut self) -> Result<()> {
        let (tell, told) = oneshot::channel();
        let is_sent = self.end.take().is_some_and(|end| end.send(tell).is_ok());
        if is_sent && let Ok(released) = told.await {
            return released;
        }
        // The runtime of the task has ended.
        self.claim.release(&self.hold).await
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard")
            .field("name", &self.claim.name)
            .field("fence", &self.fence)
            .field("remaining", &self.remaining())
            .finish()
    }
}

/// Renews until the guard goes, then releases.
async fn tend(claim: Claim, hold: Arc<Hold>, mut ended: oneshot::Receiver<oneshot::Sender<Result<()>>>) {
    let listener = tokio::select! {
        biased;
        listener = &mut ended => listener,
        () = keep(&hold, || claim.renew()) => {
            tracing::warn!(lock = %claim.name, "lock lost; its holder is told to stop");
            ended.await
        }
    };
    let released = claim.release(&hold).await;
    match listener {
        Ok(listener) => drop(listener.send(released)),
        Err(_guard_dropped) => {
            if let Err(error) = released {
                tracing::debug!(lock = %claim.name, %error, "a lock that was dropped could not be released");
            }
        }
    }
    // Whoever still waits for its loss waits for ever.
}
