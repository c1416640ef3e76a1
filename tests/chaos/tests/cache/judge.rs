//! What may be answered: every read is compared with what the store had acknowledged before it began.
//!
//! | Namespaces | A read that began later than | returns that version or a later one |
//! |---|---|---|
//! | `ttl-*`, `own-*` | a commit, by the TTL | always; and never below the caller's own version |
//! | `delete-*` | an acknowledged removal | always, whatever became of the store: one that comes back empty has nothing old. Where stale values may be served on errors: not while neither source nor store answer |
//! | `fenced-*` | an acknowledged removal or write | while the fence lives: not once the store lost everything, before the read or during it, and not from a source that lags while the store does not answer |
//! | `intent-*` | a commit that was announced, or the end of the announcement | always; a commit whose announcement went with the store's content counts from its end only |
//!
//! A read that this process may have answered by itself has the push's way more, at the most [`WAY`].

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Duration;

use crate::now;
use crate::source::Commit;

/// A change is heard of within this time, by a ping if by nothing else.
const WAY: Duration = Duration::from_secs(3);
/// TTL and jitter, and how long a load may take that began before a write.
const TTL: Duration = Duration::from_millis(2_200 + 1_000);
/// Facts are known after so long, whichever process tells them.
const LAG: u64 = 3_000_000_000;
/// How many faults are told in full.
const TOLD: usize = 20;

/// An answer as a process tells of it.
#[derive(Clone, Debug)]
struct Read {
    process: usize,
    space: String,
    key: u64,
    version: u64,
    began: u64,
    how: char,
    least: u64,
    ended: u64,
}

/// Everything below this version is invalid from `ended` on.
#[derive(Clone, Debug)]
struct Ack {
    space: String,
    key: u64,
    version: u64,
    began: u64,
    ended: u64,
    is_commit: bool,
}

/// A time in which everything the store had went.
#[derive(Clone, Copy, Debug)]
struct Wipe {
    began: u64,
    ended: u64,
}

/// The acknowledgements of one row, in the order of their times, each with the highest version so far.
type Floor = Vec<(u64, u64, u64)>;

#[derive(Default)]
struct Facts {
    reads: Vec<Read>,
    acks: Vec<Ack>,
    announced: HashMap<(String, u64, u64), u64>,
    wipes: Vec<Wipe>,
    /// Processes that were stopped, until when what they heard may be old.
    pauses: Vec<(usize, u64, u64)>,
    counts: BTreeMap<(String, usize, usize), Vec<u64>>,
    starts: HashMap<usize, usize>,
}

#[derive(Clone, Debug, Default)]
struct Tally {
    reads: u64,
    loaded: u64,
    local: u64,
    stale: u64,
    stale_local: u64,
    oldest_local: Duration,
    without_store: u64,
    after_pause: u64,
    writes: u64,
    source_errors: u64,
}

#[derive(Default)]
pub(crate) struct Judge {
    facts: Mutex<Facts>,
    verdict: Mutex<Verdict>,
}

#[derive(Default)]
struct Verdict {
    floors: HashMap<(String, u64, usize), Floor>,
    tallies: BTreeMap<String, Tally>,
    faults: Vec<String>,
    fault_count: usize,
}

impl Judge {
    /// A process is started, once more perhaps.
    pub(crate) fn started(&self, process: usize) {
        *self.facts.lock().unwrap().starts.entry(process).or_default() += 1;
    }

    pub(crate) fn wiped(&self, began: u64, ended: u64) {
        self.facts.lock().unwrap().wipes.push(Wipe { began, ended });
    }

    pub(crate) fn paused(&self, process: usize, began: u64, ended: u64) {
        self.facts.lock().unwrap().pauses.push((process, began, ended));
    }

