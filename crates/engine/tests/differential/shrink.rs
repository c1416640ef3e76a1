//! Makes a counterexample small.
//!
//! First whole steps go, in halves, quarters and so on; then arguments go or become plainer. A smaller sequence is
//! kept when the sides still part on the same command, so that one difference does not turn into another.

use std::time::{Duration, Instant};

use crate::mutation::is_hazardous;
use crate::runner::{Difference, Runner};
use crate::step::{Kind, Protocol, Sequence, Step};

const PATIENCE: Duration = Duration::from_secs(6);

pub(crate) fn shrink(
    runner: &mut Runner,
    sequence: Sequence,
    difference: Difference,
) -> (Sequence, Difference) {
    let mut shrinker = Shrinker {
        runner,
        best: sequence,
        difference,
        end: Instant::now() + PATIENCE,
    };
    let mut shorter = shrinker.best.clone();
    shorter.steps.truncate(shrinker.difference.at + 1);
    shrinker.attempt(shorter);
    loop {
        let size = size(&shrinker.best);
        shrinker.drop_steps();
        shrinker.simplify_protocols();
        shrinker.simplify_arguments();
        if size == self::size(&shrinker.best) {
            return (shrinker.best, shrinker.difference);
        }
    }
}

fn size(sequence: &Sequence) -> usize {
    sequence
        .steps
        .iter()
        .map(|step| 1 + step.arguments.iter().map(|text| 1 + text.len()).sum::<usize>())
        .sum()
}

struct Shrinker<'a> {
    runner: &'a mut Runner,
    best: Sequence,
    difference: Difference,
    end: Instant,
}

impl Shrinker<'_> {
    fn attempt(&mut self, candidate: Sequence) -> bool {
        let is_safe = |step: &Step| step.kind != Kind::Command || !is_hazardous(&step.arguments);
        if Instant::now() > self.end || !candidate.steps.iter().all(is_safe) {
            return false;
        }
        match self.runner.run(&candidate) {
            Some(difference) if difference.name == self.difference.name => {
                self.best = candidate;
                self.difference = difference;
                true
            }
            _ => false,
        }
    }

    fn drop_steps(&mut self) {
        let mut width = self.best.steps.len().div_ceil(2);
        while width > 0 {
            let mut start = 0;
            while start < self.best.steps.len() {
                let mut candidate = self.best.clone();
                let end = (start + width).min(candidate.steps.len());
                candidate.steps.drain(start..end);
                if !self.attempt(candidate) {
                    start += width;
                }
            }
            width /= 2;
        }
    }

    fn simplify_protocols(&mut self) {
        for client in 0..self.best.protocols.len() {
            if self.best.protocols[client] == Protocol::Resp3 {
                let mut candidate = self.best.clone();
                candidate.protocols[client] = Protocol::Resp2;
                self.attempt(candidate);
            }
        }
    }

    fn simplify_arguments(&mut self) {
        for at in 0..self.best.steps.len() {
            self.drop_arguments(at);
            self.plain_arguments(at);
        }
    }

    fn drop_arguments(&mut self, at: usize) {
        for width in [16, 8, 4, 2, 1] {
            let mut index = 1;
            while index + width <= self.best.steps[at].arguments.len() {
                let mut candidate = self.best.clone();
                candidate.steps[at].arguments.drain(index..index + width);
                if !self.attempt(candidate) {
                    index += width;
                }
            }
        }
    }

    fn plain_arguments(&mut self, at: usize) {
        for index in 1..self.best.steps[at].arguments.len() {
            let current = self.best.steps[at].arguments[index].clone();
            if self.best.steps[at].kind != Kind::Command || current.len() < 2 {
                continue;
            }
            let mut plainer = vec![b"a".to_vec(), b"1".to_vec()];
            if current.len() > 12 {
                plainer.extend(pieces(&current));
            }
            for plain in plainer {
                let mut candidate = self.best.clone();
                candidate.steps[at].arguments[index] = plain;
                if self.attempt(candidate) {
                    break;
                }
            }
        }
    }
}

/// A text without one of its thirds or words, for scripts.
fn pieces(text: &[u8]) -> Vec<Vec<u8>> {
    let words: Vec<&[u8]> = text.split(|byte| *byte == b' ').collect();
    let without = |from: usize, to: usize| [&words[..from], &words[to..]].concat().join(&b' ');
    let mut pieces: Vec<Vec<u8>> = (0..3)
        .map(|third| without(words.len() * third / 3, words.len() * (third + 1) / 3))
        .collect();
    if words.len() < 30 {
        pieces.extend((0..words.len()).map(|index| without(index, index + 1)));
    }
    pieces.retain(|piece| piece.len() < text.len());
    pieces
}
