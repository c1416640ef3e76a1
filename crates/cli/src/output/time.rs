//! Times and lengths of time for people.

use std::time::{Duration, SystemTime};

/// A point in time, UTC, and how far away it is: `2026-03-01T10:00:00Z (5 min ago)`.
pub(crate) fn moment(milliseconds: u64) -> String {
    relative_to(milliseconds, SystemTime::now())
}

fn at(milliseconds: u64) -> SystemTime {
    let since = Duration::from_millis(milliseconds);
    SystemTime::UNIX_EPOCH
        .checked_add(since)
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

fn relative_to(milliseconds: u64, now: SystemTime) -> String {
    let signed = i64::try_from(milliseconds).ok();
    let Some(shown) = signed.and_then(|signed| jiff::Timestamp::from_millisecond(signed).ok()) else {
        // Any program may have written the number, the end of the calendar notwithstanding.
        return format!("{milliseconds} ms after 1970");
    };
    match now.duration_since(at(milliseconds)) {
        Ok(passed) => format!("{shown} ({} ago)", length(passed)),
        Err(ahead) => format!("{shown} (in {})", length(ahead.duration())),
    }
}

/// A length of time in its largest sensible unit: `250 ms`, `1.5 s`, `5 min`, `3 h`, `2 d`.
pub(crate) fn length(duration: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        HOUR..DAY => format!("{} h", seconds / HOUR),
        _ => format!("{} d", seconds / DAY),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{length, relative_to};

    #[test]
    fn lengths_are_told_in_their_largest_unit() {
        for (milliseconds, shown) in [
            (0, "0 ms"),
            (250, "250 ms"),
            (1_500, "1.5 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (7_200_000, "2 h"),
            (172_800_000, "2 d"),
        ] {
            assert_eq!(length(Duration::from_millis(milliseconds)), shown);
        }
    }

    #[test]
    fn moments_are_told_with_their_distance() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(
            relative_to(1_699_999_700_000, now),
            "2023-11-14T22:08:20Z (5 min ago)"
        );
        assert_eq!(
            relative_to(1_700_000_030_000, now),
            "2023-11-14T22:13:50Z (in 30 s)"
        );
        assert_eq!(relative_to(u64::MAX, now), "18446744073709551615 ms after 1970");
    }
}