    /// Takes one line of a process down.
    pub(crate) fn hear(&self, process: usize, line: &str) {
        let (kind, rest) = line.split_at(1);
        let words: Vec<&str> = rest.split_whitespace().collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        let space = words[0].to_owned();
        let mut facts = self.facts.lock().unwrap();
        match kind {
            "r" => facts.reads.push(Read {
                process,
                space,
                key: number(1),
                version: number(2),
                began: number(3),
                how: words[4].chars().next().unwrap(),
                least: number(5),
                ended: number(6),
            }),
            "a" => facts.acks.push(Ack {
                space,
                key: number(1),
                version: number(2),
                began: number(3),
                ended: number(4),
                is_commit: false,
            }),
            "i" => {
                facts.announced.insert((space, number(1), number(2)), number(3));
            }
            "c" => {
                let start = facts.starts.get(&process).copied().unwrap_or(0);
                let counts = (1..words.len()).map(number).collect();
                facts.counts.insert((space, process, start), counts);
            }
            "h" => {
                drop(facts);
                self.fault(format!(
                    "a call in {space} of process {process} did not end; it began {}",
                    words[1]
                ));
            }
            "e" => {
                drop(facts);
                self.error(process, space, &words[1..].join(" "));
            }
            _ => panic!("a process said {line:?}"),
        }
    }

    fn error(&self, process: usize, space: String, text: &str) {
        // The answers of a source that fails, or is behind what the caller or the fence asks for.
        let is_failing = space == "delete-failing" && text.contains("the source is down");
        let is_behind = space.starts_with("fenced") && text.contains("a replica that lags");
        if is_failing || is_behind {
            self.verdict
                .lock()
                .unwrap()
                .tallies
                .entry(space)
                .or_default()
                .source_errors += 1;
        } else {
            self.fault(format!("process {process} had an error in {space}: {text}"));
        }
    }

    fn fault(&self, text: String) {
        self.verdict.lock().unwrap().fault(text);
    }

    /// Judges what is long enough ago; everything, at the end.
    pub(crate) fn judge(&self, commits: Vec<Commit>, is_end: bool) {
        let until = if is_end { u64::MAX } else { now() - LAG };
        let mut facts = self.facts.lock().unwrap();
        for commit in commits {
            let mut is_promised = commit.space.starts_with("ttl") || commit.space.starts_with("own");
            let mut began = commit.at;
            if commit.space.starts_with("intent") && commit.is_in_time {
                // Told by the writer, now or soon.
                (is_promised, began) = (true, 0);
            }
            if is_promised {
                facts.acks.push(Ack {
                    space: commit.space,
                    key: commit.key,
                    version: commit.version,
                    began,
                    ended: commit.at,
                    is_commit: true,
                });
            }
        }
        let (mut acks, later) = facts
            .acks
            .drain(..)
            .partition::<Vec<_>, _>(|ack| ack.ended < until);
        facts.acks = later;
        let (reads, later) = facts
            .reads
            .drain(..)
            .partition::<Vec<_>, _>(|read| read.began < until);
        facts.reads = later;
        let (wipes, pauses) = (facts.wipes.clone(), facts.pauses.clone());
        acks.retain_mut(|ack| {
            if ack.space.starts_with("intent") && ack.is_commit {
                let row = (ack.space.clone(), ack.key, ack.version);
                let Some(began) = facts.announced.remove(&row) else {
                    return false;
                };
                ack.began = began;
                return !wipes
                    .iter()
                    .any(|wipe| ack.began < wipe.ended && ack.ended > wipe.began);
            }
            true
        });
        drop(facts);
        let mut verdict = self.verdict.lock().unwrap();
        for ack in acks {
            verdict.acknowledge(&ack, &wipes);
        }
        for read in reads {
            verdict.judge(&read, &wipes, &pauses);
        }
    }

    /// The counts of every namespace, as a table.
    pub(crate) fn report(&self) -> String {
        let (verdict, facts) = (self.verdict.lock().unwrap(), self.facts.lock().unwrap());
        let mut text = String::from(
            "namespace       reads   writes  maybe-local  own-load   stale  stale-local (oldest)  no-store  paused  source-errors | \
             hits-local  hits-shared   misses    loads  refused  served-stale  waits  store-errors\n",
        );
        for (space, tally) in &verdict.tallies {
            let mut sums = vec![0; 8];
            for ((name, ..), counts) in &facts.counts {
                if name == space {
                    sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
                }
            }
            let oldest = format!("({} ms)", tally.oldest_local.as_millis());
            let _ = write!(
                text,
                "{space:<14} {:>7} {:>8} {:>12} {:>9} {:>7} {:>12} {:>9} {:>9} {:>7} {:>14} |",
                tally.reads,
                tally.writes,
                tally.local,
                tally.loaded,
                tally.stale,
                tally.stale_local,
                oldest,
                tally.without_store,
                tally.after_pause,
                tally.source_errors
            );
            for (width, sum) in [11, 12, 8, 8, 8, 13, 6, 13].into_iter().zip(&sums) {
                let _ = write!(text, " {sum:>width$}");
            }
            text.push('\n');
        }
        text
    }

