//! Which keys are asked for, one after the other: the same for all, from a fixed seed.

/// How many keys there are, before scans.
pub(crate) const KEYS: usize = 100_000;

/// Numbers of keys by Zipf's law with exponent 1, the number 0 the most frequent.
pub(crate) fn zipf(keys: usize, length: usize, seed: u64) -> Vec<usize> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=keys)
        .map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        })
        .collect();
    let draw = |_| {
        let drawn = random.f64() * sum;
        sums.partition_point(|&upto| upto < drawn).min(keys - 1)
    };
    (0..length).map(draw).collect()
}

/// Numbers below `keys`, each as frequent as the others.
pub(crate) fn even(keys: usize, length: usize, seed: u64) -> Vec<usize> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..length).map(|_| random.usize(..keys)).collect()
}

/// The text of a key, of one length for all, scattered over memory and hashes alike. Nothing in it needs to be escaped.
pub(crate) fn text(number: usize) -> String {
    format!("acme.user.{number:07}")
}
