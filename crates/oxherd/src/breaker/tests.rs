//! A breaker against a plain model, by hand, and among threads.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "these are tests"
)]

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;
use crate::error::Error;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn clock() -> (Clock, ManualClock) {
    Clock::manual(Timestamp::from_millis(1_000_000))
}

/// Opens at 2 failures of 4 calls, or 3 slow ones of 4; stays open for 1, 2, 4, 5 seconds; two trials.
fn small() -> (Breaker, ManualClock) {
    let (read, clock) = clock();
    let builder = Breaker::builder("b")
        .clock(read)
        .window(10 * SECOND)
        .minimum_calls(4);
    let builder = builder.failure_rate(0.5).slow_calls(SECOND, 0.75);
    let builder = builder
        .open_for(SECOND, 2.0, 5 * SECOND)
        .jitter(0.0)
        .trial_calls(2);
    (builder.build().unwrap(), clock)
}

fn succeed(breaker: &Breaker) {
    breaker.permit().unwrap().success(MS);
}

fn fail(breaker: &Breaker) {
    breaker.permit().unwrap().failure(MS);
}

fn opened() -> (Breaker, ManualClock) {
    let (breaker, clock) = small();
    for _ in 0..4 {
        fail(&breaker);
    }
    assert_eq!(breaker.state(), State::Open);
    (breaker, clock)
}

#[test]
fn it_opens_when_the_share_of_failures_is_reached_and_not_before() {
    let (breaker, _clock) = small();
    fail(&breaker);
    fail(&breaker);
    succeed(&breaker);
    assert_eq!(breaker.state(), State::Closed, "three calls are too few to judge");
    succeed(&breaker);
    assert_eq!(breaker.state(), State::Closed, "a success never opens");
    fail(&breaker);
    assert_eq!(breaker.state(), State::Open);
    let open = breaker.permit().unwrap_err();
    assert_eq!((open.state, open.retry_after), (State::Open, SECOND));
    assert_eq!(open.to_string(), r#"breaker "b" is open: try again in 1000 ms"#);
}

#[test]
fn slow_calls_open_it_too() {
    let (breaker, _clock) = small();
    for elapsed in [SECOND - MS, SECOND, SECOND] {
        breaker.permit().unwrap().success(elapsed);
    }
    assert_eq!(breaker.state(), State::Closed);
    breaker.permit().unwrap().success(SECOND);
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(
        breaker.snapshot().total,
        Calls {
            calls: 4,
            failures: 0,
            slow: 3
        }
    );
}

#[test]
fn a_share_is_exact() {
    let breaker = Breaker::builder("b")
        .minimum_calls(30)
        .failure_rate(0.1)
        .build()
        .unwrap();
    for _ in 0..27 {
        succeed(&breaker);
    }
    fail(&breaker);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Open, "3 of 30 are a tenth");
}

#[test]
fn failures_in_a_row_open_it_whatever_came_before() {
    let builder = Breaker::builder("b").clock(clock().0).failures_in_a_row(3);
    let breaker = builder.build().unwrap();
    for _ in 0..1000 {
        succeed(&breaker);
    }
    for _ in 0..10 {
        fail(&breaker);
        fail(&breaker);
        succeed(&breaker);
    }
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker);
    fail(&breaker);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_permit_that_is_kept_says_later_how_the_call_ended() {
    let (breaker, clock) = small();
    for does_answer in [true, true, false, false] {
        let permit = breaker.permit().unwrap();
        breaker.keep(permit, 0).end(does_answer);
    }
    assert_eq!(breaker.state(), State::Open);
    clock.advance(SECOND);
    let trials: Vec<_> = (0..2)
        .map(|_| breaker.keep(breaker.permit().unwrap(), 0))
        .collect();
    breaker.permit().unwrap_err();
    drop(trials);
    let trial = breaker.permit().unwrap();
    breaker.keep(trial, 0).end(false);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn what_is_older_than_the_window_does_not_count() {
    let (breaker, clock) = small();
    for _ in 0..3 {
        fail(&breaker);
    }
    clock.advance(10 * SECOND);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Closed);
    let snapshot = breaker.snapshot();
    assert_eq!((snapshot.window.failures, snapshot.total.failures), (1, 4));
}

