//! Redis's glob patterns: `*`, `?`, `[a-z]`, `[^a]` and backslash.

/// Whether `text` matches `pattern` as a whole.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let Some((&first, rest)) = pattern.split_first() else {
        return text.is_empty();
    };
    match first {
        b'*' => (0..=text.len()).any(|skipped| matches(rest, &text[skipped..])),
        b'?' => !text.is_empty() && matches(rest, &text[1..]),
        b'[' => {
            let Some((&character, text)) = text.split_first() else {
                return false;
            };
            let (is_in_class, rest) = class(rest, character);
            is_in_class && matches(rest, text)
        }
        b'\\' if !rest.is_empty() => text.first() == Some(&rest[0]) && matches(&rest[1..], &text[1..]),
        _ => text.first() == Some(&first) && matches(rest, &text[1..]),
    }
}

/// Reads a class after its `[`; returns the verdict and what follows the `]`.
fn class(pattern: &[u8], character: u8) -> (bool, &[u8]) {
    let is_negated = pattern.first() == Some(&b'^');
    let mut rest = if is_negated { &pattern[1..] } else { pattern };
    let mut found = false;
    loop {
        rest = match rest {
            [] => return (found != is_negated, rest),
            [b']', after @ ..] => return (found != is_negated, after),
            [b'\\', literal, after @ ..] => {
                found |= *literal == character;
                after
            }
            [low, b'-', high, after @ ..] => {
                found |= (*low.min(high)..=*low.max(high)).contains(&character);
                after
            }
            [literal, after @ ..] => {
                found |= *literal == character;
                after
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_in_redis() {
        let cases: [(&str, &str, bool); 14] = [
            ("*", "", true),
            ("bull:*:meta", "bull:mail:meta", true),
            ("bull:*:meta", "bull:mail:id", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[c-a]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[^a-c]x", "dx", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "aXb", false),
            ("[a\\]]", "]", true),
            ("abc", "abcd", false),
            ("**d", "abcd", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                expected,
                "{pattern} on {text}"
            );
        }
    }
}
