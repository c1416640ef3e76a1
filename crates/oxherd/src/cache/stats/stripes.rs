//! Counters that many threads may bump at once without waiting for each other.
//!
//! Each thread counts in a stripe of its own (threads beyond the number of stripes share), on cache lines that no other
//! stripe touches; a reader adds the stripes up. A sum is therefore exact once the counting threads are done, and at
//! most a moment behind while they count. The same place keeps each thread's draw for what is only sampled.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Of so many cheap events one is looked at closely.
pub(crate) const SAMPLED: u64 = 64;
/// Threads that count at once rarely are more; each stripe costs memory per namespace.
const MOST_STRIPES: usize = 16;

/// What a thread knows of itself: its stripe, and where its draw stands. Zero means "not yet".
struct Thread {
    stripe: Cell<usize>,
    draw: Cell<u64>,
}

thread_local! {
    // `const` and without `Drop`, so that reading it is a plain load.
    static THREAD: Thread = const { Thread { stripe: Cell::new(0), draw: Cell::new(0) } };
}

/// The number of this thread, from 1 on.
#[inline]
fn number(thread: &Thread) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    match thread.stripe.get() {
        0 => {
            let number = NEXT.fetch_add(1, Ordering::Relaxed).max(1);
            thread.stripe.set(number);
            number
        }
        number => number,
    }
}

/// The number of this thread, from 1 on; a thread that ends gets 1.
#[inline]
pub(crate) fn this_thread() -> usize {
    THREAD.try_with(number).unwrap_or(1)
}

/// True once in [`SAMPLED`] calls, by chance: a fixed stride would see the same keys of a loop for ever.
#[inline]
pub(crate) fn sample() -> bool {
    let draw = |thread: &Thread| {
        let mut state = thread.draw.get();
        if state == 0 {
            // Any odd number will do; threads differ, so that they do not draw in step.
            state = 0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(2 * number(thread) as u64 + 1) | 1;
        }
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        thread.draw.set(state);
        (state >> 32).is_multiple_of(SAMPLED)
    };
    THREAD.try_with(draw).unwrap_or(false)
}

/// How many stripes there are: a power of two, and more than cores, for which threads count at the same time is chance.
pub(crate) fn stripes() -> usize {
    static STRIPES: OnceLock<usize> = OnceLock::new();
    *STRIPES.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        (cores.next_power_of_two() * 4).min(MOST_STRIPES)
    })
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
        let stripe = self.stripes.get(this_thread() & (self.stripes.len() - 1));
        if let Some(counter) = stripe.and_then(|stripe| stripe.0.get(index)) {
            // Counters order nothing else.
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
    use super::*;

    #[test]
    fn nothing_counted_by_any_thread_is_lost() {
        let striped = Striped::<3>::new();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        striped.add(0, 1);
                        striped.add(2, 5);
                        striped.add(3, 1);
                    }
                });
            }
        });
        assert_eq!(striped.sums(), [80_000, 0, 400_000]);
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
