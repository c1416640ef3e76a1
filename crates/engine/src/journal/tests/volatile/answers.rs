//! What waits for the disk and what does not.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::Trial;
use crate::client::Arrival;
use crate::effect::tests::step;
use crate::engine::Engine;
use crate::reply::Reply;
use crate::session::{Served, Session as Client};

/// A client of which it is known whether its answers wait for the journal.
pub(super) struct Watcher(Client);

impl Watcher {
    pub(super) fn of(engine: &Engine) -> Self {
        Self(engine.session(Arrival {
            is_authenticated: true,
            ..Arrival::default()
        }))
    }

    pub(super) fn waits(&self, line: &str) -> bool {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.run(&words).waits
    }

    pub(super) fn run(&self, words: &[&[u8]]) -> Answer {
        let mut batch = self.0.batch().unwrap();
        let served = batch.run(words);
        let horizon = batch.horizon();
        drop(batch);
        Answer {
            reply: match served {
                Served::Reply(reply) => Some(reply),
                _ => None,
            },
            waits: self.0.reached(horizon).is_some(),
        }
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) reply: Option<Reply>,
    waits: bool,
}

/// What each of these is answered when those before `cut` are durable; of the others only such as `runs` names are run.
fn answers(
    volatile: &[&str],
    lines: &[String],
    cut: usize,
    runs: &dyn Fn(usize) -> bool,
) -> Vec<Option<Answer>> {
    let mut trial = Trial::new(volatile);
    let watcher = Watcher::of(trial.session.engine());
    let mut answers = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        if number == cut {
            trial.writer.keep();
        }
        if let Some(millis) = line.strip_prefix("advance ") {
            trial.session.pass(millis.parse().unwrap());
            answers.push(None);
        } else if number < cut || runs(number) || line.starts_with("SELECT") {
            let words = crate::testing::words(line);
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            answers.push(Some(watcher.run(&words)));
        } else {
            answers.push(None);
        }
    }
    answers
}

/// How many answers that did not wait were looked at; each must be the same as if nothing had been done whose answer waits.
fn check_answers(volatile: &[&str], lines: &[String], cut: usize) -> Result<usize, TestCaseError> {
    let all = answers(volatile, lines, cut, &|_| true);
    let is_free = |number: usize| all[number].as_ref().is_some_and(|answer| !answer.waits);
    let free = answers(volatile, lines, cut, &is_free);
    let mut looked_at = 0;
    for number in (cut..lines.len()).filter(|number| is_free(*number)) {
        if let (Some(all), Some(free)) = (&all[number], &free[number]) {
            prop_assert_eq!(
                &all.reply,
                &free.reply,
                "{} at {} of {:?}",
                lines[number],
                number,
                lines
            );
            looked_at += 1;
        }
    }
    Ok(looked_at)
}

