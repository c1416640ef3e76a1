//! Runs one sequence on both sides and says where they part.
//!
//! Consecutive commands of one client go out in one piece, so that a round trip costs little. Deadlines are set a
//! few milliseconds ahead; when the machine was too slow to finish before them, nothing is concluded and the
//! sequence runs again with later deadlines.
//! Next: `compare.rs` (when replies are equal), `dump.rs` (what is compared at the end), `shrink.rs`.

use std::collections::{BTreeMap, BTreeSet};

use crate::compare::{Comparer, streams_agree};
use crate::dump;
use crate::frame::Frame;
use crate::random;
use crate::side::{SILENCE, Side, machine_time_ms};
use crate::statistics::Statistics;
use crate::step::{Arguments, CLIENT_ID, Kind, SOON, SOON_DURATION, Sequence, Step, encode};

const FIRST_MARGIN_MS: u64 = 15;
const ATTEMPTS: u32 = 6;
/// A deadline counts as missed when the clock came this close to it.
const NEAR_MS: u64 = 3;
/// The time-outs that sequences wait for are a tenth of this.
const LONGEST_WAIT: std::time::Duration = std::time::Duration::from_millis(200);
/// Sequences use durations of many seconds as if they were for ever; a longer stall proves nothing.
const LONGEST_RUN_MS: u64 = 8_000;

pub(crate) struct Runner {
    pub(crate) oracle: Box<dyn Side>,
    pub(crate) subject: Box<dyn Side>,
    pub(crate) statistics: Statistics,
}

/// Where the sides part.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    /// The index of the step; the number of steps for the state at the end.
    pub(crate) at: usize,
    pub(crate) command: String,
    pub(crate) name: String,
    pub(crate) oracle: String,
    pub(crate) subject: String,
}

enum Stop {
    Different(Difference),
    /// The clock came too close to a deadline.
    Late,
}

impl Runner {
    /// Runs `sequence`; `None` when the sides agree.
    pub(crate) fn run(&mut self, sequence: &Sequence) -> Option<Difference> {
        for attempt in 0..ATTEMPTS {
            match Run::new(self, sequence, FIRST_MARGIN_MS << (2 * attempt)).all() {
                Ok(()) => return None,
                Err(Stop::Different(difference)) => return Some(difference),
                Err(Stop::Late) => self.statistics.late += 1,
            }
        }
        None
    }
}

struct Run<'a> {
    runner: &'a mut Runner,
    sequence: &'a Sequence,
    comparer: Comparer,
    margin_ms: u64,
    started_ms: u64,
    earliest_deadline: Option<u64>,
    latest_deadline: u64,
    /// Clients whose last command is not answered yet, and whether it will time out soon.
    waiting: BTreeMap<usize, bool>,
}

impl<'a> Run<'a> {
    fn new(runner: &'a mut Runner, sequence: &'a Sequence, margin_ms: u64) -> Self {
        Self {
            runner,
            sequence,
            comparer: Comparer::default(),
            margin_ms,
            started_ms: 0,
            earliest_deadline: None,
            latest_deadline: 0,
            waiting: BTreeMap::new(),
        }
    }

    fn all(mut self) -> Result<(), Stop> {
        self.started_ms = machine_time_ms();
        self.runner.subject.set_time(self.started_ms);
        // The last client is ours, to look at the state.
        let mut protocols = self.sequence.protocols.clone();
        protocols.push(crate::step::Protocol::Resp2);
        self.runner.oracle.begin(&protocols);
        self.runner.subject.begin(&protocols);
        let steps = &self.sequence.steps;
        let mut at = 0;
        while at < steps.len() {
            self.tell_time();
            at = match steps[at].kind {
                Kind::Command if self.sequence.is_stepwise => self.one(at)?,
                Kind::Command => self.batch(at)?,
                Kind::Iterate => self.iterate(at)?,
                Kind::PassTime => self.pass_time(at)?,
                Kind::Await => self.time_out(at)?,
            };
            self.check_time()?;
        }
        self.tell_time();
        let outcome = dump::compare(self.runner, protocols.len() - 1, &mut self.comparer);
        self.check_time()?;
        outcome.map_err(|difference| {
            Stop::Different(Difference {
                at: steps.len(),
                ..difference
            })
        })
    }

