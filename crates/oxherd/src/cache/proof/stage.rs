//! What calls of all processes share: the source, the gates they stop at, and the book of what was asked and answered.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::counting::Counters;
use super::ledger::{Claim, Ledger, Promise, Versions};
use super::plan::{Plan, Way};
use crate::cache::answer::Answered;
use crate::cache::stats::Tier;
use crate::clock::Timestamp;
use crate::store::simulated::Network;

/// What the cache holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) tenant: usize,
    pub(super) key: usize,
    pub(super) version: u64,
    /// Bits.
    pub(super) tags: u8,
    /// Which load it comes from; `None` when it was written through.
    pub(super) load: Option<usize>,
}

impl Row {
    /// One that is written through.
    pub(super) fn written((tenant, key): (usize, usize), version: u64, tags: u8) -> Self {
        Self {
            tenant,
            key,
            version,
            tags,
            load: None,
        }
    }
}

/// One call of a loader.
#[derive(Debug)]
pub(super) struct Load {
    row: (usize, usize),
    began: usize,
    /// When it returned a value, by step and by the clock of its process.
    ended: Option<(usize, Timestamp)>,
    is_kept: bool,
}

struct Gate {
    process: usize,
    what: &'static str,
    open: oneshot::Sender<()>,
}

pub(super) struct Stage {
    pub(super) network: Network,
    pub(super) plan: Plan,
    book: Mutex<Book>,
}

#[derive(Default)]
pub(super) struct Book {
    pub(super) step: usize,
    pub(super) ledger: Ledger,
    pub(super) counters: Counters,
    /// As it is, and as its replica has it.
    pub(super) source: Versions,
    pub(super) replica: Versions,
    gates: Vec<Gate>,
    loads: Vec<Load>,
    calls: BTreeMap<usize, (usize, String)>,
    begun: usize,
    pub(super) flushes: u64,
    /// What was found to be wrong, first things first.
    pub(super) wrongs: Vec<String>,
    pub(super) trace: Option<Vec<String>>,
    pub(super) answers: Answers,
}

/// Where answers came from.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Answers {
    pub(super) memory: u64,
    pub(super) store: u64,
    pub(super) loaded: u64,
    pub(super) stale: u64,
    pub(super) fallback: u64,
    pub(super) none: u64,
    pub(super) kept: u64,
    pub(super) sums: u64,
}

impl Answers {
    pub(super) fn count(&mut self, tier: Option<Tier>, is_stale: bool) {
        let count = match (tier, is_stale) {
            (Some(Tier::Local), false) => &mut self.memory,
            (Some(Tier::Shared), false) => &mut self.store,
            (Some(_), true) => &mut self.stale,
            (None, false) => &mut self.loaded,
            (None, true) => &mut self.fallback,
        };
        *count += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.memory += other.memory;
        self.store += other.store;
        self.loaded += other.loaded;
        self.stale += other.stale;
        self.fallback += other.fallback;
        self.none += other.none;
        self.kept += other.kept;
        self.sums += other.sums;
    }
}

/// A call under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    pub(super) call: usize,
    pub(super) process: usize,
    row: (usize, usize),
    promise: Promise,
    pub(super) is_live: bool,
    at: Timestamp,
    pub(super) min_version: u64,
    /// How often the store had not answered this process.
    pub(super) troubles: u64,
}

impl Stage {
    pub(super) fn new(network: Network, plan: Plan, is_traced: bool) -> Arc<Self> {
        let book = Book {
            trace: is_traced.then(Vec::new),
            source: [[1; super::plan::KEYS]; super::plan::TENANTS],
            replica: [[1; super::plan::KEYS]; super::plan::TENANTS],
            ..Book::default()
        };
        Arc::new(Self {
            network,
            plan,
            book: Mutex::new(book),
        })
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock()
    }

    pub(super) fn note<T: Display>(&self, line: impl FnOnce() -> T) {
        self.book().note(line);
    }

    /// Stops until the schedule lets it go on.
    pub(super) async fn gate(&self, process: usize, what: &'static str) {
        let (open, opened) = oneshot::channel();
        self.book().gates.push(Gate { process, what, open });
        // A schedule that ends drops its gates, and nobody looks any more.
        let _ = opened.await;
    }

    /// How many are stopped.
    pub(super) fn gates(&self) -> usize {
        let mut book = self.book();
        book.gates.retain(|gate| !gate.open.is_closed());
        book.gates.len()
    }

