//! JSON of a job as it may be shown: masked, and cut where it is too long.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::limits::{boundary, cut};
use super::masking::Masking;

/// A piece of JSON from the store. Serialises as that JSON when it is there as a whole, and as a string with its
/// beginning when it was cut or is no JSON at all.
#[derive(Clone, Debug)]
pub enum Shown {
    /// All of it.
    Whole(Box<RawValue>),
    /// The beginning of a longer text.
    Beginning(String),
    /// A text that is no JSON, or its beginning.
    NotJson(String),
}

impl Shown {
    /// Masks a JSON text and cuts it at `most` bytes.
    pub(super) fn new(json: &str, masking: &Masking, most: usize) -> Self {
        let masked = masking.mask(json, most);
        if masked.len() > most {
            let end = boundary(&masked, most);
            return Self::Beginning(masked.get(..end).unwrap_or_default().to_owned());
        }
        match RawValue::from_string(masked.into_owned()) {
            Ok(raw) => Self::Whole(raw),
            Err(_) => Self::NotJson(cut(masking.mask(json, most).into_owned(), most).0),
        }
    }

    /// What is shown, as text.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Whole(raw) => raw.get(),
            Self::Beginning(text) | Self::NotJson(text) => text,
        }
    }

    /// The text indented for reading when it is whole, else as it is.
    #[must_use]
    pub fn pretty(&self) -> Cow<'_, str> {
        match self {
            Self::Whole(raw) => Cow::Owned(indented(raw.get())),
            Self::Beginning(text) | Self::NotJson(text) => Cow::Borrowed(text),
        }
    }

    /// Whether the end is missing.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        matches!(self, Self::Beginning(_))
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text())
    }
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Whole(raw) => raw.serialize(serializer),
            Self::Beginning(text) | Self::NotJson(text) => serializer.serialize_str(text),
        }
    }
}

/// Deeper levels are not indented further, or a hostile payload would become as large as its depth squared.
const DEEPEST_INDENT: usize = 32;

/// Lines and indentation for a valid JSON text, without touching a number or the order of keys.
fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut is_escaped, mut opened) = (0_usize, false, false, false);
    let break_line = |out: &mut String, depth: usize| {
        out.push('\n');
        (0..depth.min(DEEPEST_INDENT)).for_each(|_| out.push_str("  "));
    };
    for letter in json.chars() {
        if in_string {
            out.push(letter);
            in_string = is_escaped || letter != '"';
            is_escaped = !is_escaped && letter == '\\';
            continue;
        }
        if letter.is_ascii_whitespace() {
            continue;
        }
        let closes = matches!(letter, '}' | ']');
        if opened && !closes {
            break_line(&mut out, depth);
        }
        if closes {
            depth = depth.saturating_sub(1);
            if !opened {
                break_line(&mut out, depth);
            }
        }
        opened = matches!(letter, '{' | '[');
        depth += usize::from(opened);
        in_string = letter == '"';
        out.push(letter);
        match letter {
            ',' => break_line(&mut out, depth),
            ':' => out.push(' '),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Masking, Shown};

    #[test]
    fn whole_json_is_embedded_and_anything_else_is_a_string() {
        let show = |json: &str| serde_json::to_string(&Shown::new(json, &Masking::default(), 20)).unwrap();
        assert_eq!(show(r#"{"a":1e400}"#), r#"{"a":1e400}"#);
        assert_eq!(show("{\"a"), r#""{\"a""#);
        assert_eq!(
            show(r#"["123456789012345678901234567890"]"#),
            r#""[\"123456789012345678""#
        );
        assert_eq!(
            show(r#"{"token":"123456789012345678901234567890"}"#),
            r#"{"token":"***"}"#
        );
    }

    #[test]
    fn a_cut_never_splits_a_letter() {
        let shown = Shown::new(r#""ääääääää""#, &Masking::default(), 4);
        assert_eq!(shown.text(), "\"ä");
        assert!(shown.is_cut());
    }

    #[test]
    fn indentation_keeps_the_value() {
        let json = r#"{"b":[1,2,{}],"a":"x \" {,:","c":[],"d":{"e":1.50}}"#;
        let pretty = Shown::new(json, &Masking::default(), 1000).pretty().into_owned();
        assert_eq!(
            pretty,
            "{\n  \"b\": [\n    1,\n    2,\n    {}\n  ],\n  \"a\": \"x \\\" {,:\",\n  \"c\": [],\n  \"d\": {\n    \"e\": 1.50\n  }\n}"
        );
    }
}
