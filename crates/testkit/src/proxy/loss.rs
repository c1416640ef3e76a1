//! Which replies get lost.
//!
//! Two kinds live side by side: single losses asked for one by one, and a random share with its own seeded
//! generator. A command is looked at once, when the client sends it.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Chooses commands by their encoded bytes.
pub(super) type Predicate = Box<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// The losses still to come, and how many there were.
#[derive(Default)]
pub(super) struct Losses {
    plan: Mutex<Plan>,
    lost: AtomicU64,
}

#[derive(Default)]
struct Plan {
    once: Vec<Predicate>,
    random: Option<(f64, StdRng, Predicate)>,
}

impl Losses {
    pub(super) fn add_once(&self, affects: Predicate) {
        self.plan().once.push(affects);
    }

    pub(super) fn set_random(&self, probability: f64, seed: u64, affects: Predicate) {
        assert!(
            (0.0..=1.0).contains(&probability),
            "a probability lies between 0 and 1, not at {probability}"
        );
        self.plan().random = Some((probability, StdRng::seed_from_u64(seed), affects));
    }

    pub(super) fn clear(&self) {
        *self.plan() = Plan::default();
    }

    /// Whether the reply to this command shall be lost.
    pub(super) fn choose(&self, command: &[u8]) -> bool {
        let mut plan = self.plan();
        if let Some(position) = plan.once.iter().position(|affects| affects(command)) {
            drop(plan.once.remove(position));
            return true;
        }
        match &mut plan.random {
            Some((probability, random, affects)) if affects(command) => random.random_bool(*probability),
            _ => false,
        }
    }

    pub(super) fn note_lost(&self) {
        self.lost.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn count(&self) -> u64 {
        self.lost.load(Ordering::SeqCst)
    }

    fn plan(&self) -> std::sync::MutexGuard<'_, Plan> {
        // A predicate that panicked leaves the plan usable.
        self.plan
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl fmt::Debug for Losses {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Losses")
            .field("lost", &self.lost)
            .finish_non_exhaustive()
    }
}