    /// The longest run of commands of one client from `start`; returns where it ends.
    fn batch(&mut self, start: usize) -> Result<usize, Stop> {
        let steps = &self.sequence.steps;
        let client = steps[start].client;
        let mut end = start;
        while let Some(step) = steps.get(end)
            && step.kind == Kind::Command
            && step.client == client
        {
            end += 1;
            if realigns(step) {
                break;
            }
        }
        let bytes = self.resolved(start, end);
        self.runner.oracle.send(client, &bytes.0);
        self.runner.subject.send(client, &bytes.1);
        let right = self.runner.subject.replies(client, end - start);
        let left = self.runner.oracle.replies(client, end - start);
        self.check_time()?;
        for (offset, step) in steps[start..end].iter().enumerate() {
            let (Some(left), Some(right)) = (left.get(offset), right.get(offset)) else {
                return Err(self.different(start + offset, left.get(offset..), right.get(offset..)));
            };
            self.runner.statistics.count(&step.name(), left);
            if !self.comparer.agree(client, &step.arguments, left, right) {
                let (left, right) = (std::slice::from_ref(left), std::slice::from_ref(right));
                return Err(self.different(start + offset, Some(left), Some(right)));
            }
            self.realign(step, left, right);
        }
        if left.len() != right.len() {
            return Err(self.different(end - 1, Some(&left), Some(&right)));
        }
        Ok(end)
    }

    /// One command, then a look at what reached anybody.
    fn one(&mut self, at: usize) -> Result<usize, Stop> {
        let step = &self.sequence.steps[at];
        // A time-out that starts to run at some time behind another wait is nobody's to compare.
        let may_queue = step.although_waiting && !times_out(&step.arguments);
        if self.waiting.contains_key(&step.client) && !may_queue {
            return Ok(at + 1);
        }
        let bytes = self.resolved(at, at + 1);
        self.runner.oracle.send(step.client, &bytes.0);
        self.runner.subject.send(step.client, &bytes.1);
        if may_block(&step.arguments) {
            self.waiting.insert(step.client, times_out(&step.arguments));
        }
        self.look(at)?;
        Ok(at + 1)
    }

    fn look(&mut self, at: usize) -> Result<(), Stop> {
        let step = &self.sequence.steps[at];
        self.runner.oracle.settle();
        self.runner.subject.settle();
        for client in 0..self.sequence.protocols.len() {
            if self.waiting.get(&client) == Some(&true) {
                // Its time-out may come on one side before the other; `time_out` waits for both.
                continue;
            }
            let left = self.runner.oracle.arrived(client);
            let right = self.runner.subject.arrived(client);
            if let Some(reply) = left.last() {
                self.runner.statistics.count(&step.name(), reply);
            }
            if left.iter().any(|frame| !matches!(frame, Frame::Push(_))) {
                self.waiting.remove(&client);
            }
            let agreed = match (left.as_slice(), right.as_slice()) {
                ([left], [right]) if client == step.client => {
                    self.comparer.agree(client, &step.arguments, left, right)
                }
                _ => {
                    if client == step.client
                        && let Some(reply) = left.last()
                    {
                        self.comparer.note(client, &step.arguments, reply);
                    }
                    streams_agree(&left, &right)
                }
            };
            if !agreed {
                return Err(self.different_for(client, at, &left, &right));
            }
        }
        self.check_time()
    }

