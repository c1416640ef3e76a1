//! Calling the loader: at most once, within its time, a panic caught.
//!
//! Whatever it does (fail, panic, take too long) is a result like any other, and ends nobody's task. Also loads outside any flight: for
//! one caller alone, and to compare.
//! Next: `keep.rs` (what becomes of what it brings), `loaded.rs` (what a loader may say).

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use parking_lot::Mutex;

use super::millis;
use crate::cache::key::{KeyText, Tag};
use crate::cache::local::Held;
use crate::cache::space::{AnyValue, Call, Site};
use crate::cache::standing::meta_of;
use crate::cache::stats::{LoadEnd, LoadReason};
use crate::error::{Cause, LoadCause, Result};

/// What a loader returned, whatever the type.
#[derive(Clone, Debug)]
pub(crate) struct Fresh {
    /// `None`: there is no such thing.
    pub(crate) value: Option<AnyValue>,
    pub(crate) ttl: Option<Duration>,
    pub(crate) version: Option<u64>,
    pub(crate) tags: Vec<Tag>,
}

pub(crate) type LoadFuture = Pin<Box<dyn Future<Output = Result<Fresh, Cause>> + Send>>;

pub(super) type BoxedLoader = Box<dyn FnOnce() -> LoadFuture + Send>;

/// A caller's loader, until somebody calls it.
#[derive(Clone)]
pub(crate) struct Loader(Arc<Mutex<Option<BoxedLoader>>>);

/// A loader that took longer than it may.
#[derive(Debug, thiserror::Error)]
#[error("it took longer than {} ms", .0.as_millis())]
pub struct LoadTimedOut(
    /// How long it may take.
    pub Duration,
);

/// A loader that panicked.
#[derive(Debug, thiserror::Error)]
#[error("the loader panicked: {0}")]
pub struct LoadPanicked(
    /// The panic's message.
    pub String,
);

impl LoadPanicked {
    pub(crate) fn of(panic: &(dyn std::any::Any + Send)) -> Self {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Self(text.unwrap_or_else(|| "no message".to_owned()))
    }
}

impl Loader {
    pub(crate) fn new(loader: impl FnOnce() -> LoadFuture + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(loader)))))
    }

    /// Whether somebody called it.
    pub(crate) fn is_used(&self) -> bool {
        self.0.lock().is_none()
    }

    pub(super) fn take(&self) -> Option<BoxedLoader> {
        self.0.lock().take()
    }
}

impl Site {
    /// The source failed: it is left alone while there is something stale to serve.
    pub(super) fn rest(&self, key: &KeyText) {
        let freshness = &self.space.settings.freshness;
        let may_be_stale = freshness.stale_if_error.max(freshness.stale_while_revalidate);
        if !may_be_stale.is_zero() && !freshness.retry_after_error.is_zero() {
            let until = self.shared.clock.ticks() + millis(freshness.retry_after_error);
            self.space.resting.insert(key.clone(), until);
        }
    }

    /// Loads outside any flight; what it brings is kept by nobody.
    pub(crate) async fn load_unkept(
        &self,
        key: &KeyText,
        call: &Call,
        loader: &Loader,
    ) -> Result<Arc<Held>, LoadCause> {
        let gone = || LoadCause::new("the loader was called already, and could not answer".into());
        let _permit = self.permit(call).await;
        let moment = self.shared.local.moment();
        let began = Instant::now();
        let result = self.part().of(self.call(loader.take().ok_or_else(gone)?)).await;
        let took = began.elapsed();
        let fresh = result.map_err(|(cause, end)| {
            self.space.recorder.load_ended(LoadReason::Miss, end, took);
            LoadCause::new(cause)
        })?;
        self.space
            .recorder
            .load_ended(LoadReason::Miss, LoadEnd::Ok, took);
        let header = self.header_of(call, &fresh, took, None);
        let meta = meta_of(&header, &self.space.settings, self.shared.clock.now());
        tracing::debug!(namespace = &*self.space.name, %key, "loaded for one caller alone");
        Ok(self.hold(fresh.value, 0, meta, &call.tenant, moment))
    }

    /// What the source says, for a comparison. Failures are nobody's concern.
    pub(crate) async fn load_to_compare(&self, loader: &Loader) -> Option<Option<AnyValue>> {
        let fresh = self.call(loader.take()?).await.ok()?;
        Some(fresh.value)
    }

    /// A panic or a time-out is a failure like any other.
    pub(super) async fn call(&self, loader: BoxedLoader) -> Result<Fresh, (Cause, LoadEnd)> {
        let limit = self.space.settings.loads.hard_timeout;
        let clock = &self.shared.clock;
        let late = clock.sleep_until(clock.now().after(limit));
        tokio::select! {
            biased;
            result = Self::call_in_time_of_its_own(loader) => result,
            () = late => Err((LoadTimedOut(limit).into(), LoadEnd::TimedOut)),
        }
    }

    /// The same for a loader that sees to its time itself.
    pub(super) async fn call_in_time_of_its_own(loader: BoxedLoader) -> Result<Fresh, (Cause, LoadEnd)> {
        match AssertUnwindSafe(async move { loader().await })
            .catch_unwind()
            .await
        {
            Ok(Ok(fresh)) => Ok(fresh),
            Ok(Err(cause)) if cause.is::<LoadTimedOut>() => Err((cause, LoadEnd::TimedOut)),
            Ok(Err(cause)) => Err((cause, LoadEnd::Failed)),
            Err(panic) => Err((LoadPanicked::of(&*panic).into(), LoadEnd::Failed)),
        }
    }
}
