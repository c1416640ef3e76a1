//! How far the log is durable, and who waits for it.
//!
//! Every unit of work that changes something kept has a number, one more than the one before. Whatever leaves the engine
//! may have seen all units up to some number, its horizon, and leaves when the log is durable that far. If the log
//! fails, what it had not kept is lost, and whoever waits for it is told.
//! Next: `writer.rs` (who moves it), `../session.rs` and `../resp/output.rs` (who waits).

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

/// The number of a unit of work that changed something kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Sequence(pub(crate) u64);

impl Sequence {
    /// Before every unit: nothing to wait for.
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The log failed before it had kept what somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost;

/// How far the log is durable.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    durable: AtomicU64,
    /// Units above this number …
    lost_above: AtomicU64,
    /// … and up to this were never kept and never will be.
    lost_up_to: AtomicU64,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeMap<Place, Waker>,
    last_place: u64,
}

/// What somebody waits for, and a number that tells them apart.
type Place = (Sequence, u64);

impl Progress {
    /// A log that holds everything up to a unit.
    pub(crate) fn from(durable: Sequence) -> Self {
        Self {
            durable: AtomicU64::new(durable.0),
            ..Self::default()
        }
    }

    pub(crate) fn durable(&self) -> Sequence {
        Sequence(self.durable.load(Ordering::Acquire))
    }

    pub(crate) fn is_reached(&self, horizon: Sequence) -> bool {
        horizon <= self.durable() && !self.has_lost(horizon)
    }

    fn has_lost(&self, horizon: Sequence) -> bool {
        horizon.0 <= self.lost_up_to.load(Ordering::Acquire)
            && horizon.0 > self.lost_above.load(Ordering::Acquire)
    }

    /// The log is durable up to this unit.
    pub(crate) fn advance(&self, durable: Sequence) {
        self.durable.store(durable.0, Ordering::Release);
        let reached = {
            let mut queue = self.queue.lock();
            let left = queue.waiting.split_off(&(durable.next(), 0));
            std::mem::replace(&mut queue.waiting, left)
        };
        reached.into_values().for_each(Waker::wake);
    }

    /// What is above `durable` and up to this unit will never be kept.
    pub(crate) fn lose(&self, up_to: Sequence) {
        let waiting = {
            let mut queue = self.queue.lock();
            self.lost_above.store(self.durable().0, Ordering::Release);
            // What was lost once stays so, also when the engine ends.
            self.lost_up_to.fetch_max(up_to.0, Ordering::Release);
            std::mem::take(&mut queue.waiting)
        };
        waiting.into_values().for_each(Waker::wake);
    }

    /// Waits until the log is durable up to this unit; `None` when it is.
    pub(crate) fn wait_for(self: &Arc<Self>, horizon: Sequence) -> Option<Reached> {
        (!self.is_reached(horizon)).then(|| Reached {
            progress: Arc::clone(self),
            horizon,
            place: None,
        })
    }
}

/// A wait for the log.
#[derive(Debug)]
pub(crate) struct Reached {
    progress: Arc<Progress>,
    horizon: Sequence,
    place: Option<Place>,
}

impl Future for Reached {
    type Output = Result<(), Lost>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let progress = Arc::clone(&self.progress);
        if self.place.is_none() && progress.is_reached(self.horizon) {
            return Poll::Ready(Ok(()));
        }
        // Its wakers may be anybody's: none is cloned, dropped or woken under the lock.
        let waker = context.waker().clone();
        let mut queue = progress.queue.lock();
        // Looked at again under the lock: whoever advances stores first and looks for waiters afterwards.
        let outcome = if progress.is_reached(self.horizon) {
            Ok(())
        } else if progress.has_lost(self.horizon) {
            Err(Lost)
        } else {
            let horizon = self.horizon;
            let place = *self.place.get_or_insert_with(|| {
                queue.last_place += 1;
                (horizon, queue.last_place)
            });
            let before = queue.waiting.insert(place, waker);
            drop(queue);
            drop(before);
            return Poll::Pending;
        };
        let place = self.place.take();
        let before = place.and_then(|place| queue.waiting.remove(&place));
        drop(queue);
        drop(before);
        Poll::Ready(outcome)
    }
}

