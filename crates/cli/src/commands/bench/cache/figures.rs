//! From times to the figures of one bench.

use std::time::Duration;

use serde::Serialize;

use crate::output::{Table, left, right};

/// One result, as it is printed. Fields that say nothing of it are left out.
#[derive(Debug, Default, Serialize)]
pub(super) struct Figure {
    pub(super) bench: &'static str,
    #[serde(flatten)]
    pub(super) of: Of,
    /// Calls that were measured.
    pub(super) calls: u64,
    /// The median of one call.
    pub(super) ns: f64,
    pub(super) per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_ns: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) loads: Option<u64>,
}

/// What distinguishes figures of one bench.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Of {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tier: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) codec: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) compression: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) threads: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) in_flight: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tags: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) entries: Option<u32>,
}

impl Figure {
    /// Of the times of single calls, one after the other.
    pub(super) fn of_calls(bench: &'static str, of: Of, times: &[Duration]) -> Self {
        let took: Duration = times.iter().sum();
        Self {
            bench,
            of,
            calls: times.len() as u64,
            ns: rounded(median(times.iter().map(|time| nanos(*time))), 10.0),
            per_second: per_second(times.len() as u64, took),
            ..Self::default()
        }
    }

    fn said(&self) -> String {
        let Of {
            tier,
            value,
            codec,
            compression,
            bytes,
            threads,
            in_flight,
            tags,
            entries,
        } = self.of;
        let words = [tier, value, codec, compression].map(|word| word.map(ToOwned::to_owned));
        let number = |what: &str, number: Option<u64>| number.map(|number| format!("{what}={number}"));
        let numbers = [
            number("bytes", bytes.map(|bytes| bytes as u64)),
            number("threads", threads.map(|threads| threads as u64)),
            number("in_flight", in_flight.map(|calls| calls as u64)),
            number("tags", tags.map(|tags| tags as u64)),
            number("entries", entries.map(u64::from)),
            number("loads", self.loads),
        ];
        let said: Vec<String> = words.into_iter().chain(numbers).flatten().collect();
        said.join(" ")
    }
}

pub(super) fn table_of(all: &[Figure]) -> Table {
    let mut table = Table::new(vec![
        left("BENCH"),
        left("OF"),
        right("CALLS"),
        right("NS"),
        right("PER SECOND"),
        right("RATIO"),
    ]);
    for figure in all {
        table.row(vec![
            figure.bench.to_owned(),
            figure.said(),
            figure.calls.to_string(),
            format!("{:.0}", figure.ns),
            format!("{:.0}", figure.per_second),
            figure
                .ratio
                .map(|ratio| format!("{ratio:.2}"))
                .unwrap_or_default(),
        ]);
    }
    table
}

/// In the middle of these; zero of none.
pub(super) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

pub(super) fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

#[expect(clippy::cast_precision_loss, reason = "calls are far fewer than 2^52")]
pub(super) fn per_second(calls: u64, took: Duration) -> f64 {
    rounded(calls as f64 / took.as_secs_f64().max(1e-9), 1.0)
}

/// To that many parts of one: more digits than a measurement has only make it hard to read.
pub(super) fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Figure, Of, median};

    #[test]
    fn a_figure_is_the_median_of_its_calls() {
        let times: Vec<_> = [9, 1, 2].into_iter().map(Duration::from_micros).collect();
        let figure = Figure::of_calls("set", Of::default(), &times);
        assert_eq!(
            (figure.ns, figure.per_second, figure.calls),
            (2000.0, 250_000.0, 3)
        );
        assert_eq!(median([]), 0.0);
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        let of = Of {
            tags: Some(4),
            tier: Some("local"),
            ..Of::default()
        };
        let figure = Figure::of_calls("tag_check", of, &[Duration::from_nanos(70)]);
        assert_eq!(figure.said(), "local tags=4");
        let json = serde_json::to_value(&figure).unwrap_or_default();
        assert_eq!(
            json,
            serde_json::json!({"bench": "tag_check", "tier": "local", "tags": 4, "calls": 1, "ns": 70.0, "per_second": 14_285_714.0})
        );
    }
}