#[test]
fn after_its_time_a_few_trials_decide() {
    let (breaker, clock) = opened();
    clock.advance(SECOND - MS);
    breaker.permit().unwrap_err();
    clock.advance(MS);
    let first = breaker.permit().unwrap();
    let second = breaker.permit().unwrap();
    let refused = breaker.permit().unwrap_err();
    assert_eq!((refused.state, refused.retry_after), (State::HalfOpen, SECOND));
    first.success(MS);
    breaker.permit().unwrap_err();
    assert_eq!(breaker.state(), State::HalfOpen);
    second.success(MS);
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(breaker.snapshot().window, Calls::default(), "it begins afresh");
}

#[test]
fn each_failed_trial_makes_the_open_time_longer_up_to_a_longest() {
    let (breaker, clock) = opened();
    for seconds in [1, 2, 4, 5, 5] {
        assert_eq!(breaker.permit().unwrap_err().retry_after, seconds * SECOND);
        clock.advance(seconds * SECOND);
        fail(&breaker);
        assert_eq!(breaker.state(), State::Open);
    }
    clock.advance(5 * SECOND);
    succeed(&breaker);
    succeed(&breaker);
    for _ in 0..4 {
        fail(&breaker);
    }
    assert_eq!(breaker.permit().unwrap_err().retry_after, SECOND);
    assert_eq!(breaker.snapshot().opened, 7);
}

