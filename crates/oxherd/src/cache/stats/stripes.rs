//! Counters that many threads may bump at once without waiting for each other.
//!
//! A thread counts in a stripe of its own, on cache lines that no other stripe touches; a reader adds the stripes up. A sum is
//! therefore exact once the counting threads are done, and at most a moment behind while they count. Threads beyond the number
//! of such stripes share others, where each addition is one the processor locks: that costs a hit a twentieth of its time.
//! The same place keeps each thread's draw for what is only sampled.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

/// Of so many cheap events one is looked at closely.
pub(crate) const SAMPLED: u64 = 64;
/// Each stripe costs memory per namespace.
const MOST_STRIPES: usize = 64;

/// What a thread knows of itself: its stripe, and where its draw stands. Zero means "not yet".
struct Thread {
    stripe: Cell<usize>,
    draw: Cell<u64>,
}

thread_local! {
    // `const` and without `Drop`, so that reading it is a plain load, also while the thread ends.
    static THREAD: Thread = const { Thread { stripe: Cell::new(0), draw: Cell::new(0) } };
    static OWNED: Owned = Owned::claim();
}

/// Stripes that belong to no thread at present. The first is given to nobody: its number stands for a thread without one.
static FREE: Mutex<Option<Vec<usize>>> = Mutex::new(None);

/// The claim of a thread to its stripe. Whoever claims it next has seen all that was counted under it before.
struct Owned(Option<usize>);

impl Owned {
    fn claim() -> Self {
        let mut free = FREE.lock();
        let free = free.get_or_insert_with(|| (1..own_stripes()).rev().collect());
        Self(free.pop())
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // Destructors that still run may count.
        let _ = THREAD.try_with(|thread| thread.stripe.set(shared_stripe()));
        if let (Some(stripe), Some(free)) = (self.0, &mut *FREE.lock()) {
            free.push(stripe);
        }
    }
}

/// The stripe of this thread, which is never zero.
#[inline]
fn stripe(thread: &Thread) -> usize {
    match thread.stripe.get() {
        0 => first_stripe(thread),
        stripe => stripe,
    }
}

#[cold]
fn first_stripe(thread: &Thread) -> usize {
    let own = OWNED.try_with(|owned| owned.0).ok().flatten();
    let stripe = own.unwrap_or_else(shared_stripe);
    thread.stripe.set(stripe);
    stripe
}

/// One of those that threads share, by turns.
fn shared_stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    own_stripes() + NEXT.fetch_add(1, Ordering::Relaxed) % own_stripes()
}

/// A number of this thread; threads beyond a few share theirs.
#[inline]
pub(crate) fn this_thread() -> usize {
    THREAD.try_with(stripe).unwrap_or_else(|_| shared_stripe())
}

/// True once in [`SAMPLED`] calls, by chance: a fixed stride would see the same keys of a loop for ever.
#[inline]
pub(crate) fn sample() -> bool {
    let draw = |thread: &Thread| {
        let mut state = thread.draw.get();
        if state == 0 {
            state = first_draw();
        }
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        thread.draw.set(state);
        (state >> 32).is_multiple_of(SAMPLED)
    };
    THREAD.try_with(draw).unwrap_or(false)
}

/// Where a thread's draw begins. Any odd number will do; threads differ, so that they do not draw in step.
#[cold]
fn first_draw() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(2 * NEXT.fetch_add(1, Ordering::Relaxed) + 1) | 1
}

/// How many stripes there are: a power of two, of which the first half belongs to threads and the other one is shared.
pub(crate) fn stripes() -> usize {
    static STRIPES: OnceLock<usize> = OnceLock::new();
    *STRIPES.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        (cores.next_power_of_two() * 4).clamp(16, MOST_STRIPES)
    })
}

fn own_stripes() -> usize {
    stripes() / 2
}

/// Processors fetch cache lines in pairs, hence twice 64.
#[repr(align(128))]
#[derive(Debug)]
struct Stripe<const N: usize>([AtomicU64; N]);

/// `N` counters.
#[derive(Debug)]
pub(crate) struct Striped<const N: usize> {
    stripes: Box<[Stripe<N>]>,
}

impl<const N: usize> Striped<N> {
    pub(crate) fn new() -> Self {
        let stripe = || Stripe(std::array::from_fn(|_| AtomicU64::new(0)));
        Self {
            stripes: std::iter::repeat_with(stripe).take(stripes()).collect(),
        }
    }

