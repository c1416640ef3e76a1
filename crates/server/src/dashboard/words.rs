//! Numbers, lengths of time and sizes as people read them.

use std::time::Duration;

/// A number with its thousands set apart: `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number and what is counted: `1 job`, `2 jobs`.
pub(super) fn counted(number: u64, singular: &str, plural: &str) -> String {
    format!(
        "{} {}",
        count(number),
        if number == 1 { singular } else { plural }
    )
}

/// A length of time in one or two units: `250 ms`, `1.5 s`, `42 s`, `5 min`, `3 h 20 min`, `2 d 4 h`.
pub(super) fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..10 => format!("{:.1} s", tenths(duration)),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => two_units(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two_units(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// Cut and not rounded, so that 9.99 s does not become "10.0 s" beside "10 s".
fn tenths(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10.0).floor() / 10.0
}

fn two_units(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 {
        format!("{} {large_unit}", count(large))
    } else {
        format!("{} {large_unit} {small} {small_unit}", count(large))
    }
}

/// A round trip, which is mostly shorter than a millisecond: `0.31 ms`, `12 ms`.
pub(super) fn round_trip(milliseconds: f64) -> String {
    if milliseconds < 10.0 {
        format!("{milliseconds:.2} ms")
    } else {
        format!("{milliseconds:.0} ms")
    }
}

/// A size in bytes: `812 B`, `1.2 KiB`, `30 MiB`.
pub(super) fn size(bytes: usize) -> String {
    const UNITS: [&str; 3] = ["KiB", "MiB", "GiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut whole, mut rest, mut unit) = (bytes, 0, "B");
    for larger in UNITS {
        if whole < 1024 {
            break;
        }
        (whole, rest, unit) = (whole / 1024, whole % 1024, larger);
    }
    if whole < 10 {
        format!("{whole}.{} {unit}", rest * 10 / 1024)
    } else {
        format!("{whole} {unit}")
    }
}

/// The beginning of a text, on one line, with `…` when something is missing.
pub(super) fn beginning(text: &str, most_letters: usize) -> String {
    let mut letters = text.chars();
    let mut short: String = letters
        .by_ref()
        .take(most_letters)
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    if letters.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
        assert_eq!(counted(1, "job", "jobs"), "1 job");
        assert_eq!(counted(2000, "job", "jobs"), "2,000 jobs");
    }

    #[test]
    fn lengths_are_told_in_sensible_units() {
        for (milliseconds, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_550, "1.5 s"),
            (9_999, "9.9 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (3_599_999, "59 min"),
            (3_600_000, "1 h"),
            (12_000_000, "3 h 20 min"),
            (187_200_000, "2 d 4 h"),
            (86_400_000_000_000, "1,000,000 d"),
        ] {
            assert_eq!(length(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn sizes_are_told_in_sensible_units() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_536, "1.5 KiB"),
            (102_400, "100 KiB"),
            (31_457_280, "30 MiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn a_beginning_is_one_line_and_splits_no_letter() {
        assert_eq!(beginning("äöü\nx", 10), "äöü x");
        assert_eq!(beginning("äöü", 2), "äö…");
    }
}