#[test]
fn a_slow_trial_is_none_that_succeeded() {
    let (breaker, clock) = opened();
    clock.advance(SECOND);
    breaker.permit().unwrap().success(SECOND);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_dropped_permit_is_neither_and_another_may_try() {
    let (breaker, clock) = opened();
    clock.advance(SECOND);
    let (first, second) = (breaker.permit().unwrap(), breaker.permit().unwrap());
    breaker.permit().unwrap_err();
    drop(first);
    let third = breaker.permit().unwrap();
    second.success(MS);
    third.success(MS);
    assert_eq!(breaker.state(), State::Closed);
    drop(breaker.permit().unwrap());
    assert_eq!(breaker.snapshot().window.calls, 0);
}

#[test]
fn trials_that_never_end_do_not_keep_it_half_open() {
    let (breaker, clock) = opened();
    clock.advance(SECOND);
    let first = breaker.permit().unwrap();
    clock.advance(SECOND / 2);
    let hung = [first, breaker.permit().unwrap()];
    clock.advance(SECOND - MS);
    breaker.permit().unwrap_err();
    clock.advance(MS);
    succeed(&breaker);
    succeed(&breaker);
    assert_eq!(breaker.state(), State::Closed);
    for permit in hung {
        permit.failure(MS);
    }
    assert_eq!(breaker.snapshot().window.calls, 0, "they belong to another time");
}

#[test]
fn a_dependency_that_is_slower_than_the_breaker_is_patient_closes_it() {
    let (breaker, clock) = opened();
    clock.advance(SECOND);
    let slow = [breaker.permit().unwrap(), breaker.permit().unwrap()];
    clock.advance(SECOND);
    let _more = [breaker.permit().unwrap(), breaker.permit().unwrap()];
    for permit in slow {
        permit.success(MS);
    }
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_call_from_before_it_opened_does_not_judge_the_trials() {
    let (breaker, clock) = small();
    let old = breaker.permit().unwrap();
    for _ in 0..4 {
        fail(&breaker);
    }
    clock.advance(SECOND);
    let trial = breaker.permit().unwrap();
    old.failure(MS);
    assert_eq!(breaker.state(), State::HalfOpen);
    trial.success(MS);
    succeed(&breaker);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn an_operator_has_the_last_word() {
    let (breaker, clock) = small();
    let mut changes = breaker.changes();
    breaker.force_open();
    assert_eq!(*changes.borrow_and_update(), State::ForcedOpen);
    clock.advance(3600 * SECOND);
    let open = breaker.permit().unwrap_err();
    assert_eq!((open.state, open.retry_after), (State::ForcedOpen, 5 * SECOND));
    breaker.disable();
    for _ in 0..9 {
        fail(&breaker);
    }
    assert_eq!(breaker.state(), State::Disabled);
    assert_eq!(breaker.snapshot().window.failures, 9);
    breaker.reset();
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(*changes.borrow_and_update(), State::Closed);
    breaker.reset();
    assert!(!changes.has_changed().unwrap(), "that was no change");
    let snapshot = breaker.snapshot();
    assert_eq!((snapshot.rejected, snapshot.opened), (1, 0));
    assert_eq!(snapshot.since, clock.now());
}

#[tokio::test]
async fn a_call_is_judged_by_its_error() {
    let (breaker, clock) = small();
    let call = async |breaker: &Breaker, outcome: Result<u8, &'static str>| {
        breaker
            .call(async move { outcome }, |error| *error != "not found")
            .await
    };
    assert_eq!(call(&breaker, Ok(7)).await.unwrap(), 7);
    for _ in 0..3 {
        let error = call(&breaker, Err("not found")).await.unwrap_err();
        assert!(matches!(error, CallError::Failed("not found")));
    }
    assert_eq!(
        breaker.snapshot().window,
        Calls {
            calls: 4,
            ..Calls::default()
        }
    );
    for _ in 0..4 {
        call(&breaker, Err("boom")).await.unwrap_err();
    }
    let error = call(&breaker, Ok(7)).await.unwrap_err();
    assert!(matches!(error, CallError::Open(_)), "{error:?}");
    clock.advance(SECOND);
    let slow = breaker.call(
        async {
            clock.advance(SECOND);
            Ok::<_, &str>(())
        },
        |_| true,
    );
    slow.await.unwrap();
    assert_eq!(breaker.state(), State::Open, "the trial was slow");
}

#[test]
fn options_out_of_their_range_are_named() {
    let b = || Breaker::builder("b");
    let cases = [
        (b().window(99 * MS), "window"),
        (b().window(3601 * SECOND), "window"),
        (b().minimum_calls(0), "minimum_calls"),
        (b().failures_in_a_row(0), "failures_in_a_row"),
        (b().failures_in_a_row(1_000_001), "failures_in_a_row"),
        (b().failure_rate(0.0), "failure_rate"),
        (b().failure_rate(1.1), "failure_rate"),
        (b().failure_rate(f64::NAN), "failure_rate"),
        (b().slow_calls(Duration::ZERO, 0.5), "slow_calls"),
        (b().slow_calls(SECOND, 2.0), "slow_calls"),
        (b().open_for(Duration::ZERO, 2.0, SECOND), "open_for"),
        (b().open_for(SECOND, 0.5, SECOND), "open_for"),
        (b().open_for(2 * SECOND, 2.0, SECOND), "open_for"),
        (b().open_for(SECOND, 2.0, Duration::MAX), "open_for"),
        (b().jitter(-0.1), "jitter"),
        (b().jitter(f64::INFINITY), "jitter"),
        (b().trial_calls(0), "trial_calls"),
    ];
    for (builder, expected) in cases {
        let error = builder.build().unwrap_err();
        assert!(
            matches!(&error, Error::BreakerOption { breaker, option, .. } if breaker == "b" && *option == expected),
            "{error}"
        );
    }
}

#[test]
fn jitter_only_lengthens() {
    let builder = Breaker::builder("b")
        .minimum_calls(1)
        .open_for(SECOND, 2.0, 60 * SECOND)
        .jitter(0.5);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let (read, _clock) = clock();
        let breaker = builder.clone().clock(read).build().unwrap();
        fail(&breaker);
        let retry_after = breaker.permit().unwrap_err().retry_after;
        assert!(
            (SECOND..=SECOND * 3 / 2).contains(&retry_after),
            "{retry_after:?}"
        );
        seen.insert(retry_after);
    }
    assert!(seen.len() > 10, "{seen:?}");
}

#[test]
fn no_call_is_lost_or_counted_twice_among_threads() {
    let (read, clock) = clock();
    let breaker = Breaker::builder("b")
        .clock(read)
        .window(100 * MS)
        .minimum_calls(1_000_000)
        .build()
        .unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let breaker = breaker.clone();
            let clock = clock.clone();
            scope.spawn(move || {
                for call in 0..20_000_u64 {
                    let permit = breaker.permit().unwrap();
                    if call % 4 == thread {
                        permit.failure(MS);
                    } else {
                        permit.success(MS);
                    }
                    if call % 100 == 0 {
                        clock.advance(MS);
                    }
                }
            });
        }
    });
    let total = breaker.snapshot().total;
    assert_eq!((total.calls, total.failures), (80_000, 20_000));
}

