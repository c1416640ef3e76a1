//! Secrets in payloads, replaced by `"***"` before anybody sees them.
//!
//! Works on the JSON's text and not on a parsed value, so that everything else stays byte for byte as the producer
//! wrote it (large numbers, key order), nesting of any depth costs no stack, and even a text that is no valid JSON
//! is masked as far as keys can be recognised. Numbers, objects and lists under a hidden name are replaced as well.

use std::borrow::Cow;

/// Hidden unless said otherwise: names that end with one of these.
const DEFAULT: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "secretkey",
    "accesskey",
    "privatekey",
    "authorization",
    "cookie",
    "creditcard",
    "cardnumber",
    "cvv",
];
const MASK: &str = "\"***\"";

/// The field names whose values are hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masking {
    endings: Vec<String>,
}

impl Default for Masking {
    fn default() -> Self {
        Self::of(DEFAULT)
    }
}

impl Masking {
    /// Hides fields whose name ends with one of these, whatever its case, `_` and `-`: `token` hides `accessToken` and
    /// `X-Auth-Token`, and not `maxTokens`. None: nothing is hidden.
    #[must_use]
    pub fn of<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        Self {
            endings: names
                .into_iter()
                .map(|name| plain(name.as_ref()))
                .filter(|name| !name.is_empty())
                .collect(),
        }
    }

    /// The same with these names hidden as well.
    #[must_use]
    pub fn and<S: AsRef<str>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        for name in Self::of(names).endings {
            if !self.endings.contains(&name) {
                self.endings.push(name);
            }
        }
        self
    }

    /// The names as they are compared: lower case, without `_` and `-`.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.endings
    }

    /// The text with hidden values replaced. Stops once more than `most` bytes are sure to come out, so a huge payload
    /// costs no more than what is shown of it.
    pub(super) fn mask<'a>(&self, json: &'a str, most: usize) -> Cow<'a, str> {
        if self.endings.is_empty() {
            return Cow::Borrowed(json);
        }
        let bytes = json.as_bytes();
        let (mut masked, mut copied, mut at) = (String::new(), 0, 0);
        let mut rest = bytes.len();
        while let Some(quote) = next(bytes, at, |byte| byte == b'"') {
            let end = string_end(bytes, quote);
            let colon = skip_space(bytes, end);
            at = end;
            if bytes.get(colon) == Some(&b':') && self.hides(part(json, quote, end)) {
                let value = skip_space(bytes, colon + 1);
                at = value_end(bytes, value);
                if part(json, value, at) != "null" {
                    masked.push_str(part(json, copied, value));
                    masked.push_str(MASK);
                    copied = at;
                }
            }
            if masked.len() + (at - copied) > most {
                // What follows was not looked at, so it must not come out.
                rest = at;
                break;
            }
        }
        if copied == 0 {
            return Cow::Borrowed(part(json, 0, rest));
        }
        masked.push_str(part(json, copied, rest));
        Cow::Owned(masked)
    }

    /// Whether a key, still in its quotes, names a hidden field.
    fn hides(&self, quoted: &str) -> bool {
        let name = if quoted.contains('\\') {
            serde_json::from_str(quoted).unwrap_or_else(|_| quoted.trim_matches('"').to_owned())
        } else {
            quoted.trim_matches('"').to_owned()
        };
        let name = plain(&name);
        self.endings.iter().any(|ending| name.ends_with(ending.as_str()))
    }
}