    fn iterate(&mut self, at: usize) -> Result<usize, Stop> {
        let step = &self.sequence.steps[at];
        let left = iterate(&mut *self.runner.oracle, step);
        let right = iterate(&mut *self.runner.subject, step);
        self.check_time()?;
        self.runner
            .statistics
            .count(&step.name(), left.last().unwrap_or(&Frame::Null));
        if let Some(reply) = left.first() {
            self.comparer.note(step.client, &step.arguments, reply);
        }
        if left == right {
            return Ok(at + 1);
        }
        Err(self.different(at, Some(&left), Some(&right)))
    }

    fn pass_time(&mut self, at: usize) -> Result<usize, Stop> {
        while self.earliest_deadline.is_some() && machine_time_ms() <= self.latest_deadline {
            std::thread::sleep(std::time::Duration::from_micros(500));
        }
        self.earliest_deadline = None;
        self.tell_time();
        if self.sequence.is_stepwise {
            self.look(at)?;
        }
        Ok(at + 1)
    }

    fn time_out(&mut self, at: usize) -> Result<usize, Stop> {
        let client = self.sequence.steps[at].client;
        if self.waiting.get(&client) != Some(&true) {
            return Ok(at + 1);
        }
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let start = std::time::Instant::now();
        // A mutated time-out may be one for ever: nothing on either side is agreement too.
        let patience = |is_any: bool| if is_any { SILENCE } else { LONGEST_WAIT };
        while (left.is_empty() || right.is_empty())
            && start.elapsed() < patience(!left.is_empty() || !right.is_empty())
        {
            self.tell_time();
            self.runner.subject.end_waits();
            left.append(&mut self.runner.oracle.arrived(client));
            right.append(&mut self.runner.subject.arrived(client));
            std::thread::sleep(std::time::Duration::from_micros(500));
        }
        if !left.is_empty() {
            self.waiting.remove(&client);
        }
        if left == right {
            return Ok(at + 1);
        }
        Err(self.different(at, Some(&left), Some(&right)))
    }

    /// The bytes for both sides, which differ where ids of clients are meant.
    fn resolved(&mut self, start: usize, end: usize) -> (Vec<u8>, Vec<u8>) {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for step in &self.sequence.steps[start..end] {
            if !step.arguments.iter().any(|argument| argument.starts_with(b"@")) {
                encode(&step.arguments, &mut left);
                encode(&step.arguments, &mut right);
                continue;
            }
            let soon = self.hand_out_deadline();
            let margin = self.margin_ms;
            encode(
                &filled(&step.arguments, soon, margin, &mut *self.runner.oracle),
                &mut left,
            );
            encode(
                &filled(&step.arguments, soon, margin, &mut *self.runner.subject),
                &mut right,
            );
        }
        (left, right)
    }

    fn hand_out_deadline(&mut self) -> u64 {
        let soon = machine_time_ms() + self.margin_ms;
        self.earliest_deadline.get_or_insert(soon);
        // A duration starts to run when the command runs, so the last deadline may lie later than this one.
        self.latest_deadline = soon + self.margin_ms;
        soon
    }

    fn realign(&mut self, step: &Step, left: &Frame, right: &Frame) {
        if !realigns(step) {
            return;
        }
        let Some((theirs, ours)) = random::removed(left, right) else {
            return;
        };
        self.comparer.note_chance();
        let key = step.arguments[1].clone();
        for (command, members) in [("SADD", ours), ("SREM", theirs)] {
            let mut arguments = vec![command.as_bytes().to_vec(), key.clone()];
            arguments.extend(members);
            self.runner.subject.call(step.client, &arguments);
        }
    }

    fn tell_time(&mut self) {
        self.runner.subject.set_time(machine_time_ms());
    }

    fn check_time(&self) -> Result<(), Stop> {
        let now = machine_time_ms();
        let is_near = self
            .earliest_deadline
            .is_some_and(|deadline| now + NEAR_MS >= deadline);
        if is_near || now - self.started_ms > LONGEST_RUN_MS {
            return Err(Stop::Late);
        }
        Ok(())
    }