    /// # Panics
    /// When a promise was broken.
    pub(crate) fn sentence(&self) {
        let verdict = self.verdict.lock().unwrap();
        assert!(
            verdict.fault_count == 0,
            "{} faults, such as\n{}",
            verdict.fault_count,
            verdict.faults.join("\n")
        );
        for (space, tally) in &verdict.tallies {
            assert!(
                tally.reads > 100,
                "there were only {} reads in {space}",
                tally.reads
            );
        }
        drop(verdict);
    }
}

impl Verdict {
    fn fault(&mut self, text: String) {
        self.fault_count += 1;
        if self.faults.len() < TOLD {
            self.faults.push(text);
        }
    }

    fn acknowledge(&mut self, ack: &Ack, wipes: &[Wipe]) {
        self.tallies.entry(ack.space.clone()).or_default().writes += 1;
        // A fence that went says nothing of what comes later.
        let epoch = if ack.space.starts_with("fenced") {
            wipes.iter().filter(|wipe| wipe.ended <= ack.began).count()
        } else {
            0
        };
        let floor = self
            .floors
            .entry((ack.space.clone(), ack.key, epoch))
            .or_default();
        let at = floor.partition_point(|(ended, ..)| *ended <= ack.ended);
        floor.insert(at, (ack.ended, ack.version, 0));
        let mut highest = if at == 0 { 0 } else { floor[at - 1].2 };
        for (_, version, so_far) in &mut floor[at..] {
            highest = highest.max(*version);
            *so_far = highest;
        }
    }

    fn judge(&mut self, read: &Read, wipes: &[Wipe], pauses: &[(usize, u64, u64)]) {
        let epoch = if read.space.starts_with("fenced") {
            wipes.iter().filter(|wipe| wipe.began <= read.ended).count()
        } else {
            0
        };
        let (is_local, is_loaded) = (
            read.how.eq_ignore_ascii_case(&'l'),
            read.how.eq_ignore_ascii_case(&'o'),
        );
        let is_ttl = read.space.starts_with("ttl") || read.space.starts_with("own");
        let floor = self
            .floors
            .get(&(read.space.clone(), read.key, epoch))
            .map_or(&[][..], Vec::as_slice);
        let known = &floor[..floor.partition_point(|(ended, ..)| *ended < read.began)];
        let first_newer = known.get(known.partition_point(|(.., so_far)| *so_far <= read.version));
        let age = first_newer.map(|(ended, ..)| Duration::from_nanos(read.began - ended));

        let tally = self.tallies.entry(read.space.clone()).or_default();
        tally.reads += 1;
        tally.local += u64::from(is_local);
        tally.loaded += u64::from(is_loaded);
        if read.version < read.least {
            self.fault(format!(
                "a caller's own version was asked for, and not returned: {read:?}"
            ));
            return;
        }
        let Some(age) = age else { return };
        let allowed = if is_ttl {
            TTL
        } else if is_local {
            WAY
        } else {
            Duration::ZERO
        };
        if age > allowed {
            let was_stopped = |(process, began, ended): &(usize, u64, u64)| {
                *process == read.process && read.began > *began && read.began < *ended
            };
            if read.how.is_ascii_uppercase() {
                tally.without_store += 1;
                return;
            }
            if is_local && pauses.iter().any(was_stopped) {
                tally.after_pause += 1;
                return;
            }
        }
        if is_local {
            tally.stale_local += 1;
            tally.oldest_local = tally.oldest_local.max(age);
        } else {
            tally.stale += 1;
        }
        if age <= allowed {
            return;
        }
        let newer = first_newer.copied();
        self.fault(format!(
            "{} ms after {newer:?} was acknowledged: {read:?}",
            age.as_millis()
        ));
    }
}
