//! A client for unit tests: commands as one would type them, on an engine whose clock stands still.

use std::time::{Duration, SystemTime};

use crate::client::Arrival;
use crate::clock::{Clock, ManualClock};
use crate::engine::{Engine, Options};
use crate::reply::Reply;
use crate::session::{Served, Waiting};

/// One client of an engine.
pub(crate) struct Session {
    engine: Engine,
    hands: ManualClock,
    session: crate::session::Session,
}

impl Session {
    /// The first client of a new engine.
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    /// The first client of a new engine with some options.
    pub(crate) fn with(options: Options) -> Self {
        let (clock, hands) = Clock::manual(SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000));
        let engine = options.clock(clock).seed(7).start();
        let session = engine.session(arrival());
        Self {
            engine,
            hands,
            session,
        }
    }

    /// The first client of an engine that is there, with the hands of its clock.
    pub(crate) fn on(engine: Engine, hands: ManualClock) -> Self {
        let session = engine.session(arrival());
        Self {
            engine,
            hands,
            session,
        }
    }

    /// Another client of the same engine.
    pub(crate) fn other(&self) -> Self {
        Self {
            engine: self.engine.clone(),
            hands: self.hands.clone(),
            session: self.engine.session(arrival()),
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, millis: u64) {
        self.hands.advance(Duration::from_millis(millis));
        self.engine.tick();
    }

    /// Lets time pass, and nobody does what it has brought.
    pub(crate) fn pass(&self, millis: u64) {
        self.hands.advance(Duration::from_millis(millis));
    }

    /// Runs a command as it would be typed: words between spaces, quotes around what holds one.
    pub(crate) fn ask(&self, line: &str) -> Reply {
        let words = words(line);
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        self.ask_args(&words)
    }

    pub(crate) fn ask_args(&self, words: &[&[u8]]) -> Reply {
        match self.session.run(words) {
            Served::Reply(reply) => reply,
            other => panic!("{words:?} was not answered at once: {other:?}"),
        }
    }

    /// Runs a command that must wait.
    pub(crate) fn wait(&self, line: &str) -> Waiting {
        let words = words(line);
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        match self.session.run(&words) {
            Served::Waiting(waiting) => waiting,
            other => panic!("{line} did not wait: {other:?}"),
        }
    }
}

fn arrival() -> Arrival {
    Arrival {
        is_authenticated: true,
        ..Arrival::default()
    }
}

pub(crate) fn words(line: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').expect("a quote is closed"),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word.as_bytes().to_vec());
        rest = after.trim_start();
    }
    words
}