    /// Bumps one counter; an index beyond the last counts nothing.
    #[inline]
    pub(crate) fn add(&self, index: usize, by: u64) {
        let number = this_thread();
        let stripe = self.stripes.get(number);
        let Some(counter) = stripe.and_then(|stripe| stripe.0.get(index)) else {
            return;
        };
        // Counters order nothing else.
        if number < self.stripes.len() / 2 {
            // Nobody else writes here, so nothing is lost between the two.
            counter.store(
                counter.load(Ordering::Relaxed).wrapping_add(by),
                Ordering::Relaxed,
            );
        } else {
            counter.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// All counters, each summed over the stripes.
    pub(crate) fn sums(&self) -> [u64; N] {
        let mut sums = [0_u64; N];
        for stripe in &self.stripes {
            for (sum, counter) in sums.iter_mut().zip(&stripe.0) {
                *sum = sum.wrapping_add(counter.load(Ordering::Relaxed));
            }
        }
        sums
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use std::cell::RefCell;
    use std::sync::Arc;

    use super::*;

    #[test]
    fn nothing_is_lost_by_threads_that_have_a_stripe_or_share_one_or_take_one_over() {
        let striped = Striped::<3>::new();
        let threads = 2 * stripes();
        for _ in 0..3 {
            // All at once, so that some of them find every stripe taken; in the next wave those are given out anew.
            let all = std::sync::Barrier::new(threads);
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| {
                        all.wait();
                        for _ in 0..1_000 {
                            striped.add(0, 1);
                            striped.add(2, 5);
                            striped.add(3, 1);
                        }
                        all.wait();
                    });
                }
            });
        }
        let counted = 3 * threads as u64 * 1_000;
        assert_eq!(striped.sums(), [counted, 0, counted * 5]);
    }

    #[test]
    fn two_threads_never_have_the_same_stripe_of_their_own() {
        let threads = 2 * stripes();
        let all = std::sync::Barrier::new(threads);
        let numbers = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    numbers.lock().push(this_thread());
                    all.wait();
                });
            }
        });
        let numbers = numbers.into_inner();
        assert!(numbers.iter().all(|number| (1..stripes()).contains(number)));
        let mut own: Vec<_> = numbers.iter().filter(|number| **number < own_stripes()).collect();
        let count = own.len();
        own.sort_unstable();
        own.dedup();
        assert_eq!(own.len(), count);
        assert!(numbers.len() > count, "some share");
    }

    #[test]
    fn what_a_thread_counts_while_it_ends_is_counted_too() {
        /// Counts when it is dropped.
        struct Late(Arc<Striped<1>>);
        impl Drop for Late {
            fn drop(&mut self) {
                for _ in 0..1_000 {
                    self.0.add(0, 1);
                }
            }
        }
        thread_local!(static LATE: RefCell<Option<Late>> = const { RefCell::new(None) });

        let mut striped = Arc::new(Striped::new());
        let threads = 4 * stripes();
        std::thread::scope(|scope| {
            for number in 0..threads {
                let striped = Arc::clone(&striped);
                // Before its stripe is claimed, and after: destructors run in the order in which they were set up.
                scope.spawn(move || {
                    if number % 2 == 0 {
                        striped.add(0, 0);
                    }
                    LATE.set(Some(Late(Arc::clone(&striped))));
                    striped.add(0, 1);
                });
            }
        });
        // A scope waits for what its threads do, not for their destructors.
        let sums = loop {
            match Arc::get_mut(&mut striped) {
                Some(striped) => break striped.sums(),
                None => std::thread::yield_now(),
            }
        };
        assert_eq!(sums, [threads as u64 * 1_001]);
    }

    #[test]
    fn stripes_share_no_cache_line() {
        assert_eq!(align_of::<Stripe<1>>(), 128);
        assert!(stripes().is_power_of_two());
    }

    #[test]
    fn about_one_in_sixty_four_is_sampled_also_at_any_stride() {
        let (mut all, mut strided) = (0, 0);
        for call in 0..640_000 {
            if sample() {
                all += 1;
                strided += u64::from(call % 64 == 0);
            }
        }
        assert!((9_000..11_000).contains(&all), "{all}");
        assert!((90..220).contains(&strided), "{strided}");
    }
}
