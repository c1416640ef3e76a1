//! From times to the figures of one bench.

use std::time::Duration;

use serde::Serialize;

/// The result of one bench, as it is printed.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    pub(super) bench: &'static str,
    pub(super) jobs: u64,
    pub(super) concurrency: u32,
    pub(super) per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_us_per_job: Option<f64>,
}

/// What a bench measured.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// Jobs that were measured.
    pub(super) jobs: u64,
    /// From the first to the last of them.
    pub(super) took: Duration,
    /// The bench's latencies, in any order.
    pub(super) times: Vec<Duration>,
}

impl Measured {
    #[expect(clippy::cast_precision_loss, reason = "10 million jobs are far below 2^52")]
    pub(super) fn figures(
        mut self,
        bench: &'static str,
        concurrency: u32,
        server_time: Option<Duration>,
    ) -> Figures {
        self.times.sort_unstable();
        let jobs = self.jobs.max(1) as f64;
        Figures {
            bench,
            jobs: self.jobs,
            concurrency,
            per_second: rounded(jobs / self.took.as_secs_f64().max(1e-9), 10.0),
            p50_ms: self.percentile(50),
            p99_ms: self.percentile(99),
            server_us_per_job: server_time.map(|time| rounded(time.as_secs_f64() * 1e6 / jobs, 100.0)),
        }
    }

    /// In ms: the smallest time that so many percent of the times do not exceed.
    fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.times.len() * percent).div_ceil(100).max(1);
        let time = self.times.get(rank - 1).copied().unwrap_or_default();
        rounded(time.as_secs_f64() * 1e3, 1000.0)
    }
}

/// To that many parts of one: more digits than a measurement has only make it hard to read.
fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Measured;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let measured = Measured {
            jobs: 200,
            took: Duration::from_secs(2),
            times: (1..=200).rev().map(Duration::from_millis).collect(),
        };
        let figures = measured.figures("add", 7, Some(Duration::from_millis(4)));
        assert_eq!(figures.per_second, 100.0);
        assert_eq!(figures.p50_ms, 100.0);
        assert_eq!(figures.p99_ms, 198.0);
        assert_eq!(figures.server_us_per_job, Some(20.0));
    }

    #[test]
    fn one_time_is_every_percentile() {
        let times = vec![Duration::from_micros(1500)];
        let measured = Measured {
            jobs: 1,
            took: Duration::from_secs(1),
            times,
        };
        let figures = measured.figures("pickup", 1, None);
        assert_eq!((figures.p50_ms, figures.p99_ms), (1.5, 1.5));
    }
}
