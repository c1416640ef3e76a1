//! Counters: every increment adds a bit of its own, so a sum says which increments it holds.
//!
//! What was acknowledged is in every sum that is told afterwards, until the counter is removed, ends or is lost; nothing is in it twice, for
//! then its bit would be another's; and what was not counted, by its error, or was removed is in none.
//! Memory answers as `ledger.rs` says.

use super::calls::Desk;
use super::chance::Chance;
use super::ledger::{Claim, Ledger, Measure, Promise, Versions};
use super::plan::{KEYS, TENANTS};
use super::stage::{Begun, Book, Stage};
use crate::cache::Namespace;
use crate::cache::space::Wishes;
use crate::cache::stats::Tier;
use crate::error::Error;

#[derive(Clone, Copy, Debug)]
pub(super) enum Counting {
    Add,
    Read,
    Remove,
    Clear,
}

/// What is known of counters, by key.
#[derive(Debug)]
pub(super) struct Counters {
    /// What has to be in a sum.
    counted: Ledger,
    /// What must not be in it.
    gone: Ledger,
    /// Added, perhaps.
    begun: [u64; KEYS],
    /// Not added.
    refused: [u64; KEYS],
    /// Added for certain.
    done: [u64; KEYS],
    /// Was in a sum.
    seen: [u64; KEYS],
    /// Removals that nobody knows the end of: they may take effect at any time.
    removals: usize,
    next: u32,
}

/// What a call about a counter has to keep.
#[derive(Clone, Copy, Debug)]
struct Expected {
    begun: Begun,
    key: usize,
    counted: Promise,
    gone: Promise,
}

impl Counting {
    pub(super) fn draw(chance: &mut Chance) -> Self {
        match chance.below(20) {
            0..=9 => Self::Add,
            10..=16 => Self::Read,
            17 | 18 => Self::Remove,
            _ => Self::Clear,
        }
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            counted: Ledger::of(Measure::Bits),
            gone: Ledger::of(Measure::Bits),
            begun: [0; KEYS],
            refused: [0; KEYS],
            done: [0; KEYS],
            seen: [0; KEYS],
            removals: 0,
            next: 0,
        }
    }
}

impl Counters {
    pub(super) fn begin(&mut self, process: usize) {
        self.counted.begin(process);
        self.gone.begin(process);
    }

    pub(super) fn end(&mut self, process: usize) {
        self.counted.end(process);
        self.gone.end(process);
    }

    pub(super) fn post(&mut self, process: usize, has_post: bool) {
        self.counted.post(process, has_post);
        self.gone.post(process, has_post);
    }

    /// Sums may have been lost: they begin again. What was removed stays removed.
    pub(super) fn forget(&mut self) {
        self.counted.forget();
    }

    /// A bit that no other increment adds.
    fn draw(&mut self, key: usize) -> u64 {
        let bit = 1 << self.next;
        self.next += 1;
        self.begun[key] |= bit;
        bit
    }
}

fn claim(versions: [u64; KEYS]) -> Claim {
    let mut of_all: Versions = [[0; KEYS]; TENANTS];
    of_all[0] = versions;
    Claim {
        tag: None,
        versions: of_all,
    }
}

impl Stage {
    fn begin_counting(&self, desk: &Desk, key: usize, is_live: bool, what: Counting) -> Expected {
        let heard = self.network.heard(desk.process);
        let row = (0, key);
        let begun = self.begin(desk.process, row, desk.clock.now(), is_live, |_| {
            format!("counter: {what:?}")
        });
        let counters = &mut self.book().counters;
        Expected {
            begun,
            key,
            counted: counters.counted.promise(desk.process, heard, row),
            gone: counters.gone.promise(desk.process, heard, row),
        }
    }

    /// A sum was told by the store, or by memory.
    fn judge_sum(&self, book: &mut Book, expected: &Expected, tier: Tier, sum: u64) {
        let Expected {
            begun,
            key,
            counted,
            gone,
        } = expected;
        let counters = &mut book.counters;
        counters.seen[*key] |= sum;
        let (least, most) = match tier {
            Tier::Shared => (counted.store, gone.store),
            Tier::Local => (counted.memory, gone.memory),
        };
        let is_held = tier == Tier::Shared || begun.is_live;
        let (least, most) = if is_held {
            (least.of(0), most.of(0))
        } else {
            (0, 0)
        };
        let is_whole = counters.removals == 0 && counters.counted.epoch == counted.epoch;
        let lost = if is_whole { least & !sum } else { 0 };
        let foreign = sum & !counters.begun[*key];
        let refused = sum & counters.refused[*key];
        let revived = sum & most;
        for (bits, what) in [
            (lost, "was counted, and is lost"),
            (foreign, "was added by nobody"),
            (refused, "was said not to be counted"),
            (revived, "was removed"),
        ] {
            if bits != 0 {
                book.wrong(format!("call {}: {sum:#b} although {bits:#b} {what}", begun.call));
            }
        }
        book.answers.sums += 1;
    }