    /// Lets one go on; whose it was.
    pub(super) fn open(&self, which: usize) -> usize {
        let mut book = self.book();
        let Gate { process, what, open } = book.gates.remove(which);
        book.note(|| format!("process {process} goes on: {what}"));
        drop(book);
        let _ = open.send(());
        process
    }

    /// A call begins.
    pub(super) fn begin(
        &self,
        process: usize,
        row: (usize, usize),
        at: Timestamp,
        is_live: bool,
        what: impl FnOnce(&Book) -> String,
    ) -> Begun {
        let heard = self.network.heard(process);
        let mut book = self.book();
        let promise = book.ledger.promise(process, heard, row);
        let call = book.begun;
        book.begun += 1;
        let what = what(&book);
        book.note(|| format!("call {call} of process {process} begins: {what} of {row:?}"));
        book.calls.insert(call, (process, what));
        Begun {
            call,
            process,
            row,
            promise,
            is_live: is_live && heard.is_some(),
            at,
            min_version: 0,
            troubles: 0,
        }
    }

    /// What is below the fence is known to the store alone: a load from a replica that it did not answer promises nothing.
    fn is_promised(&self, begun: &Begun, answer: &Answered, troubles: u64) -> bool {
        self.plan.way != Way::Lagging || answer.tier.is_some() || troubles == begun.troubles
    }

    pub(super) fn end(&self, begun: &Begun, how: impl Display) {
        let mut book = self.book();
        book.calls.remove(&begun.call);
        book.note(|| format!("call {} of process {} ends: {how}", begun.call, begun.process));
    }

    /// A read was answered with this.
    pub(super) fn answered(&self, begun: &Begun, answer: &Answered, troubles: u64) {
        let Some(row) = answer.held.value::<Row>() else {
            return self.wrong(format!("call {}: no row in {answer:?}", begun.call));
        };
        self.end(
            begun,
            format_args!(
                "{row:?}, {:?}{}",
                answer.tier,
                if answer.is_stale { ", stale" } else { "" }
            ),
        );
        let mut book = self.book();
        book.answers.count(answer.tier, answer.is_stale);
        let wrong = |book: &mut Book, what: &str, least: u64| {
            let wrong = format!(
                "call {}: version {} of {:?} although {least} {what}",
                begun.call, row.version, begun.row
            );
            book.wrong(wrong);
        };
        if (row.tenant, row.key) != begun.row {
            book.wrong(format!(
                "call {}: another row: {row:?} for {:?}",
                begun.call, begun.row
            ));
        }
        if row.version < begun.min_version {
            wrong(&mut book, "is the least that the caller takes", begun.min_version);
        }
        if book.ledger.epoch == begun.promise.epoch && self.is_promised(begun, answer, troubles) {
            let promise = &begun.promise;
            let (floors, what) = match (answer.tier, answer.is_stale) {
                (Some(Tier::Shared), _) | (None, false) => {
                    (Some(promise.store), "was acknowledged before it began")
                }
                (Some(Tier::Local), _) => (
                    begun.is_live.then_some(promise.memory),
                    "was acknowledged, and heard of, before it began",
                ),
                // What was kept while the store was away is unknown to the store, which does not tell of it.
                (None, true) => (
                    (self.plan.faults == 0).then_some(promise.told),
                    "was told to this process before it began",
                ),
            };
            let least = floors.map_or(0, |floors| floors.of(row.tags));
            if row.version < least {
                wrong(&mut book, what, least);
            }
            let least = promise.wished.of(row.tags);
            if row.version < least {
                wrong(&mut book, "was wished by this process before it began", least);
            }
        }
        self.judge_age(&mut book, begun, answer, &row);
    }

    /// Whether it was as fresh as it may be. Judged where all clocks show the same.
    fn judge_age(&self, book: &mut Book, begun: &Begun, answer: &Answered, row: &Row) {
        let plan = &self.plan;
        if !plan.skew.is_zero() || plan.is_sliding {
            return;
        }
        let Some((_, made)) = row
            .load
            .and_then(|load| book.loads.get(load))
            .and_then(|load| load.ended)
        else {
            return;
        };
        let mut life = plan.ttl;
        if answer.is_stale {
            life += plan.longest_stale();
        }
        if begun.at >= made.after(life) {
            let age = begun.at.since(made);
            book.wrong(format!(
                "call {}: {age:?} old when it began, of at most {life:?}",
                begun.call
            ));
        }
    }

    pub(super) fn wrong(&self, wrong: String) {
        self.book().wrong(wrong);
    }

