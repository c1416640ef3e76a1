//! Text as a terminal shows it: how wide it is, and what of it may get there.
//!
//! Names, data and error messages come from whoever adds jobs. A control character among them could recolour,
//! overwrite or reorder what the operator reads, so each is shown as its escape instead of being sent.

/// The same text with control characters and changes of writing direction shown as escapes; line ends stay.
pub(super) fn harmless(text: &str) -> String {
    escaped(text, |character| character == '\n')
}

/// The same text on one line.
pub(super) fn one_line(text: &str) -> String {
    escaped(text, |_| false)
}

fn escaped(text: &str, is_kept: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => shown.extend(character.escape_unicode()),
            _ if character.is_control() && !is_kept(character) => shown.extend(character.escape_default()),
            _ => shown.push(character),
        }
    }
    shown
}

/// How many columns the text takes.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// The start of the text in at most `limit` columns, with `…` where something was left off.
pub(super) fn truncated(text: &str, limit: usize) -> String {
    if width(text) <= limit {
        return text.to_owned();
    }
    let mut left = limit.saturating_sub(1);
    let mut kept: String = text
        .chars()
        .take_while(|character| {
            let fits = columns(*character) <= left;
            left = left.saturating_sub(columns(*character));
            fits
        })
        .collect();
    kept.push('…');
    kept
}

/// Columns of one character: 2 for the wide scripts and pictographs, 0 for marks that combine, else 1. Close enough
/// to keep columns straight; a terminal may differ on rare characters.
const fn columns(character: char) -> usize {
    match character as u32 {
        0x0300..=0x036f | 0x200b..=0x200f | 0x20d0..=0x20ff | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f680..=0x1f6ff
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::{harmless, one_line, truncated, width};

    #[test]
    fn nothing_that_steers_a_terminal_gets_through() {
        assert_eq!(one_line("a\u{1b}[31mb\nc\u{9b}d"), "a\\u{1b}[31mb\\nc\\u{9b}d");
        assert_eq!(harmless("a\nb\r\u{202e}c"), "a\nb\\r\\u{202e}c");
    }

    #[test]
    fn text_is_cut_where_it_no_longer_fits() {
        assert_eq!(truncated("welcome", 7), "welcome");
        assert_eq!(truncated("welcome", 6), "welco…");
        assert_eq!(truncated("日本語", 5), "日本…");
        assert_eq!(truncated("日本語", 4), "日…");
        assert_eq!(width("日本…"), 5);
    }
}