impl Drop for Reached {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let waker = self.progress.queue.lock().waiting.remove(&place);
            drop(waker);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll(wait: &mut Reached, count: &Arc<Count>) -> Poll<Result<(), Lost>> {
        let waker = Waker::from(Arc::clone(count));
        pin!(wait).poll(&mut Context::from_waker(&waker))
    }

    #[test]
    fn who_waits_is_woken_when_the_log_has_come_far_enough() {
        let (progress, count) = (Arc::new(Progress::from(Sequence(5))), Arc::default());
        assert!(progress.wait_for(Sequence(5)).is_none());
        let mut early = progress.wait_for(Sequence(6)).unwrap();
        let mut late = progress.wait_for(Sequence(8)).unwrap();
        assert!(poll(&mut early, &count).is_pending());
        assert!(poll(&mut late, &count).is_pending());
        progress.advance(Sequence(7));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(poll(&mut early, &count), Poll::Ready(Ok(())));
        assert!(poll(&mut late, &count).is_pending());
        progress.advance(Sequence(8));
        assert_eq!(poll(&mut late, &count), Poll::Ready(Ok(())));
    }

    #[test]
    fn what_was_lost_is_never_reached_by_later_units() {
        let (progress, count) = (Arc::new(Progress::from(Sequence(5))), Arc::default());
        let mut waits = [6, 6, 9, 10].map(|horizon| progress.wait_for(Sequence(horizon)).unwrap());
        let [first, untouched, last, later] = &mut waits;
        assert!(poll(first, &count).is_pending());
        progress.lose(Sequence(9));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!(poll(first, &count), Poll::Ready(Err(Lost)));
        assert_eq!(poll(last, &count), Poll::Ready(Err(Lost)));
        assert!(poll(later, &count).is_pending());
        progress.lose(Sequence(5));
        let again = progress.wait_for(Sequence(6)).unwrap();
        assert_eq!(poll(pin!(again).get_mut(), &count), Poll::Ready(Err(Lost)));
        progress.advance(Sequence(10));
        assert_eq!(poll(untouched, &count), Poll::Ready(Err(Lost)));
        assert_eq!(poll(later, &count), Poll::Ready(Ok(())));
    }

    /// A waker that belongs to something that has a wait of its own, as the task of another runtime may.
    struct Owner {
        _own: Reached,
        progress: Arc<Progress>,
    }

    impl Wake for Owner {
        fn wake(self: Arc<Self>) {
            assert!(self.progress.queue.try_lock().is_some());
        }
    }

    impl Drop for Owner {
        fn drop(&mut self) {
            assert!(self.progress.queue.try_lock().is_some());
        }
    }

    #[test]
    fn wakers_are_let_go_where_they_may_do_anything() {
        let progress = Arc::new(Progress::default());
        let owner = || {
            let mut own = progress.wait_for(Sequence(3)).unwrap();
            assert!(poll(&mut own, &Arc::default()).is_pending());
            let progress = Arc::clone(&progress);
            Waker::from(Arc::new(Owner { _own: own, progress }))
        };
        let poll_as_owner = |wait: &mut Reached| {
            let waker = owner();
            pin!(wait).poll(&mut Context::from_waker(&waker))
        };
        let mut waits = [1, 2, 2].map(|horizon| progress.wait_for(Sequence(horizon)).unwrap());
        for wait in &mut waits {
            assert!(poll_as_owner(wait).is_pending());
            // Takes the place of the first waker.
            assert!(poll_as_owner(wait).is_pending());
        }
        let [reached, dropped, lost] = waits;
        drop(dropped);
        progress.advance(Sequence(1));
        drop(reached);
        progress.lose(Sequence(9));
        drop(lost);
        assert!(progress.queue.lock().waiting.is_empty());
    }

    #[test]
    fn who_stops_waiting_leaves_nothing_behind() {
        let (progress, count) = (Arc::new(Progress::default()), Arc::default());
        let mut wait = progress.wait_for(Sequence(1)).unwrap();
        assert!(poll(&mut wait, &count).is_pending());
        drop(wait);
        progress.advance(Sequence(1));
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
    }
}
