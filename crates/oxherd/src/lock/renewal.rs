//! How long a lease is certainly ours, and keeping it so.
//!
//! A [`Hold`] counts on this process's monotonic clock from *before* the lease was asked for, and ends a hundredth of the
//! term early, so that it ends here before it ends in the store as long as the two clocks run at the same rate to
//! within 1 %. It ends once and for all: an answer that comes after its end does not revive it, because somebody may have
//! acted on the end already. [`keep`] renews at a third of the term, so that two renewals may fail.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::pulse::Pulse;
use crate::error::Result;
use crate::yielding::let_others_run;

/// A lease as this process sees it.
#[derive(Debug)]
pub(crate) struct Hold {
    term: Duration,
    /// `None` once it has ended.
    end: watch::Sender<Option<Instant>>,
}

/// The lease ended while the work went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost;

impl Hold {
    /// A lease that was granted, `asked` being a moment before the request was sent.
    pub(crate) fn new(asked: Instant, term: Duration) -> Self {
        let certain = term - term / 100;
        Self {
            term: certain,
            end: watch::Sender::new(asked.checked_add(certain)),
        }
    }

    /// For how long it is certainly ours; zero when it is lost.
    pub(crate) fn remaining(&self) -> Duration {
        let end = *self.end.borrow();
        end.map_or(Duration::ZERO, |end| {
            end.saturating_duration_since(Instant::now())
        })
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.remaining().is_zero()
    }

    /// Whether it ended by itself, and nobody said that it is gone.
    pub(crate) fn has_run_out(&self) -> bool {
        self.end.borrow().is_some_and(|end| end <= Instant::now())
    }

    /// Waits until it is lost.
    pub(crate) async fn lost(&self) {
        let mut end = self.end.subscribe();
        loop {
            let Some(at) = *end.borrow_and_update() else {
                return;
            };
            if at <= Instant::now() {
                return;
            }
            tokio::select! {
                () = sleep_until(at) => {}
                // The sender is in `self`.
                _ = end.changed() => {}
            }
        }
    }

    /// It was renewed by a request sent after `asked`. Too late is too late.
    pub(crate) fn renewed(&self, asked: Instant) {
        self.end.send_modify(|end| {
            if let Some(end) = end
                && Instant::now() < *end
                && let Some(later) = asked.checked_add(self.term)
            {
                *end = later.max(*end);
            }
        });
    }

    /// Somebody else has it, or nobody.
    pub(crate) fn lose(&self) {
        self.end.send_replace(None);
    }

    /// Runs the work, and drops it as soon as the lease is lost.
    pub(crate) async fn protect<T>(&self, work: impl Future<Output = T>) -> Result<T, Lost> {
        let mut lost = pin!(self.lost());
        let mut work = pin!(work);
        poll_fn(|context| {
            // After a pause of the whole process the timer may come later than the work.
            if lost.as_mut().poll(context).is_ready() || self.is_lost() {
                return Poll::Ready(Err(Lost));
            }
            work.as_mut().poll(context).map(Ok)
        })
        .await
    }
}

/// Lets a task that was just spawned to keep a lease have its first turn: it may lie where no other thread can take it over from this one
/// (the slot for the task that is next), which whoever has the lease may block.
pub(crate) async fn let_begin() {
    if Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread {
        let_others_run().await;
    }
}

/// Renews until the lease is lost. `renew` says whether it is still ours; where it fails it is asked again, until the
/// end.
pub(crate) async fn keep<R>(hold: &Hold, renew: impl FnMut() -> R)
where
    R: Future<Output = Result<bool>>,
{
    keep_in_turn(hold, || async {}, renew).await;
}

/// As [`keep`], where each renewal waits for its turn first, and has it until it is answered. Neither its own time nor the term that it
/// brings begins before the turn has come.
pub(crate) async fn keep_in_turn<T, R>(hold: &Hold, mut turn: impl FnMut() -> T, mut renew: impl FnMut() -> R)
where
    T: Future,
    R: Future<Output = Result<bool>>,
{
    let _pulse = Pulse::here(hold.term / 6);
    let mut pause = jittered(hold.term / 3);
    loop {
        sleep(pause.min(hold.remaining())).await;
        // For as long as there is something to renew: who gave up its place would be the last again. What is lost is not
        // renewed: it would stay taken for nobody.
        let turn = timeout(hold.remaining(), turn()).await;
        if hold.is_lost() {
            return;
        }
        let asked = Instant::now();
        // The call's own deadline may be longer than the lease lasts.
        let answer = timeout((hold.term / 3).min(hold.remaining()), renew()).await;
        drop(turn);
        pause = jittered(hold.term / 20);
        match answer {
            Ok(Ok(true)) => {
                hold.renewed(asked);
                pause = jittered(hold.term / 3);
            }
            Ok(Ok(false)) => hold.lose(),
            Ok(Err(error)) => tracing::debug!(%error, "cannot renew a lease; trying again"),
            Err(_elapsed) => tracing::debug!("no answer to the renewal of a lease; trying again"),
        }
    }
}

