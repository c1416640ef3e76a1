//! Redis's glob patterns: `*`, `?`, `[a-z]`, `[^a]` and backslash.
//!
//! A star is tried again from where the last one began, so a pattern of many stars costs at most pattern times text.

/// Whether `text` matches a pattern of Redis (`*`, `?`, `[a-z]`, `[^a]`, backslash) as a whole.
#[must_use]
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    // Redis never looks at a pattern when there is no text, not even at a star.
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut pattern, mut text) = (pattern, text);
    // Where to go on when what follows the last star does not fit.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', rest @ ..] = pattern {
            pattern = rest;
            retry = Some((pattern, text));
            continue;
        }
        match step(pattern, text) {
            Step::Matched(rest_of_pattern, rest_of_text) => (pattern, text) = (rest_of_pattern, rest_of_text),
            Step::Ended => return true,
            Step::Failed => {
                let Some((after_star, [_, shorter @ ..])) = retry else {
                    return false;
                };
                (pattern, text) = (after_star, shorter);
                retry = Some((after_star, shorter));
            }
        }
    }
}

enum Step<'a> {
    Matched(&'a [u8], &'a [u8]),
    Ended,
    Failed,
}

fn step<'a>(pattern: &'a [u8], text: &'a [u8]) -> Step<'a> {
    let [character, rest_of_text @ ..] = text else {
        return if pattern.is_empty() {
            Step::Ended
        } else {
            Step::Failed
        };
    };
    let (is_match, rest) = match pattern {
        [] => return Step::Failed,
        [b'?', rest @ ..] => (true, rest),
        [b'[', rest @ ..] => class(rest, *character),
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => (literal == character, rest),
    };
    if is_match {
        Step::Matched(rest, rest_of_text)
    } else {
        Step::Failed
    }
}

/// Reads a class after its `[`; returns the verdict and what follows the `]`.
fn class(pattern: &[u8], character: u8) -> (bool, &[u8]) {
    let (is_negated, mut rest) = match pattern {
        [b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut found = false;
    loop {
        rest = match rest {
            [] => return (found != is_negated, rest),
            [b'\\', literal, after @ ..] => {
                found |= *literal == character;
                after
            }
            [b']', after @ ..] => return (found != is_negated, after),
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
        let cases: [(&str, &str, bool); 17] = [
            ("*", "", false),
            ("", "", true),
            ("app:*:meta", "app:mail:meta", true),
            ("app:*:meta", "app:mail:id", false),
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
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxbxx", false),
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