    /// An invalidation of these rows begins: what it is for.
    pub(super) fn versions(&self, rows: impl Fn(usize, usize) -> bool) -> Versions {
        let mut versions = self.book().source;
        for (tenant, keys) in versions.iter_mut().enumerate() {
            for (key, version) in keys.iter_mut().enumerate() {
                if !rows(tenant, key) {
                    *version = 0;
                }
            }
        }
        versions
    }

    /// An invalidation was acknowledged.
    pub(super) fn acknowledged(&self, by: Option<usize>, claim: &Claim, epoch: u64) {
        let mut book = self.book();
        if book.ledger.epoch == epoch {
            book.ledger
                .claim(by, claim, |process| self.network.heard(process));
        }
    }

    /// A read has no answer.
    pub(super) fn unanswered(&self, begun: &Begun, why: impl Display) {
        self.end(begun, why);
        self.book().answers.none += 1;
    }

    /// An invalidation failed.
    pub(super) fn wished(&self, by: usize, claim: &Claim, epoch: u64) {
        let mut book = self.book();
        if book.ledger.epoch == epoch {
            book.ledger.wish(by, claim);
        }
    }

    /// The source is written; its new version.
    pub(super) fn commit(&self, process: usize, (tenant, key): (usize, usize)) -> u64 {
        let mut book = self.book();
        book.source[tenant][key] += 1;
        let version = book.source[tenant][key];
        book.note(|| {
            format!(
                "process {process} commits version {version} of {:?}",
                (tenant, key)
            )
        });
        version
    }

    pub(super) fn begin_load(&self, process: usize, row: (usize, usize)) -> usize {
        let mut book = self.book();
        let load = book.loads.len();
        let began = book.step;
        book.loads.push(Load {
            row,
            began,
            ended: None,
            is_kept: false,
        });
        book.note(|| format!("process {process} begins load {load} of {row:?}"));
        load
    }

    pub(super) fn end_load(&self, load: usize, now: Timestamp) {
        let mut book = self.book();
        let step = book.step;
        book.loads[load].ended = Some((step, now));
        book.note(|| format!("load {load} returns"));
    }

    /// The store has this entry now.
    pub(super) fn kept(&self, row: &Row) {
        let Some(load) = row.load else { return };
        let mut book = self.book();
        let Load {
            is_kept: false,
            ended: Some((ended, _)),
            began,
            row,
            ..
        } = book.loads[load]
        else {
            return;
        };
        book.loads[load].is_kept = true;
        book.answers.kept += 1;
        let overlaps = |other: &&Load| {
            other.is_kept
                && other.row == row
                && other.began < ended
                && other.ended.is_some_and(|(end, _)| began < end)
        };
        let others = book
            .loads
            .iter()
            .enumerate()
            .filter(|(number, _)| *number != load);
        let other = others
            .map(|(_, other)| other)
            .find(overlaps)
            .map(|other| format!("{other:?}"));
        if let Some(other) = other {
            book.wrong(format!(
                "load {load} was kept, and so was {other}, which ran at the same time"
            ));
        }
    }

    /// Nothing keeps old versions out any more.
    pub(super) fn fences_lost(&self) {
        if matches!(self.plan.way, Way::Versioned | Way::Lagging) {
            self.book().ledger.forget();
        }
    }

    /// A process is dead, and its calls with it.
    pub(super) fn dead(&self, process: usize) {
        let mut book = self.book();
        book.calls.retain(|_, (of, _)| *of != process);
        book.gates.retain(|gate| gate.process != process);
        book.ledger.end(process);
        book.counters.end(process);
    }
}

impl Book {
    /// A process begins.
    pub(super) fn begin_process(&mut self, process: usize) {
        self.ledger.begin(process);
        self.counters.begin(process);
    }

    /// Something comes to a process, or its tasks have seen what came.
    pub(super) fn post(&mut self, process: usize, has_post: bool) {
        self.ledger.post(process, has_post);
        self.counters.post(process, has_post);
    }

    pub(super) fn note<T: Display>(&mut self, line: impl FnOnce() -> T) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>4} {}", self.step, line()));
        }
    }

    pub(super) fn wrong(&mut self, wrong: String) {
        self.note(|| format!("WRONG: {wrong}"));
        self.wrongs.push(wrong);
    }

    /// Those who have no answer yet.
    pub(super) fn open_calls(&self) -> Vec<String> {
        self.calls
            .iter()
            .map(|(call, (process, what))| format!("call {call} of process {process}: {what}"))
            .collect()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.calls.is_empty()
    }
}