#[test]
fn no_more_trials_than_allowed_run_at_once_whatever_the_threads_do() {
    use std::sync::atomic::{AtomicU32, Ordering};
    let (breaker, clock) = opened();
    let (running, most) = (AtomicU32::new(0), AtomicU32::new(0));
    for _round in 0..200 {
        clock.advance(10 * SECOND);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (breaker, running, most) = (&breaker, &running, &most);
                scope.spawn(move || {
                    let Ok(permit) = breaker.permit() else { return };
                    if permit.is_trial {
                        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        running.fetch_sub(1, Ordering::SeqCst);
                    }
                    match thread {
                        0 => permit.failure(MS),
                        1 => permit.success(MS),
                        _ => drop(permit),
                    }
                });
            }
        });
        while breaker.state() == State::Closed {
            fail(&breaker);
        }
    }
    let most = most.load(Ordering::SeqCst);
    assert!((1..=2).contains(&most), "{most}");
}

/// The rules without any of the machinery.
struct Model {
    now: u64,
    state: State,
    period: u64,
    /// The buckets of calls, and whether they failed and were slow.
    calls: Vec<(u64, bool, bool)>,
    until: u64,
    streak: u32,
    trying: usize,
    succeeded: usize,
    rejected: u64,
    opened: u64,
}

impl Model {
    fn enter(&mut self, state: State) {
        self.state = state;
        self.period += 1;
        self.calls.clear();
        (self.trying, self.succeeded) = (0, 0);
    }

    fn open_ms(&self) -> u64 {
        [1000, 2000, 4000, 5000][(self.streak.max(1) as usize - 1).min(3)]
    }

    fn open(&mut self) {
        self.streak += 1;
        self.opened += 1;
        self.until = self.now + self.open_ms();
        self.enter(State::Open);
    }

    /// The period of the permit and whether it is a trial.
    fn permit(&mut self) -> Option<(u64, bool)> {
        let over = self.now >= self.until;
        let full = self.trying + self.succeeded >= 2;
        match self.state {
            State::Closed | State::Disabled => return Some((self.period, false)),
            State::Open if over => self.enter(State::HalfOpen),
            State::HalfOpen if over && full => self.trying = 0,
            State::HalfOpen if !full => {}
            _ => {
                self.rejected += 1;
                return None;
            }
        }
        self.trying += 1;
        self.until = self.now + self.open_ms();
        Some((self.period, true))
    }