/// Between nine and eleven tenths.
fn jittered(duration: Duration) -> Duration {
    // Simulations repeat themselves.
    let factor = if cfg!(test) {
        1.0
    } else {
        rand::random_range(0.9..1.1)
    };
    duration.mul_f64(factor)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::error::Error;

    const TERM: Duration = Duration::from_secs(30);
    const SURE: Duration = Duration::from_millis(29_700);

    fn away() -> Result<bool> {
        Err(Error::StoreUnavailable {
            operation: "renew the lock".to_owned(),
            source: "away".into(),
        })
    }

    /// Runs the work to its end, and renews meanwhile for as long as that succeeds.
    async fn renewing<T, R>(hold: &Hold, renew: impl FnMut() -> R, work: impl Future<Output = T>) -> T
    where
        R: Future<Output = Result<bool>>,
    {
        let mut work = pin!(work);
        tokio::select! {
            biased;
            ended = work.as_mut() => return ended,
            () = keep(hold, renew) => {}
        }
        work.await
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_a_hundredth_before_its_term_counted_from_before_it_was_asked_for() {
        let asked = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        let hold = Hold::new(asked, TERM);
        assert_eq!(hold.remaining(), SURE - Duration::from_secs(1));
        hold.lost().await;
        assert_eq!(asked.elapsed(), SURE);
        assert!(hold.is_lost());
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_renewed_every_third_of_its_term() {
        let hold = Hold::new(Instant::now(), TERM);
        let calls = Cell::new(0);
        let renew = || {
            calls.set(calls.get() + 1);
            async { Ok(true) }
        };
        renewing(&hold, renew, sleep(Duration::from_secs(600))).await;
        assert!((54..=68).contains(&calls.get()), "{calls:?}");
        assert!(hold.remaining() > TERM / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn one_answer_that_it_is_anothers_ends_it_at_once_and_the_work_goes_on() {
        let hold = Hold::new(Instant::now(), TERM);
        let began = Instant::now();
        let calls = Cell::new(0);
        let renew = || {
            calls.set(calls.get() + 1);
            async { Ok(false) }
        };
        let lost_at = async {
            hold.lost().await;
            began.elapsed()
        };
        let work = async {
            let lost_at = lost_at.await;
            sleep(TERM * 5).await;
            lost_at
        };
        let lost_at = renewing(&hold, renew, work).await;
        assert!(lost_at < TERM / 2, "{lost_at:?}");
        assert!(!hold.has_run_out());
        assert_eq!(calls.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_comes_back_in_time_is_asked_again() {
        let hold = Hold::new(Instant::now(), TERM);
        let answers = RefCell::new(VecDeque::from([away(), away(), away(), Ok(true)]));
        let renew = || {
            let answer = answers.borrow_mut().pop_front().unwrap_or(Ok(true));
            async { answer }
        };
        renewing(&hold, renew, sleep(TERM * 2)).await;
        assert!(!hold.is_lost());
        assert!(answers.borrow().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_stays_away_ends_it_with_its_term() {
        for hangs in [false, true] {
            let hold = Hold::new(Instant::now(), TERM);
            let began = Instant::now();
            keep(&hold, || async move {
                if hangs {
                    std::future::pending::<()>().await;
                }
                away()
            })
            .await;
            assert!(hold.is_lost());
            assert!(
                (SURE..=SURE + Duration::from_millis(2)).contains(&began.elapsed()),
                "{:?}",
                began.elapsed()
            );
        }
    }

    /// Leases of one call of many: all that is asked of the store goes through a queue of 64. How many are lost before what was loaded
    /// under them is kept.
    async fn lost_of_many(script: Duration) -> usize {
        const COUNT: u32 = 2000;
        let term = Duration::from_millis(3) * COUNT;
        let queue = Semaphore::new(64);
        let is_loaded = Instant::now() + term * 5;
        let leases = (0..COUNT).map(|_| async {
            let turn = queue.acquire().await;
            let asked = Instant::now();
            sleep(script).await;
            drop(turn);
            let hold = Hold::new(asked, term);
            let renew = || async {
                sleep(script).await;
                Ok(true)
            };
            let load_and_keep = async {
                sleep_until(is_loaded).await;
                let _turn = queue.acquire().await;
                sleep(script).await;
            };
            tokio::select! {
                () = keep_in_turn(&hold, || queue.acquire(), renew) => 1,
                () = load_and_keep => 0,
            }
        });
        futures_util::future::join_all(leases).await.into_iter().sum()
    }

    #[tokio::test(start_paused = true)]
    async fn very_many_are_kept_although_each_waits_long_for_its_turn() {
        for script in [1, 60, 100] {
            let lost = lost_of_many(Duration::from_millis(script)).await;
            assert_eq!(lost, 0, "{script} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_before_its_turn_comes_is_not_renewed() {
        let hold = Hold::new(Instant::now(), TERM);
        let calls = Cell::new(0);
        let renew = || {
            calls.set(calls.get() + 1);
            async { Ok(true) }
        };
        keep_in_turn(&hold, std::future::pending::<()>, renew).await;
        assert!(hold.has_run_out());
        assert_eq!(calls.get(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_after_its_end_does_not_revive_it() {
        let hold = Hold::new(Instant::now(), TERM);
        tokio::time::advance(SURE - Duration::from_millis(1)).await;
        let asked = Instant::now();
        tokio::time::advance(Duration::from_millis(1)).await;
        hold.renewed(asked);
        assert!(hold.is_lost() && hold.has_run_out());
        hold.renewed(Instant::now());
        assert_eq!(hold.remaining(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_dropped_when_the_lease_is_lost() {
        let hold = Hold::new(Instant::now(), TERM);
        let reached = Cell::new(0);
        let work = async {
            loop {
                sleep(Duration::from_secs(7)).await;
                reached.set(reached.get() + 1);
            }
        };
        let lost: Result<(), Lost> = hold.protect(work).await;
        assert_eq!((lost, reached.get()), (Err(Lost), 4));
        assert_eq!(
            hold.protect(async { 7 }).await,
            Err(Lost),
            "and not even begun afterwards"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_ends_in_time_has_its_result() {
        let hold = Hold::new(Instant::now(), TERM);
        assert_eq!(hold.protect(async { 7 }).await, Ok(7));
    }
}