    /// An increment was acknowledged with this sum.
    fn counted(&self, expected: &Expected, bit: u64, sum: u64) {
        self.end(&expected.begun, format_args!("{sum:#b}"));
        let mut book = self.book();
        self.judge_sum(&mut book, expected, Tier::Shared, sum);
        if sum & bit == 0 {
            book.wrong(format!(
                "call {}: {sum:#b} without its own {bit:#b}",
                expected.begun.call
            ));
        }
        let counters = &mut book.counters;
        counters.done[expected.key] |= bit;
        if counters.counted.epoch == expected.counted.epoch {
            let mut sums = [0; KEYS];
            sums[expected.key] = sum;
            let heard = |process| self.network.heard(process);
            counters
                .counted
                .claim(Some(expected.begun.process), &claim(sums), heard);
        }
    }

    /// An increment failed, and says that nothing was added.
    fn not_counted(&self, expected: &Expected, bit: u64, error: &Error) {
        self.end(&expected.begun, error);
        let mut book = self.book();
        book.counters.refused[expected.key] |= bit;
        if book.counters.seen[expected.key] & bit != 0 {
            book.wrong(format!(
                "call {}: {bit:#b} was counted although {error}",
                expected.begun.call
            ));
        }
    }
}

impl Desk {
    pub(super) async fn count(self, key: usize, counting: Counting) {
        let Some(counts) = &self.counts else { return };
        match counting {
            Counting::Add => self.add(counts, key).await,
            Counting::Read => self.read_sum(counts, key).await,
            Counting::Remove | Counting::Clear => self.end_sum(counts, key, counting).await,
        }
    }

    async fn add(&self, counts: &Namespace<u64, i64>, key: usize) {
        let stage = &self.stage;
        let expected = stage.begin_counting(self, key, false, Counting::Add);
        let bit = stage.book().counters.draw(key);
        match counts.increment(&(key as u64), bit as i64).await {
            Ok(sum) => stage.counted(&expected, bit, sum as u64),
            Err(error @ Error::StoreUnavailable { .. }) => stage.not_counted(&expected, bit, &error),
            Err(error @ Error::OutcomeUnknown { .. }) => stage.end(&expected.begun, error),
            Err(error) => stage.wrong(format!("call {}: {error}", expected.begun.call)),
        }
    }

    async fn read_sum(&self, counts: &Namespace<u64, i64>, key: usize) {
        let stage = &self.stage;
        let is_live = counts.site.shared.is_live();
        let expected = stage.begin_counting(self, key, is_live, Counting::Read);
        let text = counts.key(&(key as u64)).unwrap();
        let quick = counts
            .site
            .quick(text.as_bytes(), &Wishes::default(), false, std::sync::Arc::clone);
        let found = match quick {
            Ok(held) => Some((held, Some(Tier::Local))),
            Err(_) => {
                let answer = counts.site.find(&text, &counts.call()).await;
                answer.map(|answer| (answer.held, answer.tier))
            }
        };
        let Some((held, tier)) = found else {
            return stage.unanswered(&expected.begun, "no counter");
        };
        let (Some(sum), Some(tier)) = (held.value::<i64>(), tier) else {
            return stage.wrong(format!("call {}: no sum in {held:?}", expected.begun.call));
        };
        let sum = *sum as u64;
        stage.end(&expected.begun, format_args!("{sum:#b}, {tier:?}"));
        stage.judge_sum(&mut stage.book(), &expected, tier, sum);
    }

    async fn end_sum(&self, counts: &Namespace<u64, i64>, key: usize, how: Counting) {
        let stage = &self.stage;
        let expected = stage.begin_counting(self, key, false, how);
        let mut gone = [0; KEYS];
        {
            let counters = &mut stage.book().counters;
            counters.removals += 1;
            let is_all = matches!(how, Counting::Clear);
            for (at, done) in counters.done.iter().enumerate() {
                gone[at] = if is_all || at == key { *done } else { 0 };
            }
        }
        let answer = match how {
            Counting::Clear => counts.clear().await,
            _ => counts.remove(&(key as u64)).await.map(drop),
        };
        match answer {
            Ok(()) => {
                let heard = |process| stage.network.heard(process);
                let counters = &mut stage.book().counters;
                counters.removals -= 1;
                counters.forget();
                counters.gone.claim(Some(self.process), &claim(gone), heard);
            }
            Err(error) => return stage.end(&expected.begun, error),
        }
        stage.end(&expected.begun, "done");
    }
}