/// Without transactions, which are several answers, and without chance.
fn lines() -> impl Strategy<Value = Vec<String>> {
    let is_wanted = |line: &String| {
        !["MULTI", "EXEC", "SPOP"]
            .iter()
            .any(|word| line.starts_with(word))
    };
    prop::collection::vec(
        step().prop_filter("one answer each, that follows", is_wanted),
        2..80,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn an_answer_that_does_not_wait_shows_nothing_that_is_not_durable(
        volatile in prop::sample::subsequence(vec!["a", "b", "c", "d", "e"], 1..5),
        lines in lines(),
        cut in any::<prop::sample::Index>(),
    ) {
        check_answers(&volatile, &lines, cut.index(lines.len()))?;
    }
}

#[test]
fn answers_about_volatile_keys_alone_do_not_wait() {
    let mut trial = Trial::new(&["v:", "w:"]);
    let watcher = Watcher::of(trial.session.engine());
    trial.done("SET kept 1");
    for line in [
        "SET v:a 1",
        "GET v:a",
        "MGET v:a w:b",
        "RENAME v:a w:a",
        "RPUSH v:l 1",
        "LMOVE v:l w:l LEFT RIGHT",
        "XADD v:x * a b",
        "XREAD STREAMS v:x 0",
        "SUNIONSTORE v:s v:t w:t",
        "ZUNIONSTORE v:z 2 v:y w:y",
        "OBJECT ENCODING v:x",
        "EVAL return(redis.call('GET',KEYS[1])) 1 v:a",
        "EVAL return(1) 0",
    ] {
        assert!(!watcher.waits(line), "{line}");
    }
    for line in [
        "GET kept",
        "MGET v:a kept",
        "DBSIZE",
        "RANDOMKEY",
        "SCAN 0",
        "SORT v:l BY kept",
        "COPY kept v:a",
        "EVAL return(redis.call('GET','kept')) 1 v:a",
        "EVAL return(redis.call('DBSIZE')) 0",
        "EVAL return(redis.pcall('NOSUCH',KEYS[1])) 1 v:a",
        "LPUSH v:x wrongtype",
        "INFO",
        "PING",
        "EXEC",
    ] {
        assert!(watcher.waits(line), "{line}");
    }
    trial.writer.keep();
    assert!(!watcher.waits("GET kept") && !watcher.waits("DBSIZE"));
}

#[test]
fn what_a_volatile_key_has_from_others_waits_with_them() {
    for mixing in [
        "COPY kept v:a REPLACE",
        "RENAME kept v:a",
        "EVAL redis.call('SET',KEYS[1],redis.call('GET','kept')) 1 v:a",
        "BITOP AND v:a kept",
        "SORT list STORE v:a",
        "SINTERSTORE v:a set",
        "LMOVE list v:fresh LEFT RIGHT",
        "MSET v:a 1 other 2",
        "SWAPDB 0 1",
        "FLUSHDB",
        "FLUSHALL",
        "DEL v:a kept",
        "RENAME v:a other",
    ] {
        let mut trial = Trial::new(&["v:"]);
        let watcher = Watcher::of(trial.session.engine());
        for line in [
            "SET v:a 0",
            "SET v:other 0",
            "RPUSH list 1 2",
            "SADD set 1",
            "SET kept 1",
        ] {
            trial.done(line);
        }
        assert!(!watcher.waits("GET v:other"), "{mixing}");
        watcher.waits(mixing);
        // Nothing is known of a single key: any may have it.
        assert!(
            watcher.waits("EXISTS v:a") && watcher.waits("GET v:other"),
            "{mixing}"
        );
        trial.done("SET another 1");
        trial.writer.keep();
        assert!(!watcher.waits("EXISTS v:a"), "{mixing}");
        trial.done("SET another 1");
        assert!(!watcher.waits("EXISTS v:a"), "{mixing}");
    }
}

#[test]
fn a_transaction_waits_for_what_its_commands_and_its_watched_keys_have_to_do_with() {
    let trial = Trial::new(&["v:"]);
    let (watcher, other) = (Watcher::of(trial.session.engine()), trial.session.other());
    trial.done("SET kept 1");
    let waits = |lines: &[&str]| lines.iter().map(|line| watcher.waits(line)).collect::<Vec<_>>();
    assert_eq!(waits(&["MULTI", "SET v:a 1", "GET v:a", "EXEC"]), [false; 4]);
    watcher.waits("WATCH v:a");
    other.ask("SET v:a 2");
    assert_eq!(waits(&["MULTI", "SET v:a 1", "EXEC"]), [false; 3]);
    watcher.waits("WATCH kept");
    other.ask("SET kept 2");
    assert_eq!(waits(&["MULTI", "SET v:a 1", "EXEC"]), [false, false, true]);
    assert!(!watcher.waits("GET v:a"));
    assert_eq!(
        waits(&["MULTI", "SET v:a 1", "GET kept", "EXEC"]),
        [false, false, false, true]
    );
    assert!(watcher.waits("GET v:a"));
}

#[test]
fn who_waits_for_a_volatile_key_is_answered_at_once_unless_more_is_seen() {
    for (wait, waits) in [
        ("BLPOP v:q 0", false),
        ("BLPOP v:q kept:q 0", true),
        ("BLMOVE v:q kept:q LEFT RIGHT 0", true),
        ("BLMOVE v:q v:r LEFT RIGHT 0", false),
    ] {
        let trial = Trial::new(&["v:"]);
        let (other, watcher) = (trial.session.other(), Watcher::of(trial.session.engine()));
        let mut waiting = pin!(other.wait(wait));
        trial.done("SET kept 1");
        assert_eq!(watcher.waits("RPUSH v:q one"), waits, "{wait}");
        let answer = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(matches!(answer, Poll::Pending), waits, "{wait}");
    }
    let trial = Trial::new(&["v:"]);
    trial.done("XADD v:x * a b");
    // Reads like the command it was, though nothing of it is one.
    for wait in [
        "XREAD BLOCK 0 STREAMS v:x $",
        "XREAD BLOCK 0 STREAMS v:x kept:x $ $",
    ] {
        let (other, watcher) = (trial.session.other(), Watcher::of(trial.session.engine()));
        let mut waiting = pin!(other.wait(wait));
        trial.done("SET kept 1");
        let waits = wait.contains("kept");
        assert_eq!(watcher.waits("XADD v:x * a b"), waits, "{wait}");
        let answer = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(matches!(answer, Poll::Pending), waits, "{wait}");
    }
}