fn plain(name: &str) -> String {
    name.chars()
        .filter(|letter| !matches!(letter, '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// All positions lie beside ASCII, so the part is always there.
fn part(text: &str, from: usize, to: usize) -> &str {
    text.get(from..to).unwrap_or_default()
}

fn next(bytes: &[u8], from: usize, is_it: impl Fn(u8) -> bool) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.iter()
        .position(|byte| is_it(*byte))
        .map(|offset| from + offset)
}

fn skip_space(bytes: &[u8], from: usize) -> usize {
    next(bytes, from, |byte| !byte.is_ascii_whitespace()).unwrap_or(bytes.len())
}

/// Behind the closing quote of the string that opens at `quote`.
fn string_end(bytes: &[u8], quote: usize) -> usize {
    let mut at = quote + 1;
    while let Some(found) = next(bytes, at, |byte| matches!(byte, b'"' | b'\\')) {
        match bytes.get(found) {
            Some(b'"') => return found + 1,
            // The escaped byte may be a quote; one of a longer escape sequence never is.
            _ => at = found + 2,
        }
    }
    bytes.len()
}

/// Behind the value that begins at `from`.
fn value_end(bytes: &[u8], from: usize) -> usize {
    match bytes.get(from) {
        Some(b'"') => string_end(bytes, from),
        Some(b'{' | b'[') => {
            let (mut depth, mut at) = (0_usize, from);
            while let Some(found) = next(bytes, at, |byte| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']')) {
                at = found + 1;
                match bytes.get(found) {
                    Some(b'"') => at = string_end(bytes, found),
                    Some(b'{' | b'[') => depth += 1,
                    _ => depth -= 1,
                }
                if depth == 0 {
                    return at;
                }
            }
            bytes.len()
        }
        _ => {
            let is_end = |byte: u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
            next(bytes, from, is_end).unwrap_or(bytes.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Masking;

    fn mask(json: &str) -> String {
        Masking::default().mask(json, usize::MAX).into_owned()
    }

    #[test]
    fn values_under_hidden_names_are_replaced_and_the_rest_stays_as_written() {
        for (json, shown) in [
            (
                r#"{"to":"a@b.c", "accessToken" : "x\"y" ,"n":12345678901234567890123}"#,
                r#"{"to":"a@b.c", "accessToken" : "***" ,"n":12345678901234567890123}"#,
            ),
            (
                r#"[{"X-Api-Key":{"a":["]"]}},{"max_tokens":5}]"#,
                r#"[{"X-Api-Key":"***"},{"max_tokens":5}]"#,
            ),
            (
                r#"{"cvv":123,"passwo\u0072d":true,"secret":null}"#,
                r#"{"cvv":"***","passwo\u0072d":"***","secret":null}"#,
            ),
            (r#"{"a":"token: 5","token":"#, r#"{"a":"token: 5","token":"***""#),
            (r#"{"password":"unfinished"#, r#"{"password":"***""#),
            ("not json", "not json"),
        ] {
            assert_eq!(mask(json), shown);
        }
    }

    #[test]
    fn nesting_of_any_depth_is_masked() {
        let deep = format!(
            r#"{}{{"token":{}1{}}}{}"#,
            "[".repeat(9000),
            "[".repeat(9000),
            "]".repeat(9000),
            "]".repeat(9000)
        );
        assert!(mask(&deep).contains(r#"{"token":"***"}"#));
    }

    #[test]
    fn nothing_is_hidden_when_nothing_is_named() {
        let none = Masking::of(Vec::<String>::new());
        assert_eq!(none.mask(r#"{"token":1}"#, 100), r#"{"token":1}"#);
    }

    #[test]
    fn what_was_not_looked_at_does_not_come_out() {
        let json = format!(
            r#"{{"token":"geheim","filler":"{}","b":{{"token":"geheim"}}}}"#,
            "x".repeat(5000)
        );
        for most in [0, 10, 100, 6000] {
            assert!(
                !super::super::limits::cut(Masking::default().mask(&json, most).into_owned(), most)
                    .0
                    .contains("geheim")
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_mask_panic(text in "[\\\\\"{}\\[\\]:, a-z\u{e4}]{0,40}|.{0,40}", most in 0_usize..50) {
            let _ = Masking::of(["a", "\u{e4}"]).mask(&text, most);
        }

        #[test]
        fn valid_json_stays_valid(keys in prop::collection::vec("[a-c\"\\\\]{0,3}", 0..6)) {
            let object: serde_json::Map<String, serde_json::Value> =
                keys.into_iter().map(|key| (key.clone(), serde_json::json!([key, {"a": "x", "k": [1]}]))).collect();
            let text = serde_json::Value::Object(object).to_string();
            let masked = Masking::of(["a"]).mask(&text, usize::MAX).into_owned();
            prop_assert!(serde_json::from_str::<serde_json::Value>(&masked).is_ok(), "{masked}");
        }
    }
}