    /// `None`: the permit was dropped.
    fn end(&mut self, (period, is_trial): (u64, bool), outcome: Option<(bool, bool)>) {
        if period != self.period {
            return;
        }
        if is_trial {
            self.trying = self.trying.saturating_sub(1);
        }
        let Some((failed, slow)) = outcome else { return };
        self.calls.push((self.now / 1000, failed, slow));
        let is_bad = failed || slow;
        match self.state {
            State::HalfOpen if is_bad => self.open(),
            State::HalfOpen => {
                self.succeeded += 1;
                if self.succeeded == 2 {
                    self.streak = 0;
                    self.enter(State::Closed);
                }
            }
            State::Closed if is_bad => {
                let (calls, failures, slow) = self.window();
                if calls >= 4 && (failures * 2 >= calls || slow * 4 >= calls * 3) {
                    self.open();
                }
            }
            _ => {}
        }
    }

    fn window(&self) -> (u64, u64, u64) {
        let within = self
            .calls
            .iter()
            .filter(|(bucket, ..)| bucket + 10 > self.now / 1000);
        within.fold((0, 0, 0), |(calls, failures, slow), (_, failed, was_slow)| {
            (
                calls + 1,
                failures + u64::from(*failed),
                slow + u64::from(*was_slow),
            )
        })
    }
}

#[derive(Clone, Debug)]
enum Step {
    Advance(u64),
    Ask,
    /// One of the permits ends: failed and slow, or dropped.
    End(usize, Option<(bool, bool)>),
    Set(State),
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop::option::weighted(0.9, (prop::bool::weighted(0.4), prop::bool::weighted(0.2)));
    let state = prop::sample::select(vec![State::ForcedOpen, State::Disabled, State::Closed]);
    prop_oneof![
        2 => (0..3000_u64).prop_map(Step::Advance),
        6 => Just(Step::Ask),
        6 => (0..4_usize, outcome).prop_map(|(which, outcome)| Step::End(which, outcome)),
        1 => prop::option::weighted(0.3, state)
            .prop_map(|state| state.map_or(Step::Ask, Step::Set)),
    ]
}

proptest! {
    #[test]
    fn it_does_what_the_rules_say(steps in prop::collection::vec(step(), 1..300)) {
        let (breaker, clock) = small();
        let mut model = Model {
            now: 1_000_000,
            state: State::Closed,
            period: 0,
            calls: Vec::new(),
            until: 0,
            streak: 0,
            trying: 0,
            succeeded: 0,
            rejected: 0,
            opened: 0,
        };
        let mut permits = Vec::new();
        for step in steps {
            match step {
                Step::Advance(ms) => {
                    clock.advance(Duration::from_millis(ms));
                    model.now += ms;
                }
                Step::Ask => match (breaker.permit(), model.permit()) {
                    (Ok(permit), Some(modelled)) => permits.push((permit, modelled)),
                    (Err(_), None) => {}
                    (permit, modelled) => prop_assert!(false, "{permit:?}, but {modelled:?}"),
                },
                Step::End(which, outcome) => {
                    if permits.is_empty() {
                        continue;
                    }
                    let (permit, modelled) = permits.swap_remove(which % permits.len());
                    let elapsed = |slow| if slow { SECOND } else { MS };
                    match outcome {
                        Some((true, slow)) => permit.failure(elapsed(slow)),
                        Some((false, slow)) => permit.success(elapsed(slow)),
                        None => drop(permit),
                    }
                    model.end(modelled, outcome);
                }
                Step::Set(state) => {
                    match state {
                        State::ForcedOpen => breaker.force_open(),
                        State::Disabled => breaker.disable(),
                        _ => breaker.reset(),
                    }
                    model.streak = 0;
                    model.enter(state);
                }
            }
            let snapshot = breaker.snapshot();
            prop_assert_eq!(snapshot.state, model.state);
            prop_assert_eq!((snapshot.rejected, snapshot.opened), (model.rejected, model.opened));
            let window = (snapshot.window.calls, snapshot.window.failures, snapshot.window.slow);
            prop_assert_eq!(window, model.window());
        }
    }
}