    fn different(&self, at: usize, left: Option<&[Frame]>, right: Option<&[Frame]>) -> Stop {
        let client = self.sequence.steps[at].client;
        self.different_for(client, at, left.unwrap_or_default(), right.unwrap_or_default())
    }

    fn different_for(&self, client: usize, at: usize, left: &[Frame], right: &[Frame]) -> Stop {
        let step = &self.sequence.steps[at];
        Stop::Different(Difference {
            at,
            command: step.to_string(),
            name: step.name(),
            oracle: shown(client, left),
            subject: shown(client, right),
        })
    }
}

fn may_block(arguments: &[Vec<u8>]) -> bool {
    let name = arguments
        .first()
        .map(|name| name.to_ascii_uppercase())
        .unwrap_or_default();
    match name.as_slice() {
        b"BLPOP" | b"BRPOP" | b"BLMOVE" | b"BRPOPLPUSH" | b"BLMPOP" | b"BZPOPMIN" | b"BZPOPMAX"
        | b"BZMPOP" => true,
        b"XREAD" | b"XREADGROUP" => arguments.iter().any(|word| word.eq_ignore_ascii_case(b"BLOCK")),
        _ => false,
    }
}

/// Whether the command has one of the time-outs that a sequence waits for.
fn times_out(arguments: &[Vec<u8>]) -> bool {
    let is_short = |text: &Vec<u8>| {
        let seconds = std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse::<f64>().ok());
        seconds.is_some_and(|seconds| seconds > 0.0 && seconds < 0.1)
    };
    arguments.iter().any(is_short)
        || arguments
            .windows(2)
            .any(|pair| pair[0].eq_ignore_ascii_case(b"BLOCK") && pair[1] == b"12")
}

/// After a random removal the second side is made equal to the first.
fn realigns(step: &Step) -> bool {
    step.arguments
        .first()
        .is_some_and(|name| name.eq_ignore_ascii_case(b"SPOP"))
}

fn filled(arguments: &Arguments, soon: u64, margin_ms: u64, side: &mut dyn Side) -> Arguments {
    arguments
        .iter()
        .map(|argument| match argument.as_slice() {
            SOON => soon.to_string().into_bytes(),
            SOON_DURATION => margin_ms.to_string().into_bytes(),
            other => match other.strip_prefix(CLIENT_ID) {
                Some(client) => {
                    let client = std::str::from_utf8(client)
                        .expect("a digit")
                        .parse()
                        .expect("a number");
                    side.client_id(client).to_string().into_bytes()
                }
                None => other.to_vec(),
            },
        })
        .collect()
}

/// Everything a full iteration shows, sorted and without repetition; or the error.
fn iterate(side: &mut dyn Side, step: &Step) -> Vec<Frame> {
    let has_key = !step.arguments[0].eq_ignore_ascii_case(b"SCAN");
    let cursor_at = 1 + usize::from(has_key);
    let is_paired = has_key && !step.arguments[0].eq_ignore_ascii_case(b"SSCAN");
    let mut cursor = b"0".to_vec();
    let mut seen = BTreeSet::new();
    loop {
        let mut arguments = step.arguments.clone();
        arguments.insert(cursor_at.min(arguments.len()), cursor);
        let reply = side.call(step.client, &arguments);
        let Some([Frame::Bulk(next), Frame::Array(items)]) = reply.items() else {
            return vec![reply];
        };
        let width = if is_paired { 2 } else { 1 };
        seen.extend(items.chunks(width).map(|chunk| Frame::Array(chunk.to_vec())));
        if next == b"0" {
            return seen.into_iter().collect();
        }
        cursor = next.clone();
    }
}

fn shown(client: usize, frames: &[Frame]) -> String {
    if frames.is_empty() {
        return format!("{client}< nothing");
    }
    let lines: Vec<String> = frames.iter().map(|frame| format!("{client}< {frame}")).collect();
    lines.join("\n")
}
