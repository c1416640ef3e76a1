//! A point in time, for machines, as wall time, and as its distance from now.
//!
//! Wall time is UTC, since the server does not know where its readers are; the script adds the reader's own.

use std::time::{Duration, SystemTime};

use oxherd::Timestamp;

use super::words;

/// A point in time as a page shows it.
#[derive(Clone, Debug)]
pub(super) struct Moment {
    /// For `<time datetime>`; empty when the number lies outside the calendar.
    pub(super) machine: String,
    /// `2026-03-01 10:00:00 UTC`.
    pub(super) wall: String,
    /// `5 min ago`, `in 30 s`.
    pub(super) relative: String,
}

/// What time it is.
pub(super) fn now() -> Timestamp {
    SystemTime::now().into()
}

impl Moment {
    pub(super) fn new(at: Timestamp, now: Timestamp) -> Self {
        let milliseconds = at.as_millis();
        let inside = i64::try_from(milliseconds)
            .ok()
            .and_then(|milliseconds| jiff::Timestamp::from_millisecond(milliseconds).ok());
        let Some(inside) = inside else {
            // Any program may have written the number.
            let wall = format!(
                "{} ms after 1970, beyond the calendar",
                words::count(milliseconds)
            );
            return Self {
                machine: String::new(),
                relative: wall.clone(),
                wall,
            };
        };
        let relative = if at > now {
            format!("in {}", words::length(at.since(now)))
        } else {
            match now.since(at) {
                passed if passed < Duration::from_secs(1) => "just now".to_owned(),
                passed => format!("{} ago", words::length(passed)),
            }
        };
        Self {
            machine: inside.to_string(),
            wall: inside.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            relative,
        }
    }
}

#[cfg(test)]
mod tests {
    use oxherd::Timestamp;

    use super::Moment;

    fn moment(at: u64) -> Moment {
        Moment::new(
            Timestamp::from_millis(at),
            Timestamp::from_millis(1_700_000_000_000),
        )
    }

    #[test]
    fn a_moment_is_told_relative_and_by_the_wall_clock() {
        let past = moment(1_699_999_700_000);
        assert_eq!(past.relative, "5 min ago");
        assert_eq!(past.wall, "2023-11-14 22:08:20 UTC");
        assert_eq!(past.machine, "2023-11-14T22:08:20Z");
        assert_eq!(moment(1_700_000_030_000).relative, "in 30 s");
        assert_eq!(moment(1_700_000_000_000).relative, "just now");
        assert_eq!(moment(0).wall, "1970-01-01 00:00:00 UTC");
    }

    #[test]
    fn a_moment_beyond_the_calendar_is_a_number() {
        let beyond = moment(u64::MAX);
        assert!(beyond.machine.is_empty());
        assert!(
            beyond.wall.starts_with("18,446,744,073,709,551,615 ms"),
            "{}",
            beyond.wall
        );
    }
}
